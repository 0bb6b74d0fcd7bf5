"""The result of ``aisecops drift`` as files that CI systems read: JUnit XML and SARIF 2.1.0.

Invariant: nothing from the log reaches a file but as one line of printable text. The two say the same as the exit code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

import orjson

from aisecops_langchain import __version__
from aisecops_langchain.cli.drift_gate import NAMES, NOT_REPRODUCIBLE, Judged
from aisecops_langchain.cli.output import one_line
from aisecops_langchain.forensics.drift import BundleReport, Flip
from aisecops_langchain.forensics.text import clip, name

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES: Final = {
    "log": "The audit log does not verify.",
    "unreadable": "Lines of the audit log cannot be read.",
    "determinism-fault": "A decision does not come out as recorded under the policy that made it.",
    "newly-allowed": "What was denied, or left to a person, would be allowed.",
    "newly-denied": "What was allowed, or left to a person, would be denied.",
    "newly-asked": "What was allowed or denied would be left to a person.",
    "terms": "The answer would be the same, with other obligations, approvals or grants.",
    NOT_REPRODUCIBLE: "The log does not hold what the policy would look at.",
}
_SHOWN: Final = 20


def told(flip: Flip) -> str:
    """Tell a change in one line.

    Args:
        flip: The change.

    Returns:
        Printable text.
    """
    rules = f" by {', '.join(map(name, flip.new_rules))}" if flip.new_rules else ""
    return one_line(
        f"{flip.count} x {name(flip.tool)} of {name(flip.agent)}: {flip.old.value} -> {flip.new.value}{rules};"
        f" {clip(flip.new_reason)} (run {name(flip.runs[0])})"
    )


def junit_of(judged: Judged) -> bytes:
    """Write a result as JUnit XML.

    Args:
        judged: The result.

    Returns:
        The document: one suite about the log, one for each policy, one case for each way to fail.
    """
    root = ET.Element("testsuites", name="aisecops drift")
    suites = [("log", list(_log_cases(judged)))]
    suites += [(bundle.policy, list(_cases(judged, bundle))) for bundle in judged.report.bundles]
    for title, cases in suites:
        failures = sum(1 for _, failure in cases if failure)
        suite = ET.SubElement(
            root, "testsuite", name=one_line(title), tests=str(len(cases)), failures=str(failures), errors="0"
        )
        for case, failure in cases:
            element = ET.SubElement(suite, "testcase", classname=one_line(title), name=case)
            if failure:
                ET.SubElement(element, "failure", message=failure[0]).text = "\n".join(failure)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _log_cases(judged: Judged) -> Iterator[tuple[str, Sequence[str]]]:
    problems = [one_line(problem.message) for problem in judged.verified.problems[:_SHOWN]]
    yield "verifies", [] if judged.verified.ok else problems or ["the log does not verify"]
    unreadable = judged.unreadable + judged.report.malformed
    yield "is readable", [f"{unreadable} lines cannot be read"] if unreadable else []
    yield "comes out as recorded", _faults(judged)


def _cases(judged: Judged, bundle: BundleReport) -> Iterator[tuple[str, Sequence[str]]]:
    for change, title in NAMES.items():
        flips = [told(flip) for flip in bundle.flips if flip.change is change]
        yield title, flips[:_SHOWN] if judged.gates(title) else []
    unknown = sum(bundle.not_reproducible.values())
    gated = unknown and judged.gates(NOT_REPRODUCIBLE)
    yield NOT_REPRODUCIBLE, [f"{unknown} decisions"] if gated else []


def _faults(judged: Judged) -> list[str]:
    return [
        one_line(
            f"{fault.count} x {name(fault.tool)} of {name(fault.agent)}: recorded {fault.recorded.value},"
            f" again {fault.again.value} (run {name(fault.runs[0])})"
        )
        for fault in judged.report.determinism.faults[:_SHOWN]
    ]


def sarif_of(judged: Judged) -> bytes:
    """Write a result as SARIF 2.1.0 (OASIS standard).

    Args:
        judged: The result.

    Returns:
        The document: one result for each kind of change, at the policy's file.
    """
    driver = {
        "name": "aisecops drift",
        "semanticVersion": __version__,
        "rules": [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": judged.verified.ok}],
        "columnKind": "unicodeCodePoints",
        "results": list(_results(judged)),
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _results(judged: Judged) -> Iterator[dict[str, object]]:
    for problem in judged.verified.problems:
        yield _result("log", "error", one_line(problem.message), judged.place)
    unreadable = judged.unreadable + judged.report.malformed
    if unreadable:
        yield _result("unreadable", "error", f"{unreadable} lines cannot be read", judged.place)
    for fault in _faults(judged):
        yield _result("determinism-fault", "error", fault, judged.place)
    for file, bundle in zip(judged.files, judged.report.bundles, strict=True):
        for flip in bundle.flips:
            title = NAMES[flip.change]
            level = "error" if judged.gates(title) else "note"
            yield _result(title, level, told(flip), file.as_posix(), count=flip.count)
        unknown = sum(bundle.not_reproducible.values())
        if unknown:
            level = "error" if judged.gates(NOT_REPRODUCIBLE) else "note"
            yield _result(NOT_REPRODUCIBLE, level, f"{unknown} decisions", file.as_posix(), count=unknown)


def _result(rule: str, level: str, text: str, place: str, *, count: int = 1) -> dict[str, object]:
    uri = quote(place, safe="/:@" if "://" in place else "/")  # an address keeps its scheme and host
    location = {"physicalLocation": {"artifactLocation": {"uri": uri}}}
    return {
        "ruleId": rule,
        "ruleIndex": list(_RULES).index(rule),
        "level": level,
        "message": {"text": text},
        "locations": [location],
        "occurrenceCount": count,
    }
