"""Both ledgers of the package keep to the port, and the SQLite one also across processes and damage."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Change, Table
from aisecops_langchain.testing import MemoryLedger
from aisecops_langchain.testing.conformance import LedgerConformance, row

PREAMBLE = """
import os, sys
from contextlib import closing
from pathlib import Path
from aisecops_langchain.runtime.ports import Change, Row, Table
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.testing.conformance import row
path = Path(sys.argv[1])
"""

FORKED = """
go_read, go_write = os.pipe()
pipes, children = [], []
for number in range(int(sys.argv[2])):
    out_read, out_write = os.pipe()
    pipes.append(out_read)
    child = os.fork()
    if child == 0:
        os.close(go_write)
        os.read(go_read, 1)
        with closing(SqliteLedger(path)) as ledger, open(out_write, "w") as out:
            work(ledger, number, out)
        os._exit(0)
    os.close(out_write)
    children.append(child)
os.close(go_write)
failed = [os.waitpid(child, 0)[1] for child in children]
for out_read in pipes:
    with open(out_read) as out:
        print(out.read().strip())
sys.exit(any(failed))
"""


class TestSqliteLedger(LedgerConformance):
    """The ledger in a file."""

    @pytest.fixture
    def ledger(self, tmp_path):
        with closing(SqliteLedger(tmp_path / "ledger.sqlite3")) as ledger:
            yield ledger


class TestSqliteLedgerWithoutSync(LedgerConformance):
    """The same, told never to wait for the disk."""

    @pytest.fixture
    def ledger(self, tmp_path):
        with closing(SqliteLedger(tmp_path / "ledger.sqlite3", durable=False)) as ledger:
            yield ledger


class TestMemoryLedger(LedgerConformance):
    """The ledger for tests."""

    @pytest.fixture
    def ledger(self):
        return MemoryLedger()


def race_processes(path: Path, work: str, count: int = 4) -> list[str]:
    """Let processes that share nothing but the file start at once; return what each wrote (less than a pipe holds)."""
    command = [sys.executable, "-c", PREAMBLE + work + FORKED, str(path), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_processes_race_for_rows_and_counters(tmp_path):
    """Four processes that open one new file at once: every row has one winner, every count is given once."""
    work = """
def work(ledger, number, out):
    def attempt(step):
        mine = [Change(row(f"shared-{step}", f"v{number}")), Change(row(f"own-{step}-{number}"))]
        return ledger.apply(mine, durable=False)
    won = [step for step in range(40) if attempt(step)]
    print(*won, "|", *[ledger.increment("shared") for _ in range(40)], file=out)
"""
    printed = race_processes(tmp_path / "ledger.sqlite3", work)
    won = [[int(step) for step in line.split("|")[0].split()] for line in printed]
    counts = [int(value) for line in printed for value in line.split("|")[1].split()]
    assert sorted(step for steps in won for step in steps) == list(range(40))
    assert sorted(counts) == list(range(1, 161))
    with closing(SqliteLedger(tmp_path / "ledger.sqlite3")) as ledger:
        for number, steps in enumerate(won):
            for step in range(40):
                assert (ledger.get(Table.EFFECTS, f"own-{step}-{number}") is not None) is (step in steps)
                if step in steps:
                    assert ledger.get(Table.EFFECTS, f"shared-{step}").seal == f"v{number}"


def test_processes_race_for_one_version(tmp_path):
    """Four processes that replace the same versions: exactly one of them is told that it did."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        ledger.apply([Change(row(f"key-{step}")) for step in range(20)], durable=True)
    work = """
def work(ledger, number, out):
    for step in range(20):
        new = Change(row(f"key-{step}", f"p{number}"), replaces="v1")
        print(int(ledger.apply([new], durable=True)), end=" ", file=out)
"""
    won = [[int(flag) for flag in line.split()] for line in race_processes(path, work)]
    with closing(SqliteLedger(path)) as ledger:
        for step in range(20):
            winners = [number for number in range(4) if won[number][step]]
            assert [f"p{number}" for number in winners] == [ledger.get(Table.EFFECTS, f"key-{step}").seal]


