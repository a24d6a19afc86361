"""The app offers the right checkpoints, and starts from the command line and in a Hugging Face Space."""

import importlib.metadata
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest
from gradio_client import handle_file
from huggingface_hub.repocard import metadata_load
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from PIL import Image

import dgrl.app
import dgrl.app.launching
from dgrl import DGRL, CheckpointError
from dgrl.app import checkpoints, load
from dgrl.app.files import PREFIX
from tests.app.conftest import connect
from tests.test_repository import space_requirements

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkpoint(network: DGRL, tmp_path: Path) -> Path:
    folder = tmp_path / "one" / "tiny"
    network.save_pretrained(folder)
    return folder


def test_named_weights_come_first_then_the_environment_s_then_the_repository_s(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, older = tmp_path / "weights" / "shipped", tmp_path / "weights" / "older"
    for folder in (shipped, older):
        folder.mkdir(parents=True)
        (folder / "config.json").touch()
    (tmp_path / "weights" / "no checkpoint").mkdir()
    monkeypatch.setattr(dgrl.app.launching, "SHIPPED_WEIGHTS", shipped)
    monkeypatch.setenv("DGRL_CHECKPOINTS", f"someone/from-the-hub, {checkpoint},")
    assert checkpoints([checkpoint, checkpoint]) == [str(checkpoint), "someone/from-the-hub", str(shipped), str(older)]


def test_networks_are_named_by_their_folders(checkpoint: Path, network: DGRL) -> None:
    other = checkpoint.parents[1] / "two" / "tiny"
    network.save_pretrained(other)
    assert list(load([str(checkpoint), str(other)], "cpu")) == ["tiny", str(other)]


def test_a_folder_that_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load([str(tmp_path)], "cpu")


def address_of(server: "subprocess.Popen[str]") -> str:
    """Return the address that the app prints when it is ready."""
    assert server.stdout is not None
    printed = ""
    deadline = time.monotonic() + 180
    while (result := re.search(r"http://[\d.]+:\d+", printed)) is None:
        assert server.poll() is None, f"the app ended: {printed}"
        assert time.monotonic() < deadline, f"no address after three minutes: {printed}"
        printed += server.stdout.readline()
    return result.group()


def session_files_of(folder: Path) -> list[Path]:
    """Return the files that an app stores for its sessions."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.slow
def test_the_app_prints_its_address_answers_and_leaves_no_file(checkpoint: Path, photo_files: dict[str, Path]) -> None:
    """A killed app leaves files; the next start deletes them; a normal end leaves none."""
    folder = checkpoint / "files"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": str(folder)}
    environment.pop("GRADIO_SERVER_PORT", None)
    command = [sys.executable, "-m", "dgrl", "app", "--weights", str(checkpoint)]
    abandoned: list[Path] = []
    for end in ("kill", "terminate"):
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                address = address_of(server)
                with urllib.request.urlopen(address, timeout=60) as answer:
                    assert b"DGRL" in answer.read()
                assert not any(path.exists() for path in abandoned)
                client = connect(address)
                client.predict(handle_file(photo_files["wide"]), api_name="/detect")
                abandoned = session_files_of(folder)
                assert {"wide.png", "wide_cutout.png"} <= {path.name for path in abandoned}
            finally:
                getattr(server, end)()  # while the client is still connected
            assert server.wait(60) == (0 if end == "terminate" else -signal.SIGKILL)
        client.close()
        assert bool(session_files_of(folder)) == (end == "kill")
    assert list(folder.glob(f"{PREFIX}*")) == []


@pytest.mark.slow
def test_it_stops_in_five_seconds_and_a_log_file_has_its_address_at_once(
    checkpoint: Path, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "dgrl", "app", "--weights", str(checkpoint), "--host", "127.0.0.1"]
    command += ["--port", str(free_port()), "--root-path", "/dgrl"]
    with log.open("w") as written, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=written) as server:
        try:
            deadline = time.monotonic() + 180
            while (result := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is None:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            address = result.group()
            page = httpx.get(address, timeout=60).text
            assert '"root": "/dgrl/"' in page
            assert 'src="/dgrl/page/' in page
            with (
                httpx.Client(base_url=address, timeout=60) as client,
                client.stream("GET", "/gradio_api/heartbeat/ann"),
            ):
                uploaded = client.post("/photos", content=photo_files["wide"].read_bytes()).json()
                question = {"target": "object", "method": "integrated_gradients"}
                body = {"request": {"photo": uploaded["id"]}, "question": question}
                with client.stream("POST", "/explain", json=body) as explanation:
                    next(explanation.iter_lines())
                    server.terminate()
                    start = time.monotonic()
                    assert server.wait(20) == 0
                    assert time.monotonic() - start < 5
        finally:
            server.kill()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def space(tmp_path: Path) -> tuple[Path, Path]:
    """Return a Space's folders: a copy of the repository's files, and the packages of requirements.txt."""
    repository, packages = tmp_path / "space", tmp_path / "packages"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("git cannot say which files are the repository's")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    packages.mkdir()
    needed, result = list(space_requirements()), set()
    while needed:
        requirement = Requirement(needed.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if (name, *requirement.extras) in result:
            continue
        result.add((name, *requirement.extras))
        distribution = importlib.metadata.distribution(name)
        for line in distribution.requires or []:
            marker = Requirement(line).marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
                needed.append(line)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    return repository, packages


@pytest.mark.slow
def test_a_space_starts_with_only_its_requirements(space: tuple[Path, Path]) -> None:
    repository, packages = space
    assert not (packages / "pytest").exists()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DGRL_", "GRADIO_"))}
    environment |= {"GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(packages), "PYTHONUNBUFFERED": "1"}
    environment["GRADIO_TEMP_DIR"] = str(repository.parent / "files")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # -S: without the installed packages, which include this repository.
    command = [sys.executable, "-S", "app.py"]
    with subprocess.Popen(command, cwd=repository, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = address_of(server)
            assert address.endswith(f":{port}")
            client = connect(address)
            example = repository / "dgrl" / "examples" / "cat.jpg"
            checkpoint = "dgrl-lite"
            maps, _ = client.predict(handle_file(example), checkpoint=checkpoint, steps=0, api_name="/localise")
            assert Image.open(maps[0]["image"]).size == (800, 532)
            client.close()
            with urllib.request.urlopen(f"{address}/gradio_api/mcp/schema", timeout=60) as answer:
                assert json.load(answer), "without tools for agents the Space gets no badge"
        finally:
            server.terminate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time, so that a busy machine makes no difference. A start takes less than that on two idle cores.
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 40, f"starting and one answer took {spent:.0f} s of processor time"


def test_the_readme_has_the_settings_of_a_space() -> None:
    front = metadata_load(ROOT / "README.md")
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    required = {requirement.name: requirement.specifier for requirement in map(Requirement, space_requirements())}
    assert front["sdk_version"] in required["gradio"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = dict(re.findall(r'^(requires-python|license) = "(.+)"', project, re.MULTILINE))
    assert front["python_version"] in SpecifierSet(declared["requires-python"])
    assert front["license"] == declared["license"].lower()
    assert len(front["short_description"]) <= 60
    assert front["python_version"] in ("3.10.13", "3.12.12"), "ZeroGPU offers only these"
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {front["colorFrom"], front["colorTo"]} <= colours


def test_without_the_mcp_package_a_sentence_says_what_to_install(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'gradio\[mcp\]'"):
        dgrl.app.launch([checkpoint], mcp=True)
