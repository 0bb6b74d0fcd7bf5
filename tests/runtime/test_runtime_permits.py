"""Permits are recognised whole or not at all, and ledger rows open only as they were closed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import ALICE, LAW, ROOT_KEY, World

from aisecops_langchain.domain.decision import Obligation
from aisecops_langchain.domain.permit import ApprovalState, Binding, EffectState, Permit
from aisecops_langchain.domain.principal import Delegator, Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.decisions.permits import is_genuine, mint
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord, close_row, open_row
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.sealing import Sealer

SEALER = Sealer(ROOT_KEY)
NOW = 1_800_000_000_000_000_000

texts = st.text(st.characters(codec="utf-8"), max_size=12)
names = texts.filter(bool)
principals = st.builds(Principal, agent=names, user=names, tenant=names, issuer=names)
scopes = st.builds(Scope, trace=texts, thread=texts, checkpoint_ns=texts, principal=principals, policy=texts)
bindings = st.builds(Binding, call_id=texts, call=texts, tool=texts, tool_definition=texts, plan=texts, scope=scopes)

BINDING_FIELDS = ["call_id", "call", "tool", "tool_definition", "plan"]
SCOPE_FIELDS = ["thread", "checkpoint_ns", "policy"]
PRINCIPAL_FIELDS = ["agent", "user", "tenant", "issuer"]


def with_field(binding: Binding, field: str, value: str) -> Binding:
    """The binding with one field changed, wherever in it the field lies."""
    if field in BINDING_FIELDS:
        return binding.model_copy(update={field: value})
    scope = binding.scope
    if field in PRINCIPAL_FIELDS:
        return with_scope(binding, principal=scope.principal.model_copy(update={field: value}))
    return with_scope(binding, **{field: value})


def with_scope(binding: Binding, **update) -> Binding:
    return binding.model_copy(update={"scope": binding.scope.model_copy(update=update)})


def value_of(binding: Binding, field: str) -> str:
    if field in BINDING_FIELDS:
        return getattr(binding, field)
    return getattr(binding.scope.principal if field in PRINCIPAL_FIELDS else binding.scope, field)


def test_every_authorising_field_is_among_those_tested():
    """A field that is added to the binding must be claimed, and tested here."""
    fields = (
        set(Binding.model_fields) - {"scope"} | set(Scope.model_fields) - {"principal"} | set(Principal.model_fields)
    )
    assert fields - {"trace"} == {*BINDING_FIELDS, *SCOPE_FIELDS, *PRINCIPAL_FIELDS, "delegators"}


@LAW
@given(bindings, st.integers(1, 2**62), st.integers(1, 10**6))
def test_a_minted_permit_is_genuine_and_survives_its_json(binding, now, lifetime):
    """What was minted verifies, before and after it lay in a ledger."""
    permit = mint(SEALER, binding, now=now, lifetime_seconds=lifetime)
    assert is_genuine(SEALER, permit)
    assert is_genuine(SEALER, Permit.model_validate_json(permit.model_dump_json()))
    assert permit.expires_at - permit.issued_at == lifetime * 10**9


@LAW
@given(bindings, st.sampled_from([*BINDING_FIELDS, *SCOPE_FIELDS, *PRINCIPAL_FIELDS]), names)
def test_any_changed_claim_breaks_a_permit(binding, field, value):
    """Nothing that authorises can be changed after minting."""
    permit = mint(SEALER, binding, now=NOW, lifetime_seconds=60)
    changed = permit.model_copy(update={"binding": with_field(binding, field, value)})
    assert is_genuine(SEALER, changed) is (value == value_of(binding, field))


chains = st.lists(names, max_size=3).map(lambda agents: tuple(Delegator(agent=a, warrant="w") for a in agents))


@LAW
@given(bindings, chains, chains)
def test_another_chain_of_delegators_breaks_a_permit(binding, chain, other):
    """What was allowed through some agents is not allowed through others, nor without them."""
    with_chain = [
        with_scope(binding, principal=binding.scope.principal.model_copy(update={"delegators": found}))
        for found in (chain, other)
    ]
    permit = mint(SEALER, with_chain[0], now=NOW, lifetime_seconds=60)
    assert is_genuine(SEALER, permit.model_copy(update={"binding": with_chain[1]})) is (chain == other)


@LAW
@given(bindings, st.sampled_from(sorted(Permit.model_fields.keys() - {"binding"})), st.data())
def test_any_changed_field_of_the_permit_itself_breaks_it(binding, field, data):
    """Id, times and seal cannot be changed either."""
    permit = mint(SEALER, binding, now=NOW, lifetime_seconds=60)
    new = data.draw(st.integers(-(2**63), 2**63 - 1) if field in ("issued_at", "expires_at") else texts)
    assert is_genuine(SEALER, permit.model_copy(update={field: new})) is (new == getattr(permit, field))


@LAW
@given(bindings, st.permutations([*BINDING_FIELDS, *SCOPE_FIELDS, *PRINCIPAL_FIELDS]))
def test_values_cannot_be_moved_between_fields(binding, order):
    """Swapping the values of two fields is a change like any other."""
    first, second = order[:2]
    swapped = with_field(binding, first, value_of(binding, second))
    swapped = with_field(swapped, second, value_of(binding, first))
    permit = mint(SEALER, binding, now=NOW, lifetime_seconds=60)
    same = value_of(binding, first) == value_of(binding, second)
    assert is_genuine(SEALER, permit.model_copy(update={"binding": swapped})) is same


def test_the_trace_correlates_and_is_left_out():
    """Another trace alone does not break a permit; everything that authorises does."""
    world = World()
    permit = world.permit(world.propose())
    moved = permit.model_copy(update={"binding": with_scope(permit.binding, trace="cd" * 16)})
    assert is_genuine(world.sealer, moved)


def test_another_key_recognises_nothing():
    """A permit of another installation is none."""
    world = World()
    assert not is_genuine(Sealer(bytes(32)), world.permit(world.propose()))


def test_permits_cannot_be_guessed():
    """Ids are nonces of 128 bits, also for the same binding at the same time."""
    world = World()
    binding = world.binding(world.propose())
    ids = {mint(SEALER, binding, now=NOW, lifetime_seconds=60).id for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(bytes.fromhex(identity)) == 16 for identity in ids)


@LAW
@given(bindings, bindings)
def test_keys_tell_calls_and_approvals_apart(first, second):
    """Effects share a key exactly if tenant, thread, plan and call id are equal; approvals bind call and tool too."""

    def effect(b):
        return (b.scope.principal.tenant, b.scope.thread, b.plan, b.call_id)

    assert (first.effect_key() == second.effect_key()) is (effect(first) == effect(second))
    asked = [(*effect(b), b.call, b.tool_definition) for b in (first, second)]
    assert (first.approval_key() == second.approval_key()) is (asked[0] == asked[1])


@LAW
@given(st.tuples(texts, texts, texts, texts))
def test_effect_keys_do_not_run_together(parts):
    """Moving characters over the border between two parts gives another key."""
    tenant, thread, plan, call_id = parts
    scope = Scope(trace="", thread=thread + "x", principal=Principal(agent="a", tenant=tenant or "t"), policy="")
    one = Binding(call_id=call_id, call="", tool="", tool_definition="", plan=plan, scope=scope)
    other = Binding(
        call_id=call_id,
        call="",
        tool="",
        tool_definition="",
        plan="x" + plan,
        scope=scope.model_copy(update={"thread": thread}),
    )
    assert one.effect_key() != other.effect_key()


# --- rows ---


def effect_record(binding: Binding) -> EffectRecord:
    permit = mint(SEALER, binding, now=NOW, lifetime_seconds=60)
    return EffectRecord(permit=permit, state=EffectState.RESERVED, obligations=(Obligation.REDACT_PII_IN_RESULT,))


def approval_record(binding: Binding) -> ApprovalRecord:
    return ApprovalRecord(
        binding=binding, state=ApprovalState.PENDING, requested_at=NOW, expires_at=NOW + 1, approver=ALICE
    )


@LAW
@given(bindings)
def test_a_closed_row_opens_as_what_it_was(binding):
    """Both kinds of records survive the ledger unchanged, their state readable beside them."""
    for table, record in ((Table.EFFECTS, effect_record(binding)), (Table.APPROVALS, approval_record(binding))):
        row = close_row(SEALER, table, binding.effect_key(), record)
        assert open_row(SEALER, row, type(record)) == record
        assert row.state == record.state.value


@LAW
@given(bindings, st.integers(0), st.integers(1, 255))
def test_any_changed_byte_of_a_body_is_noticed(binding, position, flip):
    """Not one bit can be changed at rest."""
    row = close_row(SEALER, Table.EFFECTS, "key", effect_record(binding))
    body = bytearray(row.body)
    body[position % len(body)] ^= flip
    with pytest.raises(LedgerError, match="seal"):
        open_row(SEALER, replace(row, body=bytes(body)), EffectRecord)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "other"},
        {"table": Table.APPROVALS},
        {"seal": ""},
        {"seal": "0" * 64},
        {"seal": None},
        {"seal": b"0"},
        {"seal": "é"},
        {"seal": 7},
        {"body": b""},
        {"body": b"{}"},
        {"body": None},
        {"body": 7},
        {"body": 1.5},
        {"body": "text"},
        {"state": "completed"},
        {"state": ""},
        {"state": None},
    ],
    ids=str,
)
def test_any_changed_column_is_noticed(change):
    """Key, table, seal, body and the copy of the state: an edited row is an error of our tree."""
    world = World()
    row = close_row(SEALER, Table.EFFECTS, "key", effect_record(world.binding(world.propose())))
    with pytest.raises(LedgerError):
        open_row(SEALER, replace(row, **change), EffectRecord)


def test_an_upper_case_seal_is_another_seal():
    """Seals have one spelling."""
    world = World()
    row = close_row(SEALER, Table.EFFECTS, "key", effect_record(world.binding(world.propose())))
    with pytest.raises(LedgerError):
        open_row(SEALER, replace(row, seal=row.seal.upper()), EffectRecord)


def test_another_key_opens_no_row():
    """A ledger that was copied from another installation is refused."""
    world = World()
    row = close_row(Sealer(bytes(32)), Table.EFFECTS, "key", effect_record(world.binding(world.propose())))
    with pytest.raises(LedgerError, match="another key"):
        open_row(SEALER, row, EffectRecord)


def test_a_sealed_row_of_another_kind_is_an_error():
    """A genuine approval where an effect should be does not leak a foreign error."""
    world = World()
    record = approval_record(world.binding(world.propose()))
    row = close_row(SEALER, Table.EFFECTS, "key", record)
    with pytest.raises(LedgerError, match="cannot be read"):
        open_row(SEALER, row, EffectRecord)


def test_errors_about_rows_show_nothing_of_them():
    """The message holds neither the permit nor the seal."""
    world = World()
    record = effect_record(world.binding(world.propose()))
    row = close_row(SEALER, Table.EFFECTS, "key", record)
    with pytest.raises(LedgerError) as caught:
        open_row(SEALER, replace(row, body=row.body + b" "), EffectRecord)
    assert record.permit.id not in str(caught.value)
    assert row.seal not in str(caught.value)
