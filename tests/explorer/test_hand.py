"""What a hand does in the explorer: pointer, keys, brush; and that it fits the screen and can be read."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page

from dgrl import DGRL, Trace
from dgrl.explorer.report import report_html
from dgrl.taps import paint_map
from tests.explorer.conftest import Open, settle

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
SCREENS = [(1280, 720), (1920, 1080), (390, 844), (768, 1024)]
SMALLEST = """() => Math.min(...[...document.querySelectorAll(".dgrl-explorer *")].filter((element) =>
  element.checkVisibility() && !element.closest("canvas, .unseen, [hidden]") &&
  [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && /[0-9]/.test(node.textContent)))
  .map((element) => parseFloat(getComputedStyle(element).fontSize)))"""


def state(tab: Page) -> dict:
    return tab.evaluate("explorer.state")


def at(tab: Page, across: float, down: float, frame: int = 0) -> tuple[float, float]:
    box = tab.locator(".frame").nth(frame).bounding_box()
    assert box is not None
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


@pytest.mark.parametrize("kind", ["wide", "tall"])
def test_the_pointer_shows_and_pins(show: Open, traces: dict[str, Trace], kind: str) -> None:
    tab, (height, width) = show(traces[kind]), traces[kind].photo.shape[:2]
    tab.evaluate("() => { window.pins = []; explorer.addEventListener('pin', ({ detail }) => pins.push(detail)); }")
    tab.mouse.move(*at(tab, (width // 4 + 0.5) / width, (height * 3 // 4 + 0.5) / height))
    assert (state(tab)["x"], state(tab)["y"], state(tab)["pinned"]) == (width // 4, height * 3 // 4, False)
    tab.mouse.click(*at(tab, (width // 2 + 0.5) / width, (height // 2 + 0.5) / height))
    tab.mouse.move(*at(tab, 0.9, 0.9))
    assert (state(tab)["x"], state(tab)["y"], state(tab)["pinned"]) == (width // 2, height // 2, True)
    pixel = traces[kind].pixel(width // 2, height // 2)
    assert tab.evaluate("[pins[0].column, pins[0].row]") == [pixel.column, pixel.row]
    tab.keyboard.press("Escape")
    tab.mouse.move(*at(tab, (width // 10 + 0.5) / width, 0.1))
    assert state(tab)["x"] == width // 10


def test_keys(show: Open, traces: dict[str, Trace]) -> None:
    trace = traces["wide"]
    tab = show(trace, state={"x": 100, "y": 30})
    tab.locator(".room").focus()
    before = trace.pixel(100, 30)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowUp")
    shown = state(tab)
    pixel = trace.pixel(shown["x"], shown["y"])
    assert pixel.column == before.column + 1
    assert shown["y"] == 29  # the photo is lower than BRN's map: a step is a pixel of the photo
    tab.keyboard.press("Shift+ArrowLeft")
    assert trace.pixel(state(tab)["x"], 29).column == pixel.column - 10
    tab.keyboard.press(",")
    assert state(tab)["step"] == 1
    tab.keyboard.press("3")
    assert state(tab)["map"] == "conv4"
    tab.wait_for_function("document.querySelector('[role=status]').textContent.includes('conv4 at t = 1')")
    film = tab.get_by_role("button", name="conv4 at t = 1")
    film.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    assert (state(tab)["map"], state(tab)["step"]) == ("conv5", 2)


def test_steps_play(show: Open, traces: dict[str, Trace]) -> None:
    tab = show(traces["wide"])
    tab.evaluate("() => { window.seen = []; explorer.addEventListener('step', (e) => seen.push(e.detail.step)); }")
    tab.get_by_role("button", name="Play the steps").click()
    tab.wait_for_function("seen.length === 3")
    tab.get_by_role("button", name="Stop the steps").click()
    assert tab.evaluate("seen") == [0, 1, 2]


def test_a_film_grows_on_the_stage(show: Open, traces: dict[str, Trace]) -> None:
    tab = show(traces["wide"])
    for name, title in {"conv3 at t = 0": "Weight of conv3 at t = 0", "after BRN": "Saliency after BRN"}.items():
        tab.get_by_role("button", name=name).click()
        tab.get_by_role("heading", name=title).wait_for()


def test_two_passes(show: Open, traces: dict[str, Trace]) -> None:
    tab = show(traces["wide"], traces["wide"], names=("one", "other"))
    tab.mouse.move(*at(tab, 0.5, 0.5, frame=1))
    assert state(tab)["x"] == 100
    rings = [ring.get_attribute("style") for ring in tab.locator(".ring").all()]
    assert rings[0] == rings[1]
    tab.get_by_role("radio", name="wipe").check()
    settle(tab)
    boxes = [frame.bounding_box() for frame in tab.locator(".frame").all()]
    assert boxes[0] == boxes[1]
    handle = tab.get_by_role("slider", name="Wipe between the passes")
    handle.focus()
    tab.keyboard.press("ArrowRight")
    assert state(tab)["wipe"] == pytest.approx(0.52)
    tab.mouse.move(*at(tab, 0.52, 0.5))
    tab.mouse.down()
    tab.mouse.move(*at(tab, 0.2, 0.5))
    tab.mouse.up()
    assert state(tab)["wipe"] == pytest.approx(0.2, abs=0.01)
    tab.get_by_role("radio", name="difference").check()
    tab.get_by_role("heading", name="on average ±0.0000, at most ±0.0000").wait_for()
    tab.get_by_role("radio", name="±0.05").check()
    settle(tab)
    assert tab.locator(".colours .end").all_text_contents() == ["−0.05", "+0.05"]


@pytest.mark.parametrize("kind", ["wide", "tall"])
def test_paint_lies_where_the_brush_was(show: Open, tiny_network: DGRL, traces: dict[str, Trace], kind: str) -> None:
    """And makes of the map what `paint_map` makes of it."""
    trace = traces[kind]
    tab = show(trace, state={"map": "conv3", "step": 1})
    tab.evaluate(
        """() => { explorer.parts.app.paints = true; explorer.parts.app.brush.settings.on = true;
        window.paintings = []; explorer.addEventListener("paint", ({ detail }) => paintings.push({ ...detail,
          mask: { ...detail.mask, data: [...detail.mask.data] }, share: [...detail.share.data],
          map: [...detail.map.data] })); explorer.parts.app.redraw(); }"""
    )
    settle(tab)
    tab.mouse.move(*at(tab, 0.2, 0.7))
    tab.mouse.down()
    tab.mouse.move(*at(tab, 0.4, 0.7), steps=4)
    tab.mouse.up()
    painting = tab.evaluate("paintings.at(-1)")
    assert painting["done"]
    assert painting["tap"] == "rln.t1.conv3.weight_map"
    mask = np.array(painting["mask"]["data"], np.uint8).reshape(painting["mask"]["height"], -1)
    rows, columns = np.nonzero(mask)
    assert (rows.mean() + 0.5) / mask.shape[0] == pytest.approx(0.7, abs=0.02)
    assert (columns.mean() + 0.5) / mask.shape[1] == pytest.approx(0.3, abs=0.02)
    weights = trace.steps[1].weight_maps["conv3"]
    edit = paint_map("conv3", mask / 255, 4, t=1)
    expected = edit.change(torch.from_numpy(weights.copy())[None, None])[0, 0].numpy()
    np.testing.assert_allclose(np.array(painting["map"]).reshape(weights.shape), expected, rtol=1e-5)


GREY = """(at) => [...document.querySelectorAll(".frame")].map((frame) => {
  const canvas = frame.querySelector("canvas");
  return [...canvas.getContext("2d").getImageData(at[0] * canvas.width, at[1] * canvas.height, 1, 1).data.slice(0, 3)];
})"""


@pytest.mark.parametrize("kind", ["wide", "tall"])
def test_the_map_before_brn_stands_beside_that_after_it(show: Open, traces: dict[str, Trace], kind: str) -> None:
    trace = traces[kind]
    tab = show(trace)
    height, width = trace.photo.shape[:2]
    two = tab.get_by_role("button", name="before | after")
    difference = tab.get_by_role("radio", name="difference")
    assert not difference.is_visible()
    two.click()
    tab.evaluate("explorer.set({ opacity: 1 })")
    settle(tab)
    assert tab.locator(".frame:visible .name").all_inner_texts() == ["before BRN", "after BRN"]
    assert tab.locator(".film[aria-pressed=true]").evaluate_all("(films) => films.map((film) => film.dataset.map)") == [
        "prior",
        "refined",
    ]
    # Where BRN changes most, both frames have the grey of their map; the pointer on either shows the same pixel.
    pixel = trace.most_changed(count=1)[0]
    there = ((pixel.x + 0.5) / width, (pixel.y + 0.5) / height)
    for grey, value in zip(tab.evaluate(GREY, there), (pixel.prior, pixel.refined), strict=True):
        assert np.allclose(grey, 255 * value, atol=12)
    assert abs(pixel.refined - pixel.prior) > 0.1, "the two are alike: this shows nothing"
    for frame in (0, 1):
        tab.mouse.move(*at(tab, 0.01, 0.01))
        tab.mouse.move(*at(tab, *there, frame))
        settle(tab)
        assert (state(tab)["x"], state(tab)["y"]) == (pixel.x, pixel.y)
        rings = tab.locator(".ring:visible").evaluate_all("(rings) => rings.map((ring) => parseFloat(ring.style.left))")
        assert rings == pytest.approx([100 * there[0]] * 2, abs=0.01)
    numbers = f"before BRN {pixel.prior:.4f} · after {pixel.refined:.4f}"
    assert numbers in tab.locator(".status").inner_text().replace("−", "-")
    difference.check(force=True)
    settle(tab)
    assert tab.locator(".frame:visible").count() == 1
    assert "after BRN minus before: on average ±" in tab.locator(".stage h2").inner_text()
    assert tab.evaluate("document.documentElement.scrollHeight === innerHeight")
    two.click()
    assert state(tab)["map"] == "refined"
    settle(tab)
    assert not difference.is_visible()


@pytest.mark.parametrize("kind", ["wide", "tall", "tiny"])
@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_it_fits_the_screen(show: Open, traces: dict[str, Trace], kind: str, width: int, height: int) -> None:
    tab = show(traces[kind], traces[kind], width=width, height=height)
    tab.evaluate("explorer.set({ map: 'change', arrangement: 'difference' })")
    settle(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    if width >= 1280:
        assert tab.evaluate("document.documentElement.scrollHeight") == height
        for part in (".strip", ".panel", ".stage"):
            inside, room = tab.evaluate(
                f"(({{scrollHeight: a, clientHeight: b}}) => [a, b])(document.querySelector('{part}'))"
            )
            assert inside <= room + 1, part


@pytest.mark.parametrize(("width", "height"), SCREENS[:2])
def test_present_mode_is_readable_from_afar(show: Open, traces: dict[str, Trace], width: int, height: int) -> None:
    tab = show(traces["wide"], width=width, height=height)
    assert tab.evaluate(SMALLEST) < 28
    tab.get_by_role("button", name="Present").click()
    for shown in ("conv4", "refinement", "refined", "both"):
        tab.evaluate(f"explorer.set({{ map: '{shown}' }})")
        settle(tab)
        assert tab.evaluate(SMALLEST) >= 28
        assert tab.evaluate("document.documentElement.scrollHeight") == height
    cells = tab.locator("[data-grid=coefficients] td")
    assert all(tab.evaluate("cells => cells.map((c) => c.scrollWidth <= c.clientWidth + 1)", cells.element_handles()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_anybody_can_use_it(show: Open, traces: dict[str, Trace], scheme: str, width: int) -> None:
    if not AXE.exists():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("axe-core is not installed: make node_modules/ready")
    tab = show(traces["wide"], traces["tall"], width=width, height=800, scheme=scheme)
    tab.evaluate("explorer.set({ map: 'change', pinned: true })")
    tab.add_script_tag(path=AXE)
    found = tab.evaluate("async () => (await axe.run('.dgrl-explorer')).violations")
    assert {one["id"]: [node["html"][:120] for node in one["nodes"]][:3] for one in found} == {}


def test_twice_as_large_letters(show: Open, traces: dict[str, Trace]) -> None:
    """A window of 1280 pixels at 200 % zoom is one of 640: everything is still there, without scrolling sideways."""
    tab = show(traces["wide"], width=640, height=360)
    assert tab.evaluate("document.documentElement.scrollWidth") == 640
    assert tab.locator("[data-line=refined]").is_visible()


def test_links(show: Open, traces: dict[str, Trace]) -> None:
    tab = show(traces["wide"])
    tab.evaluate("explorer.set({ map: 'conv5', step: 0, x: 12, y: 34, pinned: true, opacity: 0.4 })")
    kept = state(tab)
    again = show(traces["wide"], state=kept)
    assert state(again) == kept


def test_numbers_follow_within_a_frame(show: Open, big_trace: Trace) -> None:
    """480 × 480 pixels, 25 coefficients each: what a move of the pointer costs, without waiting for the screen."""
    tab = show(big_trace)
    cost = tab.evaluate(
        """() => { const { app } = explorer.parts; const later = window.requestAnimationFrame; const costs = [];
        for (let i = 0; i < 60; i++) {
          let draw = () => {};
          window.requestAnimationFrame = (called) => { draw = called; return 1; };
          app.update({ x: 100 + 5 * i, y: 90 + 4 * i });
          const start = performance.now(); draw(); document.body.offsetHeight; costs.push(performance.now() - start);
        }
        window.requestAnimationFrame = later; costs.sort((a, b) => a - b); return costs[30]; }"""
    )
    assert cost < 50  # some 8 ms alone on a machine; others may be at work


def test_the_page_of_a_photo_is_small(big_trace: Trace) -> None:
    assert len(report_html(big_trace, {"photo": "raccoon.jpg"})) < 12e6
