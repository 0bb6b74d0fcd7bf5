"""The interceptor for LangChain's MCP adapters: an MCP tool runs only as decided, once, and as its server describes it.

Invariant: what reaches the server is exactly what was decided on. Under a governed node, that is the call that the node
has begun, once; elsewhere the interceptor takes the call through review, approval and execution itself. It is the last
one before the server, or the call is refused: nothing may change a call after it was checked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from types import CodeType
from typing import Any, Final, cast
from uuid import uuid4

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig, ensure_config

from aisecops_langchain.adapters.core.acting import Acting, call_under_way
from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource, acting_for
from aisecops_langchain.adapters.core.single import SingleCalls
from aisecops_langchain.adapters.mcp.catalogue import Catalogue
from aisecops_langchain.adapters.mcp.servers import Connections
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import AisecopsError, ConfigurationError, OutcomeUnknownError, PermitError, SanitizeError
from aisecops_langchain.runtime.effects.waiting import undisturbed
from aisecops_langchain.runtime.governor import Governor

try:
    from langchain_mcp_adapters.interceptors import MCPToolCallRequest, MCPToolCallResult
    from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
    from mcp.shared.exceptions import McpError
    from mcp.types import CONNECTION_CLOSED, CallToolResult

    from aisecops_langchain.adapters.mcp.results import as_message, as_result, plain_result
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        "MCP tools cannot be governed",
        expected="the package langchain-mcp-adapters",
        got=f"no module named {missing.name or 'langchain_mcp_adapters'}",
        remedy="pip install 'aisecops-langchain[mcp]'",
    ) from missing

_LOG = logging.getLogger(__name__)

Handler = Callable[[MCPToolCallRequest], Awaitable[MCPToolCallResult]]


class GovernanceInterceptor:
    """Governs the calls of a ``MultiServerMCPClient``: ``tool_interceptors=[..., GovernanceInterceptor(...)]``, last.

    Args:
        connections: The very connections that the client was given.
        governor: Decides, remembers and records.
        principal: Who acts, or how to tell from the configuration of a call; by default the bundle's only agent, for
            nobody in particular.
        approver: Tells who answers, from the configuration of the resuming call.
        prefix: Whether the client names tools after their servers (``tool_name_prefix``).
        timeout_seconds: How long a server may take; afterwards nobody knows whether the call took effect.
        trust_seconds: How long what a server says of its tools counts; by default it is asked before each call.

    Raises:
        ConfigurationError: If this release of the adapters is not known, or nobody can be named as principal.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        governor: Governor,
        principal: PrincipalSource | None = None,
        approver: ApproverSource | None = None,
        prefix: bool = False,
        timeout_seconds: float = 60.0,
        trust_seconds: float = 0.0,
    ) -> None:
        self._last = _code_of_the_last_handler()
        self._timeout = timeout_seconds
        self._catalogue = Catalogue(
            connections, prefix=prefix, timeout_seconds=timeout_seconds, trust_seconds=trust_seconds
        )
        who = acting_for(governor, principal)
        self._calls = SingleCalls(self._catalogue.tools, governor, who, approver=approver)

    async def __call__(self, request: MCPToolCallRequest, handler: Handler) -> CallToolResult:
        """Intercept one call.

        Args:
            request: The call as the interceptors before this one left it.
            handler: Calls the server.

        Returns:
            What the server answered, inspected where no governed node will do so; a neutral error if it did not run.

        Raises:
            PermitError: If a governed node has begun another call than the one that came here.
            OutcomeUnknownError: If the server did not answer a call of a governed node.
            GraphBubbleUp: If the graph has to wait for a person.
        """
        request = replace(request, args=deepcopy(request.args))  # the interceptors before us may hold on to theirs
        now = call_under_way()
        try:
            self._require_last(handler)
            tool = await self._catalogue.find(request.server_name, request.name, request.headers)
        except AisecopsError as error:
            if now is not None and now.tool == self._catalogue.named(request.server_name, request.name):
                raise  # the node accounts for the call that it has begun
            return await self._refused(request, error)
        if now is not None and now.tool == tool.name:
            return await self._as_begun(now, tool, request, handler)
        return await self._by_itself(tool, request, handler)

    async def _as_begun(
        self, now: Acting, tool: GovernedTool, request: MCPToolCallRequest, handler: Handler
    ) -> CallToolResult:
        """Pass on the call that a governed node has begun, and no other one, once; the node inspects the result."""
        call = CanonicalCall.of(tool.name, tool.canonical_arguments(request.args))
        if call.digest != now.call:
            raise PermitError("call", "the call was changed after it was begun", expected="the call that was begun")
        if tool.definition() != now.definition:
            raise PermitError(
                "definition_changed",
                "the server describes the tool otherwise than when the call was decided on",
                expected=now.definition,
                got=tool.definition(),
                remedy="list the server's tools anew",
            )
        if not now.claim():
            raise PermitError(
                "used", "the call that was begun was passed on already", expected="one call of the server"
            )
        return await self._ask(replace(request, args=call.arguments()), handler)

    async def _by_itself(self, tool: GovernedTool, request: MCPToolCallRequest, handler: Handler) -> CallToolResult:
        """Take a call through review, approval and execution; what comes back was inspected."""
        answers: list[CallToolResult] = []

        async def run(call: ToolCall) -> ToolMessage:
            answers.append(await self._ask(replace(request, args=call["args"]), handler))
            return as_message(answers[0], call_id=call["id"] or "", tool=tool.name)

        try:
            shown = await self._calls.acarry(_call(tool.name, request), _config(request), run)
        except AisecopsError as error:
            return await self._refused(request, error)
        try:
            return as_result(shown, answers[0] if answers else None)
        except SanitizeError as error:
            _LOG.error("a result of an MCP tool was withheld: %s", error)
            return plain_result("The tool ran, but its result cannot be shown.", failed=True)

    async def _refused(self, request: MCPToolCallRequest, error: AisecopsError) -> CallToolResult:
        """Answer a call that could not even be decided on; where nobody can be named, only our logger tells of it."""
        _LOG.error("a call of an MCP tool was refused: %s", error)
        call = _call(self._catalogue.named(request.server_name, request.name), request)
        with suppress(AisecopsError):
            await undisturbed(partial(self._calls.refuse, call, _config(request), error.message, code="mcp_refused"))
        return plain_result("Not executed. The governance layer refused the call.", failed=True)

    async def _ask(self, request: MCPToolCallRequest, handler: Handler) -> CallToolResult:
        """Call the server; an error that is not the server's own word leaves the outcome open."""
        try:
            async with asyncio.timeout(self._timeout):
                return cast("CallToolResult", await handler(request))
        except McpError as error:
            if error.error.code not in (CONNECTION_CLOSED, _TIMED_OUT):
                raise
            raise _no_answer(error) from None
        except Exception as error:  # noqa: BLE001 - whatever came, the server may have acted
            raise _no_answer(error) from None

    def _require_last(self, handler: Handler) -> None:
        if getattr(handler, "__code__", None) is not self._last:
            raise ConfigurationError(
                "another MCP interceptor stands between this one and the server",
                expected="this interceptor last in tool_interceptors",
                got="another one after it",
                remedy="move it to the end of the list",
            )


