"""Attacks on the rows of a ledger at rest, each of which the log gives away, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_logs import Run, segment_of
from click.testing import Result

from aisecops_langchain.domain.labels import NEUTRAL
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve, Reject
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ports import Ledger

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from grant_kit import CALL, WISH, GrantWorld
from runtime_kit import ALICE

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")

POLICY = parse_policy("""
version: 1
id: ledger-tests
agents: {clerk: {capabilities: [working]}}
capabilities:
  working: {tools: [look, pay, sync], risk: low}
rules:
  - {id: look, effect: allow, tools: [look]}
  - {id: sync, effect: require_approval, tools: [sync]}
  - {id: pay, effect: require_approval, tools: [pay], grants: {max_seconds: 3600, max_uses: 20, any: [note]}}
""")


@dataclass
class Lived:
    """A home in which something of every kind happened, and what an attacker does to its ledger."""

    home: Path
    run: Run
    options: list[str]
    attack: Callable[..., Any]
    """Runs one SQL statement on the ledger; ``:table`` is in its place already."""
    reopen: Callable[[], Governor]
    world: GrantWorld
    looked: list[str]
    """Keys of the two effects that were begun without anybody being asked."""
    asked: str
    """Key of the approval that was rejected."""
    grant: str

    def check(self, *options: str) -> Result:
        return self.run("audit", "ledger", "--home", self.home, *self.options, *options)

    def found(self) -> list[tuple[str, str, str]]:
        done = self.check("--json")
        told = json.loads(done.output)
        assert (done.exit_code, told["ok"]) == ((1, False) if told["findings"] else (0, True)), done.output
        return [(item["table"], item["key"], item["fault"]) for item in told["findings"]]

    def keep(self, table: str, key: str) -> tuple[Any, ...]:
        (row,) = self.attack(f"SELECT state, body, seal FROM {table} WHERE key = ?", key)
        return row

    def put_back(self, table: str, key: str, row: tuple[Any, ...]) -> None:
        self.attack(f"UPDATE {table} SET state = ?, body = ?, seal = ? WHERE key = ?", *row, key)


def _ran(world: GrantWorld, permit: str, proposal: Any) -> str:
    running = world.governor.execution.begin(permit, world.binding(proposal))
    world.governor.execution.complete(running, result="sha256:0", label=NEUTRAL)
    return running.key


def _live(world: GrantWorld) -> tuple[list[str], str, str]:
    """Effects that ran, one that was only permitted, approvals of both kinds, a grant that is used, and a stop."""
    looked = []
    for number in (1, 2):
        proposal = world.step("look", number=number)
        looked.append(_ran(world, world.permit(proposal).id, proposal))
    world.permit(world.step("look", number=3))
    asking = world.step("sync", x=1)
    world.governor.approvals.answer(world.ask(asking), Reject("no"), ALICE)
    given = world.give(CALL, **{name: WISH[name] for name in ("for_seconds", "uses")})
    covered = world.step(**CALL)
    verdict = world.decide(covered)
    assert isinstance(verdict, Permitted)
    _ran(world, verdict.permit.id, covered)
    world.governor.stops.order("agent", "other", by="ops")
    return looked, world.binding(asking).approval_key(), given.id


def _sqlite(home: Path) -> Callable[..., Any]:
    def attack(statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(home / "ledger.sqlite3")) as session, session:
            return session.execute(statement, values).fetchall()

    return attack


def _postgres(schema: str) -> Callable[..., Any]:
    import psycopg

    def attack(statement: str, *values: Any) -> list[Any]:
        with psycopg.connect(URL, autocommit=True, options=f"-c search_path={schema}") as session:
            cursor = session.execute(statement.replace("?", "%s"), values or None)
            return cursor.fetchall() if cursor.description else []

    return attack


@pytest.fixture(params=["sqlite", "postgres"])
def lived(request: pytest.FixtureRequest, tmp_path: Path, run: Run) -> Iterator[Lived]:
    home, schema = tmp_path / "home", f"test_{uuid.uuid4().hex}"
    shared = request.param == "postgres"
    if shared and not URL:
        pytest.skip("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")

    def opened() -> Governor:
        ledger: Ledger | None = PostgresLedger(URL, schema=schema) if shared else None
        return Governor.open(POLICY, home, ledger=ledger)

    world = GrantWorld(policy=POLICY)
    with opened() as world.governor:
        world.scope = world.governor.scope(
            trace="ab" * 16, thread="thread-1", checkpoint_ns="", principal=world.scope.principal
        )
        looked, asked, grant = _live(world)
    options = ["--ledger", URL, "--schema", schema] if shared else []
    attack = _postgres(schema) if shared else _sqlite(home)
    yield Lived(home, run, options, attack, opened, world, looked, asked, grant)
    if shared:
        attack(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def test_a_ledger_that_holds_all_is_sound_and_looking_writes_nothing(lived: Lived) -> None:
    before = {path: path.read_bytes() for path in (lived.home / "audit").rglob("*") if path.is_file()}
    done = lived.check()
    assert done.exit_code == 0, done.output
    assert "The ledger holds all that the log tells of: 3 effects, 2 approvals, 1 grants, 1 stops." in done.output
    assert "Log verified" in done.output
    assert before == {path: path.read_bytes() for path in (lived.home / "audit").rglob("*") if path.is_file()}


def test_a_deleted_effect_is_named(lived: Lived) -> None:
    lived.attack("DELETE FROM effects WHERE key = ?", lived.looked[0])
    assert lived.found() == [("effects", lived.looked[0], "missing")]
    done = lived.check()
    assert "THE LEDGER LACKS 1 OF WHAT THE LOG TELLS OF" in done.output
    assert f"effect {lived.looked[0]} is gone: look" in done.output
    assert "thread thread-1" in done.output


def test_several_deleted_rows_are_all_named(lived: Lived) -> None:
    lived.attack("DELETE FROM effects WHERE key = ?", lived.looked[0])
    lived.attack("DELETE FROM effects WHERE key = ?", lived.looked[1])
    lived.attack("DELETE FROM approvals WHERE key = ?", lived.asked)
    lived.attack("DELETE FROM stops")
    expected = {("effects", key, "missing") for key in lived.looked}
    assert set(lived.found()) == expected | {
        ("approvals", lived.asked, "missing"),
        ("stops", "register", "missing"),
    }


@pytest.mark.parametrize(("table", "count"), [("effects", 3), ("approvals", 2), ("grants", 1), ("stops", 1)])
def test_an_emptied_table_is_named_row_by_row(lived: Lived, table: str, count: int) -> None:
    lived.attack(f"DELETE FROM {table}")
    assert [(where, fault) for where, _, fault in lived.found()] == [(table, "missing")] * count


@pytest.mark.parametrize("table", ["effects", "approvals", "grants", "stops"])
def test_a_table_that_is_gone_is_no_ledger_to_compare(lived: Lived, table: str) -> None:
    lived.attack(f"DROP TABLE {table}")
    done = lived.check()
    assert (done.exit_code, "ledger" in done.output.lower()) == (2, True), done.output


@pytest.mark.parametrize("lived", ["sqlite"], indirect=True)  # a PostgreSQL ledger makes no table anew
def test_a_table_that_is_made_anew_is_an_empty_one(lived: Lived) -> None:
    """An older version number lets the tables of a SQLite file be made again; their rows are missing all the same."""
    lived.attack("DROP TABLE effects")
    lived.attack("PRAGMA user_version = 2")
    assert [fault for _, _, fault in lived.found()] == ["missing"] * 3


@pytest.mark.parametrize("lived", ["sqlite"], indirect=True)  # whose file is copied
def test_an_older_copy_of_everything_is_noticed(lived: Lived, tmp_path: Path) -> None:
    """Rows that were written after the copy are missing, those that went on are older."""
    copied = tmp_path / "copy.sqlite3"
    shutil.copy(lived.home / "ledger.sqlite3", copied)
    with lived.reopen() as lived.world.governor:
        later = lived.world.step("look", number=9)
        key = _ran(lived.world, lived.world.permit(later).id, later)
        lived.world.governor.grants.revoke(lived.grant, by="ops")
        lived.world.governor.stops.order("agent", "another", by="ops")
    assert lived.found() == []
    for path in lived.home.glob("ledger.sqlite3*"):
        path.unlink()
    shutil.copy(copied, lived.home / "ledger.sqlite3")
    assert lived.found() == [
        ("effects", key, "missing"),
        ("grants", lived.grant, "older"),
        ("stops", "register", "older"),
    ]


def test_an_effect_whose_row_was_taken_away_so_that_it_ran_again_is_noticed(lived: Lived) -> None:
    """The row is there, but of another permit than the first one that the log tells of."""
    with lived.reopen() as lived.world.governor:
        proposal = lived.world.step("look", number=9)
        key = _ran(lived.world, lived.world.permit(proposal).id, proposal)
    lived.attack("DELETE FROM effects WHERE key = ?", key)
    with lived.reopen() as lived.world.governor:
        assert _ran(lived.world, lived.world.permit(proposal).id, proposal) == key
    assert lived.found() == [("effects", key, "replaced")]


def test_a_permit_put_back_after_its_use_is_noticed(lived: Lived) -> None:
    with lived.reopen() as lived.world.governor:
        proposal = lived.world.step("look", number=9)
        permit = lived.world.permit(proposal)
        key = lived.world.binding(proposal).effect_key()
        reserved = lived.keep("effects", key)
        _ran(lived.world, permit.id, proposal)
    lived.put_back("effects", key, reserved)
    assert lived.found() == [("effects", key, "older")]


def test_a_question_put_back_after_its_no_is_noticed(lived: Lived) -> None:
    with lived.reopen() as lived.world.governor:
        binding = lived.world.ask(lived.world.step("sync", x=2))
        pending = lived.keep("approvals", binding.approval_key())
        lived.world.governor.approvals.answer(binding, Reject("no"), ALICE)
    lived.put_back("approvals", binding.approval_key(), pending)
    assert lived.found() == [("approvals", binding.approval_key(), "older")]


def test_a_revoked_grant_that_was_put_back_is_noticed(lived: Lived) -> None:
    ((place,),) = lived.attack("SELECT key FROM grants")
    standing = lived.keep("grants", place)
    with lived.reopen() as lived.world.governor:
        lived.world.governor.grants.revoke(lived.grant, by="ops")
    assert lived.found() == []
    lived.put_back("grants", place, standing)
    assert lived.found() == [("grants", lived.grant, "older")]


@pytest.mark.parametrize("table", ["effects", "approvals", "grants", "stops"])
def test_an_edited_row_is_named_and_the_others_are_still_compared(lived: Lived, table: str) -> None:
    lived.attack("DELETE FROM effects WHERE key = ?", lived.looked[0])
    lived.attack(f"UPDATE {table} SET seal = ?", "00" * 32)
    faults = {(where, fault) for where, _, fault in lived.found()}
    assert {("effects", "missing"), (table, "edited")} <= faults


def test_permits_that_were_never_used_may_be_lost_with_the_power(lived: Lived) -> None:
    """Their rows are not waited for; the log tells of them, and nothing ran."""
    lived.attack("DELETE FROM effects WHERE state = ?", "reserved")
    done = lived.check()
    assert done.exit_code == 0, done.output
    assert "1 permits that were never used have no row" in done.output


def test_what_waits_and_what_runs_is_no_fault(lived: Lived) -> None:
    with lived.reopen() as lived.world.governor:
        proposal = lived.world.step("look", number=9)
        lived.world.governor.execution.begin(lived.world.permit(proposal).id, lived.world.binding(proposal))
        asking = lived.world.step("sync", x=3)
        assert isinstance(lived.world.decide(asking), NeedsApproval)
        lived.world.ask(asking)
        assert lived.found() == []


def test_an_answer_counts_while_the_run_has_not_gone_on_with_it(lived: Lived) -> None:
    with lived.reopen() as lived.world.governor:
        binding = lived.world.ask(lived.world.step("sync", x=4))
        lived.world.governor.approvals.answer(binding, Approve(), ALICE)
    assert lived.found() == []


def test_a_log_that_does_not_verify_is_not_believed(lived: Lived) -> None:
    """Whoever deletes a row and takes its line out of the log breaks the chain."""
    lived.attack("DELETE FROM effects WHERE key = ?", lived.looked[0])
    segment = segment_of(lived.home / "audit")
    lines = segment.read_bytes().splitlines(keepends=True)
    started = next(line for line in lines if b'"kind":"execution_started"' in line)
    segment.write_bytes(b"".join(line for line in lines if line != started))
    done = lived.check()
    assert (done.exit_code, "LOG DOES NOT VERIFY" in done.output) == (1, True), done.output


def test_a_line_that_cannot_be_read_is_not_passed_over(lived: Lived) -> None:
    segment = segment_of(lived.home / "audit")
    segment.write_bytes(segment.read_bytes().replace(b'"kind":"execution_started"', b'"kind":"execution_started_"', 1))
    told = json.loads(lived.check("--json").output)
    assert (told["ok"], told["log"]["verified"]) == (False, False)


def test_a_last_line_that_a_killed_process_left_in_pieces_tells_nothing(lived: Lived) -> None:
    """It was never durable, so nothing rests on it; verification says the same of it."""
    killed = lived.home.with_name("killed")
    with lived.reopen() as lived.world.governor:
        lived.world.permit(lived.world.step("look", number=9))
        lived.world.governor.recorder.commit()
        shutil.copytree(lived.home, killed)  # as it lies on disk while the process runs
    newest = max((killed / "audit").glob("*.jsonl"))
    newest.write_bytes(newest.read_bytes() + b'{"seq":99,"prev":"ab')
    lived.home = killed
    done = lived.check("--json")
    told = json.loads(done.output)
    assert (done.exit_code, told["ok"], told["log"]["unreadable_lines"]) == (0, True, 1), told
    assert {warning["code"] for warning in told["log"]["warnings"]} >= {"torn_tail"}


def test_a_key_that_did_not_sign_the_log_is_not_believed(lived: Lived) -> None:
    (public,) = (lived.home / "audit" / "keys").glob("*.pub")
    assert lived.check("--key", str(public)).exit_code == 0
    assert lived.check("--key", "ab" * 32).exit_code == 1


def test_what_is_printed_obeys_no_terminal(lived: Lived) -> None:
    with lived.reopen() as lived.world.governor:
        lived.world.governor.stops.order("agent", "x\x1b[2J", by="ops")
    lived.attack("DELETE FROM stops")
    done = lived.check()
    assert done.exit_code == 1
    assert "\x1b" not in done.output + lived.check("--json").output


def test_a_directory_that_is_no_home_cannot_be_compared(run: Run, tmp_path: Path) -> None:
    assert run("audit", "ledger", "--home", tmp_path).exit_code == 2
