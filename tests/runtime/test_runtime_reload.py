"""Hot reload: what the old policy permitted or a person approved under it is void; an unreadable bundle denies."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from runtime_kit import ALICE, POLICY, World

from aisecops_langchain.errors import AuditWriteError, PermitError, PolicyError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.policies.file import PolicyFile

TEXT = POLICY.bundle_json().decode()
STRICTER = parse_policy(TEXT.replace('"gt":1000', '"gt":10'))
WIDER = parse_policy(TEXT.replace('"gt":1000', '"gt":100000'))


@pytest.fixture
def world() -> World:
    return World()


def scope_now(world: World):
    old = world.scope
    return world.governor.scope(
        trace=old.trace, thread=old.thread, checkpoint_ns=old.checkpoint_ns, principal=old.principal
    )


@pytest.mark.parametrize("policy", [STRICTER, WIDER])
def test_an_approval_under_the_old_policy_is_void_under_the_new_one(world: World, policy) -> None:
    proposal = world.propose("pay", amount=500)
    world.governor.approvals.answer(world.ask(proposal), Approve(), ALICE)
    world.governor.reload(policy)
    for scope in (world.scope, scope_now(world)):
        verdict = world.governor.gate.decide(proposal, scope)
        assert not isinstance(verdict, Permitted)
    anew = world.governor.gate.decide(world.propose("pay", turn="turn-2", amount=500), scope_now(world))
    assert isinstance(anew, Denied if policy is STRICTER else NeedsApproval)


def test_a_permit_of_the_old_policy_begins_nothing(world: World) -> None:
    proposal = world.propose("look")
    verdict = world.governor.gate.decide(proposal, world.scope)
    assert isinstance(verdict, Permitted)
    world.governor.reload(STRICTER)
    for scope in (world.scope, scope_now(world)):
        with pytest.raises(PermitError) as caught:
            world.governor.execution.begin(verdict.permit.id, world.binding(proposal, scope))
        assert caught.value.code == "policy"
    assert isinstance(world.governor.gate.decide(world.propose("look", turn="2"), scope_now(world)), Permitted)


def test_every_change_is_an_event_before_it_decides(world: World) -> None:
    world.governor.reload(STRICTER)
    world.governor.reload(POLICY)
    world.governor.reload(STRICTER)
    loaded = [event for event in world.sink.events if event.kind == "policy_loaded"]
    assert [(event.policy, event.previous) for event in loaded] == [
        (STRICTER.digest, POLICY.digest),
        (POLICY.digest, STRICTER.digest),
        (STRICTER.digest, POLICY.digest),
    ]
    assert len({event.id for event in loaded}) == 3
    world.governor.gate.decide(world.propose("look", scope=scope_now(world)), scope_now(world))
    assert {event.policy for event in world.sink.events[-3:]} == {STRICTER.digest}


def test_a_faulty_bundle_is_refused_and_the_policy_in_force_stays(world: World, tmp_path: Path) -> None:
    bundle = tmp_path / "policy.yaml"
    bundle.write_text("version: 1\n")
    with pytest.raises(PolicyError):
        world.governor.reload(bundle)
    assert world.governor.policy is POLICY


def test_a_change_that_cannot_be_recorded_denies(world: World) -> None:
    def fail(_lines: object) -> None:
        raise AuditWriteError("disk is full")

    append, world.sink.append_lines = world.sink.append_lines, fail
    with pytest.raises(AuditWriteError):
        world.governor.reload(WIDER)
    world.sink.append_lines = append
    assert isinstance(world.governor.gate.decide(world.propose("look"), scope_now(world)), Denied)
    world.governor.reload(WIDER)
    assert isinstance(world.governor.gate.decide(world.propose("look"), scope_now(world)), Permitted)


def test_a_watched_file_changes_the_policy_and_denies_while_it_is_faulty(world: World, tmp_path: Path) -> None:
    bundle = tmp_path / "policy.yaml"
    bundle.write_text(TEXT + "\n# only a comment\n")
    watched = PolicyFile(world.governor, bundle)
    assert watched.check() is None
    assert world.governor.policy is POLICY  # the same content, whatever the bytes
    permitted = world.governor.gate.decide(world.propose("look"), scope_now(world))
    assert isinstance(permitted, Permitted)
    for damage in ("version: 1\n", "", None):
        bundle.write_text(damage) if damage is not None else bundle.unlink()
        assert isinstance(watched.check(), PolicyError)
        assert isinstance(world.governor.gate.decide(world.propose("look", turn="x"), scope_now(world)), Denied)
        with pytest.raises(PermitError):
            world.governor.execution.begin(permitted.permit.id, world.binding(world.propose("look"), scope_now(world)))
    assert [bool(event.fault) for event in world.sink.events if event.kind == "policy_loaded"] == [True]
    bundle.write_text(STRICTER.bundle_json().decode())
    assert watched.check() is None
    assert world.governor.policy.digest == STRICTER.digest


def test_decisions_during_reloads_name_the_policy_that_made_them(world: World) -> None:
    seen: list[tuple[str, object]] = []
    stop = threading.Event()

    def ask() -> None:
        number = 0
        while not stop.is_set():
            scope = scope_now(world)
            number += 1
            seen.append((scope.policy, world.governor.gate.decide(world.propose("look", turn=f"t{number}"), scope)))

    asking = threading.Thread(target=ask)
    asking.start()
    for policy in [STRICTER, POLICY, WIDER] * 5:
        world.governor.reload(policy)
    stop.set()
    asking.join()
    assert seen
    known = {POLICY.digest, STRICTER.digest, WIDER.digest}
    for digest, verdict in seen:
        if isinstance(verdict, Permitted):
            assert verdict.permit.binding.scope.policy == digest
            assert digest in known
