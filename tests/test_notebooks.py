"""The committed outputs of the notebooks are those of their last run; `make notebooks`, in CI too, runs them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from notebooks.execute import WIDGET_VIEW, as_seen
from notebooks.first_cell import EXTRAS, FIRST_CELL, REPOSITORY
from tests.helpers.colab import LACKING, brought
from tests.helpers.project import PROJECT

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE_PATH = re.compile(r"/(home|root|work|tmp|Users|opt|usr|var|content)/|[A-Z]:\\\\|site-packages")


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_there_are_seven_notebooks_and_the_readme_names_them() -> None:
    expected_names = {"explore", "equations", "train", "finetune", "evaluate", "attribution", "survey"}
    assert {path.stem for path in NOTEBOOKS} == expected_names
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert not [name for name in expected_names if f"(notebooks/{name}.ipynb)" not in readme]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_have_been_executed(path: Path) -> None:
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


def test_of_a_progress_bar_its_last_state_is_committed() -> None:
    pieces = [
        ("stderr", "\r  0%|"),
        ("stderr", "\r 50%|"),
        ("stderr", "\r100%|\n"),
        ("stdout", "done\n"),
        ("stdout", "twice\n"),
    ]
    outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in pieces]
    picture = nbformat.v4.new_output("display_data", data={"text/plain": "a"})
    seen = as_seen([*outputs[:2], picture, *outputs[2:]])
    assert [output.get("text") for output in seen] == [" 50%|", None, "100%|\n", "done\ntwice\n"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_has_alternative_text(path: Path) -> None:
    for output in outputs(nbformat.read(path, as_version=4)):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                assert output.metadata[kind]["alt"]


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
    """Return all text that cells printed or returned."""
    result = []
    for output in outputs(notebook):
        result.append(output.get("text", ""))
        kept = {kind: value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")}
        result.append(json.dumps(kept))
    return result


def first_cells(path: Path, host: str, folder: Path, cells: int = 2) -> "subprocess.CompletedProcess[str]":
    """Run a notebook's first cells on such a host, in a folder that has nothing of ours."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.helpers.colab", path, cells, host, folder]
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent), "MPLBACKEND": "agg", "DGRL_SMALL": "1"}
    for name in ("IPYTHONDIR", "MPLCONFIGDIR"):
        environment[name] = str(folder / name.lower())
    return subprocess.run(
        list(map(str, command)), cwd=FOLDER.parent, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("host", ["colab", "kaggle"])
def test_the_first_cells_install_what_a_host_lacks(tmp_path: Path, host: str) -> None:
    """Without `input()`: `stdin` is closed."""
    done = first_cells(FOLDER / "explore.ipynb", host, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert (tmp_path / "pip").read_text() == f"dgrl[{EXTRAS}] @ git+{REPOSITORY}\n"
    assert "GPU: none" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_starts_on_colab(tmp_path: Path, path: Path) -> None:
    done = first_cells(path, "colab", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]


def test_a_kernel_without_dgrl_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = first_cells(FOLDER / "explore.ipynb", "elsewhere", tmp_path, cells=1)
    assert done.returncode != 0
    said = done.stderr + done.stdout
    assert "This kernel has no DGRL: run `make app`" in said
    assert "Traceback" not in said
    assert not (tmp_path / "pip").exists()


def test_installing_the_extras_adds_the_packages_that_hosts_lack() -> None:
    extras = set(EXTRAS.split(","))
    needed = set(LACKING.values()) - {"gradio"}  # the app's, which no notebook needs
    assert needed <= brought(extras)
    assert REPOSITORY in PROJECT.get("urls", {"Repository": REPOSITORY}).values()


def test_the_training_notebook_is_the_panel_on_a_folder_that_outlives_the_kernel() -> None:
    cells = code_cells(nbformat.read(FOLDER / "train.ipynb", as_version=4))
    assert [cell for cell in cells if "panel = TrainingPanel(folder, images, masks" in cell.source]
    assert [cell for cell in cells if 'if TRIAL else Path("runs/first")' in cell.source]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_share_their_first_cell_and_name_no_path_beside_them(path: Path) -> None:
    cells = code_cells(nbformat.read(path, as_version=4))
    assert cells[0].source == FIRST_CELL
    assert not [cell for cell in cells if re.search(r'Path\(["\']\.\.|\binput\(', cell.source)]
