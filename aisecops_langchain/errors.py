"""The error tree: one root, and every message says what was expected, what came and what to do.

Invariant: no error carries a secret or a raw argument value; callers pass names, types and digests, never content.
"""

from __future__ import annotations


class AisecopsError(RuntimeError):
    """Root of every error that this package raises; a ``RuntimeError``, which LangGraph does not retry by default.

    Args:
        message: What went wrong, in one sentence.
        expected: What would have been right.
        got: What came instead (a name, a type or a digest; never raw content).
        remedy: What the reader should do next.
    """

    def __init__(
        self, message: str, *, expected: str | None = None, got: str | None = None, remedy: str | None = None
    ) -> None:
        self.message = message
        self.expected = expected
        self.got = got
        self.remedy = remedy
        super().__init__(self._render())

    def _render(self) -> str:
        parts = [self.message]
        if self.expected is not None:
            parts.append(f"expected: {self.expected}")
        if self.got is not None:
            parts.append(f"got: {self.got}")
        if self.remedy is not None:
            parts.append(f"do: {self.remedy}")
        return "; ".join(parts)


class ConfigurationError(AisecopsError):
    """The governance layer was put together in a way that could not be enforced."""


class CanonicalizationError(AisecopsError):
    """A value has no single canonical form, so it can be neither hashed nor bound to a permit."""


class InvalidCallError(AisecopsError):
    """A proposed tool call is malformed: unknown tool, unknown argument, or arguments its schema refuses."""


class PolicyError(AisecopsError):
    """A policy bundle is missing, malformed or contradicts itself."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.file = file
        self.line = line
        where = f"{file or '<policy>'}:{line}: " if line is not None else f"{file}: " if file else ""
        super().__init__(where + message, expected=expected, got=got, remedy=remedy)


class PinError(AisecopsError):
    """A lock file of tool definitions is missing, malformed, or does not say what it pins."""


class AuditError(AisecopsError):
    """The audit log cannot be written, read or trusted."""


class AuditWriteError(AuditError):
    """An event could not be made as durable as asked; whatever it was to permit must not happen."""


class AuditFormatError(AuditError):
    """A line of a log is not an event of this schema."""


class EvidenceError(AisecopsError):
    """An evidence package cannot be made or read."""


class IndexFaultError(AisecopsError):
    """An index over a log is damaged, stale or false; the log itself is asked instead."""


class QueryError(AisecopsError):
    """A question to the log cannot be answered: it is not a question, reaches outside the log, or makes no sense."""


class LedgerError(AisecopsError):
    """The effect ledger is unreachable or refused a transition; nothing may run."""


class CodedError(AisecopsError):
    """Base of the errors that programs tell apart by a code.

    Attributes:
        code: A stable, machine-readable reason.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.code = code
        super().__init__(message, expected=expected, got=got, remedy=remedy)


class PermitError(CodedError):
    """No valid, unused permit exists for exactly this call in this context.

    Attributes:
        code: A stable, machine-readable reason (``unknown``, ``used``, ``expired``, ``digest`` ...).
    """


class UnavailableError(AisecopsError):
    """Something that has to be asked before a call is decided on does not answer; the call is refused."""


class OutcomeUnknownError(AisecopsError):
    """A tool was started, and nobody knows whether it took effect."""


class ReconcileError(AisecopsError):
    """An effect cannot be settled as asked: it never began, is running, or has its outcome already."""


class ReachError(AisecopsError):
    """A path leads out of the root that bounds it, or through a symbolic link."""


class IdentityError(CodedError):
    """Nobody could be identified; nothing may be done in anybody's name.

    Attributes:
        code: A stable, machine-readable reason (``missing``, ``expired``, ``signature`` ...).
        presented: Digest of what was presented, never the thing itself; empty where nothing was.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        presented: str = "",
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.presented = presented
        super().__init__(code, message, expected=expected, got=got, remedy=remedy)


class WarrantError(CodedError):
    """No sound warrant lets this agent act, or delegate, as asked.

    Attributes:
        code: A stable, machine-readable reason (``forged``, ``expired``, ``revoked``, ``widened``, ``cyclic`` ...).
    """


class GrantError(CodedError):
    """A standing grant cannot be given, found or revoked as asked.

    Attributes:
        code: A stable, machine-readable reason (``malformed``, ``not_permitted``, ``other_call``, ``unknown`` ...).
    """


class CheckpointError(CodedError):
    """A stored checkpoint is not what this governance layer stored last; nothing of it is used.

    Attributes:
        code: A stable, machine-readable reason (``unsealed``, ``forged``, ``moved``, ``rolled_back``, ``missing`` ...).
    """


class KeyStoreError(AisecopsError):
    """A signing or sealing key is missing, malformed, or readable by others."""


class SanitizeError(AisecopsError):
    """Content could not be inspected; it is withheld rather than passed on."""


class QuarantineError(SanitizeError):
    """Withheld content cannot be kept for investigation, or not be read back."""


class QuarantineAccessError(QuarantineError):
    """The place where withheld content is kept cannot be written or read."""


class ContentBlockedError(SanitizeError):
    """Content was inspected and policy says that nothing of it may reach the model."""


class MemoryAccessError(AisecopsError):
    """A memory may not be written, or is not what was last written there."""
