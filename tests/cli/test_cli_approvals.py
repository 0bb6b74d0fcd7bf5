"""Approvals from the command line: the same rules and the same record as behind an interrupt."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cli_logs import Run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.testing import FixedClock

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from grant_kit import POLICY as GRANT_POLICY
from grant_kit import GrantWorld
from runtime_kit import CLERK, World
from vote_kit import ANN, ISSUER, POLICY

KEY = Ed25519PrivateKey.generate()


class Desk:
    """A home in which a call waits for people."""

    def __init__(self, home: Path, principal: Principal) -> None:
        self.home = home
        self.world = World()
        self.world.governor = Governor.open(parse_policy(POLICY), home, durability="none")
        scope = self.world.governor.scope
        self.world.scope = scope(trace="ab" * 16, thread="thread-1", checkpoint_ns="", principal=principal)

    def ask(self, tool: str, **arguments: Any) -> tuple[Any, str]:
        proposal = self.world.propose(tool, **arguments)
        verdict = self.world.decide(proposal)
        assert isinstance(verdict, NeedsApproval)
        asked = self.world.governor.approvals.request(verdict.binding, verdict.briefing, verdict.requires)
        return proposal, asked.binding.approval_key()

    def events(self, kind: str) -> list[Any]:
        return [entry.fields for entry in read_log(self.home / "audit") if entry.kind == kind]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "home", ANN)
    yield made
    made.world.governor.close()
    assert verify_log(made.home / "audit").ok


@pytest.fixture
def vouched(tmp_path: Path) -> Any:
    """Write a token and give the options that present it."""
    entry = {**json.loads(OKPAlgorithm.to_jwk(KEY.public_key())), "kid": "k1"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [entry]}))

    def options(sub: str, *roles: str, key: Any = KEY, seconds: int = 60, **claims: Any) -> list[str | Path]:
        stated = {"sub": sub, "iss": ISSUER, "aud": "desk", "exp": int(time.time()) + seconds, "org": "acme"}
        token = jwt.encode({**stated, "groups": roles, **claims}, key, algorithm="EdDSA", headers={"kid": "k1"})
        path = tmp_path / f"token-{len(list(tmp_path.iterdir()))}"
        path.write_text(token + "\n")
        given: list[str | Path] = ["--token-file", path, "--jwks", tmp_path / "jwks.json"]
        return [*given, "--issuer", ISSUER, "--audience", "desk", "--tenant-claim", "org", "--roles-claim", "groups"]

    return options


def test_two_persons_approve_from_a_terminal_and_the_call_gets_its_permit(run: Run, desk: Desk, vouched: Any) -> None:
    proposal, key = desk.ask("pay", amount=5, note="\x1b[2Jx")
    listed = run("approvals", "list", "--home", desk.home)
    assert key in listed.output
    assert "2 more needed" in listed.output
    shown = run("approvals", "show", key, "--home", desk.home)
    assert "\x1b" not in listed.output + shown.output
    assert '"amount": 5' in shown.output
    (facts,) = json.loads(run("approvals", "show", key, "--home", desk.home, "--json").output)["approvals"]
    assert (facts["arguments"]["amount"], facts["missing"], facts["requires"][0]["roles"]) == (
        5,
        2,
        ["cfo", "treasurer"],
    )
    first = run("approvals", "approve", key, *vouched("bob", "treasurer"), "--home", desk.home)
    assert (first.exit_code, "1 more needed" in first.output) == (0, True)
    assert isinstance(desk.world.decide(proposal), NeedsApproval)
    assert run("approvals", "approve", key, *vouched("dave", "cfo"), "--home", desk.home).exit_code == 0
    assert isinstance(desk.world.decide(proposal), Permitted)
    assert run("approvals", "list", "--home", desk.home).output == "Nothing waits.\n"
    (voted,) = desk.events("approval_voted")
    assert (voted["approver"]["id"], voted["approver"]["issuer"], voted["approver"]["roles"]) == (
        "bob",
        ISSUER,
        ["treasurer"],
    )


def test_answers_that_do_not_count_change_nothing_and_stand_in_the_log(run: Run, desk: Desk, vouched: Any) -> None:
    _, key = desk.ask("pay", amount=5)
    for who in (
        ["--as", "bob"],
        vouched("ann", "treasurer"),
        vouched("bob"),
        vouched("bob", "treasurer", org="evil"),
        vouched("bob", "treasurer", key=Ed25519PrivateKey.generate()),
        vouched("bob", "treasurer", seconds=-600),
        vouched("bob", "treasurer", aud="others"),
    ):
        for verb in ("approve", "reject"):
            done = run("approvals", verb, key, *who, "--home", desk.home)
            assert (done.exit_code, "does not count" in done.output) == (1, True), done.output
    codes = [event["code"] for event in desk.events("approval_answer_refused")]
    once = ["not_verified", "requester", "role_missing", "other_tenant", *["unidentified"] * 3]
    assert codes == [code for code in once for _ in range(2)]
    assert key in run("approvals", "list", "--home", desk.home).output


def test_without_any_identity_a_bare_name_approves_what_takes_one(run: Run, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", CLERK)
    proposal, key = desk.ask("look", x=1)
    assert run("approvals", "approve", key, "--as", "ann", "--home", desk.home).exit_code == 1  # the requester's name
    assert run("approvals", "approve", key, "--as", "bob", "--home", desk.home).exit_code == 0
    again = run("approvals", "reject", key, "--as", "carol", "--home", desk.home)
    assert (again.exit_code, "not open any more" in again.output) == (1, True)
    assert isinstance(desk.world.decide(proposal), Permitted)
    (granted,) = {event["id"]: event for event in desk.events("approval_granted")}.values()
    assert granted["approver"]["verified"] is False
    desk.world.governor.close()


def test_a_no_from_a_terminal_is_a_no(run: Run, desk: Desk, vouched: Any) -> None:
    proposal, key = desk.ask("look", x=1)
    done = run("approvals", "reject", key, "--reason", "why", *vouched("bob"), "--home", desk.home)
    assert (done.exit_code, "rejected" in done.output) == (0, True)
    assert desk.world.decide(proposal).code == "rejected"
    assert desk.events("approval_rejected")[0]["reason"] == "why"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--as", "bob", "--token-file", "x"],
        ["--as", " "],
        ["--as", "bob\x1b[2J"],
    ],
)
def test_who_answers_must_be_said_once_and_plainly(run: Run, desk: Desk, arguments: list[str]) -> None:
    _, key = desk.ask("look", x=1)
    done = run("approvals", "approve", key, *arguments, "--home", desk.home)
    assert done.exit_code == 2
    assert desk.events("approval_granted") == []


def test_what_nobody_was_asked_about_cannot_be_answered(run: Run, desk: Desk) -> None:
    for verb in (["show"], ["approve", "--as", "bob"], ["reject", "--as", "bob"]):
        assert run("approvals", verb[0], "sha256:none", *verb[1:], "--home", desk.home).exit_code == 1


def test_a_tick_records_what_escalated_and_expired(run: Run, tmp_path: Path) -> None:
    clock = FixedClock(int(time.time() - 400) * 10**9)
    desk = Desk(tmp_path / "home", ANN)
    desk.world.governor.close()
    desk.world.governor = Governor.open(parse_policy(POLICY), desk.home, clock=clock, durability="none")
    _, key = desk.ask("pay", amount=5)
    clock.advance(-700)
    desk.ask("look", x=1)
    desk.world.governor.close()
    ticked = run("approvals", "tick", "--home", desk.home, "--json")
    assert json.loads(ticked.output) == {"pending": 1, "expired": 1}
    assert [event["approval"] for event in desk.events("approval_escalated")] == [key]
    assert len(desk.events("approval_expired")) == 1
    assert run("approvals", "tick", "--home", desk.home).output == "1 pending, 1 expired.\n"
    assert len(desk.events("approval_escalated")) == len(desk.events("approval_expired")) == 1
    shown = run("replay", "timeline", desk.home).output
    assert "may answer" in shown


VOTE = """
import sys
sys.path.insert(0, sys.argv[1])
from vote_kit import person
from aisecops_langchain.runtime.approvals.answers import Approve
from aisecops_langchain.runtime.approvals.desk import open_approvals
with open_approvals(sys.argv[2]) as approvals:
    record = approvals.look(sys.argv[3])
    print("ready", flush=True)
    sys.stdin.readline()
    taken = approvals.take(record.binding, Approve(), person(sys.argv[4], "treasurer"), resumes=False)
    print(taken.refused, taken.record.state.value, flush=True)
