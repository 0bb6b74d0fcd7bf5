"""Many workers in several processes on one PostgreSQL ledger, and what they came to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chaos_kit import share_key

from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.keyfile import load_key
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ledger.records import EffectRecord, open_row
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.sealing import Sealer

WORKER = Path(__file__).with_name("load_worker.py")


@dataclass(frozen=True)
class Load:
    """What a load came to."""

    seconds: float
    """From the first effect's beginning to the last one's end."""
    latencies: list[float]
    """Seconds of each effect from its plan to its recorded end, sorted."""
    refused: Counter[str]
    """Why workers that came second were refused."""
    violations: list[str]

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in seconds."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def run_load(url: str, schema: str, root: Path, *, processes: int, threads: int, effects: int) -> Load:
    """Let workers carry effects out at once, each process with a home of its own and a connection for each thread.

    Args:
        url: The database.
        schema: Where in it; made by whoever comes first.
        root: For the homes and the journal.
        processes: How many.
        threads: How many in each process.
        effects: How many altogether; some are contested by two workers.

    Returns:
        What it came to.
    """
    homes = [root / f"host-{number}" for number in range(processes)]
    share_key(homes)
    orders = {
        "url": url,
        "schema": schema,
        "journal": str(root / "journal"),
        "threads": threads,
        "workers": processes * threads,
        "effects": effects,
    }
    found = [json.loads(line) for line in _together(orders, homes)]
    return Load(
        seconds=max(each["seconds"] for each in found),
        latencies=sorted(seconds for each in found for seconds in each["each"]),
        refused=sum((Counter(each["refused"]) for each in found), Counter()),
        violations=_violations(url, schema, root, homes, effects),
    )


def _together(orders: dict, homes: list[Path]) -> list[str]:
    """Start all processes, let them go at the same moment, and return what each said last."""
    started = [
        subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps({**orders, "home": str(home), "process": number})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, home in enumerate(homes)
    ]
    for process in started:
        assert process.stdout.readline() == "up\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return said


def _violations(url: str, schema: str, root: Path, homes: list[Path], effects: int) -> list[str]:
    """Compare journal, ledger and logs: every effect once in each of them."""
    ran = Counter(int(line) for line in (root / "journal").read_text().split())
    found = [f"effect {number} ran {count} times" for number, count in ran.items() if count > 1]
    found += [f"effect {number} never ran" for number in range(effects) if not ran[number]]
    sealer = Sealer(load_key(homes[0] / "keys" / "seal.key"))
    with closing(PostgresLedger(url, schema=schema, max_connections=1)) as ledger:
        records = [open_row(sealer, row, EffectRecord) for row in ledger.scan(Table.EFFECTS)]
    found += [
        f"{record.permit.id} is {record.state}" for record in records if record.state is not EffectState.COMPLETED
    ]
    if len(records) != effects:
        found.append(f"{len(records)} effects in the ledger")
    kinds: Counter[str] = Counter()
    for home in homes:
        report = verify_log(home / "audit")
        found += [f"{home.name}: {problem.code.value}" for problem in (*report.problems, *report.warnings)]
        kinds.update(entry.kind for entry in read_log(home / "audit"))
    for kind in ("execution_started", "execution_completed"):
        if kinds[kind] != effects:
            found.append(f"{kinds[kind]} of {kind} in the logs")
    return found
