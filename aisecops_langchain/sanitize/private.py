"""What becomes of secrets and personal data on their way to a model, by class, door and field.

Invariant: what is to be treated in a field does not leave it whole, however the field is spelled or nested; treated
text is a fixed point. Where a value cannot be given the stand-in that was asked for, it is redacted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from pydantic import JsonValue

from aisecops_langchain.canonical import MAX_DEPTH
from aisecops_langchain.domain.inspection import PERSONAL, PERSONAL_CLASSES, SECRET, Treatment
from aisecops_langchain.sanitize.finding import Finding, Severity
from aisecops_langchain.sanitize.pii import PiiRedactor
from aisecops_langchain.sanitize.recognizers import (
    PrivateSpan,
    is_card_number,
    names_secret,
    private_spans,
    without_overlaps,
)
from aisecops_langchain.sanitize.scrub import name_of
from aisecops_langchain.sanitize.values import KeyCollisionError, UnreadableValueError, exceeded_bound

_OPENINGS: Final = frozenset("{[")
_MAX_NODES: Final = 200_000
_MAX_FINDINGS: Final = 100
"""Of one text; all are treated, but an event need not list every address of a telephone book."""
_SHOWING: Final = re.compile(r"[^\W_]")
_SHOWN_DIGITS: Final = 4
_LEAST_DIGITS: Final = 9
"""Of a number with fewer digits, masking leaves none: four of eight would be half of it."""

_STAND_IN: Final = re.compile(r"<[A-Z][A-Z0-9_]*(?::[0-9a-f]{16}|_[A-Z2-7]{12})?>\Z|\*+\Z")
"""What stands for something private already."""

Treatments = Mapping[str, Treatment]


class Veil(Protocol):
    """Makes stand-ins that need a key or a memory; one belongs to one thread of one user."""

    def hashed(self, kind: str, value: str) -> str:
        """Return 16 hexadecimal digits that stand for a value."""
        ...

    def pseudonym(self, kind: str, value: str) -> str:
        """Return the name that stands for a value here."""
        ...


class Treated(NamedTuple):
    """A text after its private data was treated."""

    text: str
    findings: tuple[Finding, ...] = ()
    blocked: bool = False


class PrivateData:
    """Treats private data as one door asks for it.

    Args:
        treatments: What becomes of each class; what is not named stays.
        fields: The same for single fields of structured content, by path; it goes before ``treatments``.
        redactor: Finds the classes that have no form of their own.
    """

    def __init__(self, treatments: Treatments, fields: Mapping[str, Treatments], redactor: PiiRedactor) -> None:
        self._everywhere = _Rules(treatments)
        self._fields = [(_path_pattern(path), _Rules({**treatments, **own}, own)) for path, own in fields.items()]
        self._redactor = redactor

    def treat_text(self, text: str, veil: Veil | None) -> Treated:
        """Treat the private data of one text; one that is JSON is treated field by field.

        Args:
            text: Any text.
            veil: Makes stand-ins; without one, what asks for them is redacted.

        Returns:
            The treated text; findings in a text without fields have offsets into it.

        Raises:
            UnreadableValueError: If it is JSON that cannot be read whole, or that readers read differently.
        """
        walk = _Walk(self._rules_at, self._redactor, veil)
        return walk.result(walk.whole(text, "", ""))

    def treat_value(self, value: JsonValue, veil: Veil | None) -> tuple[JsonValue, Treated]:
        """Treat the private data of structured content, field by field, keys too.

        Args:
            value: Plain JSON within bounds.
            veil: Makes stand-ins.

        Returns:
            The treated value, and what was found in it.

        Raises:
            UnreadableValueError: If two keys of one object become the same, or JSON in it cannot be read whole.
        """
        walk = _Walk(self._rules_at, self._redactor, veil)
        treated = walk.value(value, "", "")
        return treated, walk.result("")

    def _rules_at(self, path: str) -> _Rules:
        return next((rules for pattern, rules in self._fields if pattern.fullmatch(path)), self._everywhere)


class _Rules:
    """What becomes of each class in one place; a field's word on a group goes before its door's word on a class."""

    def __init__(self, treatments: Treatments, own: Treatments | None = None) -> None:
        self._treatments = treatments
        self._own = own or {}
        classes = {SECRET, *PERSONAL_CLASSES, *treatments} - {PERSONAL}
        wanted = {kind for kind in classes if self.of(kind) is not Treatment.PASS}
        self.told = frozenset(wanted & {SECRET, *PERSONAL_CLASSES})
        """Classes that are told by their form."""
        self.entities = sorted(wanted - self.told)
        """Classes that need an analyzer."""

    def of(self, kind: str) -> Treatment:
        """Return the treatment of a class."""
        for treatments in (self._own, self._treatments):
            if kind in treatments:
                return treatments[kind]
            if kind in PERSONAL_CLASSES and PERSONAL in treatments:
                return treatments[PERSONAL]
        return Treatment.PASS


@dataclass(slots=True)
class _Walk:
    """One treatment of one text or value."""

    rules_at: Callable[[str], _Rules]
    redactor: PiiRedactor
    veil: Veil | None
    findings: list[Finding] = field(default_factory=list)
    blocked: bool = False

    def result(self, text: str) -> Treated:
        return Treated(text, tuple(self.findings), self.blocked)

    def value(self, value: JsonValue, path: str, name: str) -> JsonValue:
        rules = self.rules_at(path)
        if SECRET in rules.told and names_secret(name, value):
            return self._hidden(value, rules)
        if isinstance(value, str):
            return self.whole(value, path, name)
        if isinstance(value, list):
            return [self.value(item, f"{path}[]", name) for item in value]
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, int) and "card" in rules.told and is_card_number(str(value)):
            return self._stand_in(rules, "card", "card", str(value), 0)
        return value

    def whole(self, text: str, path: str, name: str) -> str:
        """Treat a text by its fields if it is JSON, or else as it is."""
        value = read_container(text)
        if value is None:
            return self.text(text, self.rules_at(path))
        treated = self.value(value, path, name)
        return text if treated == value else json.dumps(treated, ensure_ascii=False)

    def _hidden(self, value: JsonValue, rules: _Rules) -> JsonValue:
        """Put stand-ins in the place of all values of a field that is named like a secret."""
        if isinstance(value, list):
            return [self._hidden(item, rules) for item in value]
        if isinstance(value, dict):
            return {self.text(key, rules): self._hidden(item, rules) for key, item in value.items()}
        if value is None or isinstance(value, bool):
            return value
        return self._stand_in(rules, SECRET, "named", str(value), 0)

    def _object(self, value: Mapping[str, JsonValue], path: str) -> dict[str, JsonValue]:
        treated: dict[str, JsonValue] = {}
        for key, item in value.items():
            shown = self.text(key, self.rules_at(""))
            if shown in treated:
                raise KeyCollisionError("two keys of one object read the same once treated", expected="distinct keys")
            treated[shown] = self.value(item, _below(path, key), name_of(key, value))
        return treated

    def text(self, text: str, rules: _Rules) -> str:
        found = private_spans(text, rules.told) if rules.told else []
        if rules.entities and text.strip():
            found = without_overlaps([*found, *self.redactor.find(text, rules.entities)])
        pieces: list[str] = []
        last = 0
        for span in found:
            pieces += (text[last : span.start], self._replace(rules, span, text))
            last = span.end
        return "".join((*pieces, text[last:]))

    def _replace(self, rules: _Rules, span: PrivateSpan, text: str) -> str:
        return self._stand_in(rules, span.kind, span.form, text[span.start : span.end], span.start)

    def _stand_in(self, rules: _Rules, kind: str, form: str, value: str, start: int) -> str:
        if not value or _STAND_IN.match(value):
            return value
        category = "secret" if kind == SECRET else "personal"
        severity = Severity.HIGH if kind == SECRET else Severity.MEDIUM
        if len(self.findings) < _MAX_FINDINGS:
            self.findings.append(Finding(form.lower(), category, severity, start, start + len(value), "text"))
        treatment = rules.of(kind)
        self.blocked |= treatment is Treatment.BLOCK
        match treatment:
            case Treatment.MASK:
                return _masked(kind, value)
            case Treatment.HASH if self.veil is not None:
                return f"<{class_name(kind)}:{self.veil.hashed(kind, value)}>"
            case Treatment.PSEUDONYMIZE if self.veil is not None:
                return self.veil.pseudonym(kind, value)
            case _:
                return f"<{class_name(kind)}>"


def class_name(kind: str) -> str:
    """Return how a class is called in what stands for its values; ``<SECRET>`` would read like an attack.

    Args:
        kind: The class.

    Returns:
        Its name in capitals.
    """
    return "CREDENTIAL" if kind == SECRET else kind.upper()


def _masked(kind: str, value: str) -> str:
    """Put stars in the place of letters and digits; a secret's length would say something, too."""
    if kind == SECRET:
        return "*" * 8
    kept = 0
    if kind != "email" and value[-_SHOWN_DIGITS:].isdigit():
        kept = _SHOWN_DIGITS if sum(map(str.isdigit, value)) >= _LEAST_DIGITS else 0
    hidden = value[: len(value) - kept]
    return _SHOWING.sub("*", hidden) + value[len(hidden) :]


