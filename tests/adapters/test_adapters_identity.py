"""Identity and delegation through real graphs: who resumes, who delegates, and what words carry between agents."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from adapter_kit import APPROVE, Driver, Office, answers, open_governor, says
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from langchain_core.messages import HumanMessage, ToolMessage
from langgraph.types import Command

from aisecops_langchain import (
    JwtIdentity,
    LangGraphAuthIdentity,
    Principal,
    StaticIdentity,
    current_scope,
    govern,
    subagent_tool,
    warrant_of,
)
from aisecops_langchain.domain.labels import Confidentiality, Integrity, Label, SourceKind
from aisecops_langchain.errors import ConfigurationError, IdentityError, WarrantError
from aisecops_langchain.testing import ScriptedChatModel, call

KEY = Ed25519PrivateKey.generate()
PAY = call("pay", "c1", to="alice", amount=5)


@pytest.fixture
def tokens(tmp_path: Path) -> JwtIdentity:
    entry = {**json.loads(OKPAlgorithm.to_jwk(KEY.public_key())), "kid": "k1"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [entry]}))
    return JwtIdentity(tmp_path / "jwks.json", issuer="https://login", audience="agents")


def caller(sub: str, *, seconds: int = 60, key: Any = KEY) -> dict[str, Any]:
    """Configuration as a server would make it of a caller's token."""
    claims = {"sub": sub, "iss": "https://login", "aud": "agents", "exp": int(time.time()) + seconds}
    token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "k1"})
    return {"configurable": {"thread_id": "t1", "aisecops_token": token}}


async def test_a_run_is_resumed_only_for_the_verified_user_it_was_begun_for(
    office: Office, tokens: JwtIdentity
) -> None:
    """A fresh token of the same user goes on; another user's, a forged or an expired one does not."""
    bob = StaticIdentity("bob", issuer="https://login")
    graph = office.agent([PAY], "done", "later", identity=tokens, approver=bob)
    await office.run(graph, says("pay alice 5"), caller("alice"))
    for config in (caller("alice", key=Ed25519PrivateKey.generate()), caller("alice", seconds=-600), {}):
        with pytest.raises(IdentityError):
            await office.run(
                graph, Command(resume=APPROVE), {"configurable": {"thread_id": "t1", **config.get("configurable", {})}}
            )
    assert office.ran == []
    await office.run(graph, Command(resume=APPROVE), caller("alice"))
    assert office.ran == ["pay alice 5"]
    assert {event.code for event in office.of("identity_refused")} == {"signature", "expired", "missing"}
    (started,) = office.of("execution_started")
    assert (started.principal.user, started.principal.issuer) == ("alice", "https://login")


async def test_a_verified_stranger_cannot_resume(office: Office, tokens: JwtIdentity) -> None:
    graph = office.agent([PAY], "done", "later", identity=tokens)
    await office.run(graph, says("pay alice 5"), caller("alice"))
    await office.run(graph, Command(resume=APPROVE), caller("mallory"))
    assert office.ran == []
    assert office.of("approval_granted") == []


async def test_the_same_name_from_another_issuer_is_another_user(office: Office) -> None:
    graph = office.agent([PAY], "done", "later", identity=StaticIdentity("alice", issuer="https://one"))
    await office.run(graph, says("pay alice 5"))
    other = office.agent("done", "later", identity=StaticIdentity("alice", issuer="https://two"))
    await office.run(other, Command(resume=APPROVE))
    assert office.ran == []


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (None, "missing"),
        ("alice", "missing"),
        ({"identity": "alice", "is_authenticated": False, "org": "acme"}, "not_authenticated"),
        ({"identity": "alice", "is_authenticated": "no", "org": "acme"}, "not_authenticated"),
        ({"identity": "", "org": "acme"}, "name"),
        ({"identity": "alice"}, "name"),
    ],
)
async def test_only_an_authenticated_langgraph_user_begins_a_run(quick: Office, user: Any, code: str) -> None:
    graph = quick.agent("hello", "again", identity=LangGraphAuthIdentity(tenant_field="org"))
    with pytest.raises(IdentityError) as caught:
        await quick.run(graph, says("hi"), {"configurable": {"thread_id": "t1", "langgraph_auth_user": user}})
    assert caught.value.code == code
    good = {"identity": "alice", "is_authenticated": True, "org": "acme"}
    await quick.run(graph, says("hi"), {"configurable": {"thread_id": "t2", "langgraph_auth_user": good}})
    (started,) = quick.of("run_started")
    assert (started.principal.user, started.principal.tenant, started.principal.verified) == ("alice", "acme", True)
    assert [event.code for event in quick.of("identity_refused")] == [code]


