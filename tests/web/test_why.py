"""Why in the static page: the library's Occlusion, its picture and words. It stops when told, and others go first."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from dgrl import DGRL
from dgrl.app.why import words
from dgrl.attribution.attribute import Attribution, attribute
from dgrl.attribution.question import CellTarget, ObjectTarget, PixelTarget, Target
from dgrl.figures import resize_map
from dgrl.figures.attribution import attribution_layer
from dgrl.images import read_image
from dgrl.trace import found_in
from tests.web.conftest import Site, Visit, copied, shows, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ASK = """([why, x, y, step, steps]) => {
  const { explainer, scene } = window.dgrl;
  const asked = { wish: { ...scene().first, steps }, why, x, y, step };
  return explainer.ask(asked, { signal: new AbortController().signal, progress: () => {} });
}"""

QUESTIONS: dict[str, tuple[dict[str, Any], int, Target]] = {
    "pixel": ({"target": "pixel"}, 1, PixelTarget(70, 40)),
    "pixel of the first step": ({"target": "pixel"}, 0, PixelTarget(70, 40, 0)),
    "object": ({"target": "object"}, 1, ObjectTarget()),
    "object past the trained steps": ({"target": "object"}, 2, ObjectTarget()),
    # conv3's map has 6×6 cells at 96², and corner cells lie on the corners of the photo of 120×90 pixels.
    "cell": ({"target": "cell", "level": "conv3"}, 1, CellTarget("conv3", 2, 3)),
    "cell of conv5": ({"target": "cell", "level": "conv5"}, 0, CellTarget("conv5", 0, 1, 0)),
}


def given(page: Page, png: Path) -> None:
    page.set_input_files("#file", png)
    shows(page, 0, "photo.png")


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_are_the_library_s(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path, name: str
) -> None:
    """Numbers, words and picture."""
    why, step, target = QUESTIONS[name]
    page = visit(site)
    given(page, png)
    steps = max(step, 1)
    answer = page.evaluate(ASK, [why, 70, 40, step, steps])
    numbers = answer["numbers"]
    network = small_network[0]
    found = attribute(network, png, target, "occlusion", steps=steps)
    assert found.cells is not None
    largest = float(np.abs(found.cells).max())
    assert np.abs(np.array(numbers["cells"]) - found.cells).max() < 2e-3 * largest
    assert numbers["value"] == pytest.approx(found.value, rel=1e-4, abs=1e-5)
    assert numbers["baseline_value"] == pytest.approx(found.baseline_value, rel=1e-4, abs=1e-5)
    photo = read_image(png)
    layer = attribution_layer(found)
    assert numbers["scale"]["low"] == -numbers["scale"]["high"]
    assert numbers["scale"]["high"] == pytest.approx(layer.limit, rel=2e-3)
    assert numbers["scale"]["label"] == layer.label
    picture = Image.open(io.BytesIO(base64.b64decode(answer["picture"].split(",")[1]))).convert("RGB")
    assert np.abs(np.asarray(picture, float) - layer.over(photo)).mean() < 1
    trace = network.trace(png, steps=steps)
    region = found_in(resize_map(trace.saliency, *found.square.shape))
    share = found.share_inside(region) if region.any() else None
    told = words(found, share, float(region.mean()), steps)
    assert numbers["words"].split(" This took")[0] == told.split(" This took")[0]


def test_words_are_the_app_s(site: Site, visit: Visit) -> None:
    """Of numbers of every size and sign, with an object in the photo and without one."""
    page = visit(site)
    targets: list[Target] = [PixelTarget(3, 4, 1), ObjectTarget(0), CellTarget("conv4", 5, 6, 2)]
    for target, value, baseline, share, covered in [
        (targets[0], -1.234567, 0.00123, 0.3149, 0.1537),
        (targets[1], 12.0, -0.001, 1.0, 0.004),
        (targets[2], 0.0, 5.298, 0.0, 0.999),
        (targets[0], 30.0, -30.0, None, 0.0),
    ]:
        found = Attribution(np.zeros((8, 8), np.float32), (9, 9), target, "occlusion", value, baseline, None, 0.0)
        kind = type(target).__name__.removesuffix("Target").lower()
        asked = {"kind": kind, **{name: getattr(target, name, 0) for name in ("step", "level", "row", "column")}}
        place = {"x": 3, "y": 4} if kind == "pixel" else None
        said = page.evaluate(
            "async (given) => (await import('./answering.js')).words(...given)",
            [{"value": value, "baseline": baseline}, asked, place, share, covered],
        )
        assert f"{said} This took 0.0 s." == words(found, share, covered, 2)


WATCHED = """
const Own = Worker;
window.heard = [];
window.Worker = class extends Own {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => window.heard.push(data.kind));
  }
};
"""
STOPPED = """async () => {
  const { engine, grids, inputsOf } = window.dgrl;
  const count = () => window.heard.filter((kind) => kind === "progress").length;
  const key = window.key;
  const stopping = new AbortController();
  let started;
  const running = new Promise((done) => { started = done; });
  const target = { kind: "pixel", step: 1, level: "", row: 40, column: 40 };
  const ended = engine.explain(key, target, { signal: stopping.signal, progress: () => started() })
    .then(() => "explained", (error) => error.name);
  await running;
  const before = count();
  const inputs = inputsOf([{ kind: "flatten", level: "conv4" }], 1, grids);
  await engine.run({ slot: "test", photo: key, steps: 1, inputs });
  const waited = count() - before;
  stopping.abort();
  const how = await ended;
  await new Promise((done) => setTimeout(done, 1500));
  const whole = count();
  const again = await engine.explain(key, target, { signal: new AbortController().signal, progress: () => {} });
  return { waited, how, whole, more: count() - whole, cells: again.cells.length };
}"""


def test_it_stops_and_lets_a_pass_go_first(site: Site, visit: Visit, png: Path) -> None:
    page = visit(site)
    page.add_init_script(WATCHED)
    page.reload()
    wait(page)
    page.evaluate(
        """async (bytes) => {
          const binary = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
          const photo = await window.dgrl.readPhoto(new Blob([binary]), "test");
          window.dgrl.engine.photo(photo.key, photo.image);
          window.key = photo.key;
        }""",
        base64.b64encode(png.read_bytes()).decode(),
    )
    seen = page.evaluate(STOPPED)
    assert seen["waited"] <= 2, "a pass had to wait for windows of an explanation"
    assert seen["how"] == "AbortError"
    assert seen["whole"] < 10, "windows were computed after it had been stopped"
    assert (seen["more"], seen["cells"]) == (49, 8)


@pytest.fixture
def placed(small_page: Path, tmp_path: Path) -> Iterator[Site]:
    """A page whose last experiment names a pixel, beyond the sides of the photo that is shown first."""
    folder = copied(small_page, tmp_path / "dist")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["experiments"][-1]["link"] += "&x=700&y=10"
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    site = Site(folder)
    yield site
    site.stop()


def test_a_person_can_ask_why_by_the_tenth_experiment(placed: Site, visit: Visit, png: Path) -> None:
    page = visit(placed)
    page.get_by_role("button", name="Experiments", exact=True).click()
    cards = page.locator(".experiment-list > li")
    assert cards.count() == 10
    cards.last.get_by_role("button", name="Run").click()
    shows(page, 0, "otters")
    panel = page.locator(".explaining")
    assert panel.get_by_role("radio").evaluate_all("(all) => all.map(({ value }) => value)") == [
        *("pixel", "object", "cell"),
        *("conv3", "conv4", "conv5"),
        "occlusion",
    ]
    assert panel.get_by_role("radio", name="a cell of").is_checked()
    assert "the app and the library have" in panel.inner_text()
    assert "column 700, row 10" in panel.locator(".said").first.inner_text()
    panel.get_by_role("button", name="Explain").click()
    picture = panel.locator(".result img")
    picture.wait_for()
    page.wait_for_function("() => document.querySelector('.attributed img').naturalWidth === 800")
    assert panel.locator(".result").inner_text().count("conv5's map at t = 1") == 1
    page.locator(".attributed").hover(position={"x": 5, "y": 5})
    assert "Row 0, column 0 of 8 × 8 cells: " in panel.locator(".result .said").inner_text()
    # Whatever else is asked, the answer is not to it: another target, a photo of one's own, another of the same name.
    panel.get_by_role("radio", name="the object").check(force=True)
    assert picture.is_hidden()
    for _ in range(2):
        given(page, png)
        page.wait_for_function("() => !document.querySelector('.explaining .result').checkVisibility()")
        panel.get_by_role("button", name="Explain").click()
        picture.wait_for()
    assert "target=object" in page.url
    page.get_by_role("button", name="Why", exact=True).click()
    assert panel.is_hidden()


def test_what_cannot_be_explained_is_said_in_words(site: Site, visit: Visit) -> None:
    page = visit(site)
    for why, step, message in [
        ({"target": "pixel"}, 2, "There is no time step 2: this pass has t = 0 to 1."),
        ({"target": "cell", "level": "conv9"}, 1, "This network has no such weight map."),
    ]:
        said = page.evaluate(
            f"(given) => ({ASK})(given).then(() => '', ({{ message }}) => message)", [why, 0, 0, step, 1]
        )
        assert said == message


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)], ids=["desktop", "phone"])
def test_an_answer_fits_the_screen(site: Site, visit: Visit, size: tuple[int, int]) -> None:
    page = visit(site, "?tab=why&target=cell&example=cat&x=130&y=40", *size)
    assert "column 130, row 40" in page.locator(".explaining .said").first.inner_text()
    page.get_by_role("button", name="Explain").click()
    page.locator(".explaining .result img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    if size[0] > 1000:
        page.wait_for_function("() => document.querySelector('.attributed img').naturalWidth")
        page.locator(".attributed").hover(position={"x": 5, "y": 5})
        inside = page.locator(".aside-host").evaluate("(host) => host.scrollHeight - host.clientHeight")
        assert inside <= 1, "what is said is off the screen"
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