def read_container(text: str) -> JsonValue:
    """Read a text that is a JSON object or list.

    Args:
        text: Any text.

    Returns:
        The object or list, or ``None`` if it is none.

    Raises:
        UnreadableValueError: If it is too deep or holds too much, or keys of one object repeat, so that each reader
            would see another value.
    """
    if text.lstrip()[:1] not in _OPENINGS:
        return None
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_distinct)
    except ValueError:
        return None
    except RecursionError:
        raise UnreadableValueError("JSON is nested too deeply to be read") from None
    bound = exceeded_bound(value, max_depth=MAX_DEPTH, max_nodes=_MAX_NODES, max_chars=len(text))
    if bound is not None:
        raise UnreadableValueError("JSON is too large or nested too deeply to be read", got=bound)
    return value


def _distinct(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise KeyCollisionError("a key of one object is repeated", expected="distinct keys")
    return found


def _below(path: str, key: str) -> str:
    """Name a field; a key that could pass for a longer path is nobody's field."""
    plain = key.replace(".", "\0").replace("[", "\0").replace("*", "\0")
    return f"{path}.{plain}" if path else plain


@lru_cache(maxsize=256)
def _path_pattern(path: str) -> re.Pattern[str]:
    """Compile a path such as ``customer.email``, ``[].id`` or ``rooms.*.name``."""
    return re.compile(re.escape(path).replace(r"\*", r"[^.\[\0]+"))