_TIMED_OUT: Final = 408
"""Code by which an MCP session tells that a request got no answer in time."""


def _no_answer(error: Exception) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "the MCP server did not answer a call that reached it",
        got=type(error).__name__,
        remedy="find out whether the call took effect, then reconcile it",
    )


def _code_of_the_last_handler() -> CodeType:
    """Find the code by which LangChain's adapter calls a server; it tells the last handler from an interceptor."""
    code: CodeType | None = convert_mcp_tool_to_langchain_tool.__code__
    for name in ("call_tool", "execute_tool"):
        parts = () if code is None else code.co_consts
        code = next((part for part in parts if isinstance(part, CodeType) and part.co_name == name), None)
    if code is None:
        raise ConfigurationError(
            "this release of langchain-mcp-adapters is not known",
            expected="one whose last handler can be recognised",
            got="another one",
            remedy="install a release that pyproject.toml names",
        )
    return code


def _config(request: MCPToolCallRequest) -> RunnableConfig:
    found: Any = getattr(request.runtime, "config", None)
    return cast("RunnableConfig", found) if isinstance(found, dict) else ensure_config()


def _call(name: str, request: MCPToolCallRequest) -> ToolCall:
    call_id = getattr(request.runtime, "tool_call_id", None) or f"mcp-{uuid4().hex}"
    return ToolCall(name=name, args=request.args, id=call_id, type="tool_call")
