"""``aisecops policy test``: ask a bundle the cases that stand beside it.

Invariant: exit code 0 means that there were cases and every one passed; no tool is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.output import CommandError, UnsoundError
from aisecops_langchain.cli.source_policy import FILE, load
from aisecops_langchain.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aisecops_langchain.policy import CaseResult, Policy


@click.command("test")
@click.argument("file", type=FILE)
@click.option("--cases", type=FILE, help="The cases; NAME.tests.yaml beside NAME.yaml by default.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the results as JUnit XML, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def test_command(*, file: Path, cases: Path | None, junit: Path | None, as_json: bool) -> None:
    """Ask a bundle every case; exit code 1 if an answer is not the expected one."""
    from aisecops_langchain.cli.output import print_json, write_file
    from aisecops_langchain.policy import load_cases, run_case

    policy = load(file)
    beside = cases or file.with_suffix(".tests.yaml")
    if not beside.is_file():
        raise CommandError(f"there are no cases; expected: {beside}, or --cases with another file")
    try:
        asked = load_cases(beside)
    except PolicyError as error:
        raise UnsoundError(str(error)) from error
    results = [run_case(policy, case) for case in asked]
    if junit is not None:
        write_file(junit, _junit(policy, results))
    failed = [result for result in results if result.faults]
    if as_json:
        counts = {
            "ok": not failed,
            "policy": policy.digest,
            "passed": len(results) - len(failed),
            "failed": len(failed),
        }
        print_json({**counts, "cases": [_as_json(policy, result) for result in results]})
    else:
        _show(policy, results)
    if failed:
        raise SystemExit(1)


def _as_json(policy: Policy, result: CaseResult) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": result.case.name,
        "ok": not result.faults,
        "expected": result.case.expect,
        "got": result.decision.effect,
        "rules": result.decision.rules,
        "faults": result.faults,
    }
    if result.faults:
        shown["explanation"] = policy.explain(result.case.request(policy)).model_dump(mode="json")
    return shown


def _show(policy: Policy, results: Sequence[CaseResult]) -> None:
    from aisecops_langchain.cli.output import console, one_line
    from aisecops_langchain.cli.render_policy import show_explanation

    out = console()
    for result in results:
        click.echo(one_line(f"{'FAILED' if result.faults else 'passed'} {result.case.name}"))
        for fault in result.faults:
            click.echo(one_line(f"  {fault}"))
        if result.faults:
            request = result.case.request(policy)
            show_explanation(out, request, policy.explain(request))
    failed = sum(bool(result.faults) for result in results)
    click.echo(f"{len(results) - failed} passed, {failed} failed")


def _junit(policy: Policy, results: Sequence[CaseResult]) -> bytes:
    from xml.etree import ElementTree as ET

    failures = sum(bool(result.faults) for result in results)
    suite = ET.Element("testsuite", name=policy.id, tests=str(len(results)), failures=str(failures))
    for result in results:
        case = ET.SubElement(suite, "testcase", classname=policy.id, name=result.case.name)
        if result.faults:
            ET.SubElement(case, "failure", message="; ".join(result.faults))
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))
