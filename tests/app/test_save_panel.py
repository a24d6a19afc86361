"""The page's Save panel: what a click saves is what the library computes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright")
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from dgrl import DGRL
from dgrl.app import build
from dgrl.images import to_grey
from dgrl.images.marking import is_marked

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, network: DGRL, photo_files: dict[str, Path]) -> Iterator[Page]:
    app = build({"tiny": network}, [photo_files["wide"]], precision="fp32")
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
    opened = browser.new_page()
    opened.set_default_timeout(60_000)
    opened.goto(address)
    opened.wait_for_function("window.dgrl?.scene")
    opened.evaluate("dgrl.idle()")
    yield opened
    opened.close()
    app.get_blocks().close()


def saved(page: Page, kind: str, path: Path) -> np.ndarray:
    with page.expect_download() as download:
        page.get_by_test_id(f"save-{kind}").click()
    download.value.save_as(path)
    assert is_marked(path)
    with Image.open(path) as picture:
        return np.asarray(picture, int)


def test_fine_edges_are_those_of_matting(
    page: Page, network: DGRL, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    photo = photo_files["wide"]
    plain, matted = (np.asarray(to_grey(network.detect(photo, matting=matting)), int) for matting in (False, True))
    assert np.abs(plain - matted).max() > 5
    page.get_by_test_id("save").click()
    assert np.abs(saved(page, "map", tmp_path / "map.png") - plain).max() <= 2
    page.get_by_text("Fine edges").click()
    assert np.abs(saved(page, "map", tmp_path / "fine.png") - matted).max() <= 2
    assert np.abs(saved(page, "cutout", tmp_path / "cutout.png")[..., 3] - matted).max() <= 2
    expect(page.get_by_text("Saved.")).to_be_visible()
