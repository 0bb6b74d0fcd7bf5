"""Where people answer approvals: the one service that every channel goes through, for the callers of this server.

Invariant: a caller sees and answers only requests of organisations that they may see, and answers in their own name
alone. The home is opened when it is first needed and stays open, so that all that is recorded lies in one segment.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.runtime.approvals.answers import Answer
from aisecops_langchain.runtime.approvals.desk import open_approvals
from aisecops_langchain.runtime.approvals.service import Approvals
from aisecops_langchain.runtime.approvals.votes import REFUSALS
from aisecops_langchain.runtime.ledger.records import ApprovalRecord
from aisecops_langchain.web.access import Caller, Role
from aisecops_langchain.web.refusals import ConflictError, ForbiddenError, NotFoundError


class Desk:
    """The approvals of one governance home.

    Args:
        home: The home.
        ledger: URL of the PostgreSQL ledger that it goes by, where it goes by one.
        schema: Where the tables of that ledger lie.
    """

    def __init__(self, home: Path, *, ledger: str | None = None, schema: str = "aisecops") -> None:
        self._home = home
        self._ledger = ledger
        self._schema = schema
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._approvals: Approvals | None = None

    def close(self) -> None:
        """Close the home."""
        with self._lock:
            self._approvals = None
            self._open.close()

    def requests(self, caller: Caller, *, everything: bool) -> list[ApprovalRecord]:
        """List the requests that a caller may see, the earliest first.

        Args:
            caller: Who asks.
            everything: Whether those that are answered or expired are listed, too.

        Returns:
            The requests, as they are now.

        Raises:
            ConfigurationError: If there is no such home.
            LedgerError: If the ledger cannot be used.
            AuditWriteError: If what was noticed about a request could not be recorded.
        """
        with self._lock:
            found = [record for record in self._service().requests() if caller.sees(_tenant(record))]
        found.sort(key=lambda record: (record.requested_at, record.binding.approval_key()))
        return [record for record in found if everything or record.state is ApprovalState.PENDING]

    def request(self, key: str, caller: Caller) -> ApprovalRecord:
        """Look a request up.

        Args:
            key: Its approval key.
            caller: Who asks.

        Returns:
            The request, as it is now.

        Raises:
            NotFoundError: If nobody was asked, or not in an organisation that the caller may see.
        """
        with self._lock:
            return self._known(key, caller)

    def answer(self, key: str, answer: Answer, caller: Caller) -> ApprovalRecord:
        """Answer a request in the caller's name.

        Args:
            key: Its approval key.
            answer: The answer.
            caller: Who answers.

        Returns:
            The request as it stands afterwards. The run goes on when somebody resumes it.

        Raises:
            NotFoundError: If nobody was asked, or not in an organisation that the caller may see.
            ForbiddenError: If the caller may only read, or the token stands for nobody.
            ConflictError: If the answer does not count.
        """
        with self._lock:
            asked = self._known(key, caller)
            approver = _approver(caller, _tenant(asked))
            taken = self._service().take(asked.binding, answer, approver, resumes=False)
        if taken.refused is not None:
            raise ConflictError(
                "the answer does not count",
                expected="an answer of somebody who may give it, while it is asked for",
                got=f"{REFUSALS[taken.refused]} ({taken.record.state.value})",
            )
        return taken.record

    def _known(self, key: str, caller: Caller) -> ApprovalRecord:
        found = self._service().look(key)
        if found is None or not caller.sees(_tenant(found)):
            raise NotFoundError("nobody was asked about this", expected="the key of a request that is listed")
        return found

    def _service(self) -> Approvals:
        if self._approvals is None:
            opened = open_approvals(self._home, ledger=self._ledger, schema=self._schema)
            self._approvals = self._open.enter_context(opened)
        return self._approvals


def _approver(caller: Caller, tenant: str) -> Approver:
    """Name who answers; a person with a token of their own is vouched for by the operator who gave it."""
    if caller.role is not Role.APPROVER:
        raise ForbiddenError("this takes the role of an approver", expected="approver", got=caller.role.value)
    if not caller.person:
        raise ForbiddenError("your token stands for nobody", expected="a token that names a person")
    if not caller.verified:
        return Approver(id=caller.person)
    return Approver(id=caller.person, verified=True, tenant=tenant, roles=caller.roles)


def _tenant(record: ApprovalRecord) -> str:
    return record.binding.scope.principal.tenant