def test_an_owner_lives_as_long_as_its_process(tmp_path):
    """Another process is alive while it runs and dead once it was killed, though it closed nothing."""
    path = tmp_path / "ledger.sqlite3"
    code = PREAMBLE + "ledger = SqliteLedger(path); print(ledger.owner, flush=True); sys.stdin.readline()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        owner = process.stdout.readline().strip()
        with closing(SqliteLedger(path)) as ledger:
            assert owner != ledger.owner
            assert ledger.is_alive(owner) is True
            process.kill()
            process.communicate()
            assert ledger.is_alive(owner) is False
    finally:
        process.kill()
        process.communicate()


def test_two_ledgers_of_one_process_are_two_owners(tmp_path):
    """Closing one of them ends that owner and not the other."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        other = SqliteLedger(path)
        assert ledger.is_alive(other.owner)
        other.close()
        assert not ledger.is_alive(other.owner)
        assert ledger.is_alive(ledger.owner)


def test_rows_survive_closing(tmp_path):
    """What was applied is there in the next ledger."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        ledger.apply([Change(row())], durable=False)
        ledger.increment("count")
    with closing(SqliteLedger(path)) as ledger:
        assert ledger.get(Table.EFFECTS, "key") == row()
        assert ledger.increment("count") == 2


def test_closing_twice_does_nothing(tmp_path):
    """A second close neither raises nor gives back a file that someone else has opened since."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    ledger.close()
    with (tmp_path / "other").open("w") as other:
        ledger.close()
        other.write("still open")
        other.flush()
    assert (tmp_path / "other").read_text() == "still open"


def use(ledger):
    """Every operation of the port."""
    return {
        "get": lambda: ledger.get(Table.EFFECTS, "key"),
        "apply": lambda: ledger.apply([Change(row("new"))], durable=True),
        "scan": lambda: list(ledger.scan(Table.EFFECTS)),
        "increment": lambda: ledger.increment("count"),
    }


@pytest.mark.parametrize("operation", ["get", "apply", "scan", "increment"])
def test_a_closed_ledger_refuses(tmp_path, operation):
    """After closing, every operation is an error of our tree."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    ledger.close()
    with pytest.raises(LedgerError):
        use(ledger)[operation]()


@pytest.mark.parametrize("operation", ["get", "apply", "scan", "increment"])
def test_a_ledger_that_lost_its_tables_refuses(tmp_path, operation):
    """A file that someone emptied is an error, never an empty answer."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        with closing(sqlite3.connect(path)) as attacker:
            attacker.executescript("DROP TABLE effects; DROP TABLE counters;")
        with pytest.raises(LedgerError, match=r"unavailable|no table"):
            use(ledger)[operation]()


PLANTED = {
    "a-trigger-that-takes-back-a-stop": "CREATE TRIGGER t AFTER INSERT ON stops BEGIN DELETE FROM stops; END",
    "a-trigger-that-forgets-a-start": "CREATE TRIGGER t AFTER UPDATE ON effects BEGIN DELETE FROM effects; END",
    "a-view": "CREATE VIEW v AS SELECT * FROM effects",
    "another-table": "CREATE TABLE t (x)",
    "another-index": "CREATE UNIQUE INDEX i ON effects (state)",
    "a-table-that-swallows-rows": (
        "DROP TABLE stops; CREATE TABLE stops (key TEXT PRIMARY KEY ON CONFLICT IGNORE, state TEXT NOT NULL, "
        "body BLOB NOT NULL, seal TEXT NOT NULL)"
    ),
    "a-table-that-is-gone": "DROP TABLE stops",
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_what_somebody_planted_in_the_file_is_noticed_before_anything_is_written(tmp_path, planted):
    """A trigger would act on behalf of an attacker who is long gone."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        with closing(sqlite3.connect(path)) as attacker:
            attacker.executescript(planted)
        for write in (
            lambda: ledger.apply([Change(row("k"))], durable=True),
            lambda: ledger.increment("calls"),
        ):
            with pytest.raises(LedgerError, match="holds not what this package puts there"):
                write()
    with pytest.raises(LedgerError, match="holds not what this package puts there"):
        SqliteLedger(path)


