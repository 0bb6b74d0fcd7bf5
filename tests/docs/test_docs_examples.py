"""What README and documentation show is run, loaded or looked up, so that it cannot rot."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest

from aisecops_langchain.cli.main import cli
from aisecops_langchain.policy import parse_policy

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^(\w+):.*?(?=^\w+:|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FILE = re.compile(r"`((?:tests|examples|notebooks|docs|aisecops_langchain)/[\w./-]+)`")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: match.start()].count("\n") + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
        if match[1] == language
    ]


def pages_with(language: str) -> list:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, language)]


def commands() -> list:
    lines = [
        (block, line)
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [pytest.param(line.split(), id=f"{block}: {line[:40]}") for block, line in lines if line[:9] == "aisecops "]


def sections(policy: str) -> dict[str, str]:
    return {match[1]: match[0] for match in _SECTION.finditer(policy)}


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    """The page's first policy stands beside them as ``policy.yaml``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["page"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for policy in blocks(page, "yaml")[:1]:
        Path("policy.yaml").write_text(policy.text, encoding="utf-8")
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)  # annotations are looked up there
    for block in blocks(page, "python"):
        source = "\n" * block.line + block.text  # so that a traceback names the line of the page
        exec(compile(source, str(page), "exec", dont_inherit=True), vars(module))


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_policies_of_a_page_load(page):
    """The first block of a page is a whole policy; later ones may be sections that take the place of its own."""
    whole: dict[str, str] = {}
    for block in blocks(page, "yaml"):
        own = sections(block.text)
        whole = own if "version" in own else whole
        parse_policy("".join({**whole, **own}.values()), name=str(block))


@pytest.mark.parametrize("words", commands())
def test_commands_exist_with_their_options(words):
    command: click.Command = cli
    context = click.Context(cli)
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, rest[0])
        assert found is not None, f"no command {rest[0]}"
        command, rest = found, rest[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_named_files_and_linked_pages_exist(page):
    text = page.read_text(encoding="utf-8")
    named = {ROOT / name for name in _FILE.findall(text)}
    linked = {page.parent / link for link in _LINK.findall(text) if "://" not in link}
    assert sorted(str(path) for path in named | linked if not path.exists()) == []


def test_the_readme_opens_with_the_two_commands():
    first = blocks(ROOT / "README.md", "sh")[0]
    assert first.text.split("\n")[:2] == ["make demo", "make test"]
    assert first.line < 10


def test_the_readme_shows_the_first_example_as_it_is():
    example = (ROOT / "examples" / "01_quickstart.py").read_text(encoding="utf-8")
    shown = blocks(ROOT / "README.md", "python")[0].text
    assert example.endswith(f'"""\n\n{shown}')


def test_the_readme_shows_what_the_first_example_prints(tmp_path):
    command = [sys.executable, str(ROOT / "examples" / "01_quickstart.py"), str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert blocks(ROOT / "README.md", "text")[0].text == printed
