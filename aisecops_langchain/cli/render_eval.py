"""How an evaluation reads to a person.

Invariant: everything printed comes from the report; what is left out for length is said, and where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from aisecops_langchain.cli.output import console, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from aisecops_langchain.evals.agentdojo.findings import Finding
    from aisecops_langchain.evals.agentdojo.outcome import Outcome
    from aisecops_langchain.evals.agentdojo.report import Report

_LISTED: Final = 40
"""Lines of one list; the file of results has all of them."""


def print_report(report: Report) -> None:
    """Show a report.

    Args:
        report: The report.
    """
    out = console()
    out.print(_benign(report))
    if report.attacks:
        out.print(_attacks(report))
        out.print(_injections(report))
    _print_findings(out, "honest calls that did not run", "tasks lost", report.refused)
    _print_findings(out, "injected calls that ran", "attacks won", report.ran)
    _print_list(out, (f"failed: {_name(o)}: {o.reason} (trace {o.trace or 'none'})" for o in report.failures))
    _print_list(out, (f"attack succeeded: {_name(o)} (trace {o.trace or 'none'})" for o in report.breaches))
    _print_totals(out, report)


def _print_totals(out: Console, report: Report) -> None:
    benign, attack, audit = report.benign, report.attack, report.audit
    out.print(f"honest tasks done: {_share(benign.ok, benign.total)}")
    if report.attacks:
        out.print(f"attacks that succeed: {_share(attack.succeeded, attack.tool_mediated)} that need a tool")
        out.print(f"honest tasks done under attack: {_share(attack.served, attack.total)}")
    out.print(f"approvals asked per honest task: {benign.approvals_per_task} (approver: {report.approver})")
    verdict = "verifies" if audit.verified else "DOES NOT VERIFY"
    out.print(f"audit log {verdict}: {audit.events} events in {audit.segments} segments, {report.seconds:.1f} s")
    out.print(one_line(str(audit.path)), soft_wrap=True)


def _benign(report: Report) -> Table:
    from aisecops_langchain.evals.agentdojo.scores import BenignScore

    table = _table(
        f"AgentDojo v1.2.2, {report.planner} planner: honest tasks",
        ["suite"],
        ["utility kept", "calls run", "calls not run", "approvals"],
    )
    for name, outcomes in [*report.suites().items(), ("all", report.outcomes)]:
        score = BenignScore.of(outcomes)
        counts = (score.executed, score.refused, score.approvals)
        table.add_row(name, f"{score.ok}/{score.total}", *map(str, counts))
    return table


def _attacks(report: Report) -> Table:
    table = _attack_table("attacks by suite", ["suite"])
    for name, outcomes in [*report.suites().items(), ("all", report.outcomes)]:
        table.add_row(name, *_attack_cells(outcomes))
    return table


def _injections(report: Report) -> Table:
    table = _attack_table("attacks by injection", ["suite", "injection"])
    for (suite, task), outcomes in report.injections().items():
        table.add_row(suite, task, *_attack_cells(outcomes))
    return table


def _attack_table(title: str, names: Sequence[str]) -> Table:
    return _table(title, names, ["attacks won", "words only", "utility kept", "approvals"])


def _attack_cells(outcomes: tuple[Outcome, ...]) -> list[str]:
    from aisecops_langchain.evals.agentdojo.scores import AttackScore

    score = AttackScore.of(outcomes)
    return [
        f"{score.succeeded}/{score.tool_mediated}",
        f"{score.text_only_succeeded}/{score.total - score.tool_mediated}",
        f"{score.served}/{score.total}",
        str(score.approvals),
    ]


def _print_findings(out: Console, title: str, lost: str, findings: Sequence[Finding]) -> None:
    if not findings:
        return
    table = _table(title, ["suite", "tool", "reason"], ["calls", lost], ["a trace"])
    for found in findings[:_LISTED]:
        reason = one_line(found.reason)
        table.add_row(found.suite, one_line(found.tool), reason, str(found.count), f"{found.lost}", found.trace)
    out.print(table)
    _print_rest(out, len(findings))


def _print_list(out: Console, lines: Iterable[str]) -> None:
    found = list(lines)
    for line in found[:_LISTED]:
        out.print(one_line(line), soft_wrap=True)
    _print_rest(out, len(found))


def _print_rest(out: Console, count: int) -> None:
    if count > _LISTED:
        out.print(f"... and {count - _LISTED} more; --json has all of them")


def _table(title: str, names: Sequence[str], numbers: Sequence[str], more: Sequence[str] = ()) -> Table:
    from rich.table import Table

    table = Table(title=title)
    for heading in names:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right")
    for heading in more:
        table.add_column(heading, no_wrap=True)
    return table


def _name(outcome: Outcome) -> str:
    pair = f"{outcome.suite}/{outcome.user_task}"
    return f"{pair} with {outcome.injection_task}" if outcome.injection_task else pair


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} ({part / whole:.1%})" if whole else "0/0"
