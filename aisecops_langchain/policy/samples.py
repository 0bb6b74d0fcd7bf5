"""Requests with one value for each axis of a space.

Invariant: a request is one that could be made: what no call can hold, or no task can mean, is left out.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from pydantic import JsonValue

from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label, Source, SourceKind
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.task import TaskStanding
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.policy.spaces import NESTED, Space
from aisecops_langchain.policy.values import MISSING

_CONTEXT: Final = Label(integrity=Integrity.USER, confidentiality=Confidentiality.INTERNAL)


def requests_of(space: Space, most: int) -> Iterator[DecisionRequest]:
    """Yield a request for each combination, or for as many random ones as allowed.

    Args:
        space: The space.
        most: How many are allowed.
    """
    names = list(space.axes)
    if space.size <= most:
        combinations: Iterable[Sequence[object]] = itertools.product(*space.axes.values())
    else:
        chooser = random.Random(0)  # noqa: S311 - chooses samples, keeps no secret
        combinations = ([chooser.choice(values) for values in space.axes.values()] for _ in range(most))
    for values in combinations:
        request = _request(space, dict(zip(names, values, strict=True)))
        if request is not None:
            yield request


def _request(space: Space, chosen: Mapping[str, object]) -> DecisionRequest | None:
    arguments: dict[str, JsonValue] = {}
    environment: dict[str, JsonValue] = {}
    labels: dict[str, dict[str, object]] = {}
    methods: dict[str, str] = {}
    for path in sorted(chosen, key=lambda text: text.count(".")):  # what holds others comes before them
        value, keys = chosen[path], path.split(".")
        if keys[0] == "labels" and keys[2] == "method":
            methods[keys[1]] = str(value)
        elif keys[0] == "labels":
            labels.setdefault(keys[1], {})[keys[2]] = value
        elif keys[0] in ("args", "environment") and value is not MISSING:
            _place(arguments if keys[0] == "args" else environment, keys[1:], value)
    inside = bool(chosen.get("task.in_scope", False))
    named = bool(chosen.get("task.tool_in_scope", inside))
    if inside and not named:
        return None  # a call is in scope only if its tool is
    context = _label({path.partition(".")[2]: value for path, value in chosen.items() if path.startswith("context.")})
    try:
        call = CanonicalCall.of(space.tool, arguments)
    except CanonicalizationError:
        return None  # no call can hold such a value
    return DecisionRequest(
        principal=Principal(
            agent=space.agent,
            user=cast("str", chosen.get("principal.user") or "anonymous"),
            tenant=cast("str", chosen.get("principal.tenant") or "default"),
        ),
        call=call,
        context=context,
        arguments={name: _label(fields) for name, fields in labels.items()},
        methods=methods,
        task=TaskStanding(tool_in_scope=named, in_scope=inside),
        environment=environment,
        usage=Usage(),
    )


def _place(root: dict[str, JsonValue], keys: Sequence[str], value: object) -> None:
    *holders, last = keys
    for key in holders:
        inner = root.get(key)
        if not isinstance(inner, dict):
            return  # the holder is absent or of another kind, so nothing can lie in it
        root = inner
    root[last] = {} if value is NESTED or value == {} else cast("JsonValue", value)  # fields may be put into it


def _label(fields: Mapping[str, object]) -> Label:
    kinds = cast("tuple[str, ...]", fields.get("sources", ()))
    return Label(
        integrity=Integrity(str(fields.get("integrity", _CONTEXT.integrity))),
        confidentiality=Confidentiality(str(fields.get("confidentiality", _CONTEXT.confidentiality))),
        sources=frozenset(Source(kind=SourceKind(kind), name="witness", digest="witness") for kind in kinds),
    )
