"""Pseudonyms: nobody's but their owner's, not to be invented, and kept where nobody reads or edits them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import CLERK, LAW, TOOLS, World, labelled

from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.errors import InvalidCallError, LedgerError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.plans.planner import ProposedCall
from aisecops_langchain.runtime.ports import Change, Table
from aisecops_langchain.sanitize import SanitizeConfig, Sanitizer

POLICY = parse_policy("""
version: 1
id: veiled
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [look, pay], risk: low}}
rules: [{id: all, effect: allow, tools: [look, pay]}]
sanitize:
  private: {default: {email: pseudonymize}}
  unveil: [pay.to, pay.note]
""")
MAIL = "anna.smith@example.com"


@pytest.fixture
def world():
    return World(policy=POLICY)


def named(world, value=MAIL, scope=None):
    veil = world.governor.pseudonyms.veil(scope or world.scope)
    name = veil.pseudonym("email", value)
    veil.keep()
    return name


def arguments(world, raw, tool="pay", scope=None):
    return world.governor.pseudonyms.arguments(TOOLS[tool], raw, scope or world.scope)


def elsewhere(world):
    """The same place, for another user, tenant and thread."""
    scope = world.scope
    return [
        scope.model_copy(update={"principal": Principal(agent="clerk", user="eve", tenant="acme")}),
        scope.model_copy(update={"principal": Principal(agent="clerk", user="ann", tenant="other")}),
        scope.model_copy(update={"thread": "thread-2"}),
    ]


@LAW
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_a_tool_is_given_the_very_value_where_policy_says_so(value):
    world = World(policy=POLICY)
    name = named(world, value)
    raw = {"to": [name], "note": {"a": f"to {name}."}, "other": name}
    assert arguments(world, raw) == {"to": [value], "note": {"a": f"to {value}."}, "other": name}
    assert arguments(world, raw, tool="look") == raw


def test_the_same_value_has_the_same_name_in_any_process_and_another_name_elsewhere(world):
    name = named(world)
    other = world.new_governor().pseudonyms.veil(world.scope).pseudonym("email", MAIL)
    assert other == name
    assert len({name, named(world, "b@example.com"), *(named(world, scope=scope) for scope in elsewhere(world))}) == 5


def test_another_process_resolves_it(world):
    name = named(world)
    again = world.new_governor().pseudonyms
    assert again.arguments(TOOLS["pay"], {"to": name}, world.scope) == {"to": MAIL}


def test_a_pseudonym_of_another_user_tenant_or_thread_means_nothing(world):
    name = named(world)
    for scope in elsewhere(world):
        for governor in (world.governor, world.new_governor()):
            with pytest.raises(InvalidCallError, match="stands for nothing"):
                governor.pseudonyms.arguments(TOOLS["pay"], {"to": name}, scope)
            assert governor.pseudonyms.restore(name, principal=scope.principal, thread=scope.thread) == name


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=12, max_size=12))
def test_an_invented_pseudonym_is_refused(token):
    world = World(policy=POLICY)
    named(world)
    with pytest.raises(InvalidCallError):
        arguments(world, {"to": f"<EMAIL_{token}>"})


def test_parts_and_other_classes_of_a_pseudonym_are_refused(world):
    name, other = named(world), named(world, "b@example.com")
    token = name[7:-1]
    for invented in (f"<PHONE_{token}>", f"<EMAIL_{token[::-1]}>", f"<EMAIL_{token[:6]}{other[13:-1]}>"):
        with pytest.raises(InvalidCallError):
            arguments(world, {"to": invented})


def test_nothing_can_be_read_in_the_ledger_and_an_edited_row_is_refused(world):
    name = named(world)
    (row,) = world.ledger.scan(Table.PSEUDONYMS)
    assert b"anna" not in row.body
    assert name[7:-1].encode() not in row.body
    assert "thread-1" not in row.key
    edited = replace(row, body=row.body.replace(b"email", b"phone"))
    world.ledger.apply([Change(edited, replaces=row.seal)], durable=False)
    with pytest.raises(LedgerError, match="seal"):
        world.new_governor().pseudonyms.arguments(TOOLS["pay"], {"to": name}, world.scope)


def test_rows_that_were_swapped_are_refused(world):
    name, other = named(world), named(world, "b@example.com")
    rows = {row.key: row for row in world.ledger.scan(Table.PSEUDONYMS)}
    (first, one), (second, two) = rows.items()
    for key, old, new in ((first, one, two), (second, two, one)):
        world.ledger.apply([Change(replace(new, key=key), replaces=old.seal)], durable=False)
    for text in (name, other):
        with pytest.raises(LedgerError):
            world.new_governor().pseudonyms.arguments(TOOLS["pay"], {"to": text}, world.scope)


def test_many_values_are_kept_at_once_whoever_kept_some_of_them_before(world):
    named(world, "b@example.com")
    before = list(world.ledger.scan(Table.PSEUDONYMS))
    other = world.new_governor()
    veil = other.pseudonyms.veil(world.scope)
    names = [veil.pseudonym("email", f"{letter}@example.com") for letter in "abcd"]
    veil.keep()
    rows = list(world.ledger.scan(Table.PSEUDONYMS))
    assert len(rows) == 4
    assert before[0] in rows
    assert arguments(world, {"to": names})["to"] == [f"{letter}@example.com" for letter in "abcd"]


def test_a_value_that_cannot_be_kept_is_not_named_to_anybody(world):
    world.governor.inspecting.adopt(Sanitizer(SanitizeConfig.of(POLICY.inspection)), keep=False)
    world.ledger.apply = broken
    with pytest.raises(LedgerError):
        world.governor.admission.admit(MAIL, world.scope, kind=SourceKind.MEMORY, name="m")
    assert world.sink.events == []


def broken(*arguments, **options):
    raise LedgerError("the disk is gone")


def test_hashes_are_the_same_in_a_tenant_and_others_in_another(world):
    veil = world.governor.pseudonyms.veil
    ours = {veil(scope).hashed("phone", "1") for scope in (world.scope, elsewhere(world)[0], elsewhere(world)[2])}
    assert len(ours) == 1
    assert veil(elsewhere(world)[1]).hashed("phone", "1") not in ours
    assert veil(world.scope).hashed("email", "1") not in ours


def test_the_plan_and_its_attribution_are_about_the_value(world):
    world.governor.inspecting.adopt(Sanitizer(SanitizeConfig.of(POLICY.inspection)), keep=False)
    admitted = world.governor.admission.admit(
        f"Write to {MAIL}.", world.scope, kind=SourceKind.USER_PROMPT, name="human"
    )
    assert MAIL not in admitted.text
    name = named(world)
    assert name in admitted.text
    contents = [labelled(admitted.text), labelled("a page", SourceKind.RETRIEVAL_CHUNK)]
    plan = world.governor.planner.plan([ProposedCall("a", "pay", {"to": name})], contents, TOOLS, world.scope, turn="t")
    (step,) = plan.steps
    assert step.call.arguments() == {"to": MAIL}
    (provenance,) = step.provenance
    assert provenance.label.integrity is Integrity.USER
    assert plan.context.integrity is Integrity.UNTRUSTED


def test_a_plan_with_a_foreign_pseudonym_rejects_the_call(world):
    foreign = named(world, scope=elsewhere(world)[0])
    plan = world.governor.planner.plan(
        [ProposedCall("a", "pay", {"to": foreign})], [labelled("x")], TOOLS, world.scope, turn="t"
    )
    assert plan.steps == ()
    assert plan.rejected[0].code == "invalid_arguments"


def test_arguments_that_models_know_by_pseudonym_are_not_in_the_log(world):
    proposal = world.propose("pay", to="Anna Smith", amount=5)
    recorded = world.governor.recorder.call("call-1", proposal.step.call)
    assert recorded.arguments["to"]["$withheld"] == "pseudonym"
    assert recorded.arguments["amount"] == 5
    assert not recorded.complete


def test_edits_of_a_person_are_veiled_again(world):
    name = named(world)
    veiled = world.governor.pseudonyms.veiled_again(
        "pay", {"to": [name]}, {"to": [MAIL, "b@example.com"], "other": MAIL}, world.scope
    )
    assert veiled == {"to": [name, "b@example.com"], "other": MAIL}
    assert arguments(world, veiled) == {"to": [MAIL, "b@example.com"], "other": MAIL}


def test_the_owner_reads_the_answer_with_values(world):
    name = named(world)
    restored = world.governor.pseudonyms.restore(f"Sent to {name}.", principal=CLERK, thread="thread-1")
    assert restored == f"Sent to {MAIL}."
