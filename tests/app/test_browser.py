"""The app as a person uses it, in Debian's chromium."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dgrl import Trace
from dgrl.figures import number
from tests.app.conftest import Served, Visit, visit

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def upload(page: Page, photo: Path) -> None:
    """Give the app a photo and wait until every tab shows it."""
    page.get_by_role("tab", name="Detect").click()
    page.set_input_files("#photo input[type=file]", photo)
    expect(page.locator("#summary")).to_contain_text("One pass")
    expect(page.locator("#saliency img")).to_be_visible()


def click_at(page: Page, element: str, across: float, down: float) -> None:
    """Click in the picture of `element`, at a share of its width and height."""
    image = page.locator(f"{element} img")
    image.scroll_into_view_if_needed()
    # The element may be wider or higher than the picture drawn in it (object-fit: contain).
    drawn = image.evaluate(
        """img => {
          const scale = Math.min(img.clientWidth / img.naturalWidth, img.clientHeight / img.naturalHeight);
          return [img.clientWidth, img.clientHeight, img.naturalWidth * scale, img.naturalHeight * scale];
        }"""
    )
    width, height, drawn_width, drawn_height = drawn
    x = (width - drawn_width) / 2 + across * drawn_width
    y = (height - drawn_height) / 2 + down * drawn_height
    image.click(position={"x": x, "y": y})


def source_of(page: Page, element: str) -> str:
    return page.locator(f"{element} img").first.get_attribute("src") or ""


def assert_clean(seen: Visit) -> None:
    assert seen.errors == []
    assert seen.outside == [], "the page asked other machines for something"


@pytest.fixture
def seen(browser: Browser, served: Served) -> Iterator[Visit]:
    opened = visit(browser, served.url)
    yield opened
    opened.page.close()


def test_upload_walk_the_steps_click_a_pixel(
    seen: Visit, served: Served, photo_files: dict[str, Path], wide_trace: Trace
) -> None:
    page = seen.page
    start = time.monotonic()
    upload(page, photo_files["wide"])
    assert time.monotonic() - start < 30
    passes = len(served.passes)
    expect(page.locator("#cutout img")).to_be_visible()

    page.get_by_role("tab", name="Localise").click()
    expect(page.locator("#maps img")).to_have_count(15)
    for t in (1, 2):
        before = source_of(page, "#shown")
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#step").get_by_label(str(t))).to_be_checked()
        expect(page.locator("#shown img")).not_to_have_attribute("src", before)
        expect(page.locator("#values tr.chosen th")).to_have_text(f"t = {t}")

    click_at(page, "#shown", 0.25, 0.5)
    x, y = point_of(page.locator("#values caption"), near=(50, 60))
    shown = page.locator("#values tr.chosen td").nth(3).inner_text()
    saliency = wide_trace.steps[2].saliency
    row, column = (
        int((at + 0.5) * size / side) for at, size, side in zip((y, x), saliency.shape, (120, 200), strict=True)
    )
    around = saliency[row - 1 : row + 2, column - 1 : column + 2]
    assert around.min() - 0.001 <= float(shown) <= around.max() + 0.001

    page.get_by_role("tab", name="Refine").click()
    click_at(page, "#picked", 0.375, 0.75)
    expected = wide_trace.pixel(*point_of(page.locator("#kernel p"), near=(75, 90)))
    assert numbers_of(page, 0) == [number(value) for value in expected.coefficients.ravel()]
    assert numbers_of(page, 1) == [number(value) for value in expected.neighbours.ravel()]
    assert numbers_of(page, 2) == [number(value) for value in expected.foreground_products.ravel()]
    expect(page.locator("#kernel .arithmetic strong")).to_contain_text(f"= {expected.refined:.4f}")

    assert len(served.passes) == passes, "steps and clicks ran the network again"
    assert_clean(seen)


def numbers_of(page: Page, table: int) -> list[str]:
    """The cells of one of the kernel's tables, row by row."""
    return page.locator("#kernel table").nth(table).locator("td").all_inner_texts()


def point_of(element: Locator, near: tuple[int, int]) -> tuple[int, int]:
    """The photo's column and row that a text names, once it names those clicked; a click may miss by a pixel."""
    columns, rows = ("|".join(str(at + by) for by in (-1, 0, 1)) for at in near)
    pattern = re.compile(rf"[Cc]olumn ({columns}), row ({rows}) of the photo")
    expect(element).to_have_text(pattern)
    found = pattern.search(element.inner_text())
    assert found is not None
    return int(found.group(1)), int(found.group(2))


def test_play_walks_to_the_last_step_and_stops(seen: Visit, photo_files: dict[str, Path]) -> None:
    page = seen.page
    upload(page, photo_files["wide"])
    page.get_by_role("tab", name="Localise").click()
    expect(page.locator("#step input")).to_have_count(3)
    page.wait_for_timeout(2500)
    expect(page.locator("#step").get_by_label("0")).to_be_checked()  # nothing moves unasked
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#step").get_by_label("1")).to_be_checked()
    expect(page.locator("#step").get_by_label("2")).to_be_checked()
    page.wait_for_timeout(2500)
    expect(page.locator("#step").get_by_label("2")).to_be_checked()
    assert_clean(seen)


