"""Fixtures: the real app with a tiny random network, and clients of it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from PIL import Image

os.environ["GRADIO_HEARTBEAT_INTERVAL"] = "0.25"  # the end of a session is noticed at once
# Gradio takes the first port that is free, from this one on. Two test processes that looked at the same moment both
# took 7860, and the tests of one asked the other's server.
os.environ["GRADIO_SERVER_PORT"] = str(7860 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))
# A server that stops deletes its files, which are named by their content. With a shared folder, another test process
# that showed the same drawn photos would delete the files of these tests.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="gradio-")

from dgrl import DGRL, Trace
from dgrl.app.server import AppServer, build
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture(scope="session", autouse=True)
def _no_files_stay() -> Iterator[None]:
    yield
    shutil.rmtree(os.environ["GRADIO_TEMP_DIR"])


@pytest.fixture(scope="session")
def network() -> DGRL:
    return filled(DGRL(TINY))


@pytest.fixture(scope="session")
def photo_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return two drawn photographs, wide and high."""
    folder = tmp_path_factory.mktemp("photos")
    files = {}
    for seed, (name, size) in enumerate({"wide": (120, 200), "high": (210, 140)}.items()):
        files[name] = folder / f"{name}.png"
        Image.fromarray(draw_photo(*size, seed=seed)[0]).save(files[name])
    return files


@pytest.fixture(scope="session")
def mask_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return their ground truth."""
    folder = tmp_path_factory.mktemp("masks")
    files = {}
    for seed, (name, size) in enumerate({"wide": (120, 200), "high": (210, 140)}.items()):
        files[name] = folder / f"{name}_mask.png"
        Image.fromarray(draw_photo(*size, seed=seed)[1]).save(files[name])
    return files


@pytest.fixture
def new_photo(tmp_path: Path) -> Path:
    """Return a photograph that no other test has sent to the app."""
    path = tmp_path / "new.png"
    seed = int.from_bytes(os.urandom(4), "big")
    Image.fromarray(draw_photo(100, 130, seed=seed)[0]).save(path)
    return path


@pytest.fixture(scope="session")
def wide_trace(network: DGRL, photo_files: dict[str, Path]) -> Trace:
    return network.trace(photo_files["wide"])


def page_folder(folder: Path) -> Path:
    """Write a page with one module, in place of the real page."""
    (folder / "index.html").write_text('<html><head><script type="module" src="./main.js"></script></head></html>')
    (folder / "main.js").write_text("export const one = 1;\n")
    return folder


@dataclass
class Served:
    """A running app.

    Attributes:
        app: the server object.
        url: its address.
        network: its network.
        passes: one entry for each run of RLN since the start.
        refinements: one entry for each run of BRN.
    """

    app: AppServer
    url: str
    network: DGRL
    passes: list[int]
    refinements: list[int]


@pytest.fixture(scope="session")
def served(network: DGRL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    passes: list[int] = []
    refinements: list[int] = []
    # conv1 runs once in every pass of every endpoint; explanations skip earlier heads (`RLN.last`), but not conv1.
    counting = [
        part.register_forward_hook(lambda *_, runs=runs: runs.append(len(runs)))
        for part, runs in ((network.rln.backbone.conv1, passes), (network.brn, refinements))
    ]
    folder = page_folder(tmp_path_factory.mktemp("page"))
    app = build(
        {"tiny": network, "other": filled(DGRL(replace(TINY, context=False, kernel_size=3, steps=1)))},
        precision="fp32",
        folder=folder,
    )
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True)
    yield Served(app, url, network, passes, refinements)
    app.get_blocks().close()
    for hook in counting:
        hook.remove()


def connect(url: str) -> Client:
    """Return a client with a long timeout, because the machine may be busy."""
    return Client(url, verbose=False, httpx_kwargs={"timeout": 60})


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Client]:
    connected = connect(served.url)
    yield connected
    connected.close()


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    """Return a client for raw requests."""
    with httpx.Client(base_url=f"{served.url}gradio_api/", timeout=60) as client:
        yield client
