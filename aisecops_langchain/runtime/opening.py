"""What a governor stands on: the bundle, and the log, the ledger and the keys in a governance home.

Invariant: either all of it is usable, or an error says what is not and nothing stays open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from aisecops_langchain.audit import AuditLog, Durability
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.policy import PolicyEngine, load_policy
from aisecops_langchain.policy.kept import KEPT
from aisecops_langchain.runtime.content.quarantine import Quarantine
from aisecops_langchain.runtime.ledger.choice import open_ledger
from aisecops_langchain.runtime.policies.keeping import KeptPolicies
from aisecops_langchain.runtime.ports import Clock, Ledger
from aisecops_langchain.sealing import Sealer

PolicySource = PolicyEngine | str | os.PathLike[str]


class Stores(NamedTuple):
    """What was opened in a home."""

    log: AuditLog
    ledger: Ledger
    sealer: Sealer
    quarantine: Quarantine
    policies: KeptPolicies


def open_stores(
    home: Path, policy: PolicyEngine, *, ledger: Ledger | str | None, durability: Durability | str, clock: Clock
) -> Stores:
    """Open the log, the ledger and the keys of a home; the errors are those of ``Governor.open``.

    Args:
        home: The directory; made if missing.
        policy: What will be in force; it is kept in the home.
        ledger: An open ledger, the URL of one, or ``None`` for a file in the home.
        durability: What the log waits for.
        clock: Tells the time.

    Returns:
        What was opened.
    """
    mode = _durability(durability)
    key = load_or_create_key(home / "keys" / "audit.key")
    log = AuditLog.open(home / "audit", key=key, durability=mode, clock=clock.now)
    try:
        sealer = Sealer(load_or_create_key(home / "keys" / "seal.key"))
        quarantine = Quarantine.of_home(home)
        policies = KeptPolicies(home / KEPT)
        policies.keep(policy)
        opened = open_ledger(ledger, home, durable=mode is not Durability.NONE)
    except BaseException:
        log.close()
        raise
    return Stores(log, opened, sealer, quarantine, policies)


def load(policy: PolicySource) -> PolicyEngine:
    """Return a policy as it is, or load it from its file.

    Args:
        policy: A policy, or the path of a bundle.

    Returns:
        The policy.

    Raises:
        PolicyError: If the bundle is missing, empty or malformed.
    """
    return load_policy(policy) if isinstance(policy, str | os.PathLike) else policy


def today_in(environment: Mapping[str, JsonValue] | None) -> date | None:
    """Read today's date from the environment that rules may ask for.

    Args:
        environment: Facts from configuration.

    Returns:
        The date, or ``None`` where none is set.

    Raises:
        ConfigurationError: If it is no date.
    """
    today = (environment or {}).get("today")
    if today is None:
        return None
    try:
        return date.fromisoformat(str(today))
    except ValueError:
        raise ConfigurationError(
            "environment.today is no date", expected="a date like 2024-05-15", got=type(today).__name__
        ) from None


def _durability(name: Durability | str) -> Durability:
    try:
        return Durability(name)
    except ValueError:
        raise ConfigurationError(
            "unknown durability", expected="none, group or sync", got=str(name)[:40], remedy="choose one of them"
        ) from None
