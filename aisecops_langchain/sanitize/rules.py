r"""Rule packs: what instructions to an assistant look like inside data.

Invariant: a pack loads whole or not at all. Unknown keys, repeated ids or keys, rules without examples and patterns
that do not compile are refused with the id of the rule, so that no rule is ever silently absent.

A space in a pattern stands for any run of white space (write ``\x20`` for the character itself).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

import yaml
from pydantic import Field, ValidationError, field_validator

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.finding import Severity
from aisecops_langchain.sanitize.fold import fold_pattern
from aisecops_langchain.sanitize.patterns import compile_pattern

_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]| ", re.DOTALL)
"""An escape, a character class or a space of a pattern."""


class Rule(Frozen):
    """One thing to look for."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    category: str = Field(min_length=1)
    severity: Severity
    channels: frozenset[SourceKind] | None = None
    """The doors it watches; all of them where it names none."""
    description: str = Field(min_length=1)
    patterns: tuple[str, ...] = Field(min_length=1)
    """Patterns in google-re2 syntax, any of which makes the rule match."""
    match: tuple[str, ...] = Field(min_length=1)
    """Texts that it must find; tested."""
    no_match: tuple[str, ...] = Field(min_length=1)
    """Harmless texts that it must leave alone; tested."""

    @field_validator("channels", mode="after")
    @classmethod
    def _channels_named(cls, value: frozenset[SourceKind] | None) -> frozenset[SourceKind] | None:
        if value is not None and not value:
            raise ValueError("a rule for no channel would never match; leave channels out to watch all")
        return value

    def sources(self) -> tuple[str, ...]:
        """Return the patterns as they are compiled, over the detection alphabet."""
        return tuple(_TOKEN.sub(_any_space, fold_pattern(pattern)) for pattern in self.patterns)


class RulePack(Frozen):
    """Rules that belong together."""

    pack: str = Field(min_length=1)
    """Name of the pack."""
    version: int = Field(ge=1)
    rules: tuple[Rule, ...] = Field(min_length=1)
    digest: str = ""
    """Digest of the file that it came from."""


class _StrictLoader(yaml.SafeLoader):
    """Refuses repeated keys, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if not all(isinstance(key, str) for key in keys):
            raise yaml.constructor.ConstructorError(None, None, "key is not text", node.start_mark)
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "repeated key", node.start_mark)
        return super().construct_mapping(node, deep)


def parse_rules(text: str, *, name: str) -> RulePack:
    """Read a rule pack.

    Args:
        text: The YAML text.
        name: What to call it in errors, for instance the file's name.

    Returns:
        The pack, every pattern compiled once as a proof.

    Raises:
        ConfigurationError: If anything about it is not as described above.
    """
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of SafeLoader
        pack = RulePack.model_validate(document)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigurationError(f"rule pack {where} is not YAML", got=str(getattr(error, "problem", error))) from error
    except ValidationError as error:
        raise _invalid(name, document, error) from error
    _require_sound(pack, name)
    return pack.model_copy(update={"digest": digest_text("rules", text)})


def load_rules(path: Path) -> RulePack:
    """Read a rule pack from a file.

    Args:
        path: A YAML file.

    Returns:
        The pack.

    Raises:
        ConfigurationError: If it cannot be read or is not a rule pack.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"rule pack {path.name} cannot be read", expected="a UTF-8 YAML file", got=type(error).__name__
        ) from error
    return parse_rules(text, name=path.name)


@lru_cache(maxsize=1)
def core_rules() -> RulePack:
    """Return the pack that ships with the package.

    Returns:
        The pack.
    """
    text = resources.files(__package__).joinpath("packs/core.yaml").read_text(encoding="utf-8")
    return parse_rules(text, name="core.yaml")


def _any_space(token: re.Match[str]) -> str:
    """Let a space stand for any run of white space, and inside a class for one such character."""
    if token[0] == " ":
        return r"(?:\s+)"
    return token[0].replace(" ", r"\s") if token[0].startswith("[") else token[0]


def _invalid(name: str, document: object, error: ValidationError) -> ConfigurationError:
    """Name the rule and the field that are wrong."""
    first = error.errors(include_input=False, include_url=False)[0]
    location = first["loc"]
    rule = _rule_id(document, location)
    field = ".".join(str(part) for part in location)
    return ConfigurationError(
        f"rule pack {name}{f', rule {rule}' if rule else ''}: {field} is not valid", got=str(first["msg"])
    )


def _rule_id(document: object, location: Sequence[int | str]) -> str | None:
    if not isinstance(document, dict) or len(location) < 2 or location[0] != "rules":
        return None
    rules, index = document.get("rules"), location[1]
    if not isinstance(rules, list) or not isinstance(index, int) or not isinstance(rules[index], dict):
        return None
    return str(rules[index].get("id"))


def _require_sound(pack: RulePack, name: str) -> None:
    seen: set[str] = set()
    for rule in pack.rules:
        if rule.id in seen:
            raise ConfigurationError(f"rule pack {name}: rule {rule.id} appears twice", remedy="rename one of them")
        seen.add(rule.id)
        for source in rule.sources():
            try:
                pattern = compile_pattern(source)
            except ConfigurationError as error:
                raise ConfigurationError(
                    f"rule pack {name}, rule {rule.id}: {error.message}", expected=error.expected, got=error.got
                ) from error
            if pattern.search("") is not None:
                raise ConfigurationError(
                    f"rule pack {name}, rule {rule.id}: a pattern matches empty text",
                    remedy="require at least one character",
                )
