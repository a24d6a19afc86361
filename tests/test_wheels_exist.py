"""Every dependency has a wheel for each Python that the metadata names. It asks the package index: `make wheels`.

By uv: it reads metadata alone, and evaluates markers for the other Python, where pip takes the one that runs it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.project import PROJECT, with_extras

PYTHONS = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))


@pytest.mark.skipif("DGRL_INDEX" not in os.environ, reason="it asks the package index; `make wheels` runs it")
@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_has_a_wheel(python: str, tmp_path: Path):
    requirements = [str(requirement) for requirement in with_extras("all").values()]
    (tmp_path / "requirements.in").write_text("\n".join(requirements))
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--only-binary", ":all:"]
    command += ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28", "requirements.in"]
    subprocess.run(command, cwd=tmp_path, check=True)
