"""A tiny random network behind the real app, a client of its API, and a browser."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from gradio import Blocks
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Browser, Page

os.environ["GRADIO_HEARTBEAT_INTERVAL"] = "0.25"  # a visitor who leaves is noticed at once
# A server that stops deletes the files it made, and they are named by their content: another one on this machine that
# was shown the same drawn photos would delete those of these tests.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="gradio-")

from dgrl import DGRL, Trace
from dgrl.app import build, launch_settings
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
    """Two drawn photographs, wide and high."""
    folder = tmp_path_factory.mktemp("photos")
    files = {}
    for seed, (name, size) in enumerate({"wide": (120, 200), "high": (210, 140)}.items()):
        files[name] = folder / f"{name}.png"
        Image.fromarray(draw_photo(*size, seed=seed)[0]).save(files[name])
    return files


@pytest.fixture(scope="session")
def mask_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Their ground truth."""
    folder = tmp_path_factory.mktemp("masks")
    files = {}
    for seed, (name, size) in enumerate({"wide": (120, 200), "high": (210, 140)}.items()):
        files[name] = folder / f"{name}_mask.png"
        Image.fromarray(draw_photo(*size, seed=seed)[1]).save(files[name])
    return files


@pytest.fixture
def new_photo(tmp_path: Path) -> Path:
    """A photograph that no other test has shown to the app."""
    path = tmp_path / "new.png"
    seed = int.from_bytes(os.urandom(4), "big")
    Image.fromarray(draw_photo(100, 130, seed=seed)[0]).save(path)
    return path


@pytest.fixture(scope="session")
def wide_trace(network: DGRL, photo_files: dict[str, Path]) -> Trace:
    return network.trace(photo_files["wide"])


@dataclass
class Served:
    """A running app.

    Attributes:
        app: the app itself.
        url: its address.
        network: the network behind it.
        passes: one entry for each time that RLN has run since the start.
        refinements: the same for BRN.
    """

    app: Blocks
    url: str
    network: DGRL
    passes: list[int]
    refinements: list[int]


@pytest.fixture(scope="session")
def served(network: DGRL) -> Iterator[Served]:
    passes: list[int] = []
    refinements: list[int] = []
    # conv1 runs once in every pass, whoever asks for it: explanations ask for the last step alone (`RLN.last`).
    counting = [
        part.register_forward_hook(lambda *_, runs=runs: runs.append(len(runs)))
        for part, runs in ((network.rln.backbone.conv1, passes), (network.brn, refinements))
    ]
    app = build(
        {"tiny": network, "other": filled(DGRL(replace(TINY, context=False, kernel_size=3, steps=1)))}, precision="fp32"
    )
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield Served(app, url, network, passes, refinements)
    app.close()
    for hook in counting:
        hook.remove()


def connect(url: str) -> Client:
    """A client that waits a while: the machine may be busy."""
    return Client(url, verbose=False, httpx_kwargs={"timeout": 60})


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Client]:
    connected = connect(served.url)
    yield connected
    connected.close()


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    """Whoever writes requests by hand."""
    with httpx.Client(base_url=f"{served.url}gradio_api/", timeout=60) as client:
        yield client


@dataclass
class Visit:
    """A page, and what went wrong on it."""

    page: Page
    errors: list[str]
    outside: list[str]


def visit(browser: Browser, url: str, width: int = 1280, height: int = 900) -> Visit:
    """Open the app in a browser of its own; console errors and requests to other machines are noted."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(60_000)
    seen = Visit(page, [], [])
    page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    local = (url.partition("?")[0], "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(local) else seen.outside.append(request.url))
    page.goto(url)
    page.get_by_role("tab", name="Detect").wait_for()
    return seen
