"""Rego policies as a policy engine, behind the extra ``rego``.

Invariant: in Rego what errs or is missing is undefined, and a prohibition that is undefined does not fire; here the
policy must answer every question with true or false, and anything else denies. Arguments are held to declared kinds
before Rego sees them, and only built-in functions that are known to answer the same everywhere may be called: no
network, no clock, no randomness, and none whose dialect the interpreter does not honour, such as regular expressions.

The policy is one module ``package aisecops`` whose rules ``deny``, ``require_approval`` and ``allow`` are objects from
the name of a rule to true or false. It sees ``input.agent``, ``tool``, ``user``, ``tenant``, ``args``, ``folded`` (the
texts among the arguments, in NFKC and case-folded), ``integrity``, ``confidentiality``, ``labels`` (per argument, its
integrity), ``task.in_scope`` and ``task.tool_in_scope``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, Self

from pydantic import JsonValue

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.errors import ConfigurationError, PolicyError
from aisecops_langchain.policy.external import ExternalEngine, engine_digest
from aisecops_langchain.policy.model import Limits, Risk
from aisecops_langchain.policy.rego_process import RegoProcess, WorkerError

MAX_INPUT_BYTES: Final = 65_536
"""A larger request is denied before it is handed over."""

KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "strings": (list,),
}
"""Kinds of arguments by the exact types that they take. Rego compares across kinds, so no other kind is let in."""

_COMBINED: Final = (Effect.DENY, Effect.REQUIRE_APPROVAL, Effect.ALLOW)
_NUMBERS: Final = {"equal", "neq", "gt", "gte", "lt", "lte", "plus", "minus", "mul", "div", "rem", "abs"}
_TEXTS: Final = {"contains", "startswith", "endswith", "concat", "split", "replace", "trim_prefix", "trim_suffix"}
_LISTS: Final = {"count", "sum", "max", "min", "object.get", "internal.member_2", "internal.member_3"}
_KNOWN: Final = frozenset(_NUMBERS | _TEXTS | _LISTS)
"""What compiled policies may call; operators are functions, too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegoPolicy(ExternalEngine):
    """A policy engine over Rego; make one with ``RegoPolicy.parse``."""

    arguments: Mapping[str, Mapping[str, str]] = field(repr=False)
    process: RegoProcess = field(repr=False)

    @classmethod
    def parse(
        cls,
        policy: str,
        *,
        name: str,
        agents: Collection[str],
        tools: Mapping[str, Risk],
        arguments: Mapping[str, Mapping[str, str]],
        limits: Limits | None = None,
        reveal: Collection[str] = (),
    ) -> Self:
        """Compile a policy.

        Args:
            policy: The module.
            name: Name of the policy.
            agents: The agents that may act at all.
            tools: The tools that may be called at all, with their risk.
            arguments: For each tool its arguments and their kind: ``string``, ``integer``, ``number``, ``boolean`` or
                ``strings``; with a ``?`` at the end if it may be left out.
            limits: Bounds that the runtime enforces.
            reveal: ``tool.argument`` entries whose values may be logged although they look like personal data.

        Returns:
            The engine.

        Raises:
            PolicyError: If the policy does not compile, calls what it may not, or a declaration is not sound.
            ConfigurationError: If the extra is not installed.
        """
        _check_declared(tools, arguments, name)
        process = _compiled(policy, name)
        bounds = limits or Limits()
        kinds: JsonValue = {tool: dict(declared) for tool, declared in arguments.items()}
        return cls(
            id=name,
            digest=engine_digest(
                "rego", [policy, name, kinds], agents=agents, tools=tools, limits=bounds, reveal=reveal
            ),
            agents=frozenset(agents),
            tools=frozenset(tools),
            limits=bounds,
            reveal=frozenset(reveal),
            risks=dict(tools),
            arguments={tool: dict(declared) for tool, declared in arguments.items()},
            process=process,
        )

    def _answer(self, request: DecisionRequest) -> Decision:
        arguments = request.call.arguments()
        fault = _misfit(arguments, self.arguments[request.call.tool])
        if fault:
            return self._refuse(request, "argument_constraint", fault)
        asked = canonical_bytes(_laid_out(request, arguments))
        if len(asked) > MAX_INPUT_BYTES:
            return self._refuse(request, "engine_error", f"the request is larger than {MAX_INPUT_BYTES} bytes")
        answer = self._ask(asked.decode())
        if answer is None:  # its words may hold values
            return self._refuse(request, "rule_error", "the policy has no plain answer to this request")
        for effect in _COMBINED:
            matched = sorted(rule for rule, holds in answer[effect].items() if holds)
            if matched:
                return self._decision(request, effect, matched)
        return self._decision(request, Effect.DENY, [])

    def _ask(self, asked: str) -> dict[Effect, dict[str, bool]] | None:
        """Return what each rule says; ``None`` unless every one of them says true or false."""
        answer = self.process.ask(asked)
        found = answer.get("expressions") if isinstance(answer, dict) else None
        said = found[0] if isinstance(found, list) and len(found) == 1 else None
        if not isinstance(said, dict):
            return None
        rules = {effect: _plain(said.get(effect.value)) for effect in _COMBINED}
        told = {effect: plain for effect, plain in rules.items() if plain is not None}
        return told if len(told) == len(rules) else None

    @property
    def asks_task(self) -> bool:
        """Whether a decision may depend on the task scope: Rego does not say, so it may."""
        return True

    def requires_approval_possible(self) -> bool:
        """Tell whether any rule may ask a person: Rego does not say, so one may."""
        return True


