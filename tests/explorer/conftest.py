"""Passes of photos of every shape, the page that shows them, and a browser."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from dgrl import DGRL, Trace
from dgrl.explorer import bundle, page
from dgrl.files import EXAMPLES
from tests.helpers.networks import TINY, draw_photo, filled

SHAPES = {"wide": (60, 200), "tall": (190, 70), "tiny": (3, 2), "single": (1, 1)}
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def tiny_network() -> DGRL:
    return filled(DGRL(TINY))


@pytest.fixture(scope="session")
def traces(tiny_network: DGRL, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    """By the photo's kind; "turned" lies on its side and says so in its EXIF data."""
    passes = {name: tiny_network.trace(draw_photo(*size, seed=len(name))[0]) for name, size in SHAPES.items()}
    path = tmp_path_factory.mktemp("turned") / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(draw_photo(80, 140, seed=3)[0]).save(path, exif=exif)
    passes["turned"] = tiny_network.trace(path)
    assert passes["turned"].photo.shape == (140, 80, 3)
    return passes


@pytest.fixture(scope="session")
def seven() -> Trace:
    """Of a network with 7×7 kernels, no CWM and one pass."""
    config = replace(TINY, kernel_size=7, context=False, steps=0)
    return filled(DGRL(config)).trace(draw_photo(90, 120)[0])


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a page of one trace or two from the disk; fails where it says an error or asks anybody for anything."""
    contexts, trouble = [], []

    def opened(*passes: Trace, width: int = 1280, height: int = 720, scheme: str = "light", **settings: object) -> Page:
        file = tmp_path / "page.html"
        file.write_text(page([bundle(trace, "photo", "found") for trace in passes], "photo", **settings), "utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, has_touch=width < 500
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        own = (file.as_uri(), "data:", "blob:")
        tab.on("request", lambda request: None if request.url.startswith(own) else trouble.append(request.url))
        tab.goto(file.as_uri())
        tab.wait_for_function("window.explorer")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


def settle(page: Page) -> None:
    """Wait until the browser has drawn what was asked for: the explorer draws with the next frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def places(trace: Trace) -> list[tuple[int, int]]:
    """Corners, sides, and some places in between."""
    height, width = trace.photo.shape[:2]
    random = np.random.default_rng(0)
    inside = zip(random.integers(0, width, 4), random.integers(0, height, 4), strict=True)
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    sides = [(width // 2, 0), (0, height // 2), (width - 1, height // 2), (width // 2, height - 1)]
    return [*corners, *sides, *((int(x), int(y)) for x, y in inside)]


@pytest.fixture(scope="session")
def big_trace() -> Trace:
    """Of a real photo and the network that ships: BRN's maps have 480×480 pixels."""
    return DGRL.from_pretrained().trace(EXAMPLES / "raccoon.jpg")
