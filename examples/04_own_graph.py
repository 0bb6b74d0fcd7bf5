"""Governance as nodes of your own graph, where a planner of your own calls the model.

Guard, approval and executor are what keeps calls in check. Intake and finish are the run's first and last lines in the
log, and let the guard know which words are the user's.

Run it with a directory to keep the log.
"""

import sys
import tempfile
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from aisecops_langchain import (
    ApprovalNode,
    ExecutorNode,
    GovernanceState,
    Governor,
    Principal,
    ToolGuardNode,
    parse_policy,
    verify_log,
)
from aisecops_langchain.adapters.govern import after_guard, after_intake
from aisecops_langchain.adapters.nodes.finish import FinishNode
from aisecops_langchain.adapters.nodes.intake import IntakeNode
from aisecops_langchain.adapters.nodes.orders import Order
from aisecops_langchain.adapters.tools.governed import toolbox
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = parse_policy("""
version: 1
id: operations
agents: {operator: {capabilities: [services]}}
capabilities:
  services: {tools: [status, restart, wipe], risk: high}
rules:
  - {id: look, effect: allow, tools: [status]}
  - {id: touch, effect: require_approval, tools: [restart]}
""")
HOME = Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())
MODEL = ScriptedChatModel(
    script=[
        [call("status", service="web"), call("restart", service="web"), call("wipe", service="web")],
        "The web service was restarted.",
    ]
)


class State(GovernanceState):
    """Your own channels stand beside the two that governance needs."""

    turns: int


def status(service: str) -> str:
    """Tell how a service is."""
    return f"{service} does not answer"


def restart(service: str) -> str:
    """Restart a service."""
    return f"{service} was restarted"


def wipe(service: str) -> str:
    """Delete everything that a service has stored."""
    return f"{service} was wiped"


def my_planner(state: State):
    return {"messages": [MODEL.invoke(state["messages"])], "turns": state.get("turns", 0) + 1}


def after_planner(state: State):
    return "guard" if state["messages"][-1].tool_calls else "finish"


with Governor.open(POLICY, HOME) as governor:
    me, tools = Principal(agent="operator", user="dana"), toolbox([status, restart, wipe])
    graph = StateGraph(State)
    graph.add_node("intake", IntakeNode(governor, me, tools=list(tools)))
    graph.add_node("my_planner", my_planner)
    graph.add_node("guard", ToolGuardNode(tools, governor, me))
    # `after_guard` sends what is to be approved, and what is permitted, to the nodes of these two names.
    graph.add_node("approve", ApprovalNode(tools, governor, me), input_schema=Order)
    graph.add_node("execute", ExecutorNode(tools, governor, me), input_schema=Order)
    graph.add_node("finish", FinishNode(governor, me))
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", after_intake, {"plan": "my_planner", "finish": "finish"})
    graph.add_conditional_edges("my_planner", after_planner, ["guard", "finish"])
    graph.add_conditional_edges("guard", after_guard, {"plan": "my_planner", "finish": "finish"})
    graph.add_edge("approve", "guard")
    graph.add_edge("execute", "my_planner")
    graph.add_edge("finish", END)
    agent = graph.compile(checkpointer=InMemorySaver())

    thread = {"configurable": {"thread_id": "1"}}
    paused = agent.invoke({"messages": [("user", "The web service hangs. Please fix it.")]}, thread)
    print("asked to approve:", paused["__interrupt__"][0].value["action_requests"][0])
    done = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), thread)

for message in done["messages"]:
    if message.type == "tool":
        print(f"{message.name}: {message.content}")
print(done["messages"][-1].content, f"({done['turns']} turns)")
print("log verified:", verify_log(HOME / "audit").ok)
