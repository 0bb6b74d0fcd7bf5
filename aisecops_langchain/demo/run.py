"""One run of the demo: from the request to the report, put down at every approval and picked up again.

Invariant: whenever somebody is asked, everything is closed: log, ledger and checkpoints. What goes on afterwards is
opened from the files alone, as another process would have to.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt

from aisecops_langchain.adapters.govern import govern
from aisecops_langchain.adapters.translate.words import text_of
from aisecops_langchain.demo.approval import Answer, Ask, Question
from aisecops_langchain.demo.books import Books, Page
from aisecops_langchain.demo.model import INSTRUCTIONS, REQUEST
from aisecops_langchain.demo.search import build_retriever
from aisecops_langchain.demo.tools import build_tools
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.errors import AisecopsError, ConfigurationError
from aisecops_langchain.runtime.governor import Governor

PRINCIPAL: Final = Principal(agent="procurement", user="maria.keller", tenant="brightwater")
"""Who acts in the demo."""

_STEPS: Final = 100
"""More steps of the graph than any sensible course of this task takes."""

_Agent = CompiledStateGraph[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one run."""

    home: Path
    thread: str

    @property
    def audit(self) -> Path:
        """The log, shared by all runs of this home."""
        return self.home / "audit"

    @property
    def policy(self) -> Path:
        """The policy in force: a copy that may be edited."""
        return self.home / "policy.yaml"

    @property
    def checkpoints(self) -> Path:
        """LangGraph's state, shared by all runs of this home."""
        return self.home / "checkpoints.sqlite3"

    @property
    def books(self) -> Path:
        """The company's books in this run."""
        return self.home / "runs" / self.thread / "books.json"


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended."""

    answer: str
    """The agent's last words."""
    books: Page
    """What the books hold now."""


def prepare(home: Path) -> Place:
    """Choose a thread for a new run, and lay the policy into the home if it has none yet.

    Args:
        home: Directory of the demo; made if missing.

    Returns:
        The place.

    Raises:
        ConfigurationError: If the home cannot be written.
    """
    now = datetime.now(UTC)
    place = Place(home, f"demo-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
    shipped = files("aisecops_langchain.demo") / "policy.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not place.policy.exists():
            place.policy.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            "the directory of the demo cannot be used",
            expected="a directory that this process may write to",
            got=type(error).__name__,
            remedy="pass another --home",
        ) from error
    return place


def run(place: Place, model: BaseChatModel, ask: Ask) -> Report:
    """Run the agent until it has nothing more to do.

    Args:
        place: Where; see ``prepare``.
        model: Who plans; see ``build_model``.
        ask: Asked about every call that needs a person, with everything closed.

    Returns:
        The report.

    Raises:
        ConfigurationError: If the model does not answer, or the books cannot be written.
        AisecopsError: If policy, log or ledger cannot be used.
    """
    books = Books(place.books)
    answer = _advance(place, model, books, {"messages": [("user", REQUEST)]}, by="nobody")
    while not isinstance(answer, str):
        questions = {interrupt.id: Question.read(interrupt.value) for interrupt in answer}
        answers = {key: ask(question) for key, question in questions.items()}
        answer = _resume(place, model, books, answers)
    return Report(answer=answer, books=books.page)


def _resume(
    place: Place, model: BaseChatModel, books: Books, answers: dict[str, Answer]
) -> str | tuple[Interrupt, ...]:
    resume = {key: answer.to_json() for key, answer in answers.items()}
    return _advance(place, model, books, Command(resume=resume), by=", ".join({item.by for item in answers.values()}))


def _advance(
    place: Place, model: BaseChatModel, books: Books, entry: object, *, by: str
) -> str | tuple[Interrupt, ...]:
    """Open everything, go on as far as possible, close everything; returns the last words or what is to be asked."""
    config: RunnableConfig = {"configurable": {"thread_id": place.thread, "approver": by}, "recursion_limit": _STEPS}
    with _opened(place, model, books) as agent:
        try:
            state = agent.invoke(entry, config)
        except AisecopsError:
            raise
        except Exception as error:  # a provider's own error; its text may hold credentials
            raise ConfigurationError(
                "the run was broken off",
                expected="a model that answers",
                got=type(error).__name__,
                remedy="check --model, its key and the network; the log holds what happened until then",
            ) from error
    waiting = state.get("__interrupt__")
    if waiting:
        return tuple(waiting)
    last: BaseMessage = state["messages"][-1]
    return text_of(last)


@contextmanager
def _opened(place: Place, model: BaseChatModel, books: Books) -> Iterator[_Agent]:
    with (
        Governor.open(place.policy, place.home) as governor,
        SqliteSaver.from_conn_string(str(place.checkpoints)) as checkpointer,
    ):
        yield govern(
            model,
            build_tools(books, build_retriever(governor, PRINCIPAL)),
            governor=governor,
            principal=PRINCIPAL,
            approver=_approver,
            system_prompt=INSTRUCTIONS,
            checkpointer=checkpointer,
            name="purchasing_agent",
        )


def _approver(config: RunnableConfig) -> Approver:
    """Name who answers; the demo has no identity provider that could vouch for them."""
    return Approver(id=config["configurable"]["approver"], verified=False)
