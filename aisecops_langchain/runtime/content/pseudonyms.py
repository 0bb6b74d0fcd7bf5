"""Names that stand for private values in one thread, and the values that tools are given for them.

Invariant: a pseudonym means something only to the tenant, user and thread that it was made for, and always the same.
It is made with the sealing key, so nobody can guess or invent one; the values lie in the ledger, sealed and encrypted,
out of the sight of models, state and log. What is named and means nothing here is an error, never passed on.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aisecops_langchain.canonical import MAX_DEPTH, JsonValue
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import InvalidCallError, LedgerError
from aisecops_langchain.runtime.ledger.records import PseudonymRecord, close_row, open_row
from aisecops_langchain.runtime.policies.in_force import PolicyInForce
from aisecops_langchain.runtime.ports import Change, Ledger, Table, ToolContract
from aisecops_langchain.sanitize import class_name
from aisecops_langchain.sealing import Sealer

_NAME: Final = re.compile(r"<[A-Z][A-Z0-9_]*_[A-Z2-7]{12}>")
_TOKEN_LENGTH: Final = 12
_NONCE_BYTES: Final = 12
_REMEMBERED: Final = 4_096

_Owner = tuple[str, str, str]
"""Tenant, user and thread."""


class Pseudonyms:
    """Makes pseudonyms and resolves them again.

    Args:
        policy: Says in which arguments they are resolved.
        ledger: Keeps what they stand for.
        sealer: Holds the key that names and encryption are derived from.
    """

    def __init__(self, policy: PolicyInForce, ledger: Ledger, sealer: Sealer) -> None:
        self._policy = policy
        self._ledger = ledger
        self._sealer = sealer
        self._cipher = AESGCM(bytes.fromhex(sealer.seal("pseudonym-encryption", "AES-256-GCM")))
        self._known: dict[tuple[_Owner, str], str] = {}

    def veil(self, scope: Scope) -> ThreadVeil:
        """Return what makes stand-ins for a thread.

        Args:
            scope: Where content came in.

        Returns:
            The veil.
        """
        return ThreadVeil(self, _owner(scope.principal, scope.thread))

    def arguments(self, tool: ToolContract, raw: Mapping[str, object], scope: Scope) -> dict[str, JsonValue]:
        """Make the canonical arguments of a call: pseudonyms resolved where policy says so, then the tool's schema.

        Whatever is planned, decided, shown to a person, permitted or run comes from here, so that all of it is about
        the same values.

        Args:
            tool: The tool.
            raw: The arguments as the model wrote them.
            scope: Where.

        Returns:
            Canonical arguments.

        Raises:
            InvalidCallError: If an argument names a pseudonym that means nothing here, or the schema refuses it.
            CanonicalizationError: If an argument has no canonical form.
            LedgerError: If what a pseudonym stands for cannot be read, or was edited at rest.
        """
        open_names = self._open_arguments(tool.name)
        if not open_names:
            return tool.canonical_arguments(raw)
        owner = _owner(scope.principal, scope.thread)
        resolved = {
            name: self._resolved(value, owner, strict=True) if name in open_names else value
            for name, value in raw.items()
        }
        return tool.canonical_arguments(resolved)

    def veiled_again(
        self, tool: str, raw: Mapping[str, object], edited: Mapping[str, object], scope: Scope
    ) -> dict[str, object]:
        """Put back the pseudonyms into arguments that a person edited, who was shown what they stand for.

        Args:
            tool: The tool's name.
            raw: The arguments as the model wrote them.
            edited: The arguments as the person left them.
            scope: Where.

        Returns:
            Arguments for state and model, which make the same canonical call.

        Raises:
            LedgerError: If what a pseudonym stands for cannot be read.
        """
        open_names = self._open_arguments(tool)
        owner = _owner(scope.principal, scope.thread)
        named = {name for key in open_names for text in _texts(raw.get(key)) for name in _NAME.findall(text)}
        values = {value: name for name in sorted(named) if (value := self._value(owner, name)) is not None}
        return {key: _exchanged(value, values) if key in open_names else value for key, value in edited.items()}

    def restore(self, text: str, *, principal: Principal, thread: str) -> str:
        """Put values back into words that their owner may read, such as the answer to the user.

        Args:
            text: What the model said.
            principal: Whose thread it is.
            thread: The thread.

        Returns:
            The text; what means nothing to that thread stays as it is.

        Raises:
            LedgerError: If what a pseudonym stands for cannot be read.
        """
        return str(self._resolved(text, _owner(principal, thread), strict=False))

    def lifted(self, text: str, scope: Scope) -> str:
        """Read labelled content as tools would be given it, to trace arguments to it.

        Args:
            text: The content as the model is shown it.
            scope: Where.

        Returns:
            The content with values in place of pseudonyms, where any argument is resolved at all.

        Raises:
            LedgerError: If what a pseudonym stands for cannot be read.
        """
        if not self._policy.inspection.unveil:
            return text
        return str(self._resolved(text, _owner(scope.principal, scope.thread), strict=False))

    def name(self, owner: _Owner, kind: str, value: str) -> str:
        """Name a value; ``keep`` it before anybody is shown the name.

        Args:
            owner: Whose it is.
            kind: The class of the value.
            value: The value.

        Returns:
            The pseudonym.
        """
        said = "\0".join((*owner, kind, value)).encode("utf-8", "surrogatepass")
        token = base64.b32encode(bytes.fromhex(self._sealer.seal_bytes("pseudonym", said))).decode()
        return f"<{class_name(kind)}_{token[:_TOKEN_LENGTH]}>"

    def keep(self, owner: _Owner, named: Mapping[str, tuple[str, str]]) -> None:
        """Keep what pseudonyms stand for, all of them in one transaction.

        Args:
            owner: Whose they are.
            named: Class and value by pseudonym.

        Raises:
            LedgerError: If they cannot be kept.
        """
        new = {
            name: close_row(self._sealer, Table.PSEUDONYMS, key, self._record(key, kind, value))
            for name, (kind, value) in named.items()
            if (owner, name) not in self._known
            and self._ledger.get(Table.PSEUDONYMS, key := self._key(owner, name)) is None
        }
        if new and not self._ledger.apply([Change(row) for row in new.values()], durable=True):
            for row in new.values():  # another process kept some of them meanwhile, and its rows say the same
                self._ledger.apply([Change(row)], durable=True)
        for name, (_, value) in named.items():
            self._remember(owner, name, value)

    def hashed(self, owner: _Owner, kind: str, value: str) -> str:
        """Return the keyed digest of a value, the same throughout a tenant."""
        return self._sealer.seal_bytes("private-hash", f"{owner[0]}\0{kind}\0{value}".encode("utf-8", "replace"))[:16]

    def _open_arguments(self, tool: str) -> frozenset[str]:
        prefix = f"{tool}."
        entries = self._policy.inspection.unveil
        return frozenset(entry[len(prefix) :] for entry in entries if entry.startswith(prefix))

    def _resolved(self, value: object, owner: _Owner, *, strict: bool, depth: int = 0) -> object:
        if isinstance(value, str):
            return _NAME.sub(lambda found: self._resolve(found[0], owner, strict=strict), value)
        if depth > MAX_DEPTH:
            return value  # has no canonical form, and is refused as such
        if isinstance(value, list):
            return [self._resolved(item, owner, strict=strict, depth=depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: self._resolved(item, owner, strict=strict, depth=depth + 1) for key, item in value.items()}
        return value

    def _resolve(self, name: str, owner: _Owner, *, strict: bool) -> str:
        value = self._value(owner, name)
        if value is None and strict:
            raise InvalidCallError("an argument names a pseudonym that stands for nothing in this thread")
        return name if value is None else value

    def _value(self, owner: _Owner, name: str) -> str | None:
        known = self._known.get((owner, name))
        if known is not None:
            return known
        key = self._key(owner, name)
        row = self._ledger.get(Table.PSEUDONYMS, key)
        if row is None:
            return None
        record = open_row(self._sealer, row, PseudonymRecord)
        value = self._decrypted(record, key)
        if self.name(owner, record.kind, value) != name:
            raise LedgerError("a pseudonym stands for another value than it was made for", expected="its own value")
        self._remember(owner, name, value)
        return value

    def _decrypted(self, record: PseudonymRecord, key: str) -> str:
        try:
            hidden = base64.b64decode(record.value, validate=True)
            plain = self._cipher.decrypt(hidden[:_NONCE_BYTES], hidden[_NONCE_BYTES:], key.encode())
            return plain.decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            raise LedgerError("what a pseudonym stands for cannot be read", expected="a value of this key") from None

    def _record(self, key: str, kind: str, value: str) -> PseudonymRecord:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        hidden = nonce + self._cipher.encrypt(nonce, value.encode("utf-8", "surrogatepass"), key.encode())
        return PseudonymRecord(kind=kind, value=base64.b64encode(hidden).decode())

    def _key(self, owner: _Owner, name: str) -> str:
        return self._sealer.seal("pseudonym-key", [*owner, name])

    def _remember(self, owner: _Owner, name: str, value: str) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[owner, name] = value


class ThreadVeil:
    """Makes the stand-ins of one thread; see ``sanitize.private.Veil``.

    Args:
        pseudonyms: Makes and keeps them.
        owner: Whose they are.
    """

    def __init__(self, pseudonyms: Pseudonyms, owner: _Owner) -> None:
        self._pseudonyms = pseudonyms
        self._owner = owner
        self._named: dict[str, tuple[str, str]] = {}

    def hashed(self, kind: str, value: str) -> str:
        """Return 16 hexadecimal digits that stand for a value throughout the tenant."""
        return self._pseudonyms.hashed(self._owner, kind, value)

    def pseudonym(self, kind: str, value: str) -> str:
        """Return the name that stands for a value in this thread."""
        name = self._pseudonyms.name(self._owner, kind, value)
        self._named[name] = (kind, value)
        return name

    def keep(self) -> None:
        """Keep what was named, before anybody is shown the names.

        Raises:
            LedgerError: If it cannot be kept.
        """
        if self._named:
            self._pseudonyms.keep(self._owner, self._named)
            self._named = {}


def _owner(principal: Principal, thread: str) -> _Owner:
    return principal.tenant, principal.user, thread


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [text for item in value.values() for text in _texts(item)] if isinstance(value, dict) else []


def _exchanged(value: object, values: Mapping[str, str]) -> object:
    if isinstance(value, str):
        for known in sorted(values, key=len, reverse=True):
            value = value.replace(known, values[known])
        return value
    if isinstance(value, list):
        return [_exchanged(item, values) for item in value]
    return {key: _exchanged(item, values) for key, item in value.items()} if isinstance(value, dict) else value
