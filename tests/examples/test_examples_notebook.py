"""The notebook runs from top to bottom, offline, and is kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_governed_agent.ipynb"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that each code cell put out, as text, by the cell's id."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = tmp_path_factory.mktemp("notebook")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    assert not list(place.iterdir())  # it leaves nothing where it was opened
    return {cell.id: _shown(cell) for cell in notebook.cells if cell.cell_type == "code"}


def _shown(cell: nbformat.NotebookNode) -> str:
    parts = [output.get("text") or output.get("data", {}).get("text/html", "") for output in cell.outputs]
    assert all(output.get("name") != "stderr" for output in cell.outputs), parts
    return "".join(parts)


def test_the_committed_notebook_holds_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_one_call_runs_one_is_denied_and_one_waits(cells: dict[str, str]) -> None:
    assert "tool  refunded EUR 20.00 to Ann" in cells["denied"]
    assert "tool  Not executed. Policy does not allow this call." in cells["denied"]
    assert cells["denied"].endswith("till: [('Ann', 20.0)]\n")


def test_the_approver_sees_arguments_and_their_trust(cells: dict[str, str]) -> None:
    assert "Bob" in cells["question"]
    assert "900.0" in cells["question"]
    assert "user" in cells["question"]


def test_the_approved_call_runs_once(cells: dict[str, str]) -> None:
    assert cells["approval"].endswith("till: [('Ann', 20.0), ('Bob', 900.0)]\n")


def test_the_log_tells_it_all(cells: dict[str, str]) -> None:
    assert cells["verify"].startswith("verified: True")
    assert "granted by alice" in cells["summary"]
    assert "holds no capability" in cells["summary"] or "no capability of agent" in cells["summary"]
    for words in ("began for user dana", "alice (identity not verified) approved", "The run ended: completed"):
        assert words in cells["timeline"]


def test_a_changed_log_does_not_verify(cells: dict[str, str]) -> None:
    assert cells["tamper"].startswith("verified: False")
    assert "<td align='left'>chain</td>" in cells["tamper"]
