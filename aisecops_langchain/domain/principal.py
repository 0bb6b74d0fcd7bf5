"""Who acts: the tenant, the user on whose behalf, the agent that carries it out, and the agents that delegated to it.

Invariant: a principal comes from configuration or an identity provider, never from message text. A chain of delegators
authorises nothing by itself: the gate accepts it only with the signed warrants that it names.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pydantic import Field

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.base import Frozen

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""What Unicode counts as letters, marks or symbols, and readers are shown nothing of (Default_Ignorable_Code_Point,
UAX 44, as far as ``str.isprintable`` lets it pass; and the empty Braille pattern)."""


class Delegator(Frozen):
    """One link of a chain of delegation: who passed authority on, in which run, by which warrant."""

    agent: str = Field(min_length=1)
    """The agent that delegated."""
    warrant: str = Field(min_length=1)
    """Digest of the warrant that it gave."""
    run: str = ""
    """Thread of the run in which it did, where there was one; stopping that run stops this link."""


class Principal(Frozen):
    """The subject of every decision (NIST SP 800-162)."""

    agent: str = Field(min_length=1)
    """Name of the agent as the policy bundle knows it."""
    user: str = Field(default="anonymous", min_length=1)
    """The person or service on whose behalf the agent acts."""
    tenant: str = Field(default="default", min_length=1)
    """The organisation whose data and budgets are touched."""
    issuer: str = ""
    """Who vouched for user and tenant: an identity provider; empty where configuration only states them."""
    delegators: tuple[Delegator, ...] = ()
    """The agents that authority came through, the first delegator first; empty for an agent that acts by itself."""

    @property
    def verified(self) -> bool:
        """Whether an identity provider vouched for user and tenant."""
        return self.issuer != ""

    def chain(self) -> str:
        """Return one text that names the agents that authority came through, for sealing; empty without any."""
        return digest_texts("delegators", *(link.agent for link in self.delegators)) if self.delegators else ""


class Approver(Frozen):
    """Who answered an approval, and whether somebody vouched for the name."""

    id: str = Field(min_length=1)
    verified: bool = False
    """Whether an identity provider, or the application's own login, vouches for all of this; else none of it counts."""
    tenant: str = ""
    """The organisation that the person answers for; empty where nobody told."""
    issuer: str = ""
    """Who vouched: an identity provider; empty where the application's own code did."""
    roles: tuple[str, ...] = ()
    """Roles that the identity provider gives the person."""

    def is_person(self, name: str) -> bool:
        """Whether a name is this person's, in whatever spelling.

        The issuer is left out: one person has the same name with two providers more often than two persons have one,
        and taking two for one only ever leaves a request unanswered.

        Args:
            name: Name of a user or of another approver.
        """
        return one_spelling(self.id) == one_spelling(name)


def one_spelling(name: str) -> str:
    """Bring a name into the one spelling in which names are compared.

    Args:
        name: Any name.

    Returns:
        The name without case, compatibility forms, spaces and characters that cannot be seen.
    """
    folded = unicodedata.normalize("NFKC", _shown(name)).casefold()  # what is not shown may keep marks apart
    return unicodedata.normalize("NFKC", _shown(folded))


def _shown(text: str) -> str:
    return "".join(c for c in _UNSEEN.sub("", text) if c.isprintable() and not c.isspace())
