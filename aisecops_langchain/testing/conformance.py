"""What every ledger must do, as a pytest class that any implementation can be run through.

Invariant: a ledger that passes is exact under compare-and-set, applies several changes whole or not at all, and lets
exactly one of many racing writers win; the runtime relies on nothing else of a ledger.

Use it by deriving a test class and overriding one fixture::

    class TestMyLedger(LedgerConformance):
        @pytest.fixture
        def ledger(self, tmp_path):
            with closing(MyLedger(tmp_path)) as ledger:
                yield ledger
"""
# ruff: noqa: S101 - a conformance suite is made of assertions

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Final

import orjson
import pytest

from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ports import Change, Charge, Ledger, Row, Table

THREADS: Final = 8
"""How many writers race in the tests of concurrency."""

_STEPS: Final = 25


def row(
    key: str = "key", version: str = "v1", *, table: Table = Table.EFFECTS, state: str = "reserved", body: bytes = b"{}"
) -> Row:
    """Make a row; a ledger looks into its body for nothing but the run that it names.

    Args:
        key: Its key.
        version: Its seal.
        table: Where it lies.
        state: Its state.
        body: Its body.

    Returns:
        The row.
    """
    return Row(table=table, key=key, state=state, body=body, seal=version)


def race(work: Callable[[int], bool]) -> list[bool]:
    """Let writers start at the same moment.

    Args:
        work: What each of them does, given its number.

    Returns:
        What each of them got.
    """
    start = Barrier(THREADS)

    def one(number: int) -> bool:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