def test_what_analyze_leaves_is_no_reason_to_refuse(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        assert ledger.apply([Change(row("k"))], durable=True)
        with closing(sqlite3.connect(path)) as operator:
            operator.execute("ANALYZE")
        assert ledger.apply([Change(row("l"))], durable=True)
    SqliteLedger(path).close()


def test_an_index_that_an_older_release_did_not_make_is_made(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    SqliteLedger(path).close()
    with closing(sqlite3.connect(path)) as older:
        older.execute("DROP INDEX effects_by_run")
    with closing(SqliteLedger(path)) as ledger:
        assert ledger.apply([Change(row("k"))], durable=True)


def test_an_emptied_file_is_no_ledger_to_those_who_only_look(tmp_path):
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"")
    with pytest.raises(LedgerError, match="an empty file"):
        SqliteLedger(path, make=False)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    """Opening says what to do and shows nothing of the file."""
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"secret words " * 100)
    with pytest.raises(LedgerError) as caught:
        SqliteLedger(path)
    assert "secret" not in str(caught.value)
    assert caught.value.remedy


def test_a_file_of_another_version_is_refused(tmp_path):
    """A ledger that a later release wrote is not touched."""
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version=7")
    with pytest.raises(LedgerError, match="version"):
        SqliteLedger(path)


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    """A directory that is a file is an error of our tree."""
    (tmp_path / "blocked").write_text("")
    with pytest.raises(LedgerError):
        SqliteLedger(tmp_path / "blocked" / "ledger.sqlite3")


def test_a_failed_opening_leaves_no_owner_behind(tmp_path):
    """Whoever could not open a ledger does not count as alive."""
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError):
        SqliteLedger(path)
    left = [entry.name for entry in (tmp_path / "owners").iterdir() if not entry.name.startswith(".")]
    path.unlink()
    with closing(SqliteLedger(path)) as ledger:
        assert not [name for name in left if ledger.is_alive(name)]


def test_a_forked_child_refuses_the_inherited_handle(tmp_path):
    """SQLite handles do not survive a fork, so the child is told to open its own."""
    with closing(SqliteLedger(tmp_path / "ledger.sqlite3")) as ledger:
        child = os.fork()
        if child == 0:
            try:
                ledger.increment("count")
            except LedgerError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert ledger.increment("count") == 1


def test_a_locked_database_is_an_error_not_a_yes(tmp_path, monkeypatch):
    """While somebody else holds the write lock, a write waits and then fails; nothing is half applied."""
    monkeypatch.setattr("aisecops_langchain.runtime.ledger.sqlite._BUSY_SECONDS", 0.1)
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError):
            ledger.apply([Change(row())], durable=True)
        assert ledger.get(Table.EFFECTS, "key") is None
        other.execute("ROLLBACK")
        assert ledger.apply([Change(row())], durable=True)


def test_the_rows_of_a_run_are_found_through_an_index(tmp_path):
    """A question to an approver tells the run's chain; in a large ledger it must not read everything for that."""
    statements = []
    with closing(SqliteLedger(tmp_path / "ledger.sqlite3")) as ledger:
        ledger._db.set_trace_callback(statements.append)
        assert list(ledger.scan(Table.EFFECTS, trace="ab" * 16)) == []
        ledger._db.set_trace_callback(None)
        (statement,) = statements
        plan = ledger._db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    assert "USING INDEX effects_by_run" in plan[0][-1]
