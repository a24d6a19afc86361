"""Every number that the explorer shows is the trace's, in a real browser."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page

from dgrl import Trace, figures
from tests.explorer.conftest import Open, places, settle

pytestmark = pytest.mark.browser

READ = """() => {
  const text = (found) => found.textContent.replace("−", "-").replace("+", "");
  const grids = {};
  for (const table of document.querySelectorAll("[data-grid]"))
    grids[table.dataset.grid] = [...table.querySelectorAll("td")].map(text);
  const lines = {};
  for (const line of document.querySelectorAll("[data-line]")) lines[line.dataset.line] = text(line);
  const films = {};
  for (const film of document.querySelectorAll(".film"))
    films[`${film.dataset.map} ${film.dataset.step ?? ""}`.trim()] =
      [...film.querySelectorAll("output")].map(text).filter((value) => value);
  return { grids, lines, films, heading: document.querySelector(".panel h2").textContent,
           status: text(document.querySelector(".status")) };
}"""
GRIDS = {
    "coefficients": "coefficients",
    "neighbours": "neighbours",
    "foreground": "foreground_products",
    "background": "background_products",
}


def read(page: Page, x: int, y: int) -> dict:
    page.evaluate("([x, y]) => explorer.set({ x, y, pinned: true })", [x, y])
    settle(page)
    return page.evaluate(READ)


def check(shown: str, true: float) -> None:
    """The true number, rounded to as many decimals as are shown; a tie may go either way."""
    decimals = len(shown.partition(".")[2])
    assert re.fullmatch(r"-?\d+\.\d{2,}", shown), shown
    assert abs(float(shown) - float(true)) <= 0.5 * 10**-decimals + 1e-9, (shown, true)


def check_pixel(shown: dict, trace: Trace, x: int, y: int) -> None:
    pixel = trace.pixel(x, y)
    assert shown["heading"] == f"Pixel {x}, {y}"
    for grid, name in GRIDS.items():
        values = getattr(pixel, name).ravel()
        assert len(shown["grids"][grid]) == len(values)
        for text, value in zip(shown["grids"][grid], values, strict=True):
            if text or grid == "coefficients":  # where there is room for one table only, the others are not filled
                check(text, value)
    sums = {"foreground": pixel.foreground, "background": pixel.background, "refined": pixel.refined}
    for line, value in {**sums, "evidence": pixel.foreground - pixel.background, "before": pixel.prior}.items():
        check(shown["lines"][line], value)
        assert len(shown["lines"][line].partition(".")[2]) == 4


def check_films(shown: dict, trace: Trace, x: int, y: int) -> None:
    height, width = trace.photo.shape[:2]
    across, down = (x + 0.5) / width, (y + 0.5) / height
    size = trace.steps[0].saliency.shape[0]
    row, column = int((y + 0.5) * size / height), int((x + 0.5) * size / width)
    for step in trace.steps:
        check(shown["films"][f"prediction {step.t}"][0], step.saliency[row, column])
        for level in step.weight_maps:
            check(shown["films"][f"{level} {step.t}"][0], figures.layer(trace, step.t, level).at(across, down))
        if step.t:
            before = trace.steps[step.t - 1].saliency[row, column]
            check(shown["films"][f"change {step.t}"][0], float(step.saliency[row, column]) - float(before))
    pixel = trace.pixel(x, y)
    check(shown["films"]["prior"][0], pixel.prior)
    check(shown["films"]["refined"][0], pixel.refined)
    check(shown["films"]["refinement"][0], pixel.refined - pixel.prior)


@pytest.mark.parametrize("kind", ["wide", "tall", "tiny", "single", "turned"])
def test_numbers_are_those_of_the_trace(show: Open, traces: dict[str, Trace], kind: str) -> None:
    trace = traces[kind]
    page = show(trace, width=1920, height=1080)
    for x, y in places(trace):
        shown = read(page, x, y)
        check_pixel(shown, trace, x, y)
        check_films(shown, trace, x, y)
    assert any(len(text.partition(".")[2]) == 2 for text in shown["grids"]["neighbours"])


def test_numbers_on_a_small_screen(show: Open, traces: dict[str, Trace]) -> None:
    page = show(traces["wide"], width=390, height=844)
    for x, y in places(traces["wide"]):
        check_pixel(read(page, x, y), traces["wide"], x, y)


def test_kernels_of_another_size(show: Open, seven: Trace) -> None:
    page = show(seven)
    for x, y in places(seven):
        shown = read(page, x, y)
        check_pixel(shown, seven, x, y)
        check_films(shown, seven, x, y)
    page.get_by_role("radio", name="v · s", exact=True).check()
    shown = read(page, 5, 5)
    for text, value in zip(shown["grids"]["foreground"], seven.pixel(5, 5).foreground_products.ravel(), strict=True):
        check(text, value)


def test_two_passes_each_have_their_own(show: Open, traces: dict[str, Trace]) -> None:
    one, other = traces["wide"], traces["tall"]
    page = show(one, other, names=("one", "other"))
    for x, y in places(one):
        shown = read(page, x, y)
        check_pixel(shown, one, x, y)
        at = int((x + 0.5) / 200 * 70), int((y + 0.5) / 60 * 190)
        pixel = other.pixel(*at)
        check(shown["films"]["refined"][1], pixel.refined)
        page.evaluate("explorer.set({ slot: 1 })")
        check_pixel(read(page, x, y), other, *at)
        page.evaluate("explorer.set({ slot: 0 })")
    page.evaluate("explorer.set({ map: 'refined', arrangement: 'difference', x: 7, y: 9 })")
    shown = read(page, 7, 9)
    there = other.pixel(int(7.5 / 200 * 70), int(9.5 / 60 * 190)).refined
    first, second, difference = re.findall(r"-?\d\.\d{4}", shown["status"])
    check(first, one.pixel(7, 9).refined)
    check(second, there)
    check(difference, there - one.pixel(7, 9).refined)


def test_large_coefficients_are_still_exact(show: Open, traces: dict[str, Trace]) -> None:
    """They need a coarser unit, and fewer decimals are shown."""
    trace = traces["wide"]
    taps = dict(trace.taps)
    taps["brn.coefficients"] = taps["brn.coefficients"] * np.float32(10_000)
    page = show(Trace(trace.photo, trace.saliency, taps), width=1920, height=1080)
    for x, y in places(trace)[:6]:
        shown = read(page, x, y)
        true = 10_000 * trace.pixel(x, y).coefficients
        for text, value in zip(shown["grids"]["coefficients"], true.ravel(), strict=True):
            assert abs(float(text) - value) <= 0.5 * 10 ** -len(text.partition(".")[2]) + 2e-3
