"""The description of the API (OpenAPI 3.1), made from the table of endpoints and the types of their answers.

Invariant: it is made from what the server does, so that nothing is described that is not there, or the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from pydantic.json_schema import models_json_schema

from aisecops_langchain import __version__
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.web.csrf import HEADER
from aisecops_langchain.web.endpoints import Acting, Endpoint, Parameter, Reading

_Mode: TypeAlias = Literal["validation", "serialization"]

_REFS: Final = "#/components/schemas/{model}"
_PLACE: Final = re.compile(r"\{(\w+)(?::path)?\}")


class ProblemDetails(Frozen):
    """Why a request was not answered (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    expected: str | None = None
    got: str | None = None
    do: str | None = None
    """What to do about it."""


def describe(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Describe the API.

    Args:
        endpoints: The table.

    Returns:
        The description, in plain JSON types.
    """
    models: dict[tuple[type[Frozen], _Mode], None] = {(item.answer, "serialization"): None for item in endpoints}
    models |= {(item.body, "validation"): None for item in endpoints if isinstance(item, Acting)}
    models[ProblemDetails, "serialization"] = None
    names, definitions = models_json_schema(list(models), ref_template=_REFS)
    paths: dict[str, dict[str, Any]] = {}
    for item in endpoints:
        method = "get" if isinstance(item, Reading) else "post"
        path = _PLACE.sub(r"{\1}", item.path)
        paths.setdefault(path, {})[method] = _operation(item, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Replay Audit",
            "version": __version__,
            "description": "What an audit log says about the runs of governed agents, and answers to approvals.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "aisecops-PORT",
                    "description": f"A browser's session; what changes anything also needs the header {HEADER}.",
                },
            },
        },
    }


def _operation(item: Endpoint, names: dict[Any, Any]) -> dict[str, Any]:
    places = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACE.findall(item.path)
    ]
    asked = [_parameter(parameter) for parameter in item.parameters] if isinstance(item, Reading) else []
    operation: dict[str, Any] = {
        "operationId": item.handler.__name__,
        "summary": item.about,
        "parameters": [*places, *asked],
        "responses": {
            "200": {"description": "The answer.", **_content("application/json", names[item.answer, "serialization"])},
            "default": {
                "description": "Why there is none.",
                **_content("application/problem+json", names[ProblemDetails, "serialization"]),
            },
        },
    }
    if isinstance(item, Acting):
        operation["requestBody"] = {"required": True, **_content("application/json", names[item.body, "validation"])}
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": parameter.schema} if parameter.many else parameter.schema
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": schema,
    }


def _content(media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {media: {"schema": schema}}}
