"""What looks like a secret or like personal data, told cheaply and without a language model.

Invariant: patterns run on google-re2; numbers that carry a checksum (IBAN, payment cards) must pass it. Where in doubt
a value counts as a secret: a log entry that is withheld can be explained later, one that leaked cannot be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from aisecops_langchain.domain.inspection import SECRET
from aisecops_langchain.sanitize.fold import fold
from aisecops_langchain.sanitize.pattern_set import PatternSet
from aisecops_langchain.sanitize.patterns import Pattern, compile_pattern
from aisecops_langchain.sanitize.secrets import SECRET_FORMS, is_random

_SECRET_WORDS: Final = frozenset(
    """
    password passwords passwd passphrase passcode pwd passwort kennwort contrasena senha secret secrets
    token tokens apikey apikeys authorization auth bearer cookie cookies credential credentials
    sessionid jwt mnemonic otp pin cvv cvc privatekey accesskey secretkey clientsecret
    """.split()  # noqa: SIM905 - a list of words
)
_KEY_QUALIFIERS: Final = frozenset(
    """
    api private access secret signing encryption master session service account
    """.split()  # noqa: SIM905 - a list of words
)
_MEASURES: Final = frozenset(
    """
    max min count limit budget usage total used remaining per num number size length
    """.split()  # noqa: SIM905 - a list of words
)
_LONGEST_NAME: Final = 200
"""Characters of the longest name whose reading is remembered."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_CREDENTIAL_SOURCE: Final = r"[A-Za-z0-9+/_=\-]{32,}"
_NOT_CREDENTIAL: Final = re.compile(
    r"\bsha(?:1|256|384|512)[:-][0-9a-f]{40,128}\b|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE
)
"""Named digests and UUIDs: random, but meant to be shown."""

_SHORTEST: Final = 6
"""Shorter text holds nothing: the shortest mail address takes as much."""
_SHORTEST_BARE: Final = 20
"""A shorter run of letters, digits and underscores holds nothing but a card number, which is no identifier."""

_EMAIL_SOURCE: Final = r"[^\s@<>()\[\],;:\"']+@[^\s@<>()\[\],;:\"']+\.\pL{2,}"
_IBAN_SOURCE: Final = r"\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,30}"
_CARD_SOURCE: Final = r"\b[0-9](?:[ \-]?[0-9]){12,18}\b"
_SSN_SOURCE: Final = r"\b(?:00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6[0-57-9][0-9]|66[0-57-9])-[0-9]{2}-[0-9]{4}\b"
_PHONE_SOURCE: Final = (
    r"\+[0-9](?:[ ().\-]{0,2}[0-9]){6,14}\b|(?:\(|\b)[2-9][0-9]{2}\)?[ .\-]{1,2}[2-9][0-9]{2}[ .\-][0-9]{4}\b"
)

_IBAN_COUNTRIES: Final = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
"""Countries by length of their numbers, from the registry of ISO 13616."""
_IBAN_LENGTHS: Final = {
    country: length for length, countries in _IBAN_COUNTRIES.items() for country in countries.split()
}


class PrivateSpan(NamedTuple):
    """Where something private stands in a text."""

    kind: str
    """``secret``, a class of personal data, or an analyzer's entity."""
    form: str
    """What told it."""
    start: int
    end: int


def names_secret(name: str, value: object) -> bool:
    """Tell whether a field of this name holds a secret.

    Args:
        name: The field's name, in any spelling (``api_key``, ``apiKey``, ``X-Api-Key``).
        value: Its value; a number under ``max_tokens`` counts tokens and is none.

    Returns:
        Whether the value must not be shown.
    """
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    read = _read_name if len(name) <= _LONGEST_NAME else _read_name.__wrapped__
    secret, counts = read(name)
    return secret and not (counts and isinstance(value, int | float))


@lru_cache(maxsize=2_048)
def _read_name(name: str) -> tuple[bool, bool]:
    """Tell whether a name speaks of a secret, and whether a number under it is only a count."""
    words = [word.lower() for word in _WORDS.findall(name if name.isascii() else fold(name))]
    pairs = list(pairwise(words))
    secret = (
        not _SECRET_WORDS.isdisjoint(words)
        or not _SECRET_WORDS.isdisjoint(first + second for first, second in pairs)
        or any(first in _KEY_QUALIFIERS and second == "key" for first, second in pairs)
    )
    return secret, not _MEASURES.isdisjoint(words) or words[-1:] == ["tokens"]


