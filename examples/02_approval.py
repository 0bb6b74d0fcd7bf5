"""Approval: the run waits for a person, the process could end, and another one goes on from the SQLite checkpoint.

Run it with a directory to keep log, ledger and checkpoints; needs the extra `demo` for the SQLite checkpointer.
"""

import sys
import tempfile
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from aisecops_langchain import Approver, Governor, govern, parse_policy, verify_log
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = parse_policy("""
version: 1
id: refunds
agents: {support: {capabilities: [refunds]}}
capabilities: {refunds: {tools: [refund], risk: high}}
rules: [{id: refunds-take-a-person, effect: require_approval, tools: [refund]}]
""")
HOME = Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())


def refund(order: str, amount: float) -> str:
    """Refund an order, in euros."""
    print(f"  ... EUR {amount:.2f} leave the account")
    return f"refunded EUR {amount:.2f} for {order}"


def step(model, entry, **who):
    """Open everything from the files, go on as far as possible, and close everything."""
    config = {"configurable": {"thread_id": "refund-B4", **who}}
    with (
        Governor.open(POLICY, HOME) as governor,
        SqliteSaver.from_conn_string(str(HOME / "checkpoints.sqlite3")) as checkpointer,
    ):
        agent = govern(
            model,
            [refund],
            governor=governor,
            checkpointer=checkpointer,
            # Who answers comes from the configuration of the resuming call, where your login puts it; never from chat.
            approver=lambda config: Approver(id=config["configurable"]["approver"], verified=True),
        )
        return agent.invoke(entry, config)


proposing = ScriptedChatModel(script=[call("refund", order="B4", amount=900)])
paused = step(proposing, {"messages": [("user", "Refund order B4, EUR 900.")]})
question = paused["__interrupt__"][0].value
print("the run waits for a person to approve", question["action_requests"][0]["args"])
print("why:", *question["aisecops"]["reasons"])

answer = Command(resume={"decisions": [{"type": "approve"}]})
resumed = step(ScriptedChatModel(script=["Order B4 is refunded."]), answer, approver="alice")
print("agent:", resumed["messages"][-1].content)

again = step(ScriptedChatModel(script=["Nothing is left to do."]), answer, approver="alice")
print("the same answer once more refunds", sum(m.type == "tool" for m in again["messages"]) - 1, "more times")
print("log verified:", verify_log(HOME / "audit").ok)
