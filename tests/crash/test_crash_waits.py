"""How often a governed call waits for the disk: at most twice for an executed call of an allowed tool."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from crash_worker import POLICY, SANITIZER
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from aisecops_langchain import Governor, govern
from aisecops_langchain.testing import ScriptedChatModel, call

CALLS = 8


def run(home: Path, calls: int, *, together: bool, durability: str = "group") -> Governor:
    """Run a number of calls of an allowed tool, in one turn or in one turn each; returns the open governor."""

    @tool
    def look(number: int) -> str:
        """Do something."""
        return str(number)

    proposed = [call("look", f"look-{number}", number=number) for number in range(calls)]
    turns = ([proposed] if together else [[one] for one in proposed]) if proposed else []
    governor = Governor.open(POLICY, home, durability=durability, sanitizer=SANITIZER)
    model = ScriptedChatModel(script=[*turns, "done"])
    agent = govern(model, [look], governor=governor, checkpointer=InMemorySaver())
    state = agent.invoke({"messages": [("user", "go")]}, {"configurable": {"thread_id": "t"}, "recursion_limit": 100})
    answers = [message for message in state["messages"] if message.type == "tool"]
    assert [answer.status for answer in answers] == ["success"] * calls
    return governor


def full_commits(statements: list[str]) -> int:
    """Count the transactions that SQLite was told to sync: writes while ``synchronous`` is FULL."""
    waits, inside, count = True, False, 0
    for statement in (text.strip().upper() for text in statements):
        if statement.startswith("PRAGMA SYNCHRONOUS"):
            waits = "FULL" in statement
        elif statement.startswith("BEGIN"):
            inside = True
        elif statement.startswith(("COMMIT", "ROLLBACK")):
            inside = False
            count += waits and statement.startswith("COMMIT")
        elif statement.startswith(("INSERT", "UPDATE", "DELETE")) and not inside:
            count += waits
    return count


def waits_of(home: Path, calls: int, monkeypatch, **how) -> tuple[int, int]:
    """Syncs of the log and of the ledger that a run asked for."""
    statements: list[str] = []
    opened = Governor.open.__func__

    def traced(cls, *arguments, **options):
        governor = opened(cls, *arguments, **options)
        governor._ledger._db.set_trace_callback(statements.append)
        return governor

    with monkeypatch.context() as patch:
        patch.setattr(Governor, "open", classmethod(traced))
        governor = run(home, calls, **how)
    syncs = governor._sink.sync_count
    governor._ledger._db.set_trace_callback(None)
    governor.close()
    return syncs, full_commits(statements)


@pytest.mark.parametrize("together", [True, False])
def test_an_executed_call_waits_at_most_twice(tmp_path, monkeypatch, together):
    """Once for the permit's use in the ledger, once for the intent in the log; the run as a whole waits besides."""
    nothing = waits_of(tmp_path / "nothing", 0, monkeypatch, together=together)
    much = waits_of(tmp_path / "much", CALLS, monkeypatch, together=together)
    assert sum(much) - sum(nothing) <= 2 * CALLS, (nothing, much)
    assert much[1] - nothing[1] == CALLS  # and it does wait for each use of a permit
    assert much[0] - nothing[0] >= 1


def test_durability_none_waits_for_nothing(tmp_path, monkeypatch):
    """Who accepts losing the last moments to a loss of power pays no wait at all."""
    assert waits_of(tmp_path, CALLS, monkeypatch, together=False, durability="none") == (0, 0)


TRACED = """
import sys
from pathlib import Path
from test_crash_waits import run
run(Path(sys.argv[1]), int(sys.argv[2]), together=False).close()
"""


def system_calls(home: Path, calls: int) -> int:
    """Count the syncs that a whole process asks of the kernel."""
    trace = home.with_suffix(".trace")
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o", str(trace)]
    command += [sys.executable, "-c", TRACED, str(home), str(calls)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False)
    if "ptrace" in done.stderr.lower() and not trace.exists():
        pytest.skip("this machine does not let processes be traced")
    assert done.returncode == 0, done.stderr
    return sum("sync" in line and "resumed" not in line for line in trace.read_text().splitlines())


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_sees_at_most_two_syncs_per_call(tmp_path):
    """The same, counted from outside: what is no SQLite statement and no method of ours counts as well."""
    nothing, much = (system_calls(tmp_path / str(calls), calls) for calls in (0, CALLS))
    # One more at most: SQLite syncs the header of a new write-ahead log once.
    assert much - nothing <= 2 * CALLS + 1, (nothing, much)
