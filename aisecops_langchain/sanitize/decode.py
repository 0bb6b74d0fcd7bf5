"""Encodings inside a text, decoded where they stand.

Invariant: what is decoded counts only where it yields readable text; anything else stays as it is. Nothing is
decompressed. Every decoder looks at each character a bounded number of times.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from typing import Final

from aisecops_langchain.sanitize.respell import ROT13
from aisecops_langchain.sanitize.steps import Substitution

_SAMPLE: Final = 64
"""Characters of base64 that are tried before all of it is, where it is unlikely to be text."""
_SHORTEST: Final = 8
"""Fewer readable characters in a row are noise."""

_ESCAPED: Final = re.compile(
    r"&(?:#[xX][0-9a-fA-F]{1,8}|#[0-9]{1,8}|[a-zA-Z][a-zA-Z0-9]{1,31});?"
    r"|(?:%[0-9a-fA-F]{2})+"
    r"|(?:\\u[0-9a-fA-F]{4})+|\\u\{[0-9a-fA-F]{1,6}\}|(?:\\x[0-9a-fA-F]{2})+|(?:\\[0-7]{3})+|\\[nrt\"'/\\]"
)
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t"}
_QUOTED: Final = re.compile(r"(?:=[0-9A-Fa-f]{2})+|=\r?\n")
_HEX_BINARY_CODES: Final = Substitution("codes", _BINARY_CODES, _from_binary_codes)
DECIMAL_CODES: Final = Substitution("codes", _DECIMAL_CODES, _from_decimal_codes)
HEX_CODES: Final = Substitution("codes", _HEX_CODES, _from_hex_codes)
"""Characters written as numbers, one by one."""
TOKENS: Final = Substitution("base64", _RUN, _from_token)
"""Base64, base32 and hexadecimal digits, whole or wrapped, backwards or in rot13."""