"""


def test_racing_processes_lose_no_vote_and_count_none_twice(desk: Desk) -> None:
    """Five processes answer at once, two of them with the same person: two votes count, the rest come too late."""
    proposal, key = desk.ask("pay", amount=5)
    kit = Path(__file__).parents[1] / "runtime"
    names = ["bob", "BOB", "carol", "dora", "emil"]
    command = [sys.executable, "-c", VOTE, str(kit), str(desk.home), key]
    voters = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in names
    ]
    for voter in voters:
        assert voter.stdout is not None
        assert voter.stdout.readline() == "ready\n"
    said = [voter.communicate("go\n", timeout=60)[0].split() for voter in voters]
    assert all(voter.returncode == 0 for voter in voters)
    kept = desk.world.governor.approvals.find(key)
    assert kept is not None
    assert (kept.state.value, len(kept.votes)) == ("granted", 2)
    assert [word for word, _ in said].count("None") == 2
    assert len({vote.approver.id.casefold() for vote in kept.votes}) == 2
    assert isinstance(desk.world.decide(proposal), Permitted)


# --- a grant beside the yes -------------------------------------------------------------------------------------------

GRANT = ["--grant-for", "3600", "--grant-uses", "10", "--grant-same", "to", "--grant-up-to", "amount=500"]


class GrantDesk:
    """A home in which a payment waits that policy lets somebody grant more of."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.world = GrantWorld()
        self.world.governor = Governor.open(GRANT_POLICY, home, durability="none")
        self.proposal = self.world.step(**PAYMENT)
        verdict = self.world.decide(self.proposal)
        assert isinstance(verdict, NeedsApproval)
        asked = self.world.governor.approvals.request(verdict.binding, verdict.briefing, verdict.requires)
        self.key = asked.binding.approval_key()

    def kinds(self) -> list[str]:
        return [entry.kind for entry in read_log(self.home / "audit")]


