"""How HTML hides text from readers without any script.

Invariant: an element counts as hidden if its own attributes, or a simple rule of the page's style sheet, say so. What
cascades or depends on layout is not computed; such text still stands in the other readings.
"""

from __future__ import annotations

import html
import re
from typing import Final, NamedTuple

_HIDING: Final = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|content-visibility:hidden|opacity:(?:0+(?:\.0\d*)?|\.0\d*)%?(?![.\d])"
    r"|font-size:(?:(?:0+(?:\.0\d*)?|\.0\d*)(?:px|pt|r?em|%|vw)?|1px|1pt)(?![.\d\w])"
    r"|(?:max-)?(?:width|height):[01]?(?:px|pt|em|%)?(?![.\d\w]).{0,80}?overflow:hidden"
    r"|overflow:hidden.{0,80}?(?:max-)?(?:width|height):[01]?(?:px|pt|em|%)?(?![.\d\w])"
    r"|(?<![\w-])color:(?:transparent|rgba\([^)]{0,20},0?(?:\.0+)?\)|#[0-9a-f]{3}0(?![0-9a-f])|#[0-9a-f]{6}00)"
    r"|text-indent:-\d{3,}|(?<![\w-])(?:left|top|right|bottom|margin-left|margin-top):-\d{3,}"
    r"|clip:rect\(0|clip:rect\(1px,?1px|clip-path:(?:inset\((?:50|100)%|circle\(0|polygon\(00)|transform:scale[xy]?\(0[,)]"
)
_COLOUR: Final = re.compile(r"(?<![\w-])color:([^;!]{1,30})")
_BACKGROUND: Final = re.compile(r"background(?:-color)?:([^;!]{1,40})")
_WHITES: Final = frozenset({"white", "#fff", "#ffffff", "rgb(255,255,255)", "snow", "#fefefe"})
_STYLE: Final = re.compile(r"(?<![\w-])style\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_FLAGS: Final = re.compile(
    r"(?<![\w-])(?:hidden(?!\s*=\s*[\"']?(?:false|until))|aria-hidden\s*=\s*[\"']?true|type\s*=\s*[\"']?hidden"
    r"|inert(?=[\s=/]|$))(?![\w-])",
    re.IGNORECASE,
)
_ZERO: Final = re.compile(r"(?<![\w-])(width|height)\s*=\s*[\"']?[01](?:px)?[\"']?(?=[\s/]|$)", re.IGNORECASE)
_FONT: Final = re.compile(
    r"(?<![\w-])(?:color\s*=\s*[\"']?(?:white|#f{3}(?:f{3})?)\b|size\s*=\s*[\"']?0\b)", re.IGNORECASE
)
_NAMES: Final = re.compile(r"(?<![\w-])(class|id)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_NOISE: Final = re.compile(r"/\*.*?(?:\*/|$)|\s+", re.DOTALL)
_CSS_ESCAPE: Final = re.compile(r"\\([0-9a-f]{1,6}) ?", re.IGNORECASE)

_SHEET: Final = re.compile(r"<style[^>]*+>([^<]*+)", re.IGNORECASE)
_RULE: Final = re.compile(r"([^{}]{1,500}+)\{([^{}]{0,2000}+)\}")
_SIMPLE: Final = re.compile(r"(?:^|[\s>+~])([a-z][\w-]*)?([.#][\w-]+)?\s*$", re.IGNORECASE)


class Page(NamedTuple):
    """What is known of a page before its elements are looked at."""

    selectors: frozenset[str]
    """Names of elements, classes (``.name``) and ids (``#name``) that its style sheets hide, in small letters."""
    white: bool
    """Whether nothing sets a background, so that white text is unseen."""


def read_page(text: str) -> Page:
    """Learn what the style sheets of a page hide.

    Args:
        text: The page.

    Returns:
        What its elements are judged by.
    """
    lower = text.encode("utf-8", "surrogatepass").lower()  # a str beyond ASCII would take much memory
    selectors = _hiding_selectors(text) if b"<style" in lower else frozenset[str]()
    return Page(selectors, white=b"background" not in lower and b"bgcolor" not in lower)


def hides(name: str, attributes: str, page: Page) -> bool:
    """Tell whether an element is not shown.

    Args:
        name: The element's name, in small letters.
        attributes: Its attributes as they stand in the tag.
        page: The page that it stands in.

    Returns:
        Whether readers see nothing of it.
    """
    if page.selectors and _selected(name, attributes, page.selectors):
        return True
    if not attributes:
        return False
    plain = html.unescape(attributes)
    if _FLAGS.search(_QUOTED.sub(_keep_value, plain)):
        return True
    style = _STYLE.search(plain)
    if style and _hides_style(style[1] or style[2] or style[3] or "", white=page.white):
        return True
    if name == "font" and page.white and _FONT.search(plain):
        return True
    return len({match[1].lower() for match in _ZERO.finditer(plain)}) == 2


def _hides_style(style: str, *, white: bool) -> bool:
    """Tell whether declarations make text invisible, tiny, off screen, or of the colour of what is behind it."""
    plain = _NOISE.sub("", _CSS_ESCAPE.sub(_css_character, style)).lower()
    if _HIDING.search(plain):
        return True
    colour = _COLOUR.search(plain)
    if colour is None:
        return False
    background = _BACKGROUND.search(plain)
    return colour[1] == background[1] if background else white and colour[1] in _WHITES


def _hiding_selectors(text: str) -> frozenset[str]:
    found: set[str] = set()
    for sheet in _SHEET.finditer(text):
        for rule in _RULE.finditer(sheet[1]):
            if _hides_style(rule[2], white=False):
                found.update(filter(None, map(_subject, rule[1].split(","))))
    return frozenset(found)


def _subject(selector: str) -> str:
    simple = _SIMPLE.search(selector.strip())
    return ((simple[2] or simple[1] or "") if simple else "").lower()


def _selected(name: str, attributes: str, selectors: frozenset[str]) -> bool:
    if name in selectors:
        return True
    for match in _NAMES.finditer(attributes):
        mark = "." if match[1].lower() == "class" else "#"
        if any(mark + value.lower() in selectors for value in (match[2] or match[3] or match[4] or "").split()):
            return True
    return False


def _keep_value(quoted: re.Match[str]) -> str:
    """Keep only short values, which may belong to a flag, so that words of a text are not taken for one."""
    return quoted[0] if quoted[0][1:-1].strip().lower() in {"true", "hidden", "false", "until-found"} else '""'


def _css_character(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return chr(code) if code < 0x110000 else ""