def _laid_out(request: DecisionRequest, arguments: Mapping[str, JsonValue]) -> JsonValue:
    context, task = request.context, request.task
    labels = {name: request.arguments.get(name, context).integrity.value for name in arguments}
    texts = {name: value for name, value in arguments.items() if isinstance(value, str)}
    return {
        "agent": request.principal.agent,
        "tool": request.call.tool,
        "user": request.principal.user,
        "tenant": request.principal.tenant,
        "args": dict(arguments),
        "folded": {name: unicodedata.normalize("NFKC", text).casefold() for name, text in texts.items()},
        "integrity": context.integrity.value,
        "confidentiality": context.confidentiality.value,
        "labels": {**labels},
        "task": {"in_scope": task.in_scope, "tool_in_scope": task.tool_in_scope},
    }


def _plain(rules: JsonValue) -> dict[str, bool] | None:
    if not isinstance(rules, dict):
        return None
    plain = {name: holds for name, holds in rules.items() if isinstance(holds, bool)}
    return plain if len(plain) == len(rules) else None


def _misfit(arguments: Mapping[str, JsonValue], declared: Mapping[str, str]) -> str:
    """Say what does not fit the declaration, without a value; empty if everything fits."""
    if not set(arguments) <= set(declared):
        return "the call has an argument that the policy does not know"
    for name, kind in declared.items():
        if name not in arguments:
            if not kind.endswith("?"):
                return f"argument {name!r} is missing"
        elif not _fits(arguments[name], kind.removesuffix("?")):
            return f"argument {name!r} is not of kind {kind}"
    return ""


def _fits(value: JsonValue, kind: str) -> bool:
    if type(value) not in KINDS[kind]:
        return False
    return not isinstance(value, list) or all(type(item) is str for item in value)


def _check_declared(tools: Collection[str], arguments: Mapping[str, Mapping[str, str]], name: str) -> None:
    if set(tools) != set(arguments):
        raise PolicyError(
            "every tool needs its arguments declared, and no other",
            file=name,
            expected=", ".join(sorted(tools)),
            got=", ".join(sorted(arguments)) or "none",
        )
    kinds = {kind for declared in arguments.values() for kind in declared.values()}
    odd = sorted(kind for kind in kinds if kind.removesuffix("?") not in KINDS)
    if odd:
        raise PolicyError("unknown kind of argument", file=name, expected=", ".join(KINDS), got=", ".join(odd))


def _compiled(policy: str, name: str) -> RegoProcess:
    if find_spec("regopy") is None:
        raise ConfigurationError(
            "Rego is not installed", expected="regopy", remedy="pip install 'aisecops-langchain[rego]'"
        )
    if "\\u" in policy:
        raise PolicyError("the interpreter does not read \\u in texts; write the character itself", file=name)
    process = RegoProcess(policy)
    try:
        called = process.compile()
        if called - _KNOWN:
            raise PolicyError(
                "the policy calls functions that it may not",
                file=name,
                expected=", ".join(sorted(_KNOWN)),
                got=", ".join(sorted(called - _KNOWN)),
                remedy="compare texts with contains, startswith or endswith, over input.folded whatever the case",
            )
        sound = isinstance(process.ask("{}"), dict)  # functions that do not exist show only now
        fault = "" if sound else "it has no answer even to an empty request"
    except WorkerError as error:
        fault = str(error)
    if fault:
        raise PolicyError(
            f"the Rego policy does not compile: {fault}", file=name, expected="package aisecops, with known functions"
        )
    return process
