"""Other usual spellings of the same value: dates, times, amounts, account numbers and web addresses.

Invariant: a spelling is accepted only where it can mean one thing. What is ambiguous (05/06/2024, 1.200) or needs to
be worked out (tomorrow, next week) is not resolved; a date without a year only with the year from configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

_MONTHS: Final = {
    name[:length]: number
    for number, name in enumerate(
        [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
        start=1,
    )
    for length in {3, 4 if name == "september" else 3, len(name)}
}
_MONTH: Final = "|".join(sorted(_MONTHS, key=len, reverse=True))
_BEGIN: Final = r"(?<![\w./-])"
_END: Final = r"(?![\w/-])(?!\.\w)"
_DAY: Final = r"(?P<d>[0-9]{1,2})"
_YEAR: Final = r"(?P<y>[0-9]{4})"
_DATES: Final = (
    re.compile(rf"{_BEGIN}{_YEAR}-(?P<m>[0-9]{{2}})-(?P<d>[0-9]{{2}})(?=t[0-9]|{_END})"),
    re.compile(rf"{_BEGIN}{_DAY}\.(?P<m>[0-9]{{1,2}})\.{_YEAR}{_END}"),
    re.compile(rf"{_BEGIN}(?P<name>{_MONTH})\.? {_DAY}(?:st|nd|rd|th)?(?:,? {_YEAR})?{_END}"),
    re.compile(rf"{_BEGIN}{_DAY}(?:st|nd|rd|th)?(?: of)? (?P<name>{_MONTH})\.?(?:,? {_YEAR})?{_END}"),
)
_TO: Final = r" ?(?:-|\u2013|\u2014|to|until|till|through|and) ?(?:the )?"
_NTH: Final = r"(?:st|nd|rd|th)?"
_RANGES: Final = (
    re.compile(
        rf"{_BEGIN}(?P<name>{_MONTH})\.? {_DAY}{_NTH}{_TO}"
        rf"(?:(?P<name2>{_MONTH})\.? )?(?P<d2>[0-9]{{1,2}}){_NTH}(?:,? {_YEAR})?{_END}"
    ),
    re.compile(
        rf"{_BEGIN}{_DAY}{_NTH}(?:(?: of)? (?P<name>{_MONTH}))?{_TO}"
        rf"(?P<d2>[0-9]{{1,2}}){_NTH}(?: of)? (?P<name2>{_MONTH})\.?(?:,? {_YEAR})?{_END}"
    ),
)
"""From one day to another: what is said once, month or year, is meant for both."""
_TIME: Final = re.compile(
    r"(?<![\w:.,-])(?P<h>[0-9]{1,2})(?::(?P<min>[0-5][0-9])(?::(?P<s>[0-5][0-9]))?)?"
    r" ?(?P<half>[ap]\.?m\b)?(?![\w:])"
)
_MOMENT: Final = re.compile(r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[t ](?P<time>[0-9]{2}:[0-9]{2})(?::00)?\Z")
_NUMBER: Final = re.compile(
    r"(?<![\w.,:/'\u2019\u2212-])(?P<whole>[0-9]{1,3}(?:(?P<group>[,.'\u2019\u00a0\u202f])[0-9]{3})(?:(?P=group)[0-9]{3})*|[0-9]+)"
    r"(?:(?P<point>[.,])(?P<part>[0-9]{1,9}))?(?![\w:/'\u2019-])(?![.,][0-9])"
)
_IBAN: Final = re.compile(r"(?<![a-z0-9])[a-z]{2}[0-9]{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?(?![a-z0-9])")
_URL: Final = re.compile(
    r"(?<![\w@./-])(?:(?P<scheme>https?)://)?(?P<rest>(?:[\w-]+\.)+[a-z]{2,}(?::[0-9]+)?(?:/[^\s<>\"']*)?)"
)
_LONGEST: Final = 200
"""Longer values have no other usual spelling."""


Day = tuple[int | None, int, int]
"""Year (where it was said), month and day."""


@dataclass(frozen=True, slots=True)
class Spellings:
    """What a text says, or what one value means, apart from how it is spelled."""

    dates: frozenset[Day] = frozenset()
    times: frozenset[tuple[int, int]] = frozenset()
    numbers: frozenset[Decimal] = frozenset()
    accounts: frozenset[str] = frozenset()
    addresses: frozenset[tuple[str | None, str]] = frozenset()
    """Scheme (where it was said), and host with path."""
    moment: bool = False
    """Whether a value is a date together with a time, so that both must be said."""

    def say(self, value: Spellings, today: date | None) -> bool:
        """Tell whether a text says a value in whatever usual spelling.

        Args:
            value: What the value means.
            today: Today's date from configuration, where it is known.

        Returns:
            Whether it does.
        """
        dated = bool(value.dates and self.dates) and any(self._says(day, today) for day in value.dates)
        timed = not self.times.isdisjoint(value.times)
        if value.moment:
            return dated and timed
        return (
            dated
            or timed
            or not self.numbers.isdisjoint(value.numbers)
            or not self.accounts.isdisjoint(value.accounts)
            or any(self._names(scheme, rest) for scheme, rest in value.addresses)
        )

    def _says(self, day: Day, today: date | None) -> bool:
        year, month, number = day
        if year is None:
            return False
        this_year = today is not None and year == today.year
        return day in self.dates or (this_year and (None, month, number) in self.dates)

    def _names(self, scheme: str | None, rest: str) -> bool:
        if scheme is None:
            return any(rest == said for _, said in self.addresses)
        return (scheme, rest) in self.addresses or (None, rest) in self.addresses


NOTHING: Final = Spellings()
"""What a value means that has one spelling only."""


@lru_cache(maxsize=1024)
def meaning_of(leaf: str) -> Spellings:
    """Read what a single value means.

    Args:
        leaf: The value, case-folded.

    Returns:
        Its meanings; nothing for a value that is no date, time, number, account or address.
    """
    if len(leaf) > _LONGEST or not _may_mean(leaf):
        return NOTHING
    moment = _MOMENT.match(leaf)
    if moment:
        dates, times = _dates_in(moment["date"], whole=True), _times_in(moment["time"], whole=True)
        return Spellings(dates=frozenset(dates), times=frozenset(times), moment=True)
    number, address = _decimal(leaf), _URL.fullmatch(leaf)
    made = Spellings(
        dates=frozenset(_dates_in(leaf, whole=True)),
        times=frozenset(_times_in(leaf, whole=True)),
        numbers=frozenset() if number is None else frozenset({number}),
        accounts=frozenset({leaf.replace(" ", "")}) if _IBAN.fullmatch(leaf) else frozenset(),
        addresses=frozenset({(address["scheme"], _trimmed(address["rest"]))}) if address else frozenset(),
    )
    return NOTHING if made == NOTHING else made


def _may_mean(leaf: str) -> bool:
    """Tell from its first letters whether a value can have a meaning; most are plain words, and this is cheaper."""
    digit = "0" <= leaf[:1] <= "9"
    named_month, account = leaf[:3] in _MONTHS, leaf[2:4].isdigit()
    return digit or named_month or account or "." in leaf


def spellings_of(text: str) -> Spellings:
    """Read the values that a text says.

    Args:
        text: The text, case-folded.

    Returns:
        Its values.
    """
    digits = any(map(str.isdigit, text))
    return Spellings(
        dates=frozenset(_dates_in(text)) if digits else frozenset(),
        times=frozenset(_times_in(text)) if digits else frozenset(),
        numbers=frozenset(_numbers_in(text)) if digits else frozenset(),
        accounts=frozenset(accounts_in(text)) if digits else frozenset(),
        addresses=frozenset((found["scheme"], _trimmed(found["rest"])) for found in _URL.finditer(text)),
    )


def accounts_in(text: str) -> Iterator[str]:
    """Find international account numbers, spaces taken out.

    Args:
        text: The text, case-folded.

    Yields:
        Each of them; where words may follow a spaced one, only what has a valid check sum (ISO 13616).
    """
    for found in _IBAN.finditer(text):
        spaced = found[0]
        if " " not in spaced:
            yield spaced
            continue
        groups = spaced.split(" ")
        for count in range(3, len(groups) + 1):
            joined = "".join(groups[:count])
            if len(joined) >= 12 and _has_check_sum(joined):
                yield joined


def _dates_in(text: str, *, whole: bool = False) -> Iterator[Day]:
    for form in _DATES:
        found = form.fullmatch(text) if whole else None
        for match in ([found] if found else []) if whole else form.finditer(text):
            groups = match.groupdict()
            month = _MONTHS[groups["name"]] if "name" in groups else int(groups["m"])
            yield from _day(groups["y"], month, groups["d"])
    if not whole:
        yield from _ranges_in(text)


def _ranges_in(text: str) -> Iterator[Day]:
    for form in _RANGES:
        for match in form.finditer(text):
            first, last = (_MONTHS[match[name]] if match[name] else None for name in ("name", "name2"))
            begin, end = first or last, last or first
            if begin and end and (begin, int(match["d"])) < (end, int(match["d2"])):  # else it runs over new year
                yield from _day(match["y"], begin, match["d"])
                yield from _day(match["y"], end, match["d2"])


def _day(year: str | None, month: int, number: str) -> Iterator[Day]:
    """Yield a day that the calendar has."""
    known = int(year) if year else None
    try:
        date(known or 2000, month, int(number))
    except ValueError:
        return
    yield known, month, int(number)


def _times_in(text: str, *, whole: bool = False) -> Iterator[tuple[int, int]]:
    found = _TIME.fullmatch(text) if whole else None
    for match in ([found] if found else []) if whole else _TIME.finditer(text):
        hour, minute, half = int(match["h"]), match["min"], match["half"]
        if (minute is None and half is None) or match["s"] not in (None, "00"):
            continue
        if half is not None:
            if not 1 <= hour <= 12:
                continue
            hour = hour % 12 + (12 if half[0] == "p" else 0)
        if hour < 24:
            yield hour, int(minute or 0)


def _numbers_in(text: str) -> Iterator[Decimal]:
    """Read amounts; plain whole numbers are left to verbatim search."""
    for match in _NUMBER.finditer(text):
        whole, group, point, part = match["whole"], match["group"], match["point"], match["part"]
        if group is None and (part is None or (point == "," and len(part) != 2) or (len(part) == 3)):
            continue
        if group is not None and (point == group or (group == "." and part is None)):
            continue
        plain = whole.replace(group, "") if group else whole
        yield Decimal(f"{plain}.{part or 0}").normalize()


def _decimal(leaf: str) -> Decimal | None:
    if len(leaf) <= 24 and re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", leaf):
        return Decimal(leaf).normalize()
    return None


def _has_check_sum(account: str) -> bool:
    moved = account[4:] + account[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _trimmed(rest: str) -> str:
    return rest.rstrip(".,;:!?)'\"").rstrip("/")
