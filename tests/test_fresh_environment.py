"""The wheel in environments that have nothing but what it names: the core, and the extra `app`, outside the repository.

No package index is asked: each environment links the packages of this one that the metadata of the wheel leads to.
"""

import contextlib
import email
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from packaging.requirements import Requirement
from PIL import Image

from tests.test_repository import canonical
from tests.test_wheel import PIP, wheel  # noqa: F401

pytestmark = pytest.mark.slow
# ruff: noqa: F811
PATIENCE = 600


def distributions_of(wheel: Path, extras: tuple[str, ...]) -> dict[str, importlib.metadata.Distribution]:
    """Return the installed distributions that pip would install with the wheel, by name."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    asked = {("dgrl", extra) for extra in ("", *extras)}
    requirements: dict[str, list[str]] = {"dgrl": metadata.get_all("Requires-Dist", [])}
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = list(asked)
    while waiting:
        package, extra = waiting.pop()
        for requirement in map(Requirement, requirements[package]):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            name = canonical(requirement.name)
            if name not in requirements:
                found[name] = importlib.metadata.distribution(requirement.name)
                requirements[name] = found[name].requires or []
            new = {(name, extra) for extra in ("", *requirement.extras)} - asked
            asked |= new
            waiting += new
    return found


def environment(folder: Path, wheel: Path, *extras: str) -> Path:
    """Make an environment with the wheel's dependencies and no other package; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "venv"], cwd=folder, check=True)
    for distribution in distributions_of(wheel, extras).values():
        for top in {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}:
            if not (packages_of(folder) / top).exists():
                (packages_of(folder) / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    return folder / "venv" / "bin" / "python"


def packages_of(folder: Path) -> Path:
    """Return the folder of an environment's packages."""
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    return packages


def install(wheel: Path, place: Path) -> None:
    """Do what `pip install --target PLACE WHEEL` does where the dependencies are there."""
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", "--target", str(place), str(wheel)], check=True)


def variables(folder: Path) -> dict[str, str]:
    """Return the variables of a user who has just installed DGRL, with an empty home."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


THREE_LINES = """
from dgrl import DGRL
model = DGRL.from_pretrained()
saliency = model.detect("cat.jpg")
print(saliency.shape, saliency.max() > 0.9)
"""


def test_the_core_detects(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path, wheel)
    install(wheel, packages_of(tmp_path))
    with zipfile.ZipFile(wheel) as archive:
        (tmp_path / "cat.jpg").write_bytes(archive.read("dgrl/examples/cat.jpg"))

    def run(*arguments: str) -> tuple[int, str, str]:
        command = [str(python), *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables(tmp_path), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    assert run("-c", THREE_LINES) == (0, "(300, 451) True\n", "")
    code, message, errors = run("-m", "dgrl", "detect", "cat.jpg")
    assert (code, message.partition(",")[0]) == (0, "dgrl-lite on cpu"), errors
    assert (tmp_path / "saliency" / "cat.png").is_file()
    assert run("-m", "dgrl", "app") == (1, "", "dgrl: this needs the package gradio: pip install 'dgrl[app]'\n")


def test_the_app_starts_with_its_extra(wheel: Path, tmp_path: Path) -> None:
    """With `--target`, which also puts the package in a folder of its own."""
    python = environment(tmp_path, wheel, "app")
    install(wheel, tmp_path / "target")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [str(python), "-m", "dgrl", "app", "--host", "127.0.0.1", "--port", str(port)]
    settings = variables(tmp_path) | {"PYTHONPATH": str(tmp_path / "target"), "GRADIO_ANALYTICS_ENABLED": "False"}
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=tmp_path, env=settings, stdout=output, stderr=output)
    try:
        until_healthy(address, process, log)
        with urllib.request.urlopen(address, timeout=PATIENCE) as page:
            assert "<title>DGRL" in page.read().decode()
        cat = files("dgrl") / "examples" / "cat.jpg"
        saliency, _, result = Client(address, verbose=False).predict(handle_file(str(cat)), api_name="/detect")
        with Image.open(saliency) as drawn:
            assert drawn.size == (451, 300)
        assert 0 < result["share"] < 1
    finally:
        process.terminate()
        process.wait(PATIENCE)


def until_healthy(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the app answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}health", timeout=PATIENCE) as answer:
            assert json.load(answer)["status"] == "ok"
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)
