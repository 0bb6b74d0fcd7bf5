r"""Rule packs: what instructions to an assistant look like inside data.

Invariant: a pack loads whole or not at all. Unknown keys, repeated ids or keys, rules without examples and patterns
that do not compile or grow too large are refused by file, line and rule, so that no rule is ever silently absent.

A pack is one YAML file, or a folder of them that name the same pack. A space in a pattern stands for any run of white
space (write ``\x20`` for the character itself), and ``%{name}`` for a fragment that some file of the pack defines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, field_validator

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.finding import Severity
from aisecops_langchain.sanitize.fold import fold_pattern
from aisecops_langchain.sanitize.pack_file import PackText, read_texts
from aisecops_langchain.sanitize.pattern_part import OVER_LINES
from aisecops_langchain.sanitize.patterns import compile_pattern

_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]| ", re.DOTALL)
"""An escape, a character class or a space of a pattern."""
_GAP: Final = re.compile(r"(\[\^(?:[^\]\\]|\\.)*\\n(?:[^\]\\]|\\.)*\])(?=[{*+])")
"""What may stand between two words of a pattern, as long as the line does not end."""
_REFERENCE: Final = re.compile(r"%\{([^{}]*)\}")

_LONGEST_PATTERN: Final = 8_000
"""Characters of one pattern with its fragments."""
_MOST_PATTERNS: Final = 2_000
_LARGEST_PROGRAM: Final = 10_000
"""Instructions of one compiled pattern; nested counters multiply them."""

OwaspId = Annotated[str, Field(pattern=r"^(?:LLM|ASI)(?:0[1-9]|10)$")]
"""``LLM01`` to ``LLM10``: OWASP Top 10 for LLM Applications 2025; ``ASI01`` to ``ASI10``: OWASP Top 10 for Agentic
Applications 2026."""


class Rule(Frozen):
    """One thing to look for."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    category: str = Field(min_length=1)
    severity: Severity
    owasp: tuple[OwaspId, ...] = ()
    """The risks that it belongs to."""
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

    def watches(self, channel: SourceKind) -> bool:
        """Tell whether the rule is for a door.

        Args:
            channel: The door.

        Returns:
            Whether what comes through it is looked at.
        """
        return self.channels is None or channel in self.channels

    def sources(self) -> tuple[str, ...]:
        """Return the patterns as they are compiled, over the detection alphabet."""
        return tuple(_GAP.sub(_over_lines, _TOKEN.sub(_any_space, fold_pattern(pattern))) for pattern in self.patterns)


class RulePack(Frozen):
    """Rules that belong together."""

    pack: str = Field(min_length=1)
    """Name of the pack."""
    version: int = Field(ge=1)
    rules: tuple[Rule, ...] = Field(min_length=1)
    digest: str = ""
    """Digest of the files that it came from."""


