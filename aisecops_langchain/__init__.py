"""Runtime governance for LangChain and LangGraph agents.

Invariant: importing the package loads nothing; each name loads its module when it is first used (PEP 562), so that
reading a log does not load LangChain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aisecops_langchain.adapters.acting import current_idempotency_key, current_scope
    from aisecops_langchain.adapters.approval import ApprovalNode
    from aisecops_langchain.adapters.callbacks import AuditCallbackHandler
    from aisecops_langchain.adapters.delegation import subagent_tool
    from aisecops_langchain.adapters.documents import SanitizingCompressor, SanitizingLoader, sanitize_documents
    from aisecops_langchain.adapters.effects import effects
    from aisecops_langchain.adapters.executor import ExecutorNode
    from aisecops_langchain.adapters.finish import FinishNode
    from aisecops_langchain.adapters.govern import after_guard, after_intake, after_planning, govern
    from aisecops_langchain.adapters.graph_streams import guarded_astream, guarded_stream
    from aisecops_langchain.adapters.guard import ToolGuardNode
    from aisecops_langchain.adapters.guards import OutputGuard, PromptGuard
    from aisecops_langchain.adapters.identity import LangGraphAuthIdentity, warrant_of
    from aisecops_langchain.adapters.intake import IntakeNode
    from aisecops_langchain.adapters.planning import PlanningNode
    from aisecops_langchain.adapters.retriever import SanitizingRetriever
    from aisecops_langchain.adapters.state import GovernanceState
    from aisecops_langchain.adapters.store import GovernedStore
    from aisecops_langchain.adapters.tools import govern_tools
    from aisecops_langchain.audit import AuditLog, verify_log
    from aisecops_langchain.domain.principal import Approver, Principal
    from aisecops_langchain.domain.warrant import Warrant
    from aisecops_langchain.errors import AisecopsError
    from aisecops_langchain.policy import Policy, load_policy, parse_policy
    from aisecops_langchain.runtime.files import open_under
    from aisecops_langchain.runtime.governor import Governor
    from aisecops_langchain.runtime.identity import IdentityProvider, StaticIdentity
    from aisecops_langchain.runtime.jwt_identity import JwtIdentity
    from aisecops_langchain.runtime.postgres_ledger import PostgresLedger
    from aisecops_langchain.sanitize import Sanitizer

__version__: Final = "0.1.0"

_HOMES: Final = {
    "AisecopsError": "errors",
    "ApprovalNode": "adapters.approval",
    "Approver": "domain.principal",
    "AuditCallbackHandler": "adapters.callbacks",
    "AuditLog": "audit",
    "ExecutorNode": "adapters.executor",
    "FinishNode": "adapters.finish",
    "GovernanceState": "adapters.state",
    "GovernedStore": "adapters.store",
    "Governor": "runtime.governor",
    "IntakeNode": "adapters.intake",
    "OutputGuard": "adapters.guards",
    "PromptGuard": "adapters.guards",
    "guarded_stream": "adapters.graph_streams",
    "guarded_astream": "adapters.graph_streams",
    "sanitize_documents": "adapters.documents",
    "SanitizingLoader": "adapters.documents",
    "SanitizingCompressor": "adapters.documents",
    "PlanningNode": "adapters.planning",
    "Policy": "policy",
    "PostgresLedger": "runtime.postgres_ledger",
    "Principal": "domain.principal",
    "Sanitizer": "sanitize",
    "SanitizingRetriever": "adapters.retriever",
    "ToolGuardNode": "adapters.guard",
    "after_guard": "adapters.govern",
    "after_intake": "adapters.govern",
    "after_planning": "adapters.govern",
    "effects": "adapters.effects",
    "govern": "adapters.govern",
    "govern_tools": "adapters.tools",
    "load_policy": "policy",
    "open_under": "runtime.files",
    "parse_policy": "policy",
    "IdentityProvider": "runtime.identity",
    "JwtIdentity": "runtime.jwt_identity",
    "LangGraphAuthIdentity": "adapters.identity",
    "StaticIdentity": "runtime.identity",
    "Warrant": "domain.warrant",
    "current_idempotency_key": "adapters.acting",
    "current_scope": "adapters.acting",
    "subagent_tool": "adapters.delegation",
    "warrant_of": "adapters.identity",
    "verify_log": "audit",
}

__all__ = [
    "AisecopsError",
    "ApprovalNode",
    "Approver",
    "AuditCallbackHandler",
    "AuditLog",
    "ExecutorNode",
    "FinishNode",
    "GovernanceState",
    "GovernedStore",
    "Governor",
    "IdentityProvider",
    "IntakeNode",
    "JwtIdentity",
    "LangGraphAuthIdentity",
    "OutputGuard",
    "PlanningNode",
    "Policy",
    "PostgresLedger",
    "Principal",
    "PromptGuard",
    "Sanitizer",
    "SanitizingCompressor",
    "SanitizingLoader",
    "SanitizingRetriever",
    "StaticIdentity",
    "ToolGuardNode",
    "Warrant",
    "__version__",
    "after_guard",
    "after_intake",
    "after_planning",
    "current_idempotency_key",
    "current_scope",
    "effects",
    "govern",
    "govern_tools",
    "guarded_astream",
    "guarded_stream",
    "load_policy",
    "open_under",
    "parse_policy",
    "sanitize_documents",
    "subagent_tool",
    "verify_log",
    "warrant_of",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
