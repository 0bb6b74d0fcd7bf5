"""The part of AgentDojo that is used here, as types: its own package carries none.

Invariant: these protocols name only what AgentDojo 0.1.35 has; nothing is added to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Protocol, TypeAlias

from pydantic import BaseModel

Block: TypeAlias = Mapping[str, str]
"""A content block of a chat message: ``{"type": "text", "content": ...}``."""


class FunctionCall(Protocol):
    """A tool call as AgentDojo writes it down."""

    function: str
    args: MutableMapping[str, object]


class Dependency(Protocol):
    """A parameter of a tool that comes from the environment and never from the model."""

    def extract_dep_from_env(self, env: BaseModel) -> object:
        """Take the value out of an environment."""


class Function(Protocol):
    """A tool: its schema, what it takes from the environment, and the code."""

    name: str
    description: str
    parameters: type[BaseModel]
    dependencies: Mapping[str, Dependency]
    run: Callable[..., object]


class Runtime(Protocol):
    """The tools that a task may use, by name."""

    functions: Mapping[str, Function]


class UserTask(Protocol):
    """An honest task: what the user asks, the calls that solve it, and what the answer must hold."""

    ID: str
    PROMPT: str
    GROUND_TRUTH_OUTPUT: str

    def ground_truth(self, pre_environment: BaseModel) -> list[FunctionCall]:
        """Return the calls that solve the task in this environment."""


class InjectionTask(Protocol):
    """An attacker's goal: what the injected text asks, and the calls that reach it."""

    ID: str
    GOAL: str
    GROUND_TRUTH_OUTPUT: str

    def ground_truth(self, pre_environment: BaseModel) -> list[FunctionCall]:
        """Return the calls that reach the goal in this environment; for some tasks there are none."""


Turn: TypeAlias = tuple[str, Runtime, BaseModel, Sequence[Mapping[str, object]], dict[str, object]]
"""What a pipeline hands back: prompt, runtime, environment, messages and extra arguments."""


class Pipeline(Protocol):
    """Whatever AgentDojo can let solve a task."""

    def query(self, query: str, runtime: Runtime, env: BaseModel) -> Turn:
        """Work on a prompt in an environment and return the environment and the messages."""


class Suite(Protocol):
    """One world (bank, workspace ...) with its tools and tasks."""

    name: str
    tools: Sequence[Function]

    @property
    def user_tasks(self) -> Mapping[str, UserTask]:
        """The user tasks by id."""

    @property
    def injection_tasks(self) -> Mapping[str, InjectionTask]:
        """The injection tasks by id."""

    def get_injection_vector_defaults(self) -> Mapping[str, str]:
        """Return the places that an attacker can write to, with what stands there otherwise."""

    def load_and_inject_default_environment(self, injections: Mapping[str, str]) -> BaseModel:
        """Make the world, with texts of an attacker in it."""

    def run_task_with_pipeline(
        self,
        agent_pipeline: Pipeline,
        user_task: UserTask,
        injection_task: InjectionTask | None,
        injections: Mapping[str, str],
        *,
        environment: BaseModel,
    ) -> tuple[bool, bool]:
        """Run a task in an environment and judge its utility, and whether the injection reached its goal."""
