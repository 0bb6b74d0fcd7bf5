"""What looks like a secret or like personal data, told cheaply and without a language model.

Invariant: patterns run on google-re2; numbers that carry a checksum (IBAN, payment cards) must pass it. Where in doubt
a value counts as a secret: a log entry that is withheld can be explained later, one that leaked cannot be taken back.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Final

from aisecops_langchain.sanitize.fold import fold
from aisecops_langchain.sanitize.patterns import PatternSet, compile_pattern

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

_SECRET_SOURCES: Final = (
    r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"\bgl(?:pat|dt|rt|ptt|cbt|soat)-[A-Za-z0-9_\-]{16,}",
    r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}",
    r"\bxapp-[0-9]-[A-Za-z0-9\-]{10,}",
    r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,}",
    r"\bsk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_\-]{16,}",
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\bAIza[0-9A-Za-z_\-]{35}",
    r"\bya29\.[0-9A-Za-z_\-]{20,}",
    r"\bhf_[A-Za-z0-9]{30,}",
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bpypi-[A-Za-z0-9_\-]{50,}",
    r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
    r"\bdop_v1_[a-f0-9]{64}",
    r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    r"\bbearer\s+[A-Za-z._~+/\-]*[0-9][A-Za-z0-9._~+/\-]{6,}",
    r"\bauthorization\\?[\"']?\s*[:=]\s*\S",
    r"\b[a-z][a-z0-9+.\-]*://[^\s/:@]*:[^\s/@]+@",
    r"\bAccountKey\s*=\s*[A-Za-z0-9+/=]{20,}",
    (
        r"\b(?:passw(?:or)?d|passphrase|pwd|(?:api|access|private)[_\-]?key|(?:auth|access|refresh)[_\-]?token"
        r"|(?:client[_\-]?)?secret)\\?[\"']?\s*(?:[:=]|\bis\b)\s*\\?[\"']?[^\s\"'\\]{3,}"
    ),
)
"""Issuers' own prefixes, and the forms in which credentials are written down."""

_CREDENTIAL_SOURCE: Final = r"[A-Za-z0-9+/_=\-]{32,}"
_NOT_CREDENTIAL: Final = re.compile(
    r"\bsha(?:1|256|384|512)[:-][0-9a-f]{40,128}\b|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE
)
"""Named digests and UUIDs: random, but meant to be shown."""

_SHORTEST: Final = 6
"""Shorter text holds nothing: the shortest mail address takes as much."""
_SHORTEST_BARE: Final = 20
"""A shorter run of letters, digits and underscores holds nothing but a card number, which is no identifier."""

_LEAST_ENTROPY: Final = 3.0
"""Bits a character: random hexadecimal has nearly 4, random base64 more."""
_LEAST_SWITCHING: Final = 0.25
"""Share of neighbours of unlike class (digit, capital, other): 0.47 in random hexadecimal, 0.1 in a path."""

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
    readable = text if text.isascii() else text.encode("utf-8", "replace").decode()
    found = _PREFILTER.hits(readable)
    if not found:
        return None
    hits = {_KIND_OF_SOURCE[index] for index in found}
    kind = next((kind for kind, (_, holds) in _KINDS.items() if kind in hits and holds(readable)), None)
    return "secret" if kind == "credential" else kind


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


def _matches(source: str) -> Callable[[str], bool]:
    pattern = compile_pattern(source)
    return lambda text: pattern.search(text) is not None


def _matches_checked(source: str, check: Callable[[str], bool]) -> Callable[[str], bool]:
    pattern = compile_pattern(source)
    return lambda text: any(check(match.group()) for match in pattern.finditer(text))


def _is_card(match: str) -> bool:
    return is_card_number(match.replace(" ", "").replace("-", ""))


def _is_iban(match: str) -> bool:
    """Check the two digits of ISO 13616: the rearranged number leaves 1 when divided by 97."""
    compact = match.replace(" ", "").upper()
    length = _IBAN_LENGTHS.get(compact[:2], 0)
    compact = compact[:length]
    return len(compact) == length > 0 and int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def _is_random(token: str) -> bool:
    """Tell random strings from words: many symbols evenly used, and classes that alternate all the time."""
    counts = Counter(token).values()
    entropy = -sum(count / len(token) * math.log2(count / len(token)) for count in counts)
    classes = [(character.isdigit(), character.isupper()) for character in token]
    switches = sum(first != second for first, second in pairwise(classes))
    return entropy >= _LEAST_ENTROPY and switches >= _LEAST_SWITCHING * (len(token) - 1)


_holds_credential: Final = _matches_checked(_CREDENTIAL_SOURCE, _is_random)
_KINDS: Final[dict[str, tuple[tuple[str, ...], Callable[[str], bool]]]] = {
    "secret": (_SECRET_SOURCES, _matches("|".join(f"(?:{source})" for source in _SECRET_SOURCES))),
    "credential": ((_CREDENTIAL_SOURCE,), lambda text: _holds_credential(_NOT_CREDENTIAL.sub(" ", text))),
    "email": ((_EMAIL_SOURCE,), _matches(_EMAIL_SOURCE)),
    "iban": ((_IBAN_SOURCE,), _matches_checked(_IBAN_SOURCE, _is_iban)),
    "card": ((_CARD_SOURCE,), _matches_checked(_CARD_SOURCE, _is_card)),
    "ssn": ((_SSN_SOURCE,), _matches(_SSN_SOURCE)),
    "phone": ((_PHONE_SOURCE,), _matches(_PHONE_SOURCE)),
}
_KIND_OF_SOURCE: Final = [kind for kind, (sources, _) in _KINDS.items() for _ in sources]
_PREFILTER: Final = PatternSet([source for sources, _ in _KINDS.values() for source in sources])
