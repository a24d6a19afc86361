"""The static page, built and served, and a browser that records errors."""

import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from dgrl import DGRL
from dgrl.checkpoint import SHIPPED_WEIGHTS
from tests.helpers.networks import TINY, draw_photo, filled

SMALL = replace(TINY, backbone="test_resnet", feedback="attended", steps=1)
Visit = Callable[..., Page]
STARTED = "() => !!window.dgrl"
KEPT = """async (count) => {
  for (let kept = 0; kept < count; ) {
    await new Promise((done) => setTimeout(done, 100));
    const [name] = await caches.keys();
    kept = name ? (await (await caches.open(name)).keys()).length : 0;
  }
}"""
"""Resolves when the service worker has cached this many files."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without logging; files can be held back until the test sets `free`."""

    held: tuple[str, ...] = ()
    free = threading.Event()
    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        """Write no log."""

    def do_GET(self) -> None:
        """Send the file, once it is no longer held back."""
        self.asked.append(self.path)
        if self.path.endswith(self.held):
            self.free.wait(60)
        super().do_GET()


class Site:
    """A folder on a server that can be stopped.

    Attributes:
        url: its address, on localhost, where browsers allow service workers.
        free: set it to release files whose names end with one of `held`.
        asked: paths of the requested files.
    """

    def __init__(self, folder: Path, held: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.free = threading.Event()
        self.asked: list[str] = []
        handler = type("Handler", (Quiet,), {"held": held, "free": self.free, "asked": self.asked})
        self.server = ThreadingHTTPServer(("localhost", 0), functools.partial(handler, directory=str(folder)))
        self.url = f"http://localhost:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop the server."""
        self.free.set()
        self.server.shutdown()
        self.server.server_close()


def build_page(folder: Path, weights: Path | str, exact: bool) -> Path:
    """Build the page of a checkpoint."""
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    from web import build

    if not build.RUNTIME.is_dir():
        pytest.skip("onnxruntime-web is not installed: npm ci")
    build.build(folder, str(weights), exact)
    return folder


@pytest.fixture(scope="session")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> tuple[DGRL, Path]:
    """Return a tiny network with attended feedback, and its checkpoint."""
    network, folder = filled(DGRL(SMALL)), tmp_path_factory.mktemp("weights")
    network.save_pretrained(folder)
    return network, folder


@pytest.fixture(scope="session")
def small_page(small_network: tuple[DGRL, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the tiny network, in float32."""
    return build_page(tmp_path_factory.mktemp("page") / "dist", small_network[1], exact=True)


@pytest.fixture(scope="session")
def shipped_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the shipped network, as `make web` builds it."""
    return build_page(tmp_path_factory.mktemp("shipped") / "dist", SHIPPED_WEIGHTS, exact=False)


@pytest.fixture
def site(small_page: Path) -> Iterator[Site]:
    served = Site(small_page)
    yield served
    served.stop()


@pytest.fixture
def png(tmp_path: Path) -> Path:
    """Return a drawn photo of 120×90 pixels."""
    path = tmp_path / "drawn.png"
    Image.fromarray(draw_photo(90, 120)[0]).save(path)
    return path


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Return a function that opens the page and waits for its first computed pass; errors in the page fail the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opened(
        site: Site, address: str = "", size: tuple[int, int] = (1280, 720), scheme: str = "light", ready: bool = True
    ) -> Page:
        view: Any = {"width": size[0], "height": size[1]}
        context = browser.new_context(viewport=view, has_touch=size[0] < 500, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(f"{message.text} {message.location}") if is_error(message) else None,
        )
        page.goto(site.url + address)
        page.wait_for_function(STARTED)
        if ready:
            wait(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def is_error(message: ConsoleMessage) -> bool:
    """Say whether a console message is an error, except where the content security policy blocks a test's request."""
    return message.type == "error" and "Content Security Policy" not in message.text


def wait(page: Page) -> None:
    """Wait until the page has started and is idle."""
    page.wait_for_function(STARTED, timeout=60_000)
    page.evaluate("window.dgrl.idle()")


def values(page: Page) -> list[dict[str, Any]]:
    """Return what the stage shows."""
    shown: list[dict[str, Any]] = page.evaluate("window.dgrl.values()")
    return shown


def upload(page: Page, photo: Path) -> None:
    """Choose a photo in the page's dialog."""
    page.get_by_test_id("photos").click()
    page.get_by_test_id("upload").set_input_files(photo)
    page.wait_for_function(f"() => window.dgrl.scene().slots[0].photo === '{photo.stem}'")


def copy_of(folder: Path, to: Path) -> Path:
    """Return a copy of a page that a test may change."""
    shutil.copytree(folder, to)
    return to
