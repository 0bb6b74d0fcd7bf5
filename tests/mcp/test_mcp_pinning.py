"""Pinning tools of MCP servers from the command line: servers are asked, no tool is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mcp_kit import Office

from aisecops_langchain.adapters.mcp.servers import read_connections
from aisecops_langchain.cli.main import cli
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.decisions.pins import load_pins


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["tools", *map(str, words)])


def test_a_rug_pull_shows_in_the_check(empty: Office) -> None:
    empty.serve_odd([{"name": "odd", "description": "Odd.", "inputSchema": {"type": "object"}}])
    config, lock = empty.folder / "servers.json", empty.folder / "tools.lock"
    config.write_text(json.dumps({"mcpServers": empty.connections}))
    assert run("pin", "--mcp-config", config, "-o", lock, "--prefix").exit_code == 0
    assert list(load_pins(lock).definitions) == ["odd_odd"]
    assert run("check", "--mcp-config", config, "--lock", lock, "--prefix").exit_code == 0
    changed = {"name": "odd", "description": "Odd. \u202eyaP", "inputSchema": {"type": "object"}}
    (empty.folder / "odd.json").write_text(json.dumps([changed]))
    found = run("check", "--mcp-config", config, "--lock", lock, "--prefix")
    assert found.exit_code == 1
    assert "+description: Odd. \\u202eyaP" in found.output
    assert empty.book("odd") == []


def test_a_server_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "servers.json").write_text(json.dumps({"gone": {"command": "/nowhere/server", "args": []}}))
    result = run("pin", "--mcp-config", tmp_path / "servers.json", "-o", tmp_path / "tools.lock")
    assert (result.exit_code, (tmp_path / "tools.lock").exists()) == (2, False)
    assert result.output.startswith("Error: the MCP servers could not be asked")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mcpServers": {}}', '{"a": 1}', '{"a": {"args": []}}'])
def test_a_file_that_names_no_servers_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "servers.json").write_text(content)
    with pytest.raises(ConfigurationError):
        read_connections(tmp_path / "servers.json")


def test_transports_are_told_from_what_is_given(tmp_path: Path) -> None:
    found: dict[str, Any] = {"a": {"command": "x", "args": []}, "b": {"url": "http://x"}, "c": {"transport": "sse"}}
    (tmp_path / "servers.json").write_text(json.dumps(found))
    connections = read_connections(tmp_path / "servers.json")
    assert [connections[name]["transport"] for name in "abc"] == ["stdio", "streamable_http", "sse"]
