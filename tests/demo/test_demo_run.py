"""What ``aisecops demo --json`` says, checked against the log, the books and the checkpoints that it leaves."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
from demo_kit import HOME, LETTER, RIGHT_ACCOUNT, WRONG_ACCOUNT, Finished, aisecops, books_in, events_in

from aisecops_langchain.audit import verify_log
from aisecops_langchain.demo.books import OPENING, Payment
from aisecops_langchain.domain.events import (
    ApprovalGranted,
    ContentSanitized,
    DecisionMade,
    ExecutionStarted,
    PermitIssued,
    RunFinished,
    RunResumed,
)


def test_the_object_says_what_the_log_says(finished: Finished) -> None:
    facts = finished.facts
    assert list(facts) == ["audit", "outcome", "events", "verified", "denied", "approved", "executed"]
    report = verify_log(finished.cwd / str(facts["audit"]))
    assert (facts["verified"], facts["events"]) == (report.ok, report.events)
    assert report.ok
    (end,) = [event for event in events_in(finished.home) if isinstance(event, RunFinished)]
    assert facts["outcome"] == end.outcome == "completed"


def test_the_denied_calls_are_the_two_that_the_letter_wants(finished: Finished) -> None:
    denied = [(item["tool"], item["stage"]) for item in finished.facts["denied"]]
    assert denied == [("pay_invoice", "rules"), ("change_supplier_account", "capability")]
    made = [event for event in events_in(finished.home) if isinstance(event, DecisionMade)]
    refused = [event for event in made if event.decision.effect == "deny"]
    assert [event.call.arguments["account"] for event in refused] == [WRONG_ACCOUNT, WRONG_ACCOUNT]


def test_the_letter_is_withheld_and_the_model_never_sees_it(finished: Finished) -> None:
    withheld = [event for event in events_in(finished.home) if isinstance(event, ContentSanitized)]
    (letter,) = [event for event in withheld if "quarantined" in event.actions]
    assert letter.source.name == LETTER
    assert {"override", "hidden", "concealment"} <= {item.category for item in letter.findings}
    state = (finished.home / "checkpoints.sqlite3").read_bytes()
    assert b"content withheld" in state
    assert b"process this letter" not in state
    assert "\U000e0041".encode() not in state


def test_one_payment_is_made_to_the_right_account(finished: Finished) -> None:
    (books,) = books_in(finished.home)
    assert books.payments == (Payment(invoice="INV-2291", account=RIGHT_ACCOUNT, amount=1840.0),)
    assert books.accounts == OPENING.accounts
    assert [mail.to for mail in books.mails] == ["maria.keller@brightwater.example"]


def test_the_payment_rests_on_the_approval_of_somebody_named(finished: Finished) -> None:
    events = events_in(finished.home)
    (started,) = [e for e in events if isinstance(e, ExecutionStarted) and e.tool == "pay_invoice"]
    (granted,) = [event for event in events if isinstance(event, ApprovalGranted)]
    (permit,) = [event for event in events if isinstance(event, PermitIssued) and event.permit == started.permit]
    assert permit.approval == granted.approval
    assert granted.call == started.call
    assert not granted.approver.verified
    (approved,) = finished.facts["approved"]
    assert (approved["by"], approved["call"]) == (granted.approver.id, started.call)


def test_what_ran_is_what_the_log_saw_start(finished: Finished) -> None:
    started = [event.tool for event in events_in(finished.home) if isinstance(event, ExecutionStarted)]
    assert [item["tool"] for item in finished.facts["executed"]] == started
    assert started == ["search_documents", "get_invoice", "pay_invoice", "send_email"]
    assert {item["state"] for item in finished.facts["executed"]} == {"completed"}


def test_the_run_goes_on_from_disk_after_the_approval(finished: Finished) -> None:
    """Everything was closed while it waited: the log has one closed segment from before and one from after."""
    report = verify_log(finished.home / "audit")
    assert [segment.closed for segment in report.segments] == [True, True]
    assert sum(isinstance(event, RunResumed) for event in events_in(finished.home)) == 1


def test_a_second_run_adds_a_trace_to_the_same_home(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.home, tmp_path / HOME)
    result = aisecops(tmp_path, "demo", "--json")
    assert result.returncode == 0
    facts = orjson.loads(result.stdout)
    assert (facts["outcome"], facts["verified"]) == ("completed", True)
    assert facts["events"] == 2 * int(str(finished.facts["events"]))
    assert [item["tool"] for item in facts["executed"]] == [item["tool"] for item in finished.facts["executed"]]
    events = events_in(tmp_path / HOME)
    assert len({event.trace for event in events}) == len({event.thread for event in events}) == 2
    assert [len(books.payments) for books in books_in(tmp_path / HOME)] == [1, 1]


def test_a_person_who_says_no_is_obeyed(tmp_path: Path) -> None:
    result = aisecops(tmp_path, "demo", "--json", "--ask", answers="n\n")
    assert result.returncode == 0
    facts = orjson.loads(result.stdout)
    assert (facts["outcome"], facts["verified"], facts["approved"]) == ("completed", True, [])
    assert "pay_invoice" not in {item["tool"] for item in facts["executed"]}
    assert books_in(tmp_path / HOME)[0].payments == ()
    assert RIGHT_ACCOUNT in result.stderr  # the question is shown beside the object, not in it


def test_a_person_who_goes_away_pays_nothing(tmp_path: Path) -> None:
    result = aisecops(tmp_path, "demo", "--ask")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert books_in(tmp_path / HOME)[0].payments == ()
    assert verify_log(tmp_path / HOME / "audit").ok
