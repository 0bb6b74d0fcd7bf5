"""What files, hosts and mailboxes a tool can reach is what its constraints say, through whole governed graphs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import Office, answers, open_governor, says
from langchain_core.tools import tool

from aisecops_langchain import open_under
from aisecops_langchain.errors import ReachError
from aisecops_langchain.testing import call

POLICY = """
version: 1
id: reach
agents: {{clerk: {{capabilities: [files, web, mail]}}}}
capabilities:
  files: {{tools: [read], arguments: {{path: {{path_under: {root}}}}}}}
  web: {{tools: [fetch], arguments: {{url: {{url: {{hosts: ['*'], ports: [443]}}}}}}}}
  mail: {{tools: [send], arguments: {{to: {{email_domain: [example.com]}}}}}}
rules: [{{id: all, effect: allow, tools: [read, fetch, send]}}]
limits: {{max_denials_per_run: 100, max_calls_per_plan: 64}}
"""

OUTSIDE = (
    "/etc/passwd",
    "{root}/../secret",
    "{root}/a/../../secret",
    "{root}/..",
    "{root}x/file",
    "{root}/a\x00/../../secret",
    "{root}/\x00",
    "{root}/\uff0e\uff0e/secret",
    "{root}/\u2025/secret",
    "{root}/a\\..\\..\\secret",
    "{root}/%2e%2e/secret",
    "{root}/.. /secret",
    "//{root}/file",
    "~/secret",
    "$HOME/secret",
    "file",
    "",
)
INSIDE = ("{root}/file", "{root}/a/../file")

UNREACHABLE = (
    "http://www.example.com/",
    "https://www.example.com:8443/",
    "https://localhost/",
    "https://printer/",
    "https://db.internal/",
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25eth0]/",
    "https://user@www.example.com/",
    "https://www.example.com@evil.test/",
    "https://www.example.com\\@evil.test/",
    "https://www.example.com./",
    "https://www.example.com\u3002evil.test/",
    "https://www\uff0eexample.com/",
    "https://www.example.com%2eevil.test/",
    "https://www.example.com\x00.evil.test/",
    "https:www.example.com",
    "//www.example.com/",
    "file:///etc/passwd",
)
REACHABLE = ("https://www.example.com/", "https://WWW.Example.com/", "https://other.org/a?b=c")

STRANGERS = (
    "bob@evil.test",
    "bob@example.com.evil.test",
    "bob@notexample.com",
    "bob@example.com.",
    "bob@evil.test,bob@example.com",
    "bob@example.com bob@evil.test",
    "Bob <bob@evil.test>",
    '"bob@evil.test"@example.com',
    "bob@evil.test(@example.com)",
    "@evil.test:bob@example.com",
    "bob@example\uff0ecom",
    "bob@ex\u0430mple.com",
    "bob@example.com\x00",
    "bob@example.com\nBcc: eve@evil.test",
    "bob%evil.test@example.com",
    "evil.test!bob@example.com",
)
FRIENDS = ("bob@example.com", "bob@EXAMPLE.com")


def reach_tools(ran: list[str]) -> list[Any]:
    """Tools that write down what they were let reach."""

    @tool
    def read(path: str) -> str:
        """Read a file."""
        ran.append(path)
        return "read"

    @tool
    def fetch(url: str) -> str:
        """Fetch a page."""
        ran.append(url)
        return "fetched"

    @tool
    def send(to: str) -> str:
        """Send a mail."""
        ran.append(to)
        return "sent"

    return [read, fetch, send]


@pytest.mark.parametrize(
    ("name", "argument", "bad", "good"),
    [
        ("read", "path", OUTSIDE, INSIDE),
        ("fetch", "url", UNREACHABLE, REACHABLE),
        ("send", "to", STRANGERS, FRIENDS),
    ],
)
async def test_nothing_is_reached_that_the_constraint_does_not_name(
    quick: Office, tmp_path: Path, name: str, argument: str, bad: tuple[str, ...], good: tuple[str, ...]
) -> None:
    root = str(tmp_path / "documents")
    values = [value.format(root=root) if name == "read" else value for value in (*bad, *good)]
    calls = [call(name, f"c{number}", **{argument: value}) for number, value in enumerate(values)]
    with open_governor(quick.home / "own", POLICY.format(root=root)) as governor:
        graph = quick.agent(calls, "done", tools=reach_tools(quick.ran), governor=governor)
        result = await quick.run(graph, says("go"))
    assert sorted(quick.ran) == sorted(values[len(bad) :])
    refused = [answer for answer in answers(result) if answer.startswith("Not executed.")]
    assert len(refused) == len(bad)


async def test_a_link_swapped_in_after_the_decision_leads_nowhere_where_the_tool_opens_below_its_root(
    quick: Office, tmp_path: Path
) -> None:
    """Policy looks at no disk, so a plain ``open`` follows the link; ``open_under`` does not."""
    root = tmp_path / "documents"
    (root / "a").mkdir(parents=True)
    (root / "a" / "file").write_text("open to all")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("secret")
    seen: list[str] = []

    @tool
    def read(path: str) -> str:
        """Read a file."""
        with os.fdopen(open_under(root, path)) as stream:
            seen.append(stream.read())
        (root / "a").rename(root / "b")
        (root / "a").symlink_to(tmp_path / "outside")
        return "read"

    path = f"{root}/a/file"
    with open_governor(quick.home / "own", POLICY.format(root=root)) as governor:
        tools = [read, *reach_tools([])[1:]]
        graph = quick.agent(
            [call("read", "c1", path=path)], [call("read", "c2", path=path)], "done", tools=tools, governor=governor
        )
        result = await quick.run(graph, says("go"))
    assert seen == ["open to all"]
    assert "ReachError" in answers(result)[1]
    assert (root / "a" / "file").read_text() == "secret"


@pytest.mark.parametrize("path", ["../outside", "a/../../outside", "/etc/passwd", "link", "link/file", "", ".", "\0"])
def test_open_under_stays_below_its_root(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").write_text("secret")
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(ReachError):
        os.close(open_under(root, path))


def test_open_under_makes_and_reads_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with os.fdopen(open_under(tmp_path, "a/new", os.O_WRONLY | os.O_CREAT), "w") as stream:
        stream.write("hello")
    with os.fdopen(open_under(tmp_path, f"{tmp_path}/a/new")) as stream:
        assert stream.read() == "hello"
