"""What published lists each kind of event bears on, from the data file beside this module.

Invariant: every item that a topic names stands in its list, so that no mapping points at nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

import yaml
from pydantic import ValidationError

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import EvidenceError

_FILE: Final = "mappings.yaml"


class Framework(Frozen):
    """A published list."""

    title: str
    source: str
    """Where it is published."""
    items: dict[str, str]
    """Titles by id; only those that some topic names."""


class Topic(Frozen):
    """Kinds of events that bear on the same items."""

    about: str
    kinds: tuple[str, ...]
    items: dict[str, tuple[str, ...]]
    """Ids by framework."""


class Mappings(Frozen):
    """The whole file."""

    frameworks: dict[str, Framework]
    topics: dict[str, Topic]


Mapped: TypeAlias = dict[str, dict[str, object]]


@cache
def load_mappings() -> Mappings:
    """Read the data file.

    Returns:
        The mappings.

    Raises:
        EvidenceError: If the file is damaged, or a topic names an item that is not in its list.
    """
    text = files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    try:
        mappings = Mappings.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise EvidenceError(f"{_FILE} is damaged", expected="mappings", got=type(error).__name__) from None
    for topic in mappings.topics.values():
        for framework, ids in topic.items.items():
            known = mappings.frameworks.get(framework)
            if known is None or not set(ids) <= known.items.keys():
                raise EvidenceError(f"{_FILE} names an item that is in no list", got=framework)
    return mappings


def mapped(kinds: Iterable[str]) -> Mapped:
    """Say what the events of a run bear on.

    Args:
        kinds: Kinds of its events.

    Returns:
        By framework: title, source, and under ``items`` for each id its title and the kinds that bear on it.
    """
    mappings = load_mappings()
    seen = set(kinds)
    found: Mapped = {}
    for key, framework in mappings.frameworks.items():
        items: dict[str, dict[str, object]] = {}
        for item, title in framework.items.items():
            bearing = sorted(
                kind
                for topic in mappings.topics.values()
                if item in topic.items.get(key, ())
                for kind in topic.kinds
                if kind in seen
            )
            if bearing:
                items[item] = {"title": title, "events": bearing}
        found[key] = {"title": framework.title, "source": framework.source, "items": items}
    return found
