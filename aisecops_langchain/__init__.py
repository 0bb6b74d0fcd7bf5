"""Runtime governance for LangChain and LangGraph agents.

Invariant: importing the package loads nothing; each name loads its module when it is first used (PEP 562), so that
reading a log does not load LangChain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aisecops_langchain.adapters.callbacks import AuditCallbackHandler
    from aisecops_langchain.adapters.checkpoints.saver import SealedCheckpointer
    from aisecops_langchain.adapters.core.acting import current_idempotency_key, current_scope
    from aisecops_langchain.adapters.documents import SanitizingCompressor, SanitizingLoader, sanitize_documents
    from aisecops_langchain.adapters.doors.agent import governed_agent
    from aisecops_langchain.adapters.doors.chain import GovernedToolCalls
    from aisecops_langchain.adapters.doors.deep_agent import govern_deep_agent
    from aisecops_langchain.adapters.doors.middleware import GovernanceMiddleware
    from aisecops_langchain.adapters.doors.subagent import subagent_tool
    from aisecops_langchain.adapters.doors.tool_node import GovernedToolNode
    from aisecops_langchain.adapters.doors.wrapped import govern_tools
    from aisecops_langchain.adapters.govern import after_guard, after_intake, after_planning, govern
    from aisecops_langchain.adapters.guards.graph_streams import guarded_astream, guarded_stream
    from aisecops_langchain.adapters.guards.runnables import OutputGuard, PromptGuard
    from aisecops_langchain.adapters.identity import LangGraphAuthIdentity, warrant_of
    from aisecops_langchain.adapters.mcp.interceptor import GovernanceInterceptor
    from aisecops_langchain.adapters.memory.store import GovernedStore
    from aisecops_langchain.adapters.nodes.approval import ApprovalNode
    from aisecops_langchain.adapters.nodes.executor import ExecutorNode
    from aisecops_langchain.adapters.nodes.finish import FinishNode
    from aisecops_langchain.adapters.nodes.guard import ToolGuardNode
    from aisecops_langchain.adapters.nodes.intake import IntakeNode
    from aisecops_langchain.adapters.nodes.planning import PlanningNode
    from aisecops_langchain.adapters.retriever import SanitizingRetriever
    from aisecops_langchain.adapters.state import GovernanceState
    from aisecops_langchain.adapters.tools.effects import effects
    from aisecops_langchain.audit import AuditLog, verify_log
    from aisecops_langchain.domain.principal import Approver, Principal
    from aisecops_langchain.domain.warrant import Warrant
    from aisecops_langchain.errors import AisecopsError
    from aisecops_langchain.policy import Policy, load_policy, parse_policy
    from aisecops_langchain.runtime.effects.files import open_under
    from aisecops_langchain.runtime.governor import Governor
    from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
    from aisecops_langchain.runtime.principals.identity import IdentityProvider, StaticIdentity
    from aisecops_langchain.runtime.principals.jwt import JwtIdentity
    from aisecops_langchain.sanitize import Sanitizer

__version__: Final = "0.1.0"

_HOMES: Final = {
    "AisecopsError": "errors",
    "ApprovalNode": "adapters.nodes.approval",
    "Approver": "domain.principal",
    "AuditCallbackHandler": "adapters.callbacks",
    "AuditLog": "audit",
    "ExecutorNode": "adapters.nodes.executor",
    "FinishNode": "adapters.nodes.finish",
    "GovernanceInterceptor": "adapters.mcp.interceptor",
    "GovernanceState": "adapters.state",
    "Governor": "runtime.governor",
    "OutputGuard": "adapters.guards.runnables",
    "PromptGuard": "adapters.guards.runnables",
    "guarded_stream": "adapters.guards.graph_streams",
    "guarded_astream": "adapters.guards.graph_streams",
    "sanitize_documents": "adapters.documents",
    "SanitizingLoader": "adapters.documents",
    "SanitizingCompressor": "adapters.documents",
    "GovernedStore": "adapters.memory.store",
    "IntakeNode": "adapters.nodes.intake",
    "PlanningNode": "adapters.nodes.planning",
    "Policy": "policy",
    "PostgresLedger": "runtime.ledger.postgres",
    "Principal": "domain.principal",
    "Sanitizer": "sanitize",
    "SanitizingRetriever": "adapters.retriever",
    "SealedCheckpointer": "adapters.checkpoints.saver",
    "ToolGuardNode": "adapters.nodes.guard",
    "after_guard": "adapters.govern",
    "after_intake": "adapters.govern",
    "after_planning": "adapters.govern",
    "effects": "adapters.tools.effects",
    "govern": "adapters.govern",
    "GovernanceMiddleware": "adapters.doors.middleware",
    "GovernedToolCalls": "adapters.doors.chain",
    "GovernedToolNode": "adapters.doors.tool_node",
    "govern_deep_agent": "adapters.doors.deep_agent",
    "govern_tools": "adapters.doors.wrapped",
    "governed_agent": "adapters.doors.agent",
    "load_policy": "policy",
    "open_under": "runtime.effects.files",
    "parse_policy": "policy",
    "IdentityProvider": "runtime.principals.identity",
    "JwtIdentity": "runtime.principals.jwt",
    "LangGraphAuthIdentity": "adapters.identity",
    "StaticIdentity": "runtime.principals.identity",
    "Warrant": "domain.warrant",
    "current_idempotency_key": "adapters.core.acting",
    "current_scope": "adapters.core.acting",
    "subagent_tool": "adapters.doors.subagent",
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
    "GovernanceInterceptor",
    "GovernanceMiddleware",
    "GovernanceState",
    "GovernedStore",
    "GovernedToolCalls",
    "GovernedToolNode",
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
    "SealedCheckpointer",
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
    "govern_deep_agent",
    "govern_tools",
    "governed_agent",
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
