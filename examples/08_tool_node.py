"""LangGraph's quickstart with a governed node in the place of `ToolNode`. Given a directory, it keeps the log there."""

import sys
import tempfile
from pathlib import Path

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition

from aisecops_langchain import GovernedToolNode, Governor, parse_policy, verify_log
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = parse_policy("""
version: 1
id: arithmetic
agents: {calculator: {capabilities: [arithmetic]}}
capabilities: {arithmetic: {tools: [multiply, divide], risk: low}}
rules: [{id: small, effect: allow, tools: [multiply], when: {args.a: {le: 1000}, args.b: {le: 1000}}}]
""")
HOME = Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def divide(a: int, b: int) -> float:
    """Divide two numbers."""
    return a / b


model = ScriptedChatModel(script=[[call("multiply", a=6, b=7), call("divide", a=1, b=0)], "6 times 7 is 42."])
with Governor.open(POLICY, HOME) as governor:
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", GovernedToolNode([multiply, divide], governor=governor))  # was: ToolNode([...])
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    done = graph.compile().invoke({"messages": [("user", "What is 6 times 7? And 1 by 0?")]})

for message in done["messages"]:
    if message.content:
        print(f"{message.type}: {message.content}")
print("log verified:", verify_log(HOME / "audit").ok)
