"""Conditions in CEL, the Common Expression Language, behind ``cel`` in a rule's ``when``.

Invariant: an expression is type-checked when the bundle is loaded, and answers true or false or not at all. The engine
hands errors back as values, which count as true in Python: anything but a boolean is an error here, and denies.
Needs the extra ``cel``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from aisecops_langchain.domain.labels import Label
from aisecops_langchain.policy.operators import Accepts
from aisecops_langchain.policy.values import EvaluationError, OperandError

if TYPE_CHECKING:
    from aisecops_langchain.policy.attributes import Facts

CEL: Final = "cel"
"""Key of such a condition."""

_LONGEST: Final = 4096
_MAPS: Final = ("args", "environment", "labels", "context", "principal")
_TEXTS: Final = ("tool", "capability", "risk")


def compile_cel(source: JsonValue) -> Accepts:
    """Compile an expression.

    Args:
        source: The expression.

    Returns:
        The test, on what ``variables`` returns.

    Raises:
        OperandError: If it is not a sound expression of type bool, or the extra is not installed.
    """
    if not isinstance(source, str) or not 0 < len(source) <= _LONGEST:
        raise OperandError(f"cel takes an expression as text of at most {_LONGEST} characters")
    try:
        from cel_expr_python import cel  # noqa: PLC0415 - an extra, needed only by bundles that name it
    except ImportError:
        raise OperandError("cel needs the extra 'cel': pip install 'aisecops-langchain[cel]'") from None
    types = dict.fromkeys(_MAPS, cel.Type.Map(cel.Type.STRING, cel.Type.DYN)) | dict.fromkeys(_TEXTS, cel.Type.STRING)
    try:
        expression = cel.NewEnv(variables=types).compile(source)
    except Exception as error:  # noqa: BLE001 - the engine raises RuntimeError; whatever it is, there is no expression
        first = " ".join(str(error).split("\n")[0].split())
        raise OperandError(f"cel: not a sound expression over {', '.join((*_MAPS, *_TEXTS))}: {first}") from None
    if expression.return_type() != cel.Type.BOOL:
        raise OperandError("cel: the expression is not a condition; compare something, so that its type is bool")

    def accepts(value: object) -> bool:
        answer = expression.eval(data=value).value()
        if answer is True or answer is False:
            return answer
        raise EvaluationError("the expression has no answer")

    return accepts


def variables(facts: Facts) -> Mapping[str, object]:
    """Lay out a request for expressions.

    Args:
        facts: What a decision is made from.

    Returns:
        The variables by name; every argument has a label, which is the context's where none was given.
    """
    request, principal = facts.request, facts.request.principal
    labels = {name: _label(request.arguments.get(name, request.context)) for name in facts.arguments}
    return {
        "args": facts.arguments,
        "environment": request.environment,
        "labels": labels | {name: _label(label) for name, label in request.arguments.items()},
        "context": _label(request.context),
        "principal": {"agent": principal.agent, "user": principal.user, "tenant": principal.tenant},
        "tool": request.call.tool,
        "capability": facts.capability,
        "risk": facts.risk,
    }


def _label(label: Label) -> dict[str, object]:
    return {
        "integrity": label.integrity.value,
        "confidentiality": label.confidentiality.value,
        "sources": sorted({source.kind.value for source in label.sources}),
    }
