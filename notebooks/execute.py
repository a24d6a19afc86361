"""Run notebooks from top to bottom and keep their outputs: `python -m notebooks.execute [NOTEBOOK...]`, all by default.

What is kept is what a reader sees before running anything, on GitHub too: of a widget its picture, not a dead view.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from dgrl.figures.notebook import VIEW as WIDGET_VIEW
from notebooks.first_cell import FIRST_CELL

FOLDER = Path(__file__).parent
TIMEOUT = 1800


def execute(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with fresh outputs, ready to be committed.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    first.source = FIRST_CELL
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = as_seen(cell.outputs)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
            output.pop("transient", None)
    notebook.metadata.pop("widgets", None)
    return notebook


def as_seen(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join what a cell printed in pieces, without the states that a progress bar wrote over."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            lines = output.text.replace("\r\n", "\n").split("\n")
            output.text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return [output for output in joined if output.output_type != "stream" or output.text]


def main() -> None:
    """Execute the notebooks named on the command line, in place."""
    for path in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(execute(path), path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
