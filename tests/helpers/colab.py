"""Run first cells of a notebook as on Colab or Kaggle: `python -m tests.helpers.colab NOTEBOOK CELLS HOST FOLDER`.

Modules that Colab lacks cannot be imported until the cell has called pip. This pip is a fake, which writes its
arguments to FOLDER/pip. After that, the modules that the named extras of DGRL install can be imported.
"""

import os
import re
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import nbformat
from packaging.requirements import Requirement

from tests.helpers.project import EXTRAS, REQUIREMENTS

LACKING = {
    "accelerate": "accelerate",
    "anywidget": "anywidget",
    "captum": "captum",
    "gradio": "gradio",
    "pillow_heif": "pillow-heif",
    "py_sod_metrics": "pysodmetrics",
    "pymatting": "pymatting",
    "timm": "timm",
}
"""Modules that Colab or Kaggle does not have, or not always, and the distributions that bring them."""
FAKE_PIP = "import pathlib, sys\nwith pathlib.Path(r'{}').open('a') as file:\n    file.write(sys.argv[-1] + '\\n')\n"


def brought(extras: set[str]) -> set[str]:
    """Return the lower-case names of the distributions that DGRL with these extras installs."""
    result: set[str] = set()
    waiting = [*REQUIREMENTS, *(word for extra in extras for word in EXTRAS.get(extra, []))]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name == "dgrl":
            waiting += [word for extra in requirement.extras for word in EXTRAS[extra]]
        result.add(requirement.name.lower())
    return result


class Lacking:
    """A finder of modules that does not find what is not installed."""

    def __init__(self, finder: Any, note: Path) -> None:
        self.finder = finder
        self.note = note

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        module = name.partition(".")[0]
        if module == "dgrl" or module in LACKING:
            note = self.note.read_text() if self.note.is_file() else ""
            extras = re.search(r"dgrl\[([\w,]+)\] @ git\+https://", note)
            if extras is None or (module != "dgrl" and LACKING[module] not in brought(set(extras[1].split(",")))):
                return None
        return self.finder.find_spec(name, path, target)


def main(notebook: str, cells: str, host: str, folder: str) -> None:
    note = Path(folder, "pip")
    fake = Path(folder, "fake", "pip")
    fake.mkdir(parents=True)
    (fake / "__init__.py").touch()
    (fake / "__main__.py").write_text(FAKE_PIP.format(note))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(fake.parent), os.environ.get("PYTHONPATH", "")])
    if host == "colab":
        sys.modules["google.colab"] = module_from_spec(ModuleSpec("google.colab", None))
    if host == "kaggle":
        os.environ["KAGGLE_KERNEL_RUN_TYPE"] = "Interactive"
    source = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    from IPython.core.interactiveshell import InteractiveShell

    sys.meta_path[:] = [Lacking(finder, note) for finder in sys.meta_path]
    os.chdir(folder)

    class Shell(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            pass

    shell = Shell.instance()
    for cell in source[: int(cells)]:
        shell.run_cell(cell).raise_error()


if __name__ == "__main__":
    main(*sys.argv[1:])