@pytest.fixture
def granting(tmp_path: Path) -> Iterator[GrantDesk]:
    made = GrantDesk(tmp_path / "home")
    yield made
    made.world.governor.close()
    assert verify_log(made.home / "audit").ok


PAYMENT = {"to": "alice", "amount": 100.0, "note": "rent"}


def test_a_yes_from_a_terminal_may_grant_more_calls_like_it(run: Run, granting: GrantDesk) -> None:
    shown = run("approvals", "show", granting.key, "--home", granting.home)
    assert '"max_uses": 20' in shown.output
    reason = ["--grant-reason", "rent\x1b[2J"]
    options = [*GRANT, "--grant-any", "note", "--grant-each", "amount=200.5", *reason, "--as", "bob"]
    done = run("approvals", "approve", granting.key, *options, "--home", granting.home)
    assert (done.exit_code, "10 more like it" in done.output) == (0, True), done.output
    assert isinstance(granting.world.decide(granting.proposal), Permitted)
    assert granting.world.runs(**{**PAYMENT, "amount": 200, "note": "June"})
    assert not granting.world.runs(**{**PAYMENT, "amount": 201})  # more than one use may take
    assert granting.world.runs(**{**PAYMENT, "amount": 200})
    assert not granting.world.runs(**{**PAYMENT, "amount": 101})  # more than is left of all
    assert not granting.world.runs(**{**PAYMENT, "to": "mallory", "amount": 1})
    (grant,) = json.loads(run("grants", "list", "--home", granting.home, "--json").output)["grants"]
    assert (grant["approver"]["id"], grant["approver"]["verified"], grant["used"]) == ("bob", False, 2)
    assert (grant["reason"], grant["thread"]) == ("rent\x1b[2J", "thread-1")
    assert "\x1b" not in done.output + shown.output