def sensitive_kind(text: str) -> str | None:
    """Tell what a text would give away.

    Args:
        text: Any text.

    Returns:
        ``secret``, ``email``, ``iban``, ``card``, ``ssn`` or ``phone``, the first that applies; or nothing.
    """
    if len(text) < _SHORTEST or (len(text) < _SHORTEST_BARE and text.isidentifier()):
        return None
    readable = _readable(text)
    for index in _PREFILTER.hits(readable.encode()):
        form = _FORMS[index]
        about = _NOT_CREDENTIAL.sub(" ", readable) if form.id == "credential" else readable
        if any(True for _ in form.spans(about)):
            return form.kind
    return None


def private_spans(text: str, kinds: Collection[str]) -> list[PrivateSpan]:
    """Locate secrets and personal data, leaving out what is only doubtful.

    Args:
        text: Any text.
        kinds: What to look for: ``secret``, ``email``, ``iban``, ``card``, ``ssn``, ``phone``.

    Returns:
        Spans that do not overlap, in order.
    """
    if len(text) < _SHORTEST:
        return []
    readable = _readable(text)
    found: list[PrivateSpan] = []
    for index in _PREFILTER.hits(readable.encode()):
        form = _FORMS[index]
        if form.kind in kinds and not form.doubtful:
            found += [PrivateSpan(form.kind, form.id, start, end) for start, end in form.spans(readable)]
    return without_overlaps(found)


def without_overlaps(found: Iterable[PrivateSpan]) -> list[PrivateSpan]:
    """Join spans that overlap under the name of the first of them, so that no part of either stays.

    Args:
        found: Spans, those that take precedence first.

    Returns:
        The spans, in order of place.
    """
    ranked = sorted(enumerate(found), key=lambda item: (item[1].start, item[1].end))
    merged: list[tuple[int, PrivateSpan]] = []
    for rank, span in ranked:
        if merged and span.start < merged[-1][1].end:
            first_rank, before = merged[-1]
            name = span if rank < first_rank else before
            joined = name._replace(start=before.start, end=max(before.end, span.end))
            merged[-1] = (min(rank, first_rank), joined)
        else:
            merged.append((rank, span))
    return [span for _, span in merged]


def _readable(text: str) -> str:
    """Replace lone surrogates, character for character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def is_card_number(digits: str) -> bool:
    """Tell whether digits are a payment card number: an issuer's range, and the checksum of ISO/IEC 7812 (Luhn).

    Args:
        digits: Digits only.

    Returns:
        Whether they are one.
    """
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456":
        return False
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[::-2]) + sum(value - 9 * (value > 9) for value in doubled)) % 10 == 0


def _is_card(match: str) -> bool:
    return is_card_number(match.replace(" ", "").replace("-", ""))


def _is_iban(match: str) -> bool:
    """Check the two digits of ISO 13616: the rearranged number leaves 1 when divided by 97."""
    compact = match.replace(" ", "").upper()
    length = _IBAN_LENGTHS.get(compact[:2], 0)
    compact = compact[:length]
    return len(compact) == length > 0 and int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _is_mail(match: str) -> bool:
    return any(character.isalnum() for character in match.partition("@")[0])


def _any(match: str) -> bool:
    return bool(match)


class _Form(NamedTuple):
    """One pattern of one kind."""

    kind: str
    id: str
    pattern: Pattern
    check: Callable[[str], bool]
    doubtful: bool

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Locate what passes the check: the first group where there is one, or else the whole match."""
        group = min(self.pattern.groups, 1)
        for match in self.pattern.finditer(text):
            start, end = match.span(group)
            if self.check(text[start:end]):
                yield start, end


_SOURCES: Final = (
    *((SECRET, form.id, form.source, form.check, form.doubtful) for form in SECRET_FORMS),
    (SECRET, "credential", _CREDENTIAL_SOURCE, is_random, True),
    ("email", "email", _EMAIL_SOURCE, _is_mail, False),
    ("iban", "iban", _IBAN_SOURCE, _is_iban, False),
    ("card", "card", _CARD_SOURCE, _is_card, False),
    ("ssn", "ssn", _SSN_SOURCE, _any, False),
    ("phone", "phone", _PHONE_SOURCE, _any, False),
)
"""In order of precedence: what stands earlier keeps a span that both find."""
_FORMS: Final = [
    _Form(kind, name, compile_pattern(source), check, doubt) for kind, name, source, check, doubt in _SOURCES
]
_PREFILTER: Final = PatternSet([source for _, _, source, _, _ in _SOURCES])
