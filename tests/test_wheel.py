"""The wheel holds all that the package needs, and works wherever pip puts it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because building writes into the source folder."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "dgrl", folder / "dgrl", ignore=shutil.ignore_patterns("__pycache__"))
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist", "."]
    subprocess.run(command, cwd=folder, check=True)
    return next((folder / "dist").glob("dgrl-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel)], check=True)
    return folder


def run(installed: Path, cwd: Path, *arguments: str) -> str:
    """What Python prints with the installed package before the repository's own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DGRL_")}
    environment |= {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_wheel_holds_every_file_of_the_package(wheel: Path):
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dgrl").rglob("*") if path.is_file()}
    expected = {name for name in expected if "__pycache__" not in name}
    assert "dgrl/weights/dgrl-lite/model.safetensors" in expected
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if name.startswith("dgrl/")} == expected


def test_the_default_checkpoint_and_examples_are_found_with_target(installed: Path, tmp_path: Path):
    code = """
import dgrl
from dgrl import DGRL
from dgrl.files import EXAMPLES

saliency = DGRL.from_pretrained().detect(EXAMPLES / "cat.jpg")
print(dgrl.__file__, EXAMPLES, saliency.shape, saliency.max() > 0.9, sep="|")
"""
    package = installed / "dgrl"
    expected = [str(package / "__init__.py"), str(package / "examples"), "(300, 451)", "True"]
    assert run(installed, tmp_path, "-c", code).strip().split("|") == expected


def test_the_program_detects_outside_the_repository(installed: Path, tmp_path: Path):
    shutil.copy(installed / "dgrl" / "examples" / "cat.jpg", tmp_path)
    assert run(installed, tmp_path, "-m", "dgrl", "detect", "cat.jpg").startswith("dgrl-lite on cpu")
    assert (tmp_path / "saliency" / "cat.png").is_file()
