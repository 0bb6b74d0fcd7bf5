"""A governed agent: one call is allowed, one is denied. Given a directory, it keeps the log there."""

import sys
import tempfile

from aisecops_langchain import govern, parse_policy
from aisecops_langchain.testing import ScriptedChatModel, call


def refund(to: str, euros: float) -> str:
    """Refund a customer."""
    return f"refunded EUR {euros:.2f} to {to}"


POLICY = parse_policy("""
version: 1
id: quickstart
agents: {support: {capabilities: [refunds]}}
capabilities: {refunds: {tools: [refund], risk: high}}
rules: [{id: small-refunds, effect: allow, tools: [refund], when: {args.euros: {le: 50}}}]
""")
model = ScriptedChatModel(script=[[call("refund", to="Ann", euros=20), call("refund", to="Bob", euros=900)], "Done."])
agent = govern(model, [refund], policy=POLICY, home=sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())
for message in agent.invoke({"messages": [("user", "Refund Ann EUR 20 and Bob EUR 900.")]})["messages"]:
    print(f"{message.type:5}", message.content or [call["args"] for call in message.tool_calls])