class _File(Frozen):
    """One file of a pack."""

    pack: str = Field(min_length=1)
    version: int = Field(ge=1)
    define: dict[Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")], Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Fragments of patterns, by name; each may use those that stand before it."""
    rules: tuple[Rule, ...] = ()


def parse_rules(text: str, *, name: str) -> RulePack:
    """Read a rule pack of one file.

    Args:
        text: The YAML text.
        name: What to call it in errors, for instance the file's name.

    Returns:
        The pack, every pattern compiled once as a proof.

    Raises:
        ConfigurationError: If anything about it is not as described above.
    """
    return _assemble([PackText(name, text)])


def load_rules(path: Path) -> RulePack:
    """Read a rule pack from a file, or from the ``*.yaml`` files of a folder.

    Args:
        path: A YAML file or a folder.

    Returns:
        The pack.

    Raises:
        ConfigurationError: If it cannot be read or is not a rule pack.
    """
    return _assemble(read_texts(path))


@lru_cache(maxsize=1)
def core_rules() -> RulePack:
    """Return the pack that ships with the package.

    Returns:
        The pack.
    """
    return _assemble(read_texts(resources.files(__package__).joinpath("packs/core")))


def _assemble(texts: list[PackText]) -> RulePack:
    files = [(text, text.parse(_File)) for text in texts]
    first = files[0][1]
    for text, file in files:
        if (file.pack, file.version) != (first.pack, first.version):
            raise text.error(
                "names another pack",
                ("pack",),
                expected=f"{first.pack} {first.version}",
                got=f"{file.pack} {file.version}",
            )
    fragments = _fragments(files)
    rules = [rule for text, file in files for rule in _rules(text, file, fragments)]
    _require_unique(files)
    if not rules:
        raise texts[0].error("holds no rule", (), expected="at least one rule")
    if sum(len(rule.patterns) for rule in rules) > _MOST_PATTERNS:
        raise texts[0].error("is too large", (), expected=f"at most {_MOST_PATTERNS} patterns")
    digest = digest_text("rules", "\n".join(f"{text.name}\n{text.content}" for text in texts))
    return RulePack(pack=first.pack, version=first.version, rules=tuple(rules), digest=digest)


def _fragments(files: Iterable[tuple[PackText, _File]]) -> dict[str, str]:
    fragments: dict[str, str] = {}
    for text, file in files:
        for name, fragment in file.define.items():
            where = ("define", name)
            if name in fragments:
                raise text.error(f"defines {name} again", where, remedy="rename one of them")
            fragments[name] = f"(?:{_expand(fragment, fragments, text, where)})"
    return fragments


def _expand(pattern: str, fragments: Mapping[str, str], text: PackText, where: tuple[int | str, ...]) -> str:
    for name in _REFERENCE.findall(pattern):
        if name not in fragments:
            raise text.error(
                f"uses %{{{name}}}", where, expected="a fragment defined before it", got="none of that name"
            )
    expanded = _REFERENCE.sub(lambda reference: fragments[reference[1]], pattern)
    if len(expanded) > _LONGEST_PATTERN:
        raise text.error(
            "holds a pattern that is too long",
            where,
            expected=f"at most {_LONGEST_PATTERN} characters",
            got=f"{len(expanded)}",
        )
    return expanded


def _rules(text: PackText, file: _File, fragments: Mapping[str, str]) -> Iterable[Rule]:
    for index, rule in enumerate(file.rules):
        places = [("rules", index, "patterns", number) for number in range(len(rule.patterns))]
        patterns = [
            _expand(pattern, fragments, text, where) for pattern, where in zip(rule.patterns, places, strict=True)
        ]
        expanded = rule.model_copy(update={"patterns": tuple(patterns)})
        for source, where in zip(expanded.sources(), places, strict=True):
            _require_sound(source, text, where)
        yield expanded


def _require_sound(source: str, text: PackText, where: tuple[int | str, ...]) -> None:
    try:
        pattern = compile_pattern(source)
    except ConfigurationError as error:
        raise text.error(error.message, where, expected=error.expected, got=error.got) from error
    if pattern.search("") is not None:
        raise text.error("a pattern matches empty text", where, remedy="require at least one character")
    if pattern.programsize > _LARGEST_PROGRAM:
        raise text.error(
            "a pattern is too large",
            where,
            expected=f"at most {_LARGEST_PROGRAM} instructions",
            got=f"{pattern.programsize}",
            remedy="use smaller counters, or '*' with a following word",
        )


def _require_unique(files: Iterable[tuple[PackText, _File]]) -> None:
    seen: set[str] = set()
    for text, file in files:
        for index, rule in enumerate(file.rules):
            if rule.id in seen:
                raise text.error("the rule appears twice", ("rules", index, "id"), remedy="rename one of them")
            seen.add(rule.id)


def _any_space(token: re.Match[str]) -> str:
    """Let a space stand for any run of white space, and inside a class for one such character."""
    if token[0] == " ":
        return r"(?:\s+)"
    return token[0].replace(" ", r"\s") if token[0].startswith("[") else token[0]


def _over_lines(gap: re.Match[str]) -> str:
    """Let a gap go on in the next line, as in text that is wrapped, but not in the next paragraph."""
    return f"{OVER_LINES}{gap[1]})"
