"""The signed statement over a package: an in-toto Statement v1 in a DSSE envelope.

Invariant: the signature covers type and exact bytes of the payload (DSSE v1, PAE), and the statement names every file
by its SHA-256, so that none can be changed, added or taken away. A signed head of the log begins with ``{``, what is
signed here with ``DSSEv1``: neither can stand for the other, although one key signs both.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aisecops_langchain.audit.heads import key_id_of
from aisecops_langchain.canonical import JsonValue, canonical_bytes
from aisecops_langchain.errors import EvidenceError
from aisecops_langchain.forensics.evidence.names import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, sha256

_MAX_SIGNATURES: Final = 8


class Signed(NamedTuple):
    """An envelope, opened but not yet checked."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """Pairs of key id and signature."""


class Statement(NamedTuple):
    """What was signed."""

    subjects: dict[str, str]
    """SHA-256 of every file by its name."""
    predicate: dict[str, JsonValue]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Encode what a DSSE signature covers.

    Args:
        payload_type: The type.
        payload: The bytes.

    Returns:
        ``DSSEv1`` and both, each behind its length in bytes (DSSE 1.0, protocol).
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_statement(files: Mapping[str, bytes], predicate: Mapping[str, JsonValue], seed: bytes) -> bytes:
    """Sign a package.

    Args:
        files: All files but the envelope.
        predicate: What is said about them.
        seed: The 32 bytes of the audit key.

    Returns:
        The envelope, as JSON.
    """
    key = Ed25519PrivateKey.from_private_bytes(seed)
    payload = canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": sha256(data)}} for name, data in sorted(files.items())],
            "predicateType": PREDICATE_TYPE,
            "predicate": dict(predicate),
        }
    )
    signature = base64.b64encode(key.sign(pae(PAYLOAD_TYPE, payload))).decode()
    key_id = key_id_of(key.public_key().public_bytes_raw())
    return canonical_bytes(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": key_id, "sig": signature}],
        }
    )


def open_envelope(data: bytes) -> Signed:
    """Read an envelope.

    Args:
        data: Its JSON.

    Returns:
        Payload and signatures, unchecked.

    Raises:
        EvidenceError: If it is no DSSE envelope of an in-toto statement.
    """
    try:
        envelope = orjson.loads(data)
        signatures = envelope["signatures"]
        if envelope["payloadType"] != PAYLOAD_TYPE or not 1 <= len(signatures) <= _MAX_SIGNATURES:
            raise _no_envelope()
        pairs = tuple((str(item["keyid"]), base64.b64decode(item["sig"], validate=True)) for item in signatures)
        return Signed(base64.b64decode(envelope["payload"], validate=True), pairs)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _no_envelope() from None


def read_statement(payload: bytes) -> Statement:
    """Read what was signed.

    Args:
        payload: Bytes whose signature holds.

    Returns:
        The statement.

    Raises:
        EvidenceError: If it is no statement about a package of this version.
    """
    try:
        found = orjson.loads(payload)
        pairs = [(item["name"], item["digest"]["sha256"]) for item in found["subject"]]
        sound = (found["_type"], found["predicateType"]) == (STATEMENT_TYPE, PREDICATE_TYPE)
        if not sound or not all(isinstance(text, str) for pair in pairs for text in pair):
            raise _no_statement()
        if len(dict(pairs)) != len(pairs) or not isinstance(found["predicate"], dict):
            raise _no_statement()
        return Statement(dict(pairs), cast("dict[str, JsonValue]", found["predicate"]))
    except (KeyError, TypeError, ValueError):
        raise _no_statement() from None


def signature_holds(signed: Signed, key_id: str, public: bytes) -> bool:
    """Check an envelope with one key.

    Args:
        signed: The envelope.
        key_id: Name of the key.
        public: Its 32 raw bytes.

    Returns:
        Whether that key signed it.
    """
    key = Ed25519PublicKey.from_public_bytes(public)
    covered = pae(PAYLOAD_TYPE, signed.payload)
    return any(_verifies(key, sig, covered) for named, sig in signed.signatures if named == key_id)


def _verifies(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _no_envelope() -> EvidenceError:
    return EvidenceError("statement is not signed", expected=f"a DSSE envelope of type {PAYLOAD_TYPE}")


def _no_statement() -> EvidenceError:
    return EvidenceError("statement makes no sense", expected=f"in-toto Statement v1 with predicate {PREDICATE_TYPE}")
