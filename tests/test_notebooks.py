"""What is committed of the notebooks is what they gave when they ran; `make notebooks`, in CI too, runs them."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from notebooks.execute import WIDGET_VIEW

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE_PATH = re.compile(r"/(home|root|work|tmp|Users|opt|usr|var|content)/|[A-Z]:\\\\|site-packages")


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_there_are_six_notebooks_and_the_readme_names_them() -> None:
    named = {"explore", "equations", "train", "finetune", "evaluate", "attribution"}
    assert {path.stem for path in NOTEBOOKS} == named
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert not [name for name in named if f"(notebooks/{name}.ipynb)" not in readme]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed_was_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run `make notebooks`"
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert not [text for text in texts(notebook) if MACHINE_PATH.search(text)]
    assert path.stat().st_size < 10**6
    pictures = [
        output for output in outputs(notebook) if any(kind.startswith("image/") for kind in output.get("data", {}))
    ]
    assert len(pictures) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_dead_widget_is_committed(path: Path) -> None:
    """A reader who has not run it sees the explorer's picture; a view without its kernel would show an error."""
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    assert not [output for output in outputs(notebook) if WIDGET_VIEW in output.get("data", {})]
    for cell in code_cells(notebook):
        if re.search(r"^explore\(", cell.source, re.MULTILINE):
            assert "image/jpeg" in cell.outputs[-1].data


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_installs_on_colab_and_measures_its_claim(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first, *_, last = code_cells(notebook)
    assert "google.colab" in first.source
    assert "pip install" in first.source
    assert re.search(r"^\s*assert ", last.source, re.MULTILINE)
    assert notebook.cells[0].cell_type == "markdown"
    assert "claim" in notebook.cells[0].source


def texts(notebook: Any) -> list[str]:
    """Everything that cells printed or gave as text."""
    found = []
    for output in outputs(notebook):
        found.append(output.get("text", ""))
        kept = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
        found.append(json.dumps(kept))
    return found
