"""Many workers meet one step: each gets its only permit, one of them begins, and no yes is wasted on a dead one."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from runtime_kit import ALICE, World

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import PermitError
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.verdicts import Permitted
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
ROUNDS = 12

WORKER = """
import os, sys
from contextlib import closing
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from runtime_kit import World
kind, place = sys.argv[1:3]
if kind == "sqlite":
    from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
    ledger = SqliteLedger(Path(place))
else:
    from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
    ledger = PostgresLedger(os.environ["AISECOPS_TEST_POSTGRES_URL"], schema=place, max_connections=2)
world = World(ledger=ledger)
steps = [world.propose("pay", call_id=f"call-{number}", amount=5) for number in range(int(sys.argv[4]))]
print("up", flush=True)
sys.stdin.readline()
for step in steps:
    print(world.decide(step).permit.id, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Kind and place of a ledger that processes can share, and how to open it here."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.sqlite3"
        yield "sqlite", str(path), lambda: SqliteLedger(path)
        return
    if not URL:
        pytest.skip("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    yield "postgres", name, lambda: PostgresLedger(URL, schema=name)
    with psycopg.connect(URL, autocommit=True) as session:
        session.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


def approved(world: World, number: int):
    """A step that waits for nothing but its permit."""
    step = world.propose("pay", call_id=f"call-{number}", amount=5)
    world.governor.approvals.answer(world.ask(step), Approve(), ALICE)
    return step


def test_threads_of_two_hosts_share_the_permit_and_one_of_them_begins(place):
    with closing(place[2]()) as one, closing(place[2]()) as two, ThreadPoolExecutor(4) as pool:
        hosts = [World(ledger=one), World(ledger=two)] * 2
        for number in range(ROUNDS):
            tool = "look" if number % 2 else "pay"
            step = approved(hosts[0], number) if tool == "pay" else hosts[0].propose(tool, call_id=f"call-{number}")
            verdicts = list(pool.map(lambda host, step=step: host.decide(step), hosts))
            assert all(isinstance(verdict, Permitted) for verdict in verdicts), verdicts
            (permit,) = {verdict.permit.id for verdict in verdicts}
            begun = list(filter(None, pool.map(begin, hosts, [step] * 4, [permit] * 4)))
            assert len(begun) == 1
            assert hosts[0].effect(step).state is EffectState.STARTED


def begin(world: World, step, permit: str):
    """Begin the effect, unless another worker was first."""
    try:
        return world.begin(step, permit)
    except PermitError:
        return None


def test_a_permit_whose_processes_were_all_killed_is_still_good(place):
    """Three processes race for the permits of twelve approved calls and die with them; a fourth carries each out."""
    kind, where, opened = place
    with closing(opened()) as ledger:
        world = World(ledger=ledger)
        steps = [approved(world, number) for number in range(ROUNDS)]
        command = [sys.executable, "-c", WORKER, kind, where, str(Path(__file__).parent), str(ROUNDS)]
        workers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        for worker in workers:
            assert worker.stdout.readline() == "up\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        said = [worker.communicate()[0].split() for worker in workers]
        assert [worker.returncode for worker in workers] == [-9] * 3
        assert said[0] == said[1] == said[2]
        assert [world.decide(step).permit.id for step in steps] == said[0]
        for step, permit in zip(steps, said[0], strict=True):
            world.begin(step, permit)
