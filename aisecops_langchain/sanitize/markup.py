"""HTML and Markdown as readers see them: what is shown, what is not, and what is active.

Invariant: tokenizing takes time linear in the text, whatever is left open in it, and never fails. It errs towards
seeing markup: what only looks like a tag is left out of one reading, and still stands in the text itself.

This is not a browser. It knows the ways to hide text that need no script: comments, elements that are not rendered,
styles, and attributes. Where a tag is malformed, the first ``>`` ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.hiding import hides, read_page
from aisecops_langchain.sanitize.steps import Edit, Editing, Extraction

MAX_TAGS: Final = 30_000
"""Tags of one text that are read; a text with more of them is reported."""

_LONGEST_TAG: Final = 4096
_LONGEST_KEPT: Final = 2_000_000
"""Characters of the longest text whose pieces are remembered."""
_OPEN: Final = re.compile(r"<(?=[a-zA-Z/!?])")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/<>]{0,40}+)((?:\"[^\"]*+\"|'[^']*+'|[^<>\"'])*+)>")
_LOOSE_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/<>]{0,40}+)([^<>]*+)>")
_DECLARATION: Final = re.compile(r"<[!?/][^<>]*+>")
_ATTRIBUTE: Final = re.compile(
    r"(?<![\w-])(?:alt|title|content|value|placeholder|label|summary|srcdoc|abbr|aria-[a-z]+|data-[\w-]+)"
    r"\s*=\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s\"'<>]{4,}))",
    re.IGNORECASE,
)
_UNRENDERED: Final = {
    name: re.compile(f"</{name}[^>]*+>?", re.IGNORECASE)
    for name in ("script", "style", "noscript", "template", "iframe")
}
"""Elements whose content is not markup, or not shown, and what closes them."""
_VOID_NAMES: Final = "area base br col embed hr img input link meta param source track wbr"
_BLOCK_NAMES: Final = (
    "address article aside blockquote body br caption dd details div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol option p pre section summary table tbody td tfoot "
    "th thead title tr ul"
)
_VOID: Final = frozenset(_VOID_NAMES.split())
_BLOCK: Final = frozenset(_BLOCK_NAMES.split())
_MARKDOWN_COMMENT: Final = re.compile(
    r"^ {0,3}\[[^\]\n]{0,40}\]:[ \t]{0,3}(?:#|<>)[ \t]{0,3}[(\"'][^\n]*", re.MULTILINE
)
"""A reference that is never shown, the usual way to comment in Markdown."""


class Part(NamedTuple):
    """One piece of markup."""

    kind: str
    """``tag``, ``block`` (a tag that parts words), ``form``, ``form-end``, ``words`` (of an attribute), or what is not
    shown: ``comment``, ``script``, ``style``, ``noscript``, ``template``, ``iframe``, ``hidden``."""
    start: int
    end: int


_TAGS: Final = frozenset({"tag", "block", "form", "form-end"})


class _Tokenizer:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._page = read_page(text)
        self._loose_until = 0
        self._inside = ""
        self._depth = 0
        self._from = 0

    def parts(self) -> Iterator[Part]:
        """Yield the pieces in order; hidden elements as a whole, without what is in them."""
        opening, count = _OPEN.search(self._text), 0
        while opening and count < MAX_TAGS:
            part = self._at(opening.start())
            if part and not self._inside:
                yield from self._words(part)
                yield part
            opening = _OPEN.search(self._text, part.end if part else opening.end())
            count += 1
        if self._inside:
            yield Part("hidden", self._from, len(self._text))

    def _words(self, part: Part) -> Iterator[Part]:
        if part.kind in _TAGS and self._text.find("=", part.start, part.end) > 0:
            for attribute in _ATTRIBUTE.finditer(self._text, part.start, part.end):
                group = attribute.lastindex or 0
                yield Part("words", attribute.start(group), attribute.end(group))

    def _at(self, start: int) -> Part | None:
        text = self._text
        if text.startswith("<!--", start):
            end = text.find("-->", start + 4)
            return Part("comment", start, len(text) if end < 0 else end + 3)
        if text.startswith("<![CDATA[", start):
            return Part("tag", start, start + 9)
        tag = self._tag(start)
        if tag:
            return self._element(tag, tag[2].lower())
        declaration = _DECLARATION.match(text, start)
        return Part("comment", start, declaration.end()) if declaration else None

    def _tag(self, start: int) -> re.Match[str] | None:
        """Match a tag with quoted values; behind one that fails, quotes count for nothing for a while."""
        if start >= self._loose_until:
            tag = _TAG.match(self._text, start, start + _LONGEST_TAG)
            if tag:
                return tag
            self._loose_until = start + _LONGEST_TAG
        return _LOOSE_TAG.match(self._text, start)

    def _element(self, tag: re.Match[str], name: str) -> Part:
        start, end, closes = tag.start(), tag.end(), tag[1] == "/"
        if self._inside:
            return self._within(name, start, end, closes=closes)
        if name == "form":
            return Part("form-end" if closes else "form", start, end)
        if name in _UNRENDERED and not closes:
            closer = _UNRENDERED[name].search(self._text, end)
            return Part(name, start, closer.end() if closer else len(self._text))
        kind = "block" if name in _BLOCK else "tag"
        if closes or not hides(name, tag[3], self._page):
            return Part(kind, start, end)
        if name not in _VOID:
            self._inside, self._depth, self._from = name, 1, start
        return Part("hidden", start, end)

    def _within(self, name: str, start: int, end: int, *, closes: bool) -> Part:
        """Count elements of the same name until the one that hides is closed."""
        if name == self._inside:
            self._depth += -1 if closes else 1
        if self._depth:
            return Part("tag", start, end)
        self._inside = ""
        return Part("hidden", self._from, end)


def parts(text: str) -> Iterable[Part]:
    """Find the markup of a text.

    Args:
        text: Any text.

    Returns:
        Its pieces in order, none overlapping, but for the words of attributes, which come before their tag.
    """
    return _remembered(text) if len(text) <= _LONGEST_KEPT else _Tokenizer(text).parts()


@lru_cache(maxsize=2)
def _remembered(text: str) -> tuple[Part, ...]:
    """Keep the pieces for a moment: what is shown, what is not, and what is cut are asked for one after the other."""
    return tuple(_Tokenizer(text).parts())


def unshown_parts(text: str) -> list[Part]:
    """Find what is not passed on: comments, scripts, forms and whatever no reader sees.

    Args:
        text: Any text.

    Returns:
        The pieces in order, none overlapping.
    """
    found = [Part("comment", match.start(), match.end()) for match in _MARKDOWN_COMMENT.finditer(text)]
    form = -1
    for part in parts(text) if _OPEN.search(text) else ():
        if part.kind == "form" and form < 0:
            form = part.start
        elif part.kind == "form-end" and form >= 0:
            found.append(Part("form", form, part.end))
            form = -1
        elif part.kind not in _TAGS and part.kind != "words":
            found.append(part)
    if form >= 0:
        found.append(Part("form", form, len(text)))
    return list(_outermost(sorted(found, key=lambda part: (part.start, -part.end))))


def has_too_many_tags(text: str) -> bool:
    """Tell whether a text holds more tags than are read.

    Args:
        text: Any text.

    Returns:
        Whether something in it may be unread.
    """
    return text.count("<") > MAX_TAGS and sum(1 for _ in _OPEN.finditer(text)) > MAX_TAGS


def _outermost(found: list[Part]) -> Iterator[Part]:
    last = -1
    for part in found:
        if part.end > last:
            yield part._replace(start=max(part.start, last))
            last = part.end


def _shown(text: str) -> Iterator[Edit]:
    for part in parts(text):
        if part.kind != "words":
            yield Edit(part.start, part.end, "" if part.kind == "tag" else "\n")


def _unseen(text: str) -> Iterator[Edit]:
    for part in parts(text):
        if part.kind == "words":
            yield Edit(part.start, part.end, text[part.start : part.end])
        elif part.kind not in _TAGS:
            yield Edit(part.start, part.end, _content(part, text[part.start : part.end]))


def _content(part: Part, source: str) -> str:
    if part.kind == "comment":
        return source.removeprefix("<!--").removesuffix("-->").strip("<!?>")
    words = (attribute[attribute.lastindex or 0] for attribute in _ATTRIBUTE.finditer(source))
    return "\n".join((_LOOSE_TAG.sub(_gap, source), *words))


def _gap(tag: re.Match[str]) -> str:
    return "\n" if tag[2].lower() in _BLOCK else ""


def _commented(text: str) -> Iterator[Edit]:
    for comment in _MARKDOWN_COMMENT.finditer(text):
        yield Edit(comment.start(), comment.end(), comment[0])


SHOWN: Final = Editing("html", _shown)
"""What a reader of the rendered page sees, tags inside words gone."""
UNSEEN: Final = Extraction("html", _unseen)
"""What a reader does not see, and the words of attributes."""
COMMENTED: Final = Extraction("markdown", _commented)
"""Comments of Markdown."""