def test_an_answer_names_its_grant_for_programs(run: Run, granting: GrantDesk) -> None:
    done = run("approvals", "approve", granting.key, *GRANT, "--as", "bob", "--home", granting.home, "--json")
    (answered,) = json.loads(done.output)["approvals"]
    assert run("grants", "show", answered["grant"], "--home", granting.home).exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--grant-for", "3601", "--grant-uses", "1"],
        ["--grant-for", "60", "--grant-uses", "21"],
        ["--grant-for", "60", "--grant-uses", "1", "--grant-any", "to"],
        ["--grant-for", "60", "--grant-uses", "1", "--grant-same", "payee"],
        ["--grant-for", "60", "--grant-uses", "1", "--grant-same", "note", "--grant-any", "note"],
        ["--grant-for", "60", "--grant-uses", "1", "--grant-up-to", "to=5"],
        ["--grant-for", "60", "--grant-uses", "1", "--grant-each", "amount=5"],
    ],
    ids=["too-long", "too-many", "not-open", "unknown", "twice", "no-number", "each-of-nothing"],
)
def test_a_grant_that_policy_does_not_permit_makes_no_yes(run: Run, granting: GrantDesk, options: list[str]) -> None:
    """There is never a yes without the grant that was asked for; the attempt is on record."""
    done = run("approvals", "approve", granting.key, *options, "--as", "bob", "--home", granting.home)
    assert (done.exit_code, "does not count" in done.output) == (1, True), done.output
    assert isinstance(granting.world.decide(granting.proposal), NeedsApproval)
    assert "approval_answer_refused" in granting.kinds()
    assert "grant_given" not in granting.kinds()


@pytest.mark.parametrize(
    "options",
    [
        ["--grant-for", "0"],
        ["--grant-uses", "5"],
        ["--grant-any-thread"],
        ["--grant-for", "0", "--grant-uses", "5"],
        ["--grant-for", "60", "--grant-uses", "0"],
        ["--grant-for", "86401", "--grant-uses", "5"],
        ["--grant-for", "1h", "--grant-uses", "5"],
        [*GRANT, "--grant-up-to", "amount=600"],
        [*GRANT, "--grant-each", "amount"],
        [*GRANT, "--grant-each", "amount=1e3"],
        [*GRANT, "--grant-each", "amount=-5"],
        [*GRANT, "--grant-reason", "x" * 501],
    ],
    ids=lambda options: " ".join(options)[-40:],
)
def test_a_grant_that_cannot_be_read_answers_nothing(run: Run, granting: GrantDesk, options: list[str]) -> None:
    done = run("approvals", "approve", granting.key, *options, "--as", "bob", "--home", granting.home)
    assert done.exit_code == 2, done.output
    assert isinstance(granting.world.decide(granting.proposal), NeedsApproval)
    assert not {"approval_granted", "approval_rejected", "approval_answer_refused"} & set(granting.kinds())


def test_nothing_can_be_granted_beside_a_yes_that_was_given_already(run: Run, granting: GrantDesk) -> None:
    assert run("approvals", "approve", granting.key, "--as", "bob", "--home", granting.home).exit_code == 0
    late = run("approvals", "approve", granting.key, *GRANT, "--as", "carol", "--home", granting.home)
    assert (late.exit_code, "nothing can be granted" in late.output) == (1, True)
    assert "grant_given" not in granting.kinds()


def test_where_two_must_say_yes_nobody_grants_anything(run: Run, desk: Desk, vouched: Any) -> None:
    _, key = desk.ask("pay", amount=5)
    done = run("approvals", "approve", key, *GRANT[:4], *vouched("bob", "treasurer"), "--home", desk.home)
    assert (done.exit_code, "nobody can grant" in done.output) == (1, True), done.output
    assert desk.events("approval_voted") == []