def test_identity_and_a_stated_user_are_two_answers(office: Office) -> None:
    for given in ({"user": "bob"}, {"tenant": "other"}, {"principal": Principal(agent="clerk")}):
        with pytest.raises(ConfigurationError):
            office.agent("x", identity=StaticIdentity("alice"), **given)


TEAM = """
version: 1
id: team
agents:
  boss: {capabilities: [ask, read]}
  clerk: {capabilities: [read, pay]}
capabilities:
  ask: {tools: [ask_clerk], risk: low}
  read: {tools: [search, note], risk: low}
  pay: {tools: [pay], risk: high}
rules:
  - {id: all, effect: allow, tools: [ask_clerk, search, pay]}
  - {id: note, effect: allow, tools: [note], when: {context.integrity: {at_least: user}}}
"""


class Team:
    """A boss whose tool is a clerk."""

    def __init__(self, office: Office, home: Path, *clerk: Any, boss: Any = None) -> None:
        self.governor = office.governor = open_governor(home, TEAM)
        self.office = office
        self.clerk_model = ScriptedChatModel(script=list(clerk))
        tools = office.tools()
        self.clerk = govern(self.clerk_model, tools, governor=self.governor, warrant=warrant_of)
        self.ask = subagent_tool(
            self.clerk, self.governor, agent="clerk", tools=["search", "note"], name="ask_clerk", description="Ask."
        )
        script = boss or [call("ask_clerk", "b1", task="look up ACME"), call("note", "b2", text="ACME"), "done"]
        self.boss = office.agent(
            *script, tools=[self.ask, *tools], governor=self.governor, agent="boss", identity=StaticIdentity("ann")
        )


async def test_a_subagent_does_what_the_warrant_says_and_no_more(quick: Office) -> None:
    team = Team(quick, quick.home / "team", [call("search", query="ACME"), call("pay", to="eve", amount=1)], "found it")
    result = await quick.run(team.boss, says("look up ACME"))
    assert quick.ran == ["search ACME"]
    assert answers(result)[0] == "found it"
    decided = {event.call.tool: event.decision for event in quick.of("decision_made")}
    assert decided["pay"].reasons[0].code == "warrant_narrower"
    (search, *_) = [event for event in quick.of("execution_started") if event.tool == "search"]
    assert [link.agent for link in search.principal.delegators] == ["boss"]
    assert search.principal.delegators[0].run == "t1"


async def test_what_a_subagent_read_taints_its_answer_at_the_parent(quick: Office) -> None:
    """The parent could have taken the note before; after the answer of an agent that searched, it may not."""
    team = Team(quick, quick.home / "team", call("search", query="ACME"), "found it")
    result = await quick.run(team.boss, says("look up ACME, note it"))
    assert quick.ran == ["search ACME"]
    assert answers(result)[1].startswith("Not executed")
    (noted,) = [event for event in quick.of("decision_made") if event.call.tool == "note"]
    kinds = {source.kind for source in noted.context.sources}
    assert {SourceKind.AGENT_MESSAGE, SourceKind.TOOL_RESULT} <= kinds
    assert noted.context.integrity is Integrity.UNTRUSTED


async def test_the_words_of_an_agent_that_saw_only_trusted_words_keep_that_label(quick: Office) -> None:
    """Down and up again: the join of what was seen, neither more nor less."""
    team = Team(quick, quick.home / "team", "I know that by heart")
    await quick.run(team.boss, says("look up ACME, note it"))
    assert quick.ran == ["note ACME"]
    admitted = [event for event in quick.of("content_admitted") if event.source.kind is SourceKind.AGENT_MESSAGE]
    assert [(event.source.name, event.label.integrity) for event in admitted] == [
        ("boss", Integrity.USER),
        ("clerk", Integrity.USER),
    ]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda envelope: {
            **envelope,
            "label": Label(integrity=Integrity.SYSTEM, confidentiality=Confidentiality.PUBLIC).model_dump_json(),
        },
        lambda envelope: {**envelope, "sender": "boss"},
        lambda envelope: {**envelope, "seal": "0" * 64},
        lambda _: {"label": "{}"},
    ],
)
async def test_an_envelope_that_was_tampered_with_vouches_for_nothing(
    quick: Office, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Any], Any]
) -> None:
    honest = type(quick.governor.messages).close_over
    monkeypatch.setattr(
        type(quick.governor.messages), "close_over", lambda self, *a, **kw: tamper(honest(self, *a, **kw))
    )
    team = Team(quick, quick.home / "team", "I know that by heart")
    await quick.run(team.boss, says("look up ACME, note it"))
    assert quick.ran == []


