"""What is gathered of one run, and how it is put aside and taken up again.

Invariant: a gathering that was written and read goes on as if it had stayed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

_SET_NAMES: Final = ("ids", "tenants", "agents", "users", "tools", "trust", "started", "paused", "answered", "sources")


@dataclass(slots=True)
class Gathering:
    """What is known of a run so far."""

    trace: str
    ids: set[int] = field(default_factory=set)
    """Short hashes of the ids of its events."""
    begun: int = 0
    """Time of the first event, in microseconds; that of the last one is ``ended``."""
    ended: int = 0
    who: list[Any] | None = None
    """Time, rank, id, thread, agent, user and tenant of the first event that is not a span."""
    seen: list[Any] | None = None
    """The same of the first span."""
    end: list[Any] | None = None
    """Time, rank, id and outcome of the last recorded end."""
    tenants: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)
    trust: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    """Names of content's sources, each as door:name."""
    findings: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    """Decisions by policy, tool, declared effects and effect, as a JSON list."""
    started: set[str] = field(default_factory=set)
    """Calls that were started, each as plan and call id in a JSON list."""
    executed: Counter[str] = field(default_factory=Counter)
    """Executions by tool."""
    spans: list[list[str]] = field(default_factory=list)
    """Run, parent run and name of every tool that the host was seen to begin under a policy."""
    paused: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    """When each approval was asked for."""
    answers: list[list[Any]] = field(default_factory=list)
    """Approval, approver, whether verified, whether a yes, seconds, and time of every person's answer."""
    expired: int = 0
    found_at: int | None = None
    """When something was first found in untrusted content."""
    held_at: list[int] = field(default_factory=list)
    """When something was withheld, denied, refused or stopped."""

    def scope(self) -> tuple[str, str, str, str]:
        """Return thread, agent, user and tenant; of a run that only spans tell of, those of the first span."""
        place = self.who or self.seen or [0, 0, "", "", "", "", ""]
        return place[3], place[4], place[5], place[6]

    def to_bytes(self) -> bytes:
        """Put it aside."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps({name: sorted(v) if isinstance(v, set) else v for name, v in plain.items()})

    @classmethod
    def from_bytes(cls, data: bytes) -> Gathering:
        """Take one up again that was put aside.

        Args:
            data: What ``to_bytes`` returned.
        """
        plain = orjson.loads(data)
        for name in _SET_NAMES:
            plain[name] = set(plain[name])
        for name in ("findings", "calls", "executed"):
            plain[name] = Counter(plain[name])
        return cls(**plain)
