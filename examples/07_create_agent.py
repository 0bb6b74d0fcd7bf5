"""LangChain's weather agent, governed: one call is allowed, one waits for a person, one is denied.

Run it with a directory to keep the log. Needs the extra `agents`.
"""

import sys
import tempfile
from pathlib import Path

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from aisecops_langchain import Governor, governed_agent, parse_policy, verify_log
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = parse_policy("""
version: 1
id: weather
agents: {assistant: {capabilities: [weather, warnings]}}
capabilities:
  weather: {tools: [get_weather], risk: low}
  warnings: {tools: [warn_everybody], risk: high}
rules:
  - {id: look, effect: allow, tools: [get_weather]}
  - {id: warn, effect: require_approval, tools: [warn_everybody]}
""")
HOME = Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It's always sunny in {city}!"


def warn_everybody(city: str, text: str) -> str:
    """Send a warning to everybody in a city."""
    return f"everybody in {city} was told: {text}"


def delete_archive() -> str:
    """Delete the archive of all weather reports."""
    return "deleted"


model = ScriptedChatModel(
    script=[
        [call("get_weather", city="San Francisco"), call("warn_everybody", city="San Francisco", text="Sun!")],
        [call("delete_archive")],
        "It is sunny in San Francisco, and everybody was warned.",
    ]
)
with Governor.open(POLICY, HOME) as governor:
    # Instead of create_agent(model, tools, ...): the same arguments, and a governor.
    agent = governed_agent(
        model,
        [get_weather, warn_everybody, delete_archive],
        governor=governor,
        system_prompt="You are a helpful assistant.",
        checkpointer=InMemorySaver(),
    )
    thread = {"configurable": {"thread_id": "1"}}
    paused = agent.invoke({"messages": [("user", "How is it in San Francisco? If sunny, warn them.")]}, thread)
    print("asked to approve:", paused["__interrupt__"][0].value["action_requests"][0]["name"])
    done = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), thread)

for message in done["messages"]:
    if message.type == "tool":
        print(f"{message.name}: {message.content}")
print(done["messages"][-1].content)
print("log verified:", verify_log(HOME / "audit").ok)
