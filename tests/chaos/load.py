"""``make load``: 64 workers carry 10,000 effects out on one PostgreSQL ledger; none twice, none lost.

8 processes of 8 threads, each thread with a connection of its own and each process with a home of its own, as hosts
have. LOAD_EFFECTS says how many effects.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from chaos_kit import shared_schema
from load_kit import run_load

PROCESSES, THREADS = 8, 8


def main() -> int:
    url = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
    if not url:
        print("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
        return 1
    effects = int(os.environ.get("LOAD_EFFECTS", "10000"))
    with shared_schema(url) as schema, tempfile.TemporaryDirectory(prefix="load-") as root:
        load = run_load(url, schema, Path(root), processes=PROCESSES, threads=THREADS, effects=effects)
    print(f"  {PROCESSES * THREADS:>8}  workers: {PROCESSES} processes of {THREADS} threads on {os.cpu_count()} CPUs")
    print(f"  {effects:>8}  effects in {load.seconds:.1f} s")
    print(f"  {effects / load.seconds:>8.0f}  effects a second")
    for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99)):
        print(f"  {load.percentile(share) * 1000:>8.0f}  ms from plan to recorded end, {name}")
    for code, count in sorted(load.refused.items()):
        print(f"  {count:>8}  came second and were refused: {code}")
    print(f"  {len(load.violations):>8}  violations")
    for violation in load.violations[:50]:
        print(f"  VIOLATION  {violation}")
    return 1 if load.violations else 0


if __name__ == "__main__":
    sys.exit(main())
