"""The whole tour with the shipped network, by clicks from the page as it opens: it shows what Python computes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, expect

from dgrl import DGRL, Trace
from dgrl.app import build
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments import EXPERIMENTS, sizes_of
from dgrl.experiments.experiment import Experiment
from dgrl.experiments.tour import tour

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CARDS = tour(sizes_of(SHIPPED_WEIGHTS))
VISIBLE = 0.1
"""Least difference, from 0 to 1, of two pictures side by side, in that of 12x12 parts where they differ most."""
DIFFERENCE = """() => {
  const shades = [...document.querySelectorAll(".stage .frame")].filter(({ hidden }) => !hidden).map((frame) => {
    const context = new OffscreenCanvas(12, 12).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(frame.querySelector("canvas"), 0, 0, 12, 12);
    return context.getImageData(0, 0, 12, 12).data;
  });
  const differ = (one, other) => one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i])), 0) / 255;
  return shades.slice(1).map((shade) => differ(shades[0], shade));
}"""


@pytest.fixture(scope="module")
def shipped() -> DGRL:
    return DGRL.from_pretrained()


@pytest.fixture(scope="module")
def url(shipped: DGRL) -> Iterator[str]:
    app = build({"dgrl-lite": shipped}, precision="fp32", experiments=CARDS)
    launched = app.launch(prevent_thread_lock=True, quiet=True)
    yield launched[1]
    app.get_blocks().close()


@pytest.fixture(scope="module")
def page(browser: Browser, url: str) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 720})
    opened.set_default_timeout(60_000)
    opened.goto(url)
    idle(opened)
    yield opened
    opened.close()


def idle(page: Page) -> None:
    page.wait_for_function("() => !!window.dgrl?.scene")
    page.evaluate("window.dgrl.idle()")


def frames_on(page: Page) -> list[dict[str, Any]]:
    """Return slot, map, step, mean and title of each picture on the stage."""
    frames: list[dict[str, Any]] = page.evaluate("window.dgrl.values()")
    assert all(frame["ready"] for frame in frames)
    return [{name: frame[name] for name in ("slot", "map", "step", "mean", "title")} for frame in frames]


def mean_of(trace: Trace, frame: dict[str, Any]) -> float | None:
    """Return Python's mean of the map that a picture on the stage shows; None for pictures without numbers."""
    if frame["map"] == "prediction":
        return float(trace.steps[frame["step"]].saliency.mean())
    if frame["map"].startswith("conv"):
        return float(trace.steps[frame["step"]].weight_maps[frame["map"]].mean())
    maps = {"result": trace.refined, "refined": trace.refined, "prior": np.round(trace.prior)}
    return float(maps[frame["map"]].mean()) if frame["map"] in maps else None


def show(page: Page, experiment: Experiment) -> None:
    """Choose the right answer, press Show, and see that the page agrees with both."""
    expect(page.get_by_role("heading", name=experiment.title)).to_be_visible()
    expect(page.get_by_text(experiment.question)).to_be_in_viewport()
    right = next(card["right"] for card in CARDS if card["key"] == experiment.key)
    page.get_by_test_id(f"tour-choice-{right}").click()
    page.get_by_test_id("tour-show").click()
    idle(page)
    expect(page.get_by_test_id("tour-answer")).to_contain_text("Right:")
    expect(page.get_by_text(experiment.question)).to_be_in_viewport()


def test_every_experiment_in_a_row_in_any_order_and_by_its_link(
    page: Page, browser: Browser, url: str, shipped: DGRL, tmp_path: Path
) -> None:
    seen, links = {}, {}
    page.get_by_role("button", name="Take the tour").click()
    for index, experiment in enumerate(EXPERIMENTS):
        if index:
            page.get_by_test_id("tour-next").click()
            idle(page)
        show(page, experiment)
        page.wait_for_url(re.compile(f"tour={experiment.key}&shown=1"))  # the page writes its link after a moment
        seen[experiment.key], links[experiment.key] = frames_on(page), page.url
        assert_shown_as_computed(page, experiment, shipped, seen[experiment.key])
    expect(page.get_by_test_id("tour-next")).to_be_hidden()

    photo = tmp_path / "own.jpg"
    photo.write_bytes(EXPERIMENTS[0].path.read_bytes())
    page.get_by_test_id("photos").click()
    page.get_by_test_id("upload").set_input_files(photo)
    idle(page)
    page.get_by_test_id("view-tour").click()
    for key in ("cell", "flat", "pixel", "paint", "more-steps", "narrowing", "kernels"):
        page.get_by_test_id(f"tour-{key}").click()
        idle(page)
        page.get_by_test_id("tour-show").click()
        idle(page)
        assert frames_on(page) == seen[key], "what was done before makes no difference"

    for key in ("remember", "levels", "leaning", "point"):
        other = browser.new_page()
        other.goto(links[key])
        idle(other)
        assert frames_on(other) == seen[key], f"the link of {key} shows the same in another browser"
        other.close()


def assert_shown_as_computed(page: Page, experiment: Experiment, model: DGRL, frames: list[dict[str, Any]]) -> None:
    """Check that the maps on the stage and the effect in the answer are Python's, and that the effect is visible."""
    passes = experiment.passes(model)
    traces = experiment.traces(passes)
    measured = [(frame, mean_of(traces[frame["slot"]], frame)) for frame in frames]
    for frame, mean in measured:
        if mean is not None:
            assert frame["mean"] == pytest.approx(mean, abs=2e-3), (experiment.key, frame)
    numbers = experiment.measure(passes)
    assert numbers is not None
    assert experiment.verdict(numbers["effect"]) == 0, "the effect has the stated direction"
    caption = page.locator(".tour .dots figcaption").inner_text()
    here = float(re.findall(r"here ([+−][\d.]+)", caption)[0].replace("−", "-"))
    assert here == pytest.approx(numbers["effect"] * experiment.unit.scale, rel=0.05, abs=0.6)
    if len(frames) > 1:
        assert max(page.evaluate(DIFFERENCE)) > VISIBLE, f"{experiment.key} shows pictures that look alike"
