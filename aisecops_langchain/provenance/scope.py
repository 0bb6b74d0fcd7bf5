"""What the user's own words ask for.

Invariant: only trusted words are read, quoted passages are data and not requests, and a word that is not understood
asks for nothing. Tools that only read are always within scope: reading is bounded by labels, not by the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile
from aisecops_langchain.domain.task import TaskScope


@dataclass(frozen=True, slots=True)
class ScopedTool:
    """A tool as far as a scope is concerned."""

    name: str
    description: str
    profile: ToolProfile


class ScopeExtractor(Protocol):
    """Reads trusted words for what they ask for."""

    def extract(self, words: Sequence[str], tools: Sequence[ScopedTool]) -> TaskScope:
        """Make the scope of a request.

        Args:
            words: The user's own words, newest last; never anything else.
            tools: What is within the agent's reach.

        Returns:
            The scope; the same words and tools give the same scope.
        """
        ...


@runtime_checkable
class VaryingScopeExtractor(Protocol):
    """A ``ScopeExtractor`` whose readings may differ, as a model's do; the runtime keeps each run's first one."""

    @property
    def identity(self) -> str:
        """Name of the model and the instructions; another name reads anew."""

    def extract(self, words: Sequence[str], tools: Sequence[ScopedTool]) -> TaskScope:
        """Make the scope of a request, as in ``ScopeExtractor``."""
        ...


_QUOTED: Final = re.compile(
    r"(?<!\w)'[^'\n]{1,2000}'(?!\w)|\"[^\"]{1,2000}\"|\u201c[^\u201d]{1,2000}\u201d|`[^`]{1,2000}`"
)
_ADDRESS: Final = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)[^\s'\"<>]+", re.IGNORECASE)
_NEGATED: Final = re.compile(
    r"\b(?:\w+n['\u2019]t|cannot|not|never|without|avoid|refrain|no(?!\.?\s?\d))\b"
    r"(?!\s+(?:forget|hesitate|fail|only|you|we)\b)"
    r"[^.,;:!?\n]*?(?=[.,;:!?\n]|\b(?:but|instead|then|so|please|just)\b|\Z)",
    re.IGNORECASE,
)
"""What somebody says is not to be, up to the end of the clause; *don't forget to* and *why don't you* ask."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_SAME: Final[Mapping[str, frozenset[str]]] = {
    verb: frozenset(group.split())
    for group in (
        "create add make schedule set",
        "add append insert include put invite",
        "send write message email mail post share forward tell reply",
        "post publish write",
        "delete remove erase",
        "cancel call-off",
        "reschedule move postpone shift",
        "update change edit modify adjust set",
        "reserve book",
        "pay send transfer refund",
        "invite add",
        "share give",
        "run execute start",
        "grant give allow",
    )
    for verb in group.split()[:1]
}


class KeywordScope:
    """Finds the tools whose key words stand in the request; deterministic.

    A tool is asked for if one of its declared ``intents`` stands in the words (all words of the entry, in any order).
    Where policy declares none, the verb and a noun of the tool's own name must stand there. What English words say is
    not to be done is not asked for, and what older words asked for is withdrawn by it.
    """

    def extract(self, words: Sequence[str], tools: Sequence[ScopedTool]) -> TaskScope:
        """Make the scope of a request: the newest words decide that ask for more than reading, if not withdrawn."""
        reading = [tool for tool in tools if tool.profile.only_reads]
        acting = [tool for tool in tools if not tool.profile.only_reads]
        withdrawn: set[str] = set()
        for said in reversed(words):
            plain = _QUOTED.sub(" ", _ADDRESS.sub(" ", said))
            named, wanted = _stems(plain), _stems(_NEGATED.sub(" ", plain))
            asked = [tool for tool in acting if tool.name not in withdrawn and _asks_for(tool, wanted)]
            withdrawn |= {tool.name for tool in acting if _asks_for(tool, named) and not _asks_for(tool, wanted)}
            if asked:
                return scope_of(said, [*reading, *asked])
        return scope_of(words[-1] if words else "", reading)


def unquoted(said: str) -> str:
    """Leave out quoted passages, which are data and not requests.

    Args:
        said: The user's words.

    Returns:
        The words without them.
    """
    return _QUOTED.sub(" ", said)


def scope_of(said: str, tools: Iterable[ScopedTool]) -> TaskScope:
    """Make the scope that lets some tools be used, with all their effects.

    Args:
        said: The words that it is made from.
        tools: What is within it.

    Returns:
        The scope.
    """
    tools = list(tools)
    effects = {effect for tool in tools for effect in tool.profile.effects} | {ToolEffect.READ}
    return TaskScope.of(
        request=digest_text("content", said),
        tools=tuple(tool.name for tool in tools),
        effects=tuple(effects),
        targets=tuple(match[0].rstrip(".,;:!?") for match in _ADDRESS.finditer(said)),
    )


def _asks_for(tool: ScopedTool, stems: frozenset[str]) -> bool:
    if tool.profile.intents:
        return any(_stems(intent) <= stems for intent in tool.profile.intents)
    name = [word.casefold() for word in _WORD.findall(tool.name.replace("_", " "))]
    if not name:
        return False
    verb, nouns = name[0], name[1:]
    verbs = {stem(verb)} | {stem(word) for word in _SAME.get(verb, ())}
    first = _WORD.search(tool.description)
    verbs |= {stem(first[0].casefold())} if first else set()
    return bool(verbs & stems) and (not nouns or any(stem(noun) in stems for noun in nouns))


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word.casefold()) for word in _WORD.findall(text))


def stem(word: str) -> str:
    """Cut the usual endings off an English word; crude, but the same for request and tool.

    Args:
        word: One word in lower case.

    Returns:
        Its stem.
    """
    for endings in (("s",), ("ing", "ed", "e", "y", "ie")):
        for ending in endings:
            if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
                word = word[: -len(ending)]
                break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word
