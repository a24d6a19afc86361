"""Every dependency has a wheel for each Python that the metadata names. It asks the package index: `make wheels`."""

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
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--only-binary", ":all:", "--python-version", python, "--target", str(tmp_path)]
    subprocess.run([*command, *requirements], check=True)
