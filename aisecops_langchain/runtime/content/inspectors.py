"""From what a policy says about content to what inspects it.

Invariant: a sanitizer exists only if everything that the policy names was found and understood: packs with the very
bytes that the bundle names, categories that some rule has, classes of personal data that something can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.inspection import Inspection
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.policy import PolicyEngine
from aisecops_langchain.policy.problems import Location, Origin
from aisecops_langchain.policy.protocol import inspection_of, origin_of
from aisecops_langchain.sanitize import CATEGORIES, PiiRedactor, RulePack, SanitizeConfig, Sanitizer, core_rules
from aisecops_langchain.sanitize.pack_check import require_examples
from aisecops_langchain.sanitize.rules import parse_rules

_REMEMBERED = 8


class Inspectors:
    """Makes sanitizers as policies ask for them.

    Args:
        fixed: A sanitizer that is used whatever policies say.
        redactor: Finds the personal data that has no fixed form; Presidio without a language model by default.
        any_entity: Whether bundles may name entities that the redactor does not know, for looking a bundle over
            without the application that it is for.
    """

    def __init__(
        self, fixed: Sanitizer | None = None, redactor: PiiRedactor | None = None, *, any_entity: bool = False
    ) -> None:
        self._fixed = fixed
        self._any_entity = any_entity
        self._redactor = redactor or PiiRedactor()
        self._made: dict[str, Sanitizer] = {}

    def of(self, policy: PolicyEngine) -> Sanitizer:
        """Return the sanitizer for a policy.

        Args:
            policy: The policy.

        Returns:
            The sanitizer; the same one for the same wishes.

        Raises:
            PolicyError: If a pack is missing, changed or faulty, or a category or a class is unknown; with file and
                line where they are known.
        """
        if self._fixed is not None:
            return self._fixed
        inspection, origin = inspection_of(policy), origin_of(policy)
        key = digest("inspection", inspection.model_dump(mode="json"))
        known = self._made.get(key)
        if known is None:
            known = self._build(inspection, origin)
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made[key] = known
        return known

    def _build(self, inspection: Inspection, origin: Origin) -> Sanitizer:
        packs = [_pack(path, expected, origin) for path, expected in inspection.packs.items()]
        self._require_known(inspection, packs, origin)
        try:
            return Sanitizer(SanitizeConfig.of(inspection), packs=packs, redactor=self._redactor)
        except AisecopsError as error:
            raise origin.error(("sanitize", "packs"), str(error)) from error

    def _require_known(self, inspection: Inspection, packs: list[RulePack], origin: Origin) -> None:
        known = CATEGORIES | {rule.category for pack in (core_rules(), *packs) for rule in pack.rules}
        for kind in SourceKind:
            for category in inspection.actions(kind).categories:
                if category not in known:
                    location = _place("channels", kind, inspection, "categories", category)
                    message = f"no rule has category {category!r}; expected one of {', '.join(sorted(known))}"
                    raise origin.error(location, message)
            for name, location in _entities(inspection, kind):
                if not (self._any_entity or self._redactor.can_find(name)):
                    raise origin.error(
                        location,
                        f"nothing here can tell {name}",
                        remedy="pass the governor a redactor whose analyzer knows it",
                    )


def _pack(path: str, expected: str, origin: Origin) -> RulePack:
    location = ("sanitize", "packs", path)
    try:
        data = (origin.folder / path).read_bytes()
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        fault = type(error).__name__
        raise origin.error(location, f"rule pack {path} cannot be read", "a UTF-8 YAML file", fault) from error
    got = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if got != expected:
        raise origin.error(location, f"rule pack {path} is not the one that the bundle names", expected, got)
    try:
        pack = parse_rules(text, name=path)
        require_examples(pack)
    except AisecopsError as error:
        raise origin.error(location, str(error)) from error
    return pack


def _entities(inspection: Inspection, kind: SourceKind) -> Iterator[tuple[str, Location]]:
    """Name the classes that only an analyzer can tell, and where the bundle names them."""
    for name in inspection.treatments(kind):
        if name.isupper():
            yield name, _place("private", kind, inspection, name)
    for field, treatments in inspection.field_treatments(kind).items():
        for name in filter(str.isupper, treatments):
            yield name, _place("fields", kind, inspection, field, name)


def _place(section: str, kind: SourceKind, inspection: Inspection, *rest: str) -> Location:
    """Say where a setting of a door stands: in the door's own entry if it has one, else in the default."""
    by_channel = getattr(inspection, section)
    own = by_channel is not None and by_channel.own(kind) is not None
    return ("sanitize", section, kind.value if own else "default", *rest)
