"""The notebook runs from top to bottom, offline, and is kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_governed_agent.ipynb"


def test_the_committed_notebook_holds_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_the_notebook_tells_its_story(tmp_path: Path) -> None:
    cells = executed(tmp_path)
    assert list(tmp_path.iterdir()) == []  # it leaves nothing where it was opened
    assert "tool  refunded EUR 20.00 to Ann" in cells["denied"]
    assert "tool  Not executed. Policy does not allow this call." in cells["denied"]
    assert cells["denied"].endswith("till: [('Ann', 20.0)]\n")
    for shown in ("Bob", "900.0", "user"):
        assert f">{shown}<" in cells["question"]
    assert cells["approval"].endswith("till: [('Ann', 20.0), ('Bob', 900.0)]\n")
    assert cells["verify"].startswith("verified: True")
    assert "granted by alice" in cells["summary"]
    assert "no capability of agent" in cells["summary"]
    for words in ("began for user dana", "alice (identity not verified) approved", "The run ended: completed"):
        assert words in cells["timeline"]
    assert cells["tamper"].startswith("verified: False")
    assert "<td align='left'>chain</td>" in cells["tamper"]


def executed(place: Path) -> dict[str, str]:
    """Run the notebook; returns what each code cell put out, as text, by the cell's id."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    return {cell.id: _shown(cell) for cell in notebook.cells if cell.cell_type == "code"}


def _shown(cell: nbformat.NotebookNode) -> str:
    parts = [output.get("text") or output.get("data", {}).get("text/html", "") for output in cell.outputs]
    assert all(output.get("name") != "stderr" for output in cell.outputs), parts
    return "".join(parts)
