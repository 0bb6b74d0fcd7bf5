"""``make chaos``: kills governed processes at random moments, on both ledgers, and judges what is left.

CHAOS_KILLS says how many on each ledger (100 unless said), CHAOS_SEED repeats a run as far as the machine lets it.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from chaos_kit import Campaign, chaos_nursery, shared_schema
from chaos_verdict import Verdict, judge

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
SHARE_OF_SYNC = 4
"""One kill in so many falls on governors that sync every event."""


def main() -> int:
    kills = int(os.environ.get("CHAOS_KILLS", "100"))
    seed = int(os.environ.get("CHAOS_SEED", secrets.randbelow(2**32)))
    print(f"seed {seed}, {kills} kills on each ledger")
    if not URL:
        print("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database: that ledger is left out")
    verdicts = []
    with chaos_nursery() as nursery:
        for durability, share in (("group", kills - kills // SHARE_OF_SYNC), ("sync", kills // SHARE_OF_SYNC)):
            verdicts.append(campaign(nursery, "sqlite", "", share, seed, durability))
            if URL:
                with shared_schema(URL) as schema:
                    verdicts.append(campaign(nursery, "postgres", schema, share, seed, durability))
    violations = [violation for verdict in verdicts for violation in verdict.violations]
    killed = sum(verdict.figures["workers killed"] for verdict in verdicts)
    print(f"\n{killed} processes killed, {len(violations)} violations (seed {seed})")
    return 1 if violations else 0


def campaign(nursery, ledger: str, schema: str, kills: int, seed: int, durability: str) -> Verdict:
    """Run one campaign and print its figures."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as root:
        made = Campaign(Path(root), schema, kills, seed, durability)
        made.run(nursery)
        verdict = judge(made)
    print(f"\n== {ledger}, {durability}: {made.seconds:.0f} s")
    for name, figure in verdict.figures.items():
        print(f"  {figure:>7}  {name}")
    for name, count in sorted(made.faults.items()):
        print(f"  {count:>7}  refused or cut off under a worker that went on: {name}")
    for violation in verdict.violations:
        print(f"  VIOLATION  {violation}")
    return verdict


if __name__ == "__main__":
    sys.exit(main())
