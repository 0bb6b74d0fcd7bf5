"""What is to be done about content: the words of a bundle's ``sanitize`` section.

Invariant: at every door every severity has exactly one action and every class of private data exactly one treatment;
what a bundle leaves out is as it would be without the section.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Generic, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import SourceKind

Setting = TypeVar("Setting")

SECRET: Final = "secret"  # noqa: S105 - a name
"""The class of credentials of all kinds."""

PERSONAL: Final = "personal"
"""Stands for every class of ``PERSONAL_CLASSES`` that is not named itself."""

PERSONAL_CLASSES: Final = ("email", "iban", "card", "ssn", "phone")
"""Classes of personal data that are told by their form; those of an analyzer have names in capitals."""


class Action(StrEnum):
    """What is done about a finding, from mildest to strictest."""

    PASS = "pass"  # noqa: S105 - not a password
    """Recorded only."""
    CLEAN = "clean"
    """The matched span is cut."""
    QUARANTINE = "quarantine"
    """The whole text is replaced by a notice."""
    BLOCK = "block"
    """As quarantine, and the caller is told that nothing may go on."""

    @property
    def rank(self) -> int:
        """Position in the order; higher is stricter."""
        return _RANKS[self]


_RANKS: Final = {action: rank for rank, action in enumerate(Action)}


class Treatment(StrEnum):
    """What is done with a secret or a piece of personal data."""

    PASS = "pass"  # noqa: S105 - not a password
    """It stays, and is not looked for."""
    REDACT = "redact"
    """The name of its class stands in its place."""
    MASK = "mask"
    """Its letters and digits become stars; of longer numbers the last four digits stay."""
    HASH = "hash"
    """A keyed digest stands in its place: the same for the same value, wherever it comes up."""
    PSEUDONYMIZE = "pseudonymize"
    """A name stands in its place that only this thread knows, and that tools may be given the value for."""
    BLOCK = "block"
    """The whole text is withheld, and the caller is told that nothing may go on."""


class Spotlight(StrEnum):
    """How untrusted content is set apart in what a model is shown (Hines et al. 2024, arXiv:2403.14720)."""

    NONE = "none"
    DELIMIT = "delimit"
    """It stands between two lines that carry a mark."""
    DATAMARK = "datamark"
    """The mark also stands before every line and between all words."""


class SeverityActions(Frozen):
    """One action for each severity, and for categories of rules whose findings are treated otherwise."""

    low: Action = Action.PASS
    medium: Action = Action.CLEAN
    high: Action = Action.QUARANTINE
    categories: Annotated[dict[str, Action], Field(min_length=1)] = Field(default_factory=dict)
    """By category of rule, whatever the severity."""

    def of(self, severity: str, category: str = "") -> Action:
        """Return the action for a finding.

        Args:
            severity: ``low``, ``medium`` or ``high``.
            category: Category of the rule that found it.

        Returns:
            What to do about it.
        """
        by_severity = {"low": self.low, "medium": self.medium, "high": self.high}[severity]
        return self.categories.get(category, by_severity)


PASS_ALL: Final = SeverityActions(low=Action.PASS, medium=Action.PASS, high=Action.PASS)
"""For doors whose speaker is entitled to instruct the model: findings are recorded, nothing is withheld."""

ENTITLED: Final = (SourceKind.SYSTEM_PROMPT, SourceKind.USER_PROMPT, SourceKind.OUTPUT)
"""Doors at which nothing is withheld unless a bundle says so."""


class GivenActions(Frozen):
    """The actions that a bundle gives for one door; what it leaves out is the default's."""

    low: Action | None = None
    medium: Action | None = None
    high: Action | None = None
    categories: dict[str, Action] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a channel without an action says nothing; fill it in, or leave it out")
        return self

    def over(self, base: SeverityActions) -> SeverityActions:
        """Lay the given actions over others.

        Args:
            base: The actions where nothing is given.

        Returns:
            Both together.
        """
        given = {name: value for name, value in self if value is not None}
        if self.categories is not None:
            given["categories"] = {**base.categories, **self.categories}
        return base.model_copy(update=given)


