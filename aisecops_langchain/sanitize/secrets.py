"""The one table of what credentials look like, for the log and for what models are shown.

Invariant: patterns run on google-re2; where an issuer's format carries a checksum, a structure or random characters,
the check holds it to them. ``doubtful`` forms are too loose to change a text over; the log withholds them nevertheless.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import orjson

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH: Final = 6

_LEAST_ENTROPY: Final = 3.0
"""Bits a character: random hexadecimal has nearly 4, random base64 more."""
_LEAST_SWITCHING: Final = 0.25
"""Share of neighbours of unlike class (digit, capital, other): 0.47 in random hexadecimal, 0.1 in a path."""

_PUBLIC: Final = re.compile(
    r"sha(?:1|256|384|512)[:-]|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,128}\Z", re.IGNORECASE
)
"""Named digests, UUIDs and plain hexadecimal: random, but mostly meant to be shown (commits, checksums, traces)."""

_PLACEHOLDER: Final = re.compile(
    r"[*x.#_\-]+\Z|<[^>]*>\Z|\$[{(]?\w|\{\{|%[({]|(?:your|my|the|some|an?)[ _-]|(?:example|changeme|change[_-]me|todo"
    r"|none|null|true|false|undefined|redacted|removed|hidden|secret|password|passwd|token|string|str|value|required|optional)\Z"
    r"|os\.|process\.|env[.\[(]|getenv",
    re.IGNORECASE,
)
"""What stands for a secret and is none: stars, markers, variables, words of manuals and of code."""


_CODE: Final = re.compile(r"[(\[{]|\A[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
"""Calls, subscripts and attributes."""
_NAME: Final = re.compile(r"\A[a-z_\-]*(?:key|token|secret|passw(?:or)?d|pwd|passphrase)s?[a-z_\-]*\Z", re.IGNORECASE)
"""The name of a variable that holds a secret."""


@dataclass(frozen=True, slots=True)
class SecretForm:
    """How one kind of credential is written down."""

    id: str
    source: str
    """Pattern in re2 syntax; the secret is its first group, or else the whole match."""
    check: Callable[[str], bool] = bool
    """Tells whether what stands there really is one."""
    doubtful: bool = False
    """Whether only the log heeds it."""


def is_random(token: str) -> bool:
    """Tell random strings from words: many symbols evenly used, and classes that alternate all the time.

    Args:
        token: Any text.

    Returns:
        Whether it looks random.
    """
    counts = Counter(token).values()
    entropy = -sum(count / len(token) * math.log2(count / len(token)) for count in counts)
    classes = [(character.isdigit(), character.isupper()) for character in token]
    switches = sum(first != second for first, second in pairwise(classes))
    return entropy >= _LEAST_ENTROPY and switches >= _LEAST_SWITCHING * (len(token) - 1)


def has_crc32(token: str) -> bool:
    """Check a token of GitHub or npm: its last six characters are the CRC-32 of what stands behind its prefix.

    Args:
        token: The token, such as ``ghp_`` and 36 letters and digits.

    Returns:
        Whether the checksum holds.
    """
    body = token.partition("_")[2]
    number, digits = zlib.crc32(body[:-_CHECKSUM_LENGTH].encode()), ""
    while number:
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits.rjust(_CHECKSUM_LENGTH, "0") == body[-_CHECKSUM_LENGTH:]


def is_jwt(token: str) -> bool:
    """Tell whether a token's first part decodes to the header of a JSON Web Token (RFC 7519).

    Args:
        token: Parts in base64url, joined by dots.

    Returns:
        Whether it names an algorithm.
    """
    try:
        header = orjson.loads(_decoded(token.partition(".")[0]))
    except (binascii.Error, ValueError):
        return False
    return isinstance(header, dict) and "alg" in header


def is_basic(value: str) -> bool:
    """Tell whether base64 decodes to a user and a password (RFC 7617).

    Args:
        value: The base64.

    Returns:
        Whether a colon stands in readable text.
    """
    try:
        text = _decoded(value).decode()
    except (binascii.Error, ValueError):
        return False
    return ":" in text and text.isprintable()


def is_value(value: str) -> bool:
    """Tell a secret that was assigned from what stands in its place in manuals, code and redacted text.

    Args:
        value: What stands behind the name.

    Returns:
        Whether it may be the secret itself.
    """
    plain = value.rstrip(").,:;!?]}")
    return len(plain) >= 4 and not (
        _PLACEHOLDER.match(plain) or _CODE.search(value) or _CODE.search(plain) or _NAME.search(plain)
    )


def is_unpublished(value: str) -> bool:
    """Tell whether a random string is no digest, commit or UUID.

    Args:
        value: A run of letters, digits and their like.

    Returns:
        Whether it may be a secret though nothing says so.
    """
    few = 3
    kinds = (sum(map(kind, value)) for kind in (str.isdigit, str.isupper, str.islower))
    return min(kinds) >= few and is_random(value) and not _PUBLIC.match(value)


def _decoded(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _is_mixed(value: str) -> bool:
    """A key of this length holds more than one class of characters, unlike a word."""
    return len(set(value)) >= 8 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def _is_spelt(value: str) -> bool:
    """Behind a colon or the word "is", only what no plain word could be counts."""
    plain = value.rstrip(").,:;!?]}")
    return is_value(plain) and not plain.isalpha() and any(c.isalpha() for c in plain) and "://" not in plain


def _has_body(block: str) -> bool:
    """Markers alone, as they stand in programs that look for keys, are none."""
    return re.search(r"[A-Za-z0-9+/=]{16}", block[len("-----BEGIN ") :].partition("-----")[2]) is not None


def _is_password(value: str) -> bool:
    return is_value(value) and value.lower() not in ("pass", "pwd", "user")


_NAMES: Final = (
    r"(?:passw(?:or)?ds?|passphrase|passwort|kennwort|mot_?de_?passe|contrase(?:n|\x{f1})a|senha|pwd"
    r"|(?:api|access|private|secret|signing|encryption|account|shared|master)[_\- ]?key(?:[_\- ]?id)?"
    r"|(?:auth|access|refresh|bearer|api|bot|id|session)[_\- ]?token|(?:client|app|consumer|webhook)?[_\- ]?secret"
    r"|secret[_\- ]?access[_\- ]?key)"
)
_VALUE: Final = r"([^\s\"'`\\,;<>]{4,})"

SECRET_FORMS: Final = (
    SecretForm("aws-access-key-id", r"\b(?-i:(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ABIA|ACCA)[A-Z2-7]{16})\b"),
    SecretForm("aws-key-id-like", r"\b(?-i:(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[0-9A-Z]{16})\b", doubtful=True),
    SecretForm("github-token", r"\b(?-i:gh[pousr]_[A-Za-z0-9]{36})\b", has_crc32),
    SecretForm("github-token-long", r"\b(?-i:gh[pousr]_[A-Za-z0-9]{37,251})\b", _is_mixed),
    SecretForm("github-token-like", r"\bgh[pousr]_[A-Za-z0-9]{20,}", doubtful=True),
    SecretForm("github-fine-grained", r"\b(?-i:github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b", _is_mixed),
    SecretForm("github-pat-like", r"\bgithub_pat_[A-Za-z0-9_]{20,}", doubtful=True),
    SecretForm("gitlab-token", r"\b(?-i:gl(?:pat|dt|rt|ptt|cbt|soat|ft|imt|agent)-[A-Za-z0-9_\-.]{20,})", _is_mixed),
    SecretForm("gitlab-token-like", r"\bgl(?:pat|dt|rt|ptt|cbt|soat)-[A-Za-z0-9_\-]{16,}", doubtful=True),
    SecretForm("slack-token", r"\b(?-i:xox[abeoprs]-[A-Za-z0-9\-]{10,})", lambda v: sum(c.isdigit() for c in v) >= 8),
    SecretForm("slack-token-like", r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}", doubtful=True),
    SecretForm("slack-app-token", r"\bxapp-[0-9]-[A-Za-z0-9\-]{10,}"),
    SecretForm("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{20,}"),
    SecretForm("stripe-key", r"\b(?-i:[sr]k_(?:live|test)_[A-Za-z0-9]{16,})", _is_mixed),
    SecretForm("stripe-key-like", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}", doubtful=True),
    SecretForm("stripe-webhook", r"\b(?-i:whsec_[A-Za-z0-9+/=]{32,})", _is_mixed),
    SecretForm("anthropic-key", r"\b(?-i:sk-ant-[a-z]{3,}[0-9]{2}-[A-Za-z0-9_\-]{20,})"),
    SecretForm("openai-key", r"\b(?-i:sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{20,})", _is_mixed),
    SecretForm("openai-key-old", r"\b(?-i:sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})\b"),
    SecretForm("openrouter-key", r"\b(?-i:sk-or-v1-[a-f0-9]{64})\b"),
    SecretForm("sk-key-like", r"\bsk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_\-]{16,}", doubtful=True),
    SecretForm("google-api-key", r"\b(?-i:AIza[0-9A-Za-z_\-]{35})", _is_mixed),
    SecretForm("google-oauth", r"\b(?-i:ya29\.[0-9A-Za-z_\-]{20,})"),
    SecretForm("google-oauth-secret", r"\b(?-i:GOCSPX-[0-9A-Za-z_\-]{28})"),
    SecretForm("huggingface-token", r"\b(?-i:hf_[A-Za-z]{34})\b", lambda v: len(set(v)) >= 12),
    SecretForm("huggingface-like", r"\bhf_[A-Za-z0-9]{30,}", doubtful=True),
    SecretForm("npm-token", r"\b(?-i:npm_[A-Za-z0-9]{36})\b", has_crc32),
    SecretForm("npm-like", r"\bnpm_[A-Za-z0-9]{36}", doubtful=True),
    SecretForm("pypi-token", r"\b(?-i:pypi-AgE[A-Za-z0-9_\-]{50,})"),
    SecretForm("pypi-like", r"\bpypi-[A-Za-z0-9_\-]{50,}", doubtful=True),
    SecretForm("sendgrid-key", r"\b(?-i:SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,})"),
    SecretForm("twilio-key", r"\b(?-i:SK[0-9a-f]{32})\b"),
    SecretForm("telegram-token", r"\b[0-9]{8,10}:(?-i:AA[A-Za-z0-9_\-]{33})\b"),
    SecretForm("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    SecretForm("mailgun-key", r"\b(?-i:key-[0-9a-f]{32})\b"),
    SecretForm("azure-account-key", r"\bAccountKey\s*=\s*([A-Za-z0-9+/]{60,}={0,2})"),
    SecretForm("azure-account-key-like", r"\bAccountKey\s*=\s*[A-Za-z0-9+/=]{20,}", doubtful=True),
    SecretForm("azure-shared-key", r"\bSharedAccessKey\s*=\s*([A-Za-z0-9+/]{40,}={0,2})"),
    SecretForm("azure-sas", r"[?&;\s]sig=([A-Za-z0-9%+/]{40,}(?:%3d|=){0,2})"),
    SecretForm("jwt", r"\b(?-i:eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?)", is_jwt),
    SecretForm("jwt-like", r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?", doubtful=True),
    SecretForm("private-key", r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*-----|\z)", _has_body),
    SecretForm("private-key-like", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY", doubtful=True),
    SecretForm("basic-auth", r"\bbasic\s+((?-i:[A-Za-z0-9+/_\-]{8,}={0,2}))", is_basic),
    SecretForm("bearer-token", r"\bbearer\s+([A-Za-z._~+/\-]*[0-9][A-Za-z0-9._~+/\-]{6,}=*)", _is_mixed),
    SecretForm("bearer-like", r"\bbearer\s+[A-Za-z._~+/\-]*[0-9][A-Za-z0-9._~+/\-]{6,}", doubtful=True),
    SecretForm("authorization-like", r"\bauthorization\\?[\"']?\s*[:=]\s*\S", doubtful=True),
    SecretForm("url-password", r"\b[a-z][a-z0-9+.\-]*://[^\s/:@]*:([^\s/@]+)@", _is_password),
    SecretForm("url-password-like", r"\b[a-z][a-z0-9+.\-]*://[^\s/:@]*:[^\s/@]+@", doubtful=True),
    SecretForm("assigned", _NAMES + r"\\?[\"']?\s*(?::=|=>|=)\s*\\?[\"'`]?" + _VALUE, is_value),
    SecretForm("assigned-quoted", _NAMES + r"\\?[\"']?\s*:\s*\\?[\"'`]" + _VALUE, is_value),
    SecretForm("assigned-spelt", _NAMES + r"\\?[\"']?\s*(?::|\bis\b)\s*" + _VALUE, _is_spelt),
    SecretForm(
        "assigned-like",
        r"\b(?:passw(?:or)?d|passphrase|pwd|(?:api|access|private)[_\-]?key|(?:auth|access|refresh)[_\-]?token"
        r"|(?:client[_\-]?)?secret)\\?[\"']?\s*(?:[:=]|\bis\b)\s*\\?[\"']?[^\s\"'\\]{3,}",
        doubtful=True,
    ),
    SecretForm("environment", r"\b(?-i:[A-Z][A-Z0-9_]{2,})=[\"']?((?-i:[A-Za-z0-9+/_\-]{24,}={0,2}))", is_unpublished),
    SecretForm(
        "assigned-random",
        r"\b[a-z][a-z0-9_.\-]*[\"']?\s*[:=]\s*[\"']((?-i:[A-Za-z0-9+/_\-]{24,}={0,2}))[\"']",
        is_unpublished,
    ),
)
"""Issuers' own prefixes, and the forms in which credentials are written down."""