def test_the_number_of_steps_is_a_new_pass_for_every_tab(seen: Visit, served: Served, new_photo: Path) -> None:
    page = seen.page
    upload(page, new_photo)
    page.get_by_role("tab", name="Localise").click()
    expect(page.locator("#maps img")).to_have_count(15)
    passes = len(served.passes)
    page.get_by_role("radio", name="4", exact=True).first.check()
    expect(page.locator("#maps img")).to_have_count(25)
    expect(page.locator("#step input")).to_have_count(5)
    assert len(served.passes) == passes + 1
    page.locator("#maps img").nth(23).click()
    expect(page.locator("#step").get_by_label("4")).to_be_checked()
    expect(page.locator("#kind").get_by_label("prediction")).to_be_checked()
    page.get_by_role("tab", name="Detect").click()
    expect(page.locator("#summary")).to_contain_text("T = 4")
    assert len(served.passes) == passes + 1
    assert_clean(seen)


def test_a_pixel_can_be_asked_for_by_keyboard(seen: Visit, photo_files: dict[str, Path], wide_trace: Trace) -> None:
    page = seen.page
    upload(page, photo_files["wide"])
    page.get_by_role("tab", name="Refine").click()
    expect(page.locator("#picked img")).to_be_visible()
    page.locator("#pixel-x").get_by_label("Column x").fill("10")
    page.locator("#pixel-y").get_by_label("Row y").fill("20")
    page.locator("#pixel-y").get_by_label("Row y").press("Enter")
    expect(page.locator("#kernel .arithmetic strong")).to_contain_text(f"= {wide_trace.pixel(10, 20).refined:.4f}")
    assert_clean(seen)


def test_an_example_is_one_click(seen: Visit) -> None:
    seen.page.locator("button.gallery-item").first.click()
    expect(seen.page.locator("#summary")).to_contain_text("One pass")
    assert_clean(seen)


def test_a_bad_picture_gets_a_message_and_the_next_one_works(
    seen: Visit, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    bad = tmp_path / "words.png"
    bad.write_text("these are words")
    seen.page.set_input_files("#photo input[type=file]", bad)
    expect(seen.page.get_by_test_id("toast-body")).to_contain_text("words.png: this is not a picture")
    seen.page.get_by_test_id("toast-close").click()
    seen.page.get_by_label("Clear").first.click()
    upload(seen.page, photo_files["wide"])
    assert seen.outside == []


def test_two_visitors_see_their_own_pictures(
    browser: Browser, served: Served, photo_files: dict[str, Path], wide_trace: Trace
) -> None:
    high_trace = served.network.trace(photo_files["high"])
    visits = {"wide": visit(browser, served.url), "high": visit(browser, served.url)}
    for name, seen in visits.items():
        upload(seen.page, photo_files[name])
    for name, trace in (("wide", wide_trace), ("high", high_trace)):
        page = visits[name].page
        page.get_by_role("tab", name="Refine").click()
        click_at(page, "#picked", 0.5, 0.5)
        height, width = trace.photo.shape[:2]
        x, y = point_of(page.locator("#kernel p"), near=(width // 2, height // 2))
        expected = f"= {trace.pixel(x, y).refined:.4f}"
        expect(page.locator("#kernel .arithmetic strong")).to_contain_text(expected)
        assert_clean(visits[name])
        page.close()


def test_a_phone_shows_every_tab_without_sweeping_sideways(
    browser: Browser, served: Served, photo_files: dict[str, Path]
) -> None:
    seen = visit(browser, served.url, 390, 844)
    upload(seen.page, photo_files["wide"])
    for tab, last in (("Detect", "#cutout img"), ("Localise", "#shown img"), ("Refine", "#picked img")):
        seen.page.get_by_role("tab", name=tab).click()
        expect(seen.page.locator(last)).to_be_visible()
        seen.page.wait_for_timeout(300)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390, tab
    seen.page.close()


def test_every_control_has_a_name(seen: Visit, photo_files: dict[str, Path]) -> None:
    upload(seen.page, photo_files["wide"])
    for tab in ("Detect", "Localise", "Refine"):
        seen.page.get_by_role("tab", name=tab).click()
        seen.page.wait_for_timeout(500)
        nameless = seen.page.evaluate(
            """() => [...document.querySelectorAll('input, select, textarea')].filter(e => e.offsetParent)
              .filter(e => !(e.labels?.length || e.ariaLabel || e.getAttribute('aria-labelledby') || e.title))
              .map(e => e.outerHTML)"""
        )
        assert nameless == [], tab