class LedgerConformance:
    """The suite; a subclass says how to make a ledger."""

    @pytest.fixture
    def ledger(self) -> Iterable[Ledger]:
        """Give an empty ledger; every subclass overrides this."""
        pytest.fail("override the fixture 'ledger' with one that gives an empty ledger")

    def test_a_missing_row_is_none(self, ledger: Ledger) -> None:
        """What was never written is not there."""
        assert ledger.get(Table.EFFECTS, "key") is None

    @pytest.mark.parametrize("durable", [True, False])
    def test_what_is_inserted_is_read_back(self, ledger: Ledger, *, durable: bool) -> None:
        """Every byte comes back, whatever is asked of durability."""
        written = row("schlüssel '--", "seal", state="any state", body=bytes(range(256)))
        assert ledger.apply([Change(written)], durable=durable) is True
        assert ledger.get(Table.EFFECTS, written.key) == written

    def test_an_insert_conflicts_with_any_row(self, ledger: Ledger) -> None:
        """An insert never overwrites, not even with the very same row."""
        assert ledger.apply([Change(row())], durable=True)
        assert ledger.apply([Change(row())], durable=True) is False
        assert ledger.apply([Change(row(version="v2"))], durable=True) is False
        assert ledger.get(Table.EFFECTS, "key") == row()

    def test_an_insert_conflicts_with_the_row_that_it_names(self, ledger: Ledger) -> None:
        """An insert that is meant only as long as another row is absent is refused once that row is there."""
        other = (Table.APPROVALS, "asked")
        assert ledger.apply([Change(row("before"), unless=other)], durable=False)
        assert ledger.apply([Change(row("asked", table=Table.APPROVALS))], durable=False)
        assert ledger.apply([Change(row("after"), unless=other)], durable=False) is False
        assert ledger.get(Table.EFFECTS, "after") is None
        assert ledger.apply([Change(row("after"), unless=(Table.EFFECTS, "asked"))], durable=False)

    def test_tables_are_apart(self, ledger: Ledger) -> None:
        """The same key in two tables names two rows."""
        other = row(table=Table.APPROVALS, version="other", state="pending")
        assert ledger.apply([Change(row()), Change(other)], durable=False)
        assert ledger.get(Table.EFFECTS, "key") == row()
        assert ledger.get(Table.APPROVALS, "key") == other

    def test_a_replacement_takes_the_version_that_was_read(self, ledger: Ledger) -> None:
        """Naming the present version replaces the whole row."""
        ledger.apply([Change(row())], durable=True)
        new = row(version="v2", state="started", body=b"new")
        assert ledger.apply([Change(new, replaces="v1")], durable=True) is True
        assert ledger.get(Table.EFFECTS, "key") == new

    @pytest.mark.parametrize("named", ["v0", "", "V1", "v1 ", "v%", "v_"])
    def test_a_replacement_of_another_version_conflicts(self, ledger: Ledger, named: str) -> None:
        """Versions are compared exactly: no case folding, no padding, no wild cards."""
        ledger.apply([Change(row())], durable=True)
        assert ledger.apply([Change(row(version="v2"), replaces=named)], durable=True) is False
        assert ledger.get(Table.EFFECTS, "key") == row()

    def test_a_replacement_of_a_missing_row_conflicts(self, ledger: Ledger) -> None:
        """A replacement never inserts."""
        assert ledger.apply([Change(row(version="v2"), replaces="v1")], durable=True) is False
        assert ledger.get(Table.EFFECTS, "key") is None

    def test_a_version_is_replaced_once(self, ledger: Ledger) -> None:
        """Whoever comes second with the same version conflicts."""
        ledger.apply([Change(row())], durable=True)
        assert ledger.apply([Change(row(version="v2"), replaces="v1")], durable=True) is True
        assert ledger.apply([Change(row(version="v3"), replaces="v1")], durable=True) is False
        assert ledger.get(Table.EFFECTS, "key") == row(version="v2")

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_several_changes_are_applied_whole_or_not_at_all(self, ledger: Ledger, position: int) -> None:
        """A conflict anywhere undoes what stood before it and skips what comes after."""
        ledger.apply([Change(row("old"))], durable=True)
        good = [
            Change(row("new", table=Table.APPROVALS)),
            Change(row("old", "v2"), replaces="v1"),
        ]
        bad = Change(row("absent", "v2"), replaces="v1")
        assert ledger.apply([*good[:position], bad, *good[position:]], durable=True) is False
        assert ledger.get(Table.EFFECTS, "old") == row("old")
        assert ledger.get(Table.APPROVALS, "new") is None
        assert ledger.apply(good, durable=True) is True
        assert ledger.get(Table.EFFECTS, "old") == row("old", "v2")
        assert ledger.get(Table.APPROVALS, "new") == row("new", table=Table.APPROVALS)

    def test_a_change_sees_those_before_it(self, ledger: Ledger) -> None:
        """Changes of one call count in their order."""
        assert ledger.apply([Change(row()), Change(row(version="v2"), replaces="v1")], durable=True) is True
        assert ledger.get(Table.EFFECTS, "key") == row(version="v2")
        assert ledger.apply([Change(row("twice")), Change(row("twice"))], durable=True) is False
        assert ledger.get(Table.EFFECTS, "twice") is None

    @pytest.mark.parametrize("table", list(Table))
    def test_every_table_keeps_rows_of_its_own(self, ledger: Ledger, table: Table) -> None:
        """The same key in two tables names two rows; each is read, replaced and listed in its own."""
        ledger.apply([Change(row(table=every, version=f"v-{every}")) for every in Table], durable=True)
        assert ledger.apply([Change(row(version="new", table=table), replaces=f"v-{table}")], durable=True)
        for every in Table:
            expected = row(version="new" if every is table else f"v-{every}", table=every)
            assert list(ledger.scan(every)) == [expected]

    def test_scan_gives_a_table_in_the_order_of_its_keys(self, ledger: Ledger) -> None:
        """Order is that of code points; the other table stays out."""
        keys = ["b", "a", "Z", "é", "10", "9", "\U0001f600", "\uffee"]
        ledger.apply([Change(row(key)) for key in keys], durable=True)
        ledger.apply([Change(row("apart", table=Table.APPROVALS))], durable=True)
        assert [found.key for found in ledger.scan(Table.EFFECTS)] == sorted(keys)
        assert next(iter(ledger.scan(Table.EFFECTS))) == row("10")

    def test_scan_filters_by_exact_state(self, ledger: Ledger) -> None:
        """Only rows that are in the state now are given."""
        states = {"a": "reserved", "b": "started", "c": "reserved"}
        ledger.apply([Change(row(key, state=state)) for key, state in states.items()], durable=True)
        ledger.apply([Change(row("c", "v2", state="started"), replaces="v1")], durable=True)
        assert [found.key for found in ledger.scan(Table.EFFECTS, state="started")] == ["b", "c"]
        assert [found.key for found in ledger.scan(Table.EFFECTS, state="reserved")] == ["a"]
        assert list(ledger.scan(Table.EFFECTS, state="start%")) == []
        assert list(ledger.scan(Table.APPROVALS)) == []

    @pytest.mark.parametrize("run", ["ab" * 16, "", 'a "quoted" one', "back\\slash", "zwölf", "\U0001f600", "100%"])
    def test_scan_finds_the_rows_of_a_run_by_their_bodies(self, ledger: Ledger, run: str) -> None:
        """Whatever the run is called, and whatever other texts of a body say of themselves."""
        forged = f'"trace":"{run}"'
        bodies = {
            "mine": {"permit": {"scope": {"thread": "t", "trace": run}}},
            "mine-2": {"call": f'x"trace":"other"{run}', "scope": {"trace": run}, "later": {"trace": "other"}},
            "other": {"call": forged, "scope": {"trace": "of somebody else"}, "later": {"trace": run}},
            "none": {"call": forged},
        }
        rows = [row(key, body=orjson.dumps(body)) for key, body in bodies.items()]
        rows += [row("empty", body=b""), row("broken", body=b'\xff"trac'), row("moved", state="started")]
        assert ledger.apply([Change(each) for each in rows], durable=True)
        moved = row("moved", "v2", state="started", body=rows[0].body)
        assert ledger.apply([Change(moved, replaces="v1")], durable=True)
        assert [found.key for found in ledger.scan(Table.EFFECTS, trace=run)] == ["mine", "mine-2", "moved"]
        assert list(ledger.scan(Table.EFFECTS, trace=run, state="started")) == [moved]
        assert list(ledger.scan(Table.APPROVALS, trace=run)) == []

    def test_rows_may_be_written_while_they_are_scanned(self, ledger: Ledger) -> None:
        """A scan holds no lock and shows what was there when it began."""
        ledger.apply([Change(row(key)) for key in "abc"], durable=True)
        seen = []
        for found in ledger.scan(Table.EFFECTS):
            seen.append(found.key)
            assert ledger.apply([Change(row(found.key, "v2"), replaces="v1")], durable=True)
            ledger.apply([Change(row("z" + found.key))], durable=True)
        assert seen == ["a", "b", "c"]

    def test_counters_count_from_one_and_apart(self, ledger: Ledger) -> None:
        """Each name has its own count."""
        assert [ledger.increment("one") for _ in range(3)] == [1, 2, 3]
        assert ledger.increment("other") == 1
        assert ledger.increment("one") == 4

    def test_a_charge_reaches_its_limit_and_no_further(self, ledger: Ledger) -> None:
        """What would overdraw a counter leaves it, and everything beside it, as it was."""
        assert ledger.apply([], durable=False, charges=[Charge("spent", 7, limit=10)])
        assert ledger.apply([Change(row())], durable=True, charges=[Charge("spent", 4, limit=10)]) is False
        assert ledger.get(Table.EFFECTS, "key") is None
        assert ledger.apply([Change(row())], durable=True, charges=[Charge("spent", 3, limit=10)])
        assert ledger.apply([], durable=False, charges=[Charge("new", 11, limit=10)]) is False
        assert ledger.balances(["spent", "new", "other"]) == {"spent": 10}

    def test_a_charge_beside_a_conflict_is_not_made(self, ledger: Ledger) -> None:
        """Changes and charges hold or fail together, several charges too."""
        ledger.apply([Change(row())], durable=True)
        charges = [Charge("one", 1), Charge("two", 5, limit=4)]
        assert ledger.apply([Change(row())], durable=False, charges=charges[:1]) is False
        assert ledger.apply([], durable=False, charges=charges) is False
        assert ledger.balances(["one", "two"]) == {}

    def test_what_is_charged_once_is_charged_once(self, ledger: Ledger) -> None:
        """A mark keeps the second charge from counting, unless the first was refused."""
        assert ledger.apply([], durable=False, charges=[Charge("full", 1, limit=0, once="a")]) is False
        for _ in range(2):
            assert ledger.apply([], durable=False, charges=[Charge("recipients", 1, limit=1, once="a")])
        assert ledger.apply([], durable=False, charges=[Charge("recipients", 1, limit=1, once="b")]) is False
        assert ledger.balances(["recipients"]) == {"recipients": 1}

    def test_what_is_given_back_can_be_charged_again(self, ledger: Ledger) -> None:
        """A charge below zero makes room."""
        assert ledger.apply([], durable=False, charges=[Charge("spent", 10, limit=10)])
        assert ledger.apply([], durable=False, charges=[Charge("spent", -4)])
        assert ledger.apply([], durable=False, charges=[Charge("spent", 4, limit=10)])
        assert ledger.balances(["spent"]) == {"spent": 10}

    def test_racing_charges_never_overdraw(self, ledger: Ledger) -> None:
        """Under many threads a counter ends exactly at its limit, and as many were served as fit."""
        for step in range(_STEPS):
            charge = Charge(f"counter-{step}", 3, limit=3 * (THREADS // 2) + 1)
            won = race(lambda _, charge=charge: ledger.apply([], durable=False, charges=[charge]))  # type: ignore[misc]
            assert won.count(True) == THREADS // 2
            assert ledger.balances([charge.counter]) == {charge.counter: 3 * (THREADS // 2)}

    def test_no_increment_is_lost_or_given_twice(self, ledger: Ledger) -> None:
        """Under many threads, every caller gets a number of its own."""
        with ThreadPoolExecutor(THREADS) as pool:
            given = list(pool.map(lambda _: ledger.increment("shared"), range(THREADS * _STEPS)))
        assert sorted(given) == list(range(1, THREADS * _STEPS + 1))

    def test_of_many_replacements_exactly_one_wins(self, ledger: Ledger) -> None:
        """However often threads race for one version, one of them gets it, and its row stays."""
        ledger.apply([Change(row())], durable=True)
        for step in range(_STEPS):
            now = ledger.get(Table.EFFECTS, "key")
            assert now is not None
            rivals = [row(version=f"{step}-{number}") for number in range(THREADS)]
            changes = [Change(rival, replaces=now.seal) for rival in rivals]
            won = race(partial(_apply_nth, ledger, changes))
            assert won.count(True) == 1
            assert ledger.get(Table.EFFECTS, "key") == rivals[won.index(True)]

    def test_of_many_inserts_exactly_one_wins(self, ledger: Ledger) -> None:
        """However often threads race for a new key, one of them gets it, with all that it wrote along."""
        for step in range(_STEPS):

            def insert(number: int, step: int = step) -> bool:
                mine = [Change(row(f"shared-{step}", f"v{number}")), Change(row(f"own-{step}-{number}"))]
                return ledger.apply(mine, durable=False)

            won = race(insert)
            assert won.count(True) == 1
            winner = won.index(True)
            assert ledger.get(Table.EFFECTS, f"shared-{step}") == row(f"shared-{step}", f"v{winner}")
            kept = [ledger.get(Table.EFFECTS, f"own-{step}-{number}") is not None for number in range(THREADS)]
            assert kept == won

    def test_this_owner_is_alive(self, ledger: Ledger) -> None:
        """The ledger that asks is in use."""
        assert ledger.owner
        assert ledger.is_alive(ledger.owner) is True

    @pytest.mark.parametrize("owner", ["", "0" * 32, "..", "../x", "/etc/passwd", "a\0b", "nobody " * 100, "\ud800"])
    def test_no_stranger_is_alive(self, ledger: Ledger, owner: str) -> None:
        """An owner that never was, or a name that is none, does not keep an effect running for ever."""
        try:
            assert ledger.is_alive(owner) is False
        except LedgerError:
            return


def _apply_nth(ledger: Ledger, changes: Sequence[Change], number: int) -> bool:
    return ledger.apply([changes[number]], durable=False)