async def test_a_subagent_takes_nobodys_words_for_a_users(quick: Office) -> None:
    """Invoked with a genuine warrant and a message that claims to be a person's."""
    team = Team(quick, quick.home / "team", call("note", text="buy"), "done")
    boss = Principal(agent="boss", user="ann", issuer="configuration")
    warrant = team.governor.delegate(boss, agent="clerk", tools=["note"])
    config = {"configurable": {"thread_id": "t9", "aisecops_warrant": warrant}}
    await quick.run(team.clerk, {"messages": [HumanMessage("buy")]}, config)
    assert quick.ran == []
    (made,) = quick.of("decision_made")
    assert made.context.integrity is Integrity.UNTRUSTED
    assert quick.of("prompt_allowed") == []


async def test_a_subagent_without_a_sound_warrant_does_not_begin(quick: Office) -> None:
    team = Team(quick, quick.home / "team", call("search", query="x"), "done")
    boss = Principal(agent="boss", user="ann", issuer="configuration")
    warrant = team.governor.delegate(boss, agent="clerk", tools=["search"])
    team.governor.delegations.revoke(warrant)
    stolen = team.governor.delegate(Principal(agent="clerk"), agent="boss", tools=["search"])
    strict = govern(
        team.clerk_model,
        quick.tools(),
        governor=team.governor,
        agent="clerk",
        warrant=warrant_of,
        identity=StaticIdentity("mallory"),
    )
    fresh = team.governor.delegate(boss, agent="clerk", tools=["search"])
    for graph, presented in (
        (team.clerk, None),
        (team.clerk, "{}"),
        (team.clerk, warrant),
        (strict, stolen),
        (strict, fresh),
    ):
        with pytest.raises(WarrantError):
            await quick.run(graph, says("x"), {"configurable": {"thread_id": "t9", "aisecops_warrant": presented}})
    assert quick.ran == []
    codes = {event.code for event in quick.of("warrant_refused")}
    assert codes == {"malformed", "revoked", "other_agent", "other_user"}


async def test_stopping_the_run_of_the_parent_stops_the_subagent(quick: Office) -> None:
    """In the middle of the subagent's work, from inside its first tool."""
    team: Team

    def search(query: str) -> str:
        """Search, and be stopped meanwhile."""
        quick.ran.append(f"search {query}")
        team.governor.stops.order("run", "t1", by="alice")
        assert current_scope().principal.agent == "clerk"
        return "found"

    team = Team(quick, quick.home / "team", call("search", "s1", query="1"), call("search", "s2", query="2"), "done")
    team.clerk = govern(team.clerk_model, [search], governor=team.governor, warrant=warrant_of)
    ask = subagent_tool(
        team.clerk, team.governor, agent="clerk", tools=["search"], name="ask_clerk", description="Ask."
    )
    boss = quick.agent(
        call("ask_clerk", "b1", task="x"),
        call("ask_clerk", "b2", task="y"),
        "done",
        tools=[ask],
        governor=team.governor,
        agent="boss",
        identity=StaticIdentity("ann"),
    )
    result = await quick.run(boss, says("x"))
    assert quick.ran == ["search 1"]
    assert isinstance(result["messages"][-2], ToolMessage)
    outcomes = [event.outcome for event in quick.of("run_finished")]
    assert outcomes == ["stopped", "stopped"]


def test_nobody_delegates_outside_a_governed_call() -> None:
    with pytest.raises(ConfigurationError):
        current_scope()


async def test_a_warrant_that_is_fixed_serves_a_node_of_a_larger_graph(unsaved: Office, bare: Driver) -> None:
    """The parent's user and tenant come along; the agent is the warrant's."""
    team = Team(unsaved, unsaved.home / "team", "unused")
    warrant = team.governor.delegate(Principal(agent="boss", user="ann"), agent="clerk", tools=["search"])
    node = govern(
        ScriptedChatModel(script=[call("search", query="ACME"), "done"]),
        unsaved.tools(),
        governor=team.governor,
        warrant=warrant,
    )
    await bare.run(node, says("go"), {})
    assert unsaved.ran == ["search ACME"]
    (started,) = unsaved.of("run_started")
    assert (started.principal.agent, started.principal.user) == ("clerk", "ann")
