"""What ``govern`` is given: looked at before anything is opened, then made what the graph is built of.

Invariant: whoever gives two answers to one question is told so; the stricter one is never passed over for the laxer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Checkpointer

from aisecops_langchain.adapters.checkpoints.saver import SealedCheckpointer
from aisecops_langchain.adapters.core.place import PrincipalSource, only_agent
from aisecops_langchain.adapters.identity import VerifiedPrincipal, WarrantSource
from aisecops_langchain.audit import Durability
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor, PolicySource
from aisecops_langchain.runtime.ports import Ledger
from aisecops_langchain.runtime.principals.identity import IdentityProvider

ANYBODY: Final = "anonymous"
ANYWHERE: Final = "default"


def require_one_answer(rules: Mapping[str, object], who: Mapping[str, object], *, for_somebody: bool) -> None:
    """Refuse two answers to what rules, or to who acts.

    Args:
        rules: ``policy``, ``ledger`` and ``governor``, as they were given or ``None``.
        who: ``principal``, ``identity``, ``warrant`` and ``agent``, as they were given or ``None``.
        for_somebody: Whether a user or a tenant was named.

    Raises:
        ConfigurationError: If two of them answer the same question.
    """
    given = {name for name, value in {**rules, **who}.items() if value is not None}
    for name, plural in (("policy", "policies"), ("ledger", "ledgers")):
        if {name, "governor"} <= given:
            raise ConfigurationError(
                f"two {plural}", expected=f"a {name} or a governor", got="both", remedy="leave one out"
            )
    if "principal" in given and (for_somebody or given & {"identity", "warrant", "agent"}):
        raise ConfigurationError(
            "two principals",
            expected="a principal, or identity and warrant, or agent, user and tenant",
            got="a principal and another",
            remedy="leave one out",
        )


def require_model(model: object) -> None:
    """Refuse what cannot be a model that is offered tools.

    Args:
        model: What was given; ``init_chat_model`` makes one that is no ``BaseChatModel``.

    Raises:
        ConfigurationError: If tools cannot be bound to it.
    """
    if not callable(getattr(model, "bind_tools", None)):
        raise ConfigurationError(
            "this is no model",
            expected="a LangChain chat model",
            got=type(model).__name__,
            remedy="pass the model itself, such as init_chat_model('provider:name')",
        )


def opened_governor(
    policy: PolicySource | None, home: str | os.PathLike[str], durability: Durability | str, ledger: Ledger | str | None
) -> Governor:
    """Open a governor where none was given.

    Args:
        policy: A policy, or the path of a bundle.
        home: Where its log, its ledger and its keys lie.
        durability: What its log waits for.
        ledger: An open ledger, the URL of one, or ``None`` for a file in the home.

    Returns:
        The governor.

    Raises:
        ConfigurationError: If there is no policy; otherwise it raises as ``Governor.open`` does.
    """
    if policy is None:
        raise ConfigurationError(
            "no policy was given",
            expected="a policy bundle, or an open governor",
            got="neither",
            remedy="pass policy='policy.yaml'; without a policy nothing would be allowed",
        )
    return Governor.open(policy, home, ledger=ledger, durability=durability)


def sealing(checkpointer: Checkpointer, governor: Governor) -> SealedCheckpointer:
    """Seal what a checkpointer keeps, if that is not done already.

    Args:
        checkpointer: The checkpointer.
        governor: Seals and recognises.

    Returns:
        The checkpointer that does.

    Raises:
        ConfigurationError: If it is none of the graph's own.
    """
    if isinstance(checkpointer, SealedCheckpointer):
        return checkpointer
    if not isinstance(checkpointer, BaseCheckpointSaver):
        raise ConfigurationError(
            "there are no checkpoints to seal",
            expected="a checkpointer of this graph's own",
            got=type(checkpointer).__name__,
            remedy="give a checkpointer, or seal that of the parent graph",
        )
    return SealedCheckpointer(checkpointer, governor)


def principal_of(
    governor: Governor,
    agent: str | None,
    user: str,
    tenant: str,
    *,
    identity: IdentityProvider | None,
    warrant: WarrantSource | None,
) -> PrincipalSource:
    """Name who acts, from the single answers.

    Args:
        governor: Knows the bundle's agents, and judges warrants.
        agent: Name of the agent; may be left out where the bundle has only one.
        user: On whose behalf it acts.
        tenant: For which organisation.
        identity: Tells user and tenant from the configuration of each call, and vouches for them.
        warrant: What another agent lets this one do in its place, or how to find it.

    Returns:
        The principal, or how to tell it.

    Raises:
        ConfigurationError: If two of them answer the same question, or it is not clear which agent this is.
    """
    if identity is None and warrant is None:
        return Principal(agent=agent or only_agent(governor), user=user, tenant=tenant)
    if (user, tenant) != (ANYBODY, ANYWHERE):
        raise ConfigurationError(
            "two answers to who this is for", expected="identity or warrant alone", got="a user or tenant as well"
        )
    name = agent if agent or warrant is not None else only_agent(governor)
    return VerifiedPrincipal(governor, agent=name, identity=identity, warrant=warrant)
