"""What a log holds, for readers, and who may read what.

Invariant: a run is given only to a caller who may see every organisation that it touches, judged by its own events;
that there is such a run, no other caller can tell. Looking at the log is the work of ``look`` alone, in the background.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.forensics.delegation import Delegation, delegations_of, family_of
from aisecops_langchain.forensics.roster import Roster, RunFigures, RunFilter, RunRow, asking
from aisecops_langchain.forensics.summary import Summary, delegated
from aisecops_langchain.web.access import Caller
from aisecops_langchain.web.bulletin import Bulletin, Topic
from aisecops_langchain.web.checking import Checking
from aisecops_langchain.web.filters import Wanted
from aisecops_langchain.web.refusals import NotFoundError
from aisecops_langchain.web.shelf import Run, Shelf, event_of
from aisecops_langchain.web.standing import Standing
from aisecops_langchain.web.wordsearch import WordSearch


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs that a caller asked for, the latest first."""

    runs: tuple[RunRow, ...]
    total: int
    """How many there are on all pages."""
    offset: int
    limit: int
    behind_bytes: int
    """Bytes of the log that were not read yet; the runs in them are missing."""


class Library:
    """Reads one log.

    Args:
        log: The log directory.
        folder: Where what is derived from it lies; made if missing.
        public_keys: Trusted public keys by key id; those beside the log if not given.

    Raises:
        IndexFaultError: If nothing can be kept in the folder.
    """

    def __init__(self, log: Path, folder: Path, *, public_keys: Mapping[str, bytes] | None = None) -> None:
        self.log = log
        self.public_keys = public_keys
        self.bulletin = Bulletin()
        self._roster = Roster(log, folder)
        self._shelf = Shelf(log, folder)
        self._words = WordSearch(log)
        self._checking = Checking(log, public_keys=public_keys)

    def close(self) -> None:
        """Give the files back."""
        self._shelf.close()

    def read(self) -> None:
        """Take in what was added to the log; one thread at a time."""
        late = self._roster.behind()
        for growth in self._roster.update():
            if growth.runs:
                self.bulletin.post(Topic.CHANGED, growth.runs)
            if any(kind.startswith("approval_") for kind in growth.kinds):
                self.bulletin.post(Topic.APPROVALS, growth.runs)
        if late:
            self._shelf.warm()

    def check(self) -> None:
        """Look whether the log can still be trusted; one thread at a time."""
        if self._checking.look():
            self.bulletin.post(Topic.STANDING)

    def look(self) -> None:
        """Read and check once, one after the other."""
        self.read()
        self.check()

    def standing(self) -> Standing:
        """Say how far the log can be trusted."""
        return self._checking.standing(unreadable=self._roster.unreadable())

    def report(self) -> VerifyReport | None:
        """Return the last verification; None while there was none yet."""
        return self._checking.report()

    def size(self) -> int:
        """Return how many bytes the log has, which tells one state of a growing log from another."""
        return sum(path.stat().st_size for path in segment_paths(self.log))

    def runs(self, caller: Caller, wanted: Wanted, *, offset: int, limit: int) -> RunPage:
        """List runs, the latest first.

        Args:
            caller: Who asks.
            wanted: Which runs.
            offset: How many to leave out.
            limit: How many to give at most.

        Returns:
            The page.
        """
        total, rows = asking.find(self._roster.file, self._filter(caller, wanted), offset=offset, limit=limit)
        return RunPage(rows, total, offset, limit, self._roster.behind())

    def names(self, caller: Caller, wanted: Wanted) -> list[tuple[str, int]]:
        """Name runs and how many events each has, the latest first; arguments are those of ``runs``."""
        return asking.traces(self._roster.file, self._filter(caller, wanted))

    def figures(self, caller: Caller, wanted: Wanted) -> Iterator[tuple[RunRow, RunFigures]]:
        """Yield rows and figures of runs, in no order; arguments are those of ``runs``."""
        return asking.figures(self._roster.file, self._filter(caller, wanted))

    def facets(self, caller: Caller, wanted: Wanted) -> dict[str, dict[str, int]]:
        """Say by which values runs can be narrowed; arguments are those of ``runs``."""
        return asking.values_of(self._roster.file, self._filter(caller, wanted))

    def run(self, identity: str, caller: Caller) -> Run:
        """Read one run.

        Args:
            identity: Its trace.
            caller: Who asks.

        Returns:
            The run.

        Raises:
            NotFoundError: If there is none, or none that the caller may see.
            TooLargeError: If it is too long to be shown.
        """
        found = self._shelf.run(identity)
        if found is None or not all(caller.sees(tenant) for tenant in found.tenants):
            raise NotFoundError("there is no such run", expected="the id of a run that this log holds")
        return found

    def delegations(self, identity: str, caller: Caller) -> tuple[Delegation, ...]:
        """Tell who acted for whom around a run; what the caller may not see is left out, as if it were not there.

        Args:
            identity: The run.
            caller: Who asks.

        Returns:
            The delegations.
        """
        lines = asking.family(self._roster.file, identity)
        known = delegations_of(event for line in lines if (event := event_of(line)) is not None)
        visible = self._visible({item.child for item in known} | {item.parent for item in known if item.parent}, caller)
        return tuple(_without(item, visible) for item in known if item.child in visible)

    def summary(self, run: Run, caller: Caller) -> Summary:
        """Sum up a run, with who acted for whom around it as far as the caller may see that.

        Args:
            run: The run.
            caller: Who asks.

        Returns:
            The summary.
        """
        around = self.delegations(run.trace.id, caller)
        return run.summary.model_copy(update=delegated(run.trace.id, around)) if around else run.summary

    def relatives(self, identity: str, caller: Caller) -> tuple[Run, ...]:
        """Read the runs that belong to one by delegation, as far as the caller may see them.

        Args:
            identity: That run.
            caller: Who asks.

        Returns:
            The others.

        Raises:
            NotFoundError: If one changed hands meanwhile.
            TooLargeError: If one is too long to be shown.
        """
        others = family_of(identity, self.delegations(identity, caller)) - {identity}
        return tuple(self.run(other, caller) for other in sorted(others))

    def _visible(self, traces: Iterable[str], caller: Caller) -> frozenset[str]:
        wanted = replace(Wanted(), traces=tuple(traces))
        return frozenset(trace for trace, _ in self.names(caller, wanted))

    def _filter(self, caller: Caller, wanted: Wanted) -> RunFilter:
        traces = wanted.traces
        if wanted.text:
            found = self._words.runs(wanted.text)
            traces = found if traces is None else tuple(set(found) & set(traces))
        return RunFilter(
            since=wanted.since,
            until=wanted.until,
            facets=wanted.facets,
            traces=traces,
            tenants=None if caller.tenants is None else tuple(sorted(caller.tenants)),
        )


def _without(item: Delegation, visible: frozenset[str]) -> Delegation:
    """Leave out the run that delegated, where the caller may not see it."""
    return (
        item
        if item.parent is None or item.parent in visible
        else item.model_copy(update={"parent": None, "issued": None})
    )
