"""A governed agent for LangGraph's server, which supplies the checkpointer and the authenticated user."""

import os
from pathlib import Path

from aisecops_langchain import Governor, LangGraphAuthIdentity, govern
from aisecops_langchain.testing import ScriptedChatModel, call

HERE = Path(__file__).parent


def refund(to: str, euros: float) -> str:
    """Refund a customer."""
    with (HERE / "refunds.txt").open("a") as book:
        book.write(f"{to} {euros:.2f}\n")
    return f"refunded EUR {euros:.2f} to {to}"


def support_desk(messages):
    """Play the model: refund what the user's last words ask for ("refund Ann 20"), then report."""
    last = messages[-1]
    if last.type == "tool":
        return f"Done: {last.content}"
    words = last.text.split()
    return call("refund", f"refund-{len(messages)}", to=words[1], euros=float(words[2]))


identity = LangGraphAuthIdentity()
governor = Governor.open(HERE / "policy.yaml", os.environ.get("AISECOPS_HOME", HERE / "governance"))
agent = govern(
    ScriptedChatModel(script=[support_desk], repeat_last=True),
    [refund],
    governor=governor,
    agent="support",
    identity=identity,
    approver=identity,
)