def _is_class(name: str) -> str:
    known = (SECRET, PERSONAL, *PERSONAL_CLASSES)
    if name not in known and not (name.isascii() and name.isupper() and name.replace("_", "").isalnum()):
        raise ValueError(f"unknown class {name!r}; expected {', '.join(known)}, or an entity in capitals like PERSON")
    return name


PrivateClass = Annotated[str, AfterValidator(_is_class)]
Treatments = Annotated[dict[PrivateClass, Treatment], Field(min_length=1)]
FieldTreatments = Annotated[dict[Annotated[str, Field(min_length=1)], Treatments], Field(min_length=1)]
"""By path of a field in structured content: keys joined by dots, ``[]`` for the items of a list."""


class ByChannel(Frozen, Generic[Setting]):
    """One setting for each door that has its own."""

    default: Setting | None = None
    """For every door without an entry of its own."""
    system_prompt: Setting | None = None
    user_prompt: Setting | None = None
    skill: Setting | None = None
    retrieval_chunk: Setting | None = None
    memory: Setting | None = None
    tool_result: Setting | None = None
    agent_message: Setting | None = None
    approver: Setting | None = None
    output: Setting | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("no channel is named; fill it in, or leave it out")
        return self

    def own(self, channel: SourceKind) -> Setting | None:
        """Return the setting that a door has of its own.

        Args:
            channel: The door.

        Returns:
            The setting, or ``None``.
        """
        found: Setting | None = getattr(self, channel.value)
        return found


class Inspection(Frozen):
    """How content is inspected; the defaults are what happens without a ``sanitize`` section."""

    channels: ByChannel[GivenActions] | None = None
    """What is done about findings of rules."""
    private: ByChannel[Treatments] | None = None
    """What is done with secrets and personal data."""
    fields: ByChannel[FieldTreatments] | None = None
    """The same for single fields of structured content; it goes before ``private``."""
    unveil: tuple[str, ...] = Field(default=(), min_length=1)
    """``tool.argument`` entries in which pseudonyms are replaced by what they stand for."""
    packs: dict[str, Annotated[str, Field(pattern=r"\Asha256:[0-9a-f]{64}\z")]] = Field(
        default_factory=dict, min_length=1
    )
    """Further rule packs: path, seen from the bundle, and SHA-256 of the file, so that the digest covers it."""
    spotlight: Spotlight = Spotlight.NONE
    keep_quarantined: bool = True
    """Whether withheld content is kept, encrypted, for investigation."""

    def actions(self, channel: SourceKind) -> SeverityActions:
        """Return what is done about findings at a door.

        Args:
            channel: The door.

        Returns:
            The actions.
        """
        base = PASS_ALL if channel in ENTITLED else SeverityActions()
        if self.channels is None:
            return base
        if self.channels.default is not None and channel not in ENTITLED:
            base = self.channels.default.over(base)
        own = self.channels.own(channel)
        return base if own is None else own.over(base)

    def treatments(self, channel: SourceKind) -> dict[str, Treatment]:
        """Return what is done with private data at a door, by class.

        Args:
            channel: The door.

        Returns:
            The treatments of the door, or else the default's; empty where everything stays.
        """
        if self.private is None:
            return {}
        return dict(self.private.own(channel) or self.private.default or {})

    def field_treatments(self, channel: SourceKind) -> dict[str, dict[str, Treatment]]:
        """Return what is done with private data in single fields at a door.

        Args:
            channel: The door.

        Returns:
            By path of the field, the treatments by class.
        """
        if self.fields is None:
            return {}
        return dict(self.fields.own(channel) or self.fields.default or {})

    @property
    def pseudonymizes(self) -> bool:
        """Whether any private data is replaced by pseudonyms."""
        every = [self.treatments(kind) for kind in SourceKind]
        every += [treatments for kind in SourceKind for treatments in self.field_treatments(kind).values()]
        return any(Treatment.PSEUDONYMIZE in treatments.values() for treatments in every)


DEFAULT_INSPECTION: Final = Inspection()
