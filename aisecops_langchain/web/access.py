"""Who may see and do what: tokens, roles, tenants, and the sessions that a browser holds instead of a token.

Invariant: a token is kept only as a SHA-256 and compared in constant time; a caller without a tenant list sees all
tenants, one with a list sees those alone. A session dies with the process, and after ``SESSION_SECONDS``.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from time import monotonic
from typing import Final

SESSION_SECONDS: Final = 12 * 3600
_MOST_SESSIONS: Final = 1000
_TOKEN_BYTES: Final = 32


class Role(StrEnum):
    """What a caller may do."""

    VIEWER = "viewer"
    """Read what the log holds."""
    APPROVER = "approver"
    """Also answer what waits for a person."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    person: str
    """The person's name; empty where the token stands for nobody."""
    role: Role
    tenants: frozenset[str] | None = None
    """The organisations whose runs the caller may see; all, if None."""
    verified: bool = False
    """Whether the operator gave this person a token of their own, so that the name is proof of who answers."""
    roles: tuple[str, ...] = ()
    """The person's roles in the organisation, as policy names them."""

    def sees(self, tenant: str) -> bool:
        """Whether the caller may see what belongs to a tenant.

        Args:
            tenant: The organisation.
        """
        return self.tenants is None or tenant in self.tenants


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """One token, by its hash, and whose it is."""

    sha256: str
    """SHA-256 of the token, 64 hexadecimal digits."""
    caller: Caller


@dataclass(frozen=True, slots=True)
class Session:
    """What a browser holds after it showed a token once."""

    id: str
    csrf: str
    """What every request that changes something must repeat."""
    caller: Caller
    expires: float
    """On the monotonic clock, in seconds."""


def new_token() -> str:
    """Make a token that nobody can guess.

    Returns:
        43 characters that may stand in a URL, 256 random bits.
    """
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> str:
    """Return the form in which a token is kept.

    Args:
        token: The token.

    Returns:
        Its SHA-256 in hexadecimal digits.
    """
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Access:
    """Knows the tokens and the sessions.

    Args:
        holders: The tokens that count.
    """

    def __init__(self, holders: Sequence[TokenHolder]) -> None:
        self._holders = tuple(holders)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def caller_of(self, token: str) -> Caller | None:
        """Tell whose a token is.

        Args:
            token: The token as presented.

        Returns:
            The caller, or None for a token that is not known. All tokens are compared, whichever matches.
        """
        presented, found = token_hash(token), None
        for holder in self._holders:
            if hmac.compare_digest(presented, holder.sha256):
                found = holder.caller
        return found

    def enter(self, token: str) -> Session | None:
        """Begin a session.

        Args:
            token: The token as presented.

        Returns:
            The session, or None for a token that is not known.
        """
        caller = self.caller_of(token)
        if caller is None:
            return None
        session = Session(new_token(), new_token(), caller, monotonic() + SESSION_SECONDS)
        with self._lock:
            self._sessions[token_hash(session.id)] = session
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return session

    def session(self, identity: str) -> Session | None:
        """Find a living session; it is looked up by a hash, so that time tells nothing of the ids that exist.

        Args:
            identity: Its id, as the browser sent it.

        Returns:
            The session, or None.
        """
        with self._lock:
            found = self._sessions.get(token_hash(identity))
            if found is not None and found.expires <= monotonic():
                del self._sessions[token_hash(identity)]
                return None
        return found

    def is_open(self, session: Session) -> bool:
        """Whether a session still lives.

        Args:
            session: The session.
        """
        return self.session(session.id) is not None

    def leave(self, session: Session) -> None:
        """End a session.

        Args:
            session: The session.
        """
        with self._lock:
            self._sessions.pop(token_hash(session.id), None)
