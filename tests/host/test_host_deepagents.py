"""What deepagents really does with middleware; our helper for deep agents leans on it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("deepagents")

from deepagents import create_deep_agent
from deepagents.middleware._prompt_caching import append_prompt_caching_middleware
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

RAN: list[str] = []


@tool
def wipe(path: str) -> str:
    """Delete files."""
    RAN.append(path)
    return "wiped"


class Model(BaseChatModel):
    """The boss hands on; whoever is handed a task wipes."""

    who: str = "general-purpose"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
        said = sum(message.type == "ai" for message in messages)
        tasked = any(message.type == "human" and message.text == "TASK" for message in messages)
        name, args = ("wipe", {"path": "/"}) if tasked else ("task", {"description": "TASK", "subagent_type": self.who})
        calls = [] if said else [{"name": name, "args": args, "id": name, "type": "tool_call"}]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("" if calls else "done", tool_calls=calls))])


class Guard(AgentMiddleware[Any, Any, Any]):
    """Notes the tools that it sees called, and the functions that it is handed."""

    def __init__(self, name: str = "Guard") -> None:
        super().__init__()
        self._name = name
        self.saw: list[str] = []
        self.handed: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        self.saw.append(request.tool_call["name"])
        return handler(request)

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        self.handed.append(handler.__qualname__)
        return handler(request)


INNERMOST = "create_agent.<locals>._execute_model_sync"


def last_of_a_subagent() -> str:
    found: list[Any] = []
    append_prompt_caching_middleware(found)
    return str(found[-1].name)


def test_a_guard_at_the_top_does_not_see_the_calls_of_the_general_purpose_subagent() -> None:
    RAN.clear()
    guard = Guard()
    create_deep_agent(Model(), [wipe], middleware=[guard]).invoke({"messages": [("user", "go")]})
    assert (guard.saw, RAN) == (["task"], ["/"])


@pytest.mark.parametrize(("name", "is_last"), [("Guard", False), ("UnsupportedContentMiddleware", True)])
def test_at_the_top_a_middleware_is_the_last_one_only_in_the_place_of_deepagents_own(name: str, is_last: bool) -> None:
    guard = Guard(name)
    create_deep_agent(Model(), [wipe], middleware=[guard]).invoke({"messages": [("user", "go")]})
    assert (guard.handed[0] == INNERMOST) is is_last


@pytest.mark.parametrize(("name", "is_last"), [("Guard", False), (last_of_a_subagent(), True)])
def test_in_a_subagent_the_last_place_is_that_of_prompt_caching(name: str, is_last: bool) -> None:
    """Provided that what it would add after it was named by the caller, who is put before."""
    guard, unsupported = Guard(name), Guard("UnsupportedContentMiddleware")
    spec: Any = {"name": "helper", "description": "Helps.", "system_prompt": "", "middleware": [unsupported, guard]}
    create_deep_agent(Model(who="helper"), [wipe], subagents=[spec]).invoke({"messages": [("user", "go")]})
    assert guard.saw == ["wipe"]
    assert (guard.handed[0] == INNERMOST) is is_last
