"""Small bundles and requests for the policy tests."""

from __future__ import annotations

import json

from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.policy import Policy, parse_policy

PROCUREMENT = """\
version: 1
id: procurement
agents:
  buyer: {capabilities: [docs.read, payments.send]}
  reader: {capabilities: [docs.read]}
  idle: {capabilities: []}
capabilities:
  docs.read: {tools: [search_docs], risk: low, idempotent: true}
  payments.send:
    tools: [pay_invoice]
    risk: critical
    arguments:
      amount: {min: 0, max: 10000}
      iban: {pattern: 'DE\\d{20}'}
rules:
  - id: read
    effect: allow
    tools: [search_docs]
  - id: small
    effect: allow
    tools: [pay_invoice]
    when: {args.amount: {lt: 100}}
    obligations: [redact_pii_in_result]
  - id: large
    effect: require_approval
    tools: [pay_invoice]
    when: {args.amount: {ge: 100}}
  - id: tainted
    effect: deny
    tools: [pay_invoice]
    when: {labels.iban.integrity: {at_most: untrusted}}
"""

IBAN = "DE" + "1" * 20


def label(integrity: str = "user", confidentiality: str = "internal", sources=()) -> Label:
    """Make a label from plain words."""
    return Label(integrity=integrity, confidentiality=confidentiality, sources=frozenset(sources))


def request(tool="pay_invoice", arguments=None, *, agent="buyer", user="alice", tenant="acme", context=None, **more):
    """Make a request; ``more`` goes to the request as it is."""
    return DecisionRequest(
        principal=Principal(agent=agent, user=user, tenant=tenant),
        call=CanonicalCall.of(tool, {} if arguments is None else arguments),
        context=context or label(),
        **more,
    )


def bundle(rules, *, arguments=None, agents=None, capabilities=None, **more) -> Policy:
    """Parse a one-tool bundle with the given rules; JSON is YAML, so it goes through the real loader."""
    capability = {"tools": ["act"], "risk": "low"}
    if arguments is not None:
        capability["arguments"] = arguments
    content = {
        "version": 1,
        "id": "test",
        "agents": agents or {"buyer": {"capabilities": ["do"]}},
        "capabilities": capabilities or {"do": capability},
        "rules": rules,
        **more,
    }
    return parse_policy(json.dumps(content, ensure_ascii=False))


def rule(name: str, effect: str = "allow", **more):
    """Make a rule over the one tool."""
    return {"id": name, "effect": effect, "tools": ["act"], **more}


def ask(when, arguments=None, **more):
    """Decide a call of the one tool under a single allow rule with this ``when``."""
    return bundle([rule("only", when=when)]).decide(request("act", arguments, **more))


def codes(decision) -> list[str]:
    """Codes of all reasons."""
    return [reason.code for reason in decision.reasons]
