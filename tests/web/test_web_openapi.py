"""The description of the API is true: every endpoint answers as it says, and answers what the command line prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from cli_logs import write_log
from click.testing import CliRunner
from page_kit import waiting
from starlette.routing import Route
from starlette.testclient import TestClient
from trace_factory import allowed_story, governed_story
from web_kit import client, site_over

from aisecops_langchain.cli.main import cli
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.web.api.table import ENDPOINTS
from aisecops_langchain.web.app import description, make_app
from aisecops_langchain.web.endpoints import Reading

BUNDLE = """
version: 1
id: office
agents: {procurement: {capabilities: [all]}}
capabilities: {all: {tools: [export_data, pay_invoice, lookup]}}
rules: [{id: reading, effect: allow, tools: [lookup, export_data]}]
"""
ASKED: dict[str, dict[str, str]] = {
    "/api/summary": {"trace": "trace-1"},
    "/api/timeline": {"trace": "trace-1"},
    "/api/graph": {"trace": "trace-1"},
    "/api/event": {"trace": "trace-1", "event": "trace-1-003"},
    "/api/diff": {"trace": "trace-1"},
    "/api/compare": {"first": "trace-1", "second": "trace-2"},
    "/api/blast-radius": {"source": "supplier.md"},
    "/api/origin": {"effect": "pay_invoice"},
    "/api/drift": {"policy": "office.yaml"},
    "/api/drift/over-time": {"before": "2026-03-01T10:00:00Z"},
}


@pytest.fixture
def made(tmp_path: Path) -> TestClient:
    later = [
        event.model_copy(update={"time": event.time.replace(hour=12)}) for event in allowed_story("trace-2").events
    ]
    log = write_log(tmp_path / "audit", [*governed_story().events, *later])
    return client(site_over(log, policies={"office.yaml": parse_policy(BUNDLE)}))


def conforms(answer: Any, path: str, method: str, status: str = "200") -> None:
    described = description()
    content = described["paths"][path][method]["responses"][status]["content"]
    (media, schema), *_ = [(name, item["schema"]) for name, item in content.items()]
    assert answer.headers["content-type"] == media
    whole = {**schema, "components": described["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(orjson.loads(answer.content))


def test_it_describes_every_route_and_no_other() -> None:
    app = make_app(client_site(), hosts=[])
    routes = {
        (route.path.replace(":path", ""), "get" if "GET" in (route.methods or ()) else "post")
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/api/")
    }
    told = {(path, method) for path, item in description()["paths"].items() for method in item}
    assert routes - told == {("/api/live", "get"), ("/api/openapi.json", "get")}
    assert told - routes == set()


def client_site() -> Any:
    class Site:
        secure = False

    return Site()


def test_the_description_is_sound(made: TestClient) -> None:
    answer = made.get("/api/openapi.json")
    assert answer.json() == orjson.loads(orjson.dumps(description()))
    assert answer.json()["openapi"] == "3.1.0"
    for schema in description()["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator({**schema, "components": description()["components"]})


@pytest.mark.parametrize(
    "path",
    [item.path for item in ENDPOINTS if isinstance(item, Reading) and not item.path.startswith("/api/approvals")],
)
def test_every_endpoint_answers_as_described(made: TestClient, path: str) -> None:
    answer = made.get(path, params=ASKED.get(path))
    assert answer.status_code == 200, answer.text
    conforms(answer, path, "get")


def test_approvals_answer_as_described(tmp_path: Path) -> None:
    with waiting(tmp_path / "home", asks=2) as graph:
        for thread in ("one", "two"):
            graph.ask(thread, "Pay 90 euros to ACME.")
        site = site_over(graph.home / "audit", home=graph.home)
        asked = client(site, "of-bob")
        listed = asked.get("/api/approvals")
        conforms(listed, "/api/approvals", "get")
        first, second = listed.json()["approvals"]
        one = f"/api/approvals/{first['approval']}"
        conforms(asked.get(one), "/api/approvals/{key}", "get")
        said = asked.post(f"{one}/approve", json={"call": first["call"]})
        conforms(said, "/api/approvals/{key}/approve", "post")
        said = asked.post(f"/api/approvals/{second['approval']}/reject", json={"reason": "no"})
        conforms(said, "/api/approvals/{key}/reject", "post")
        refused = asked.post(f"{one}/reject", json={})
        assert refused.status_code == 409
        conforms(refused, "/api/approvals/{key}/reject", "post", "default")
        site.close()


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/summary", {}),
        ("/api/summary", {"trace": "none"}),
        ("/api/traces", {"limit": "many"}),
        ("/api/drift", {"policy": "none"}),
        ("/api/drift/over-time", {}),
        ("/api/drift/over-time", {"before": "2026-03-02", "after": "2026-03-01"}),
        ("/api/blast-radius", {}),
        ("/api/graph", {"trace": "trace-1", "limit": "0"}),
    ],
)
def test_refusals_answer_as_described(made: TestClient, path: str, parameters: dict[str, str]) -> None:
    answer = made.get(path, params=parameters)
    assert answer.status_code in (400, 404)
    conforms(answer, path, "get", "default")
    assert answer.json()["expected"]


def printed(*arguments: object) -> Any:
    result = CliRunner().invoke(cli, [*map(str, arguments), "--json"])
    return orjson.loads(result.stdout)


def test_the_api_answers_what_the_command_line_prints(made: TestClient, tmp_path: Path) -> None:
    log = tmp_path / "audit"
    (summary,) = printed("replay", "summary", log, "--trace", "trace-1")["traces"]
    assert made.get("/api/summary", params={"trace": "trace-1"}).json()["summary"] == summary
    told = made.get("/api/timeline", params={"trace": "trace-1"}).json()
    assert told["timeline"] == printed("replay", "timeline", log, "--trace", "trace-1")["timeline"]
    within = printed("replay", "diff", log, "--trace", "trace-1")
    told = made.get("/api/diff", params={"trace": "trace-1"}).json()
    assert (told["calls"], told["problems"]) == (within["calls"], within["problems"])
    runs = printed("replay", "diff", log, "--trace", "trace-1", "--with", "trace-2")
    assert made.get("/api/compare", params=ASKED["/api/compare"]).json()["diff"] == runs["diff"]
    effect = printed("replay", "origin", "pay_invoice", log)["origins"]
    assert made.get("/api/origin", params=ASKED["/api/origin"]).json()["origins"] == effect
    bundle = tmp_path / "office.yaml"
    bundle.write_text(BUNDLE)
    drift = printed("drift", log, "--policy", bundle, "--fail-on", "any")
    report = made.get("/api/drift", params=ASKED["/api/drift"]).json()["drift"]
    assert report == {name: drift[name] for name in report}
    graph = CliRunner().invoke(cli, ["replay", "graph", str(log), "--trace", "trace-1", "--format", "json"])
    assert made.get("/api/graph", params=ASKED["/api/graph"]).json()["graph"] == orjson.loads(graph.stdout)["graph"]
