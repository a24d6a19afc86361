"""The page, built and served; a browser that notes what it asks for."""

import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from dgrl import DGRL
from tests.helpers.networks import TINY, draw_photo, filled

SMALL = replace(TINY, backbone="test_resnet", feedback="attended", steps=1)
Visit = Callable[..., Page]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Site:
    """A folder on a server that can go away.

    Attributes:
        url: its address; localhost counts as safe, so that service workers work.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = ThreadingHTTPServer(("localhost", 0), functools.partial(Quiet, directory=str(folder)))
        self.url = f"http://localhost:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def built(folder: Path, weights: Path, exact: bool) -> Path:
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    from web import build

    if not build.RUNTIME.is_dir():
        pytest.skip("onnxruntime-web is not there: npm ci")
    build.build(folder, str(weights), exact)
    return folder


@pytest.fixture(scope="session")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> tuple[DGRL, Path]:
    """A tiny network with attended feedback, and its checkpoint."""
    network, folder = filled(DGRL(SMALL)), tmp_path_factory.mktemp("weights")
    network.save_pretrained(folder)
    return network, folder


@pytest.fixture(scope="session")
def small_page(small_network: tuple[DGRL, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the tiny network, in float32."""
    return built(tmp_path_factory.mktemp("page") / "dist", small_network[1], exact=True)


@pytest.fixture
def site(small_page: Path) -> Iterator[Site]:
    served = Site(small_page)
    yield served
    served.stop()


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(draw_photo(90, 120)[0]).save(path)
    return path


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens the page and waits until it has looked at its first photo; fails where it says an error."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def opened(site: Site, address: str = "", width: int = 1280, height: int = 720, scheme: str = "light") -> Page:
        size = {"width": width, "height": height}
        context = browser.new_context(viewport=size, has_touch=width < 500, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda said: trouble.append(said.text) if is_trouble(said) else None)
        page.goto(site.url + address)
        wait(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


def is_trouble(said: ConsoleMessage) -> bool:
    """An error, but for that of a test which tries to send something."""
    return said.type == "error" and "Content Security Policy" not in said.text


def wait(page: Page) -> None:
    """Until the pass of the first photo is there."""
    page.wait_for_selector("html[data-ready=yes]", timeout=240_000)


def shows(page: Page, slot: int, title: str) -> None:
    """Wait until a slot of the stage has the whole pass of a photo."""
    has = f"window.dgrl.passes[{slot}]?.header.title === '{title}' && window.dgrl.passes[{slot}].arrays['brn.round1']"
    page.wait_for_function(f"() => !!({has})")


def copied(folder: Path, to: Path) -> Path:
    """A page that a test may take away."""
    shutil.copytree(folder, to)
    return to
