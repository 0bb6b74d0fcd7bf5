"""The documentation builds without a warning, and its pages load nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]+src=[\"']?([^\"' >]+)|<link[^>]+href=[\"']?([^\"' >]+)")
STYLED = re.compile(r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return target


def test_pages_load_nothing_from_elsewhere(site):
    outside = {
        (page.name, address)
        for page in site.rglob("*.html")
        for match in LOADED.findall(page.read_text(encoding="utf-8"))
        for address in match
        if re.match(r"(https?:)?//", address)
    }
    styles = {
        (sheet.name, address)
        for sheet in site.rglob("*.css")
        for address in STYLED.findall(sheet.read_text(encoding="utf-8"))
    }
    assert outside | styles == set()


def test_every_exported_name_is_on_the_api_page(site):
    import aisecops_langchain

    page = (site / "api.html").read_text(encoding="utf-8")
    assert [name for name in aisecops_langchain.__all__ if name != "__version__" and f">{name}<" not in page] == []


def test_every_extra_is_named_where_people_begin():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    assert [extra for extra in extras if f"`{extra}`" not in page] == []
