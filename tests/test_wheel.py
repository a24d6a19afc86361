"""The wheel holds all that the package needs, and works wherever pip puts it."""

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from notebooks.first_cell import REPOSITORY

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, because building writes into the source folder."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
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
    """Return the output of Python with the installed package before the repository's own."""
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


def test_the_package_page_renders_without_front_matter(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = archive.read(name).decode()
    page = metadata.partition("\n\n")[2]
    assert page.startswith("# DGRL")
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", str(wheel)], check=True)


def test_the_metadata_names_authors_addresses_and_pythons(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Author"] == "The DGRL developers"
    assert f"Repository, {REPOSITORY}" in metadata.get_all("Project-URL", [])
    assert metadata["Keywords"]
    pythons = {f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)}
    assert pythons | {"Typing :: Typed"} <= set(metadata.get_all("Classifier", []))


CONSUMER = """
import io
from typing import assert_type

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl import DGRL, DGRLConfig, Trace
from dgrl.taps import flatten_map

model = DGRL.from_pretrained()
assert_type(model, DGRL)
assert_type(model.config, DGRLConfig)
assert_type(model.detect("photo.jpg"), NDArray[np.float32])
assert_type(model.detect(io.BytesIO(b""), box=(0, 0, 5, 5)), NDArray[np.float32])
assert_type(model.cut_out(b""), Image.Image)
trace = model.trace("photo.jpg", steps=3, edits=[flatten_map("conv5")])
assert_type(trace, Trace)
assert_type(trace.found_box(), tuple[int, int, int, int] | None)
model.detect(3)  # type: ignore[arg-type]  # an error, so it was understood
"""


@pytest.mark.slow
def test_the_library_ships_its_types(installed: Path, tmp_path: Path):
    """mypy runs in its own environment, because it uses an installed package's annotations only with `py.typed`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "venv"], cwd=tmp_path, check=True)
    (packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    (packages / "packages.pth").write_text(f"{installed}\n{sysconfig.get_path('purelib')}\n")
    (tmp_path / "consumer.py").write_text(CONSUMER)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "--python-executable"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    completed = subprocess.run(
        [*command, "venv/bin/python", "consumer.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout.startswith("Success"), completed.stdout
