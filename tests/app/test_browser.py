"""The app as a person uses it, in Debian's chromium."""

import re
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dgrl import Trace
from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import evaluate
from dgrl.evaluation.metrics import METRICS
from dgrl.figures import number
from tests.app.conftest import Served, Visit, visit

pytestmark = pytest.mark.browser
TABS = ("Detect", "Localise", "Refine", "What if", "Why", "Measure")
DESKTOP, PHONE = (1280, 900), (390, 844)
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
    # The element may be wider or higher than the picture drawn in it (object-fit: scale-down).
    drawn = image.evaluate(
        """img => {
          const scale = Math.min(1, img.clientWidth / img.naturalWidth, img.clientHeight / img.naturalHeight);
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
def seen(browser: Browser, served: Served, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit, on a desktop unless the test says otherwise."""
    opened = visit(browser, served.url, *getattr(request, "param", DESKTOP))
    yield opened
    opened.page.close()


@pytest.mark.parametrize("seen", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)
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

    page.get_by_role("tab", name="Localise").click()
    before = source_of(page, "#shown")
    slider = page.get_by_role("slider", name="Opacity of the map over the photo")
    slider.focus()
    slider.press("End")
    expect(page.locator("#shown img")).not_to_have_attribute("src", before)

    assert len(served.passes) == passes, "steps, clicks or sliders ran the network again"
    travelled = page.evaluate(
        """() => Promise.all([...document.querySelectorAll('.map img')].filter(image => image.currentSrc)
          .map(async image => [image.closest('.map').id, (await fetch(image.src)).headers.get('content-type')]))"""
    )
    # The one picture that is no map, and not lossless, is the photo itself under the slider.
    assert [kind for kind in travelled if kind[1] != "image/png"] == [["compared", "image/jpeg"]]
    assert len(travelled) > 20
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


def test_rln_s_maps_are_there_while_brn_computes(seen: Visit, served: Served, new_photo: Path) -> None:
    page = seen.page
    go_on = threading.Event()
    held = served.network.brn.register_forward_pre_hook(lambda *_: go_on.wait(60) and None)
    try:
        page.set_input_files("#photo input[type=file]", new_photo)
        expect(page.locator("#summary")).to_contain_text("BRN is refining")
        expect(page.locator("#saliency img")).to_be_visible()
        page.get_by_role("tab", name="Localise").click()
        expect(page.locator("#maps img")).to_have_count(15)
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#values tr.chosen th")).to_have_text("t = 1")
    finally:
        go_on.set()
        held.remove()
    page.get_by_role("tab", name="Detect").click()
    expect(page.locator("#summary")).to_contain_text("One pass")
    assert_clean(seen)


@pytest.mark.parametrize("seen", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)
def test_a_mask_is_measured_and_a_wrong_one_is_explained(
    seen: Visit, served: Served, photo_files: dict[str, Path], mask_files: dict[str, Path]
) -> None:
    page = seen.page
    upload(page, photo_files["wide"])
    passes = len(served.passes)
    page.get_by_role("tab", name="Measure").click()
    page.set_input_files("#mask input[type=file]", mask_files["high"])
    expect(page.locator("#scores")).to_contain_text("The mask has 140×210 pixels and the photo 200×120")
    page.locator("#mask").get_by_label("Remove Image").click()
    expect(page.locator("#scores")).to_contain_text("Give a mask")
    page.set_input_files("#mask input[type=file]", mask_files["wide"])
    expect(page.locator("#curve img")).to_have_attribute("alt", re.compile("t = 0: .*after BRN: "))
    pair = Pair(photo_files["wide"], mask_files["wide"])
    scores = evaluate(served.network, [pair], stretch=True).scores
    for row, metric in enumerate(METRICS):
        cells = page.locator("#scores tr").nth(row + 1).locator("td").all_inner_texts()
        assert [float(cell) for cell in cells] == pytest.approx([kind[metric] for kind in scores.values()], abs=2e-3)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the scores").click()
    assert download.value.suggested_filename == "wide_scores.csv"
    # `evaluate` above ran the network; the tab has not.
    assert len(served.passes) == passes + 1
    page.get_by_role("tab", name="Detect").click()
    page.locator("#photo").get_by_label("Remove Image").click()
    page.get_by_role("tab", name="Measure").click()
    expect(page.locator("#mask img")).to_have_count(0)  # a mask belongs to one photo
    assert_clean(seen)


def test_an_example_has_a_mask_to_try(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("tab", name="Measure").click()
    page.get_by_role("tabpanel").locator("tr.tr-body, button.gallery-item").last.click()
    expect(page.locator("#curve img")).to_be_visible()
    expect(page.locator("#mask img")).to_be_visible()
    expect(page.locator("#scores tr")).to_have_count(1 + len(METRICS))
    assert_clean(seen)


def test_everything_is_one_click(seen: Visit, photo_files: dict[str, Path]) -> None:
    upload(seen.page, photo_files["high"])
    with seen.page.expect_download(timeout=120_000) as download:
        seen.page.get_by_role("button", name="Download everything").click()
    assert download.value.suggested_filename == "high_dgrl.zip"
    with zipfile.ZipFile(download.value.path()) as packed:
        assert "high_dgrl/trace.npz" in packed.namelist()
    assert_clean(seen)


def test_a_link_restores_example_tab_step_level_and_pixel(browser: Browser, seen: Visit, served: Served) -> None:
    page = seen.page
    page.locator("button.gallery-item").nth(1).click()
    expect(page.locator("#summary")).to_contain_text("One pass")
    page.get_by_role("tab", name="Localise").click()
    expect(page.locator("#maps img")).to_have_count(15)
    page.locator("#maps img").nth(13).click()
    expect(page.locator("#values tr.chosen th")).to_have_text("t = 2")
    expect(page.locator("#kind").get_by_label("prediction")).to_be_checked()
    page.get_by_role("tab", name="Refine").click()
    page.locator("#pixel-x").get_by_label("Column x").fill("123")
    page.locator("#pixel-y").get_by_label("Row y").fill("45")
    page.locator("#pixel-y").get_by_label("Row y").press("Enter")
    expect(page.locator("#kernel")).to_contain_text("Column 123, row 45 of the photo")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#link textarea, #link input")).to_have_value(re.compile(r"^http.*x=123&y=45"))
    link = page.locator("#link textarea, #link input").input_value()
    assert link.startswith(served.url)
    assert_clean(seen)

    other = visit(browser, link)
    expect(other.page.get_by_role("tab", name="Refine")).to_have_attribute("aria-selected", "true")
    expect(other.page.locator("#kernel")).to_contain_text("Column 123, row 45 of the photo")
    assert other.page.locator("#kernel .arithmetic").inner_text() == page.locator("#kernel .arithmetic").inner_text()
    other.page.get_by_role("tab", name="Localise").click()
    expect(other.page.locator("#values tr.chosen th")).to_have_text("t = 2")
    expect(other.page.locator("#kind").get_by_label("prediction")).to_be_checked()
    expect(other.page.locator("#values caption")).to_contain_text("column 123, row 45")
    assert_clean(other)
    other.page.close()


def test_a_link_says_when_the_photo_stays_behind(seen: Visit, photo_files: dict[str, Path]) -> None:
    upload(seen.page, photo_files["wide"])
    seen.page.get_by_role("button", name="Copy link").click()
    expect(seen.page.locator("#link-note")).to_contain_text("not your photo")
    link = seen.page.locator("#link textarea, #link input").input_value()
    assert "wide" not in link
    assert "tab=detect" in link


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
    passes, refinements = len(served.passes), len(served.refinements)
    upload(page, new_photo)
    page.get_by_role("tab", name="Localise").click()
    expect(page.locator("#maps img")).to_have_count(15)
    assert (len(served.passes), len(served.refinements)) == (passes + 1, refinements + 1)
    page.get_by_role("radio", name="4", exact=True).first.check()
    expect(page.locator("#maps img")).to_have_count(25)
    expect(page.locator("#step input")).to_have_count(5)
    page.locator("#maps img").nth(23).click()
    expect(page.locator("#step").get_by_label("4")).to_be_checked()
    expect(page.locator("#kind").get_by_label("prediction")).to_be_checked()
    page.get_by_role("tab", name="Detect").click()
    expect(page.locator("#summary")).to_contain_text("T = 4")
    assert (len(served.passes), len(served.refinements)) == (passes + 2, refinements + 2)
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


def test_a_picture_fills_the_screen_and_clicks_still_land(seen: Visit, photo_files: dict[str, Path]) -> None:
    page = seen.page
    upload(page, photo_files["wide"])
    page.get_by_role("tab", name="Localise").click()
    expect(page.locator("#shown img")).to_be_visible()
    page.locator("#shown").get_by_label("Fullscreen").click()
    page.wait_for_function("document.querySelector('#shown img').clientHeight > 800")
    click_at(page, "#shown", 0.25, 0.5)
    point_of(page.locator("#values caption"), near=(50, 60))
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('#shown img').clientHeight < 500")
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
        seen.page.set_input_files("#photo input[type=file]", photo_files[name])
    for seen in visits.values():
        expect(seen.page.locator("#summary")).to_contain_text("One pass")
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
    seen = visit(browser, f"{served.url}?__theme=dark", *PHONE)
    upload(seen.page, photo_files["wide"])
    for tab in TABS:
        seen.page.get_by_role("tab", name=tab).click()
        seen.page.wait_for_timeout(300)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], tab
    seen.page.close()


def test_every_control_and_picture_has_a_name(seen: Visit, photo_files: dict[str, Path]) -> None:
    upload(seen.page, photo_files["wide"])
    for tab in TABS:
        seen.page.get_by_role("tab", name=tab).click()
        seen.page.wait_for_timeout(500)
        nameless = seen.page.evaluate(
            """() => [...document.querySelectorAll('input, select, textarea')].filter(e => e.offsetParent)
              .filter(e => !(e.labels?.length || e.ariaLabel || e.getAttribute('aria-labelledby') || e.title))
              .concat([...document.querySelectorAll('button, [role=tab]')].filter(e => e.offsetParent)
                .filter(e => !(e.ariaLabel || e.title || e.textContent.trim() || e.querySelector('img[alt]'))))
              .concat([...document.images].filter(e => e.offsetParent && !e.alt && !e.closest('button')))
              .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert nameless == [], tab


def test_tabs_can_be_opened_by_keyboard(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("tab", name="Detect").focus()
    for tab in TABS[1:]:
        page.keyboard.press("Tab")
        expect(page.get_by_role("tab", name=tab)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")


CONTROLS = {
    "Detect": {"Checkpoint", "Download the saliency map (PNG)", "Download the cut-out (PNG)", "raccoon"},
    "Localise": {
        "as trained", "◀ Back", "▶ Play", "Next ▶", "conv4", "Opacity of the map over the photo", "Column x", "Row y",
        "t = 0 · conv3", "The equations",
    },
    "Refine": {"Column x", "Row y", "Show its kernel", "All digits", "The equations"},
    "What if": {
        "Paint the found object", "conv3", "Strength of the painting", "every step", "Feedback into conv5, times",
        "as untouched", "as computed", "Run the altered pass", "Reset", "after BRN", "last",
    },
    "Why": {"one pixel", "Column x", "After BRN, instead of RLN", "Integrated Gradients", "Explain", "Stop"},
    "Measure": {"Stretch each map to [0, 1] first", "Download the scores (CSV)", "Download the figure (SVG)"},
}  # fmt: skip
FOCUSED = """() => {
  const it = document.activeElement, label = [...it.labels ?? []].map(label => label.innerText).join(' ');
  return it.tagName === 'BODY' ? null
    : [it.ariaLabel, label, it.innerText, it.querySelector('img')?.alt].filter(Boolean).join('|');
}"""


@pytest.mark.parametrize("tab", TABS)
def test_every_control_is_reached_by_keyboard(seen: Visit, photo_files: dict[str, Path], tab: str) -> None:
    page = seen.page
    upload(page, photo_files["wide"])
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(500)
    reached: list[str] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        name = page.evaluate(FOCUSED)
        if name is None:
            break
        reached.append(name)
    missing = {control for control in CONTROLS[tab] if not any(control in name for name in reached)}
    assert not missing, reached
    assert any("Download everything" in name for name in reached), "the focus is caught somewhere"
