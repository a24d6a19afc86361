"""Accessibility: axe finds nothing in any view or theme, present mode enlarges the stage, and the page fits phones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page

from dgrl import DGRL
from dgrl.app import build
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments import sizes_of
from dgrl.experiments.tour import tour

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"
VIEWS = ("explore", "change", "compare", "why", "measure", "batch", "tour")
STAGE = "(({ width, height }) => width * height)(document.querySelector('.stage .picture').getBoundingClientRect())"


@pytest.fixture(scope="module")
def url(network: DGRL) -> Iterator[str]:
    app = build({"tiny": network}, precision="fp32", experiments=tour(sizes_of(SHIPPED_WEIGHTS)))
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
    yield address
    app.get_blocks().close()


def opened(
    browser: Browser, url: str, scheme: Any = "light", width: int = 1280, height: int = 720, **settings: Any
) -> Page:
    size: Any = {"width": width, "height": height}
    page = browser.new_page(viewport=size, color_scheme=scheme, reduced_motion="reduce", **settings)
    page.set_default_timeout(60_000)
    page.goto(url)
    page.wait_for_function("window.dgrl?.scene")
    page.evaluate("dgrl.idle()")
    return page


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not there: npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_view(browser: Browser, url: str, scheme: str) -> None:
    page = opened(browser, url, scheme)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = {}
    for view in VIEWS:
        page.get_by_test_id(f"view-{view}").click()
        if view == "tour":
            page.get_by_test_id("tour-show").click()
        page.evaluate("dgrl.idle()")
        violations = page.evaluate("axe.run().then(({ violations }) => violations)")
        result |= {
            f"{view} {violation['id']}": [node["html"][:160] for node in violation["nodes"]] for violation in violations
        }
    page.close()
    assert result == {}


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_present_enlarges_the_stage_and_clips_nothing(browser: Browser, url: str, width: int, height: int) -> None:
    page = opened(browser, url, width=width, height=height)
    before = page.evaluate(STAGE)
    page.evaluate("dgrl.dispatch({ type: 'set', changes: { present: true } })")
    page.wait_for_function(f"{STAGE} > {1.2 * before}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    for part in (".header", ".stage .picture", ".details .found"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    page.close()


def test_a_phone_shows_the_result_first_and_the_camera_at_once(browser: Browser, url: str) -> None:
    page = opened(browser, url, width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("take-photo", "take-tour"):
        box = page.get_by_test_id(name).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844
    stage = page.locator(".stage .picture").first.bounding_box()
    assert stage is not None
    assert stage["y"] < 400
    assert stage["width"] > 300
    page.close()


def test_maps_appear_once(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="no-preference")
    page.goto(url)
    page.wait_for_selector(".pipeline.arriving")
    page.wait_for_selector(".pipeline:not(.arriving)")
    page.get_by_test_id("looks").get_by_role("radio").nth(3).check(force=True)
    page.evaluate("dgrl.idle()")
    look = page.locator(".pipeline .cell[data-map=prediction][data-step='3']")
    assert look.evaluate("cell => getComputedStyle(cell).animationName") == "none"
    page.close()


def test_the_selection_is_visible_in_forced_colours(browser: Browser, url: str) -> None:
    page = opened(browser, url, forced_colors="active")
    outline = "element => getComputedStyle(element).outlineStyle"
    for chosen, other in (
        ("[data-testid=view-explore]", "[data-testid=view-change]"),
        (".cell[aria-pressed=true]", ".cell[aria-pressed=false]"),
        ("[data-testid=looks] input:checked + span", "[data-testid=looks] input:not(:checked) + span"),
    ):
        assert page.locator(chosen).first.evaluate(outline) == "solid"
        assert page.locator(other).first.evaluate(outline) == "none"
    page.close()


def test_at_twice_the_size_nothing_leaves_the_page(browser: Browser, url: str) -> None:
    page = opened(browser, url, width=640, height=360)  # 1280x720 at 200 %
    for view in VIEWS:
        page.get_by_test_id(f"view-{view}").click()
        page.evaluate("dgrl.idle()")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    page.close()


def test_focus_stays_where_the_keyboard_left_it(browser: Browser, url: str) -> None:
    page = opened(browser, url)
    page.get_by_test_id("view-change").click()
    # A click may disable Undo or Redo; then the focus moves to the next enabled control of the three.
    for name, following in (("flatten-conv4", "flatten-conv4"), ("undo", "redo"), ("redo", "reset"), ("undo", "redo")):
        page.get_by_test_id(name).focus()
        page.keyboard.press("Enter")
        page.evaluate("dgrl.idle()")
        focused = page.evaluate("document.activeElement.dataset.testid ?? document.activeElement.tagName")
        assert focused == following, name
    page.get_by_test_id("view-tour").click()
    page.get_by_test_id("tour-show").focus()
    page.keyboard.press("Enter")
    page.evaluate("dgrl.idle()")
    assert page.evaluate("document.activeElement.closest('.tour') !== null"), "Show can be pressed once"
    page.close()
