"""``aisecops policy``: check a policy bundle, test it, compare it, or ask it what it would decide.

Invariant: nothing is run, written or granted here; exit code 0 means that the bundle is sound, not that
a call is allowed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.output import CommandError
from aisecops_langchain.cli.policy_diff import diff_command
from aisecops_langchain.cli.policy_init import init_command
from aisecops_langchain.cli.policy_test import test_command
from aisecops_langchain.cli.source_policy import FILE, load, require_inspectable

if TYPE_CHECKING:
    from aisecops_langchain.domain.decision import DecisionRequest
    from aisecops_langchain.policy import Policy

_INTEGRITIES: Final = ("untrusted", "first_party", "user", "system")


@click.group("policy", cls=Group)
def policy_group() -> None:
    """Check, test and compare policy bundles, or ask one a question."""


policy_group.add_command(init_command)


@policy_group.command("check")
@click.argument("file", type=FILE)
@click.option("--strict", is_flag=True, help="Count warnings as faults.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def check_command(*, file: Path, strict: bool, as_json: bool) -> None:
    """Load a bundle strictly and look it over; exit code 1 if it is not sound or contradicts itself."""
    from aisecops_langchain.cli.output import one_line, print_json
    from aisecops_langchain.policy import Severity, find

    policy = load(file)
    require_inspectable(policy)
    findings = find(policy)
    ok = not any(strict or finding.severity is Severity.ERROR for finding in findings)
    facts: dict[str, object] = {
        "id": policy.id,
        "digest": policy.digest,
        "agents": len(policy.agents),
        "tools": len(policy.tools),
        **_counts(policy),
        "asks_approval": policy.requires_approval_possible(),
    }
    if as_json:
        print_json({"ok": ok, **facts, "findings": [finding.model_dump(mode="json") for finding in findings]})
    else:
        for key, value in facts.items():
            click.echo(one_line(f"{key}: {value}"))
        for finding in findings:
            click.echo(one_line(f"{finding.severity}: {finding.code}: {finding.message}"))
    if not ok:
        raise SystemExit(1)


@policy_group.command("explain")
@click.argument("file", type=FILE)
@click.option("--agent", required=True, help="The agent that calls.")
@click.option("--tool", required=True, help="The tool that it calls.")
@click.option("--args", "arguments", required=True, metavar="JSON", help="The arguments, as one JSON object.")
@click.option("--user", default="anonymous", show_default=True, help="On whose behalf.")
@click.option("--tenant", default="default", show_default=True, help="Of which organisation.")
@click.option(
    "--integrity",
    type=click.Choice(_INTEGRITIES),
    default="untrusted",
    show_default=True,
    help="The least trusted content that the agent has seen.",
)
@click.option(
    "--with",
    "more",
    default="{}",
    metavar="JSON",
    help="Whatever else a case may say: labels, methods, task, profile, usage, environment, as one JSON object.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def explain_command(
    *,
    file: Path,
    agent: str,
    tool: str,
    arguments: str,
    user: str,
    tenant: str,
    integrity: str,
    more: str,
    as_json: bool,
) -> None:
    """Show what a bundle would decide on a call, and the whole chain of reasons; nothing is run."""
    policy = load(file)
    rest = _object(more, "--with")
    asked = {"agent": agent, "tool": tool, "user": user, "tenant": tenant, "args": _object(arguments, "--args")}
    request = _request(policy, {"context": {"integrity": integrity}, **rest, **asked})
    explanation = policy.explain(request)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json({"policy": policy.id, "digest": policy.digest, **explanation.model_dump(mode="json")})
        return
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_policy import show_explanation

    show_explanation(console(), request, explanation)


policy_group.add_command(test_command)
policy_group.add_command(diff_command)


def _counts(policy: Policy) -> dict[str, object]:
    """Count what the normalised bundle holds."""
    import orjson

    bundle = orjson.loads(policy.bundle_json())
    return {"capabilities": len(bundle["capabilities"]), "rules": len(bundle["rules"])}


def _object(text: str, option: str) -> dict[str, object]:
    import orjson

    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{option} is not JSON; expected: one JSON object; got: {error.msg}") from error
    if not isinstance(value, dict):
        raise CommandError(f"{option} is not a JSON object; got: {type(value).__name__}")
    return value


def _request(policy: Policy, asked: dict[str, object]) -> DecisionRequest:
    import orjson
    from pydantic import ValidationError

    from aisecops_langchain.policy import Question

    try:
        question = Question.model_validate_json(orjson.dumps(asked), strict=True)
    except ValidationError as error:
        places = (".".join(map(str, item["loc"])) for item in error.errors(include_input=False, include_url=False))
        raise CommandError(f"the question is not right; expected: something usable for: {', '.join(places)}") from error
    unknown = question.usage.unknown(policy.bounds)
    if unknown:
        raise CommandError(f"the bundle has no such budget; got: {', '.join(unknown)}")
    return question.request(policy)
