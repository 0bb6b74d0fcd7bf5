"""``aisecops quarantine``: what was withheld can be read, and cannot reach the terminal's controls."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.cli.main import cli
from aisecops_langchain.runtime.content.quarantine import Quarantine

TEXT = "first\x1b[2Jline\nsecond\u202eline"
DIGEST = digest_text("content", TEXT)


@pytest.fixture
def home(tmp_path):
    Quarantine.of_home(tmp_path).keep(DIGEST, TEXT)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, ["quarantine", *map(str, arguments)])


def test_list_names_what_is_kept(home):
    assert DIGEST in run("list", "--home", home).output
    assert json.loads(run("list", "--home", home, "--json").output)["kept"][0]["digest"] == DIGEST


def test_show_writes_controls_out(home):
    shown = run("show", DIGEST, "--home", home)
    assert shown.exit_code == 0
    assert shown.output == "first\\x1b[2Jline\nsecond\\u202eline\n"
    assert json.loads(run("show", DIGEST, "--home", home, "--json").output)["text"] == TEXT


def test_drop_deletes_for_good(home):
    assert run("drop", DIGEST, "--home", home).exit_code == 0
    assert run("show", DIGEST, "--home", home).exit_code == 1
    assert "Nothing is kept." in run("list", "--home", home).output


def test_an_edited_file_ends_with_1_and_shows_nothing(home):
    path = home / "withheld" / DIGEST[7:]
    path.write_bytes(path.read_bytes()[:-1])
    shown = run("show", DIGEST, "--home", home)
    assert shown.exit_code == 1
    assert "first" not in shown.output


def test_a_home_without_a_key_ends_with_2(tmp_path):
    assert run("list", "--home", tmp_path).exit_code == 2
