"""The page shows what it was asked for. Each test clicks from the page as it opens, and compares with the library.

The helpers know how today's page is operated; the tests know what must be true of any page.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import Browser, Frame, Page, expect

from dgrl import DGRL, Trace, figures
from dgrl.app import build, launch_settings
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments import BY_KEY, sizes_of
from dgrl.experiments.links import offered
from dgrl.files import EXAMPLES
from dgrl.taps import Edit, flatten_map
from tests.app.conftest import Visit, visit
from tests.web.conftest import Site

pytestmark = pytest.mark.browser
CARDS = offered(sizes_of(SHIPPED_WEIGHTS))
Window = Page | Frame
NUMBER = re.compile(r"[-−+]?\d+\.\d+")


@dataclass
class Stage:
    """What is written about the stage.

    Attributes:
        title: its heading.
        photo: the photo's name.
        x, y: the photo's pixel.
        map: its map's name, with the step if it has one.
        values: the map's value at the pixel, for each pass that is shown.
    """

    title: str
    photo: str
    x: int
    y: int
    map: str
    values: list[float]


def open_page(browser: Browser, url: str, link: str = "") -> Visit:
    """Open the page and wait for its first pass."""
    opened = visit(browser, f"{url}{link}", 1280, 720)
    idle(opened.page)
    return opened


def idle(page: Window) -> None:
    """Wait until nothing is computing and nothing is about to be."""
    expect(page.locator(".dgrl-app[data-first=whole]:not([data-busy])")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(400)  # alterations wait for a moment before they run
    expect(page.locator(".dgrl-app:not([data-busy])")).to_be_visible(timeout=60_000)
    page.wait_for_timeout(100)


def go_to(page: Window, view: str) -> None:
    page.get_by_role("tab", name=view, exact=True).click()


def run_experiment(page: Window, key: str) -> None:
    go_to(page, "Experiments")
    page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=BY_KEY[key].title)).get_by_role(
        "button", name="Run"
    ).click()
    idle(page)


def choose_photo(page: Window, name: str) -> None:
    page.get_by_role("button", name=re.compile("^Photo:")).click()
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    idle(page)


def set_steps(page: Window, steps: int) -> None:
    """Choose T beside the photo's name."""
    page.locator(".picks").get_by_role("radio", name=str(steps), exact=True).check(force=True)
    idle(page)


def flatten_all(page: Window) -> None:
    go_to(page, "Alter")
    page.get_by_role("button", name="All flat").click()
    idle(page)


def paint_stroke(page: Window, level: str, meanwhile: Callable[[], None]) -> None:
    """Paint a short stroke on a level's weight map; `meanwhile` is called before the button is released."""
    go_to(page, "Alter")
    page.get_by_role("button", name=f"Paint on {level}’s weight map with the brush").click()
    frame = page.locator(".frame").first.bounding_box()
    assert frame is not None
    x, y = frame["x"] + 0.6 * frame["width"], frame["y"] + 0.4 * frame["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3, y)
    page.wait_for_timeout(100)  # frames in which it is drawn
    meanwhile()
    page.mouse.up()
    idle(page)


def read_stage(page: Window) -> Stage:
    said = page.locator(".stage .status").inner_text()
    place = re.match(r"Pixel (\d+), (\d+)[^·]*· ([^:]+): (.*)", said)
    assert place, said
    x, y, name, numbers = place.groups()
    shown = numbers.partition("difference")[0]
    values = [float(found.replace("−", "-")) for found in NUMBER.findall(shown)]
    title = page.locator(".stage h2").inner_text()
    return Stage(title, page.locator(".above .photo").inner_text().strip(), int(x), int(y), name, values)


def read_question(page: Window) -> str:
    return page.get_by_role("region", name="Why").locator(".said").first.inner_text()


def read_answer(page: Window) -> str:
    """Ask for an explanation and return it."""
    page.get_by_role("button", name="Explain").click()
    answer = page.get_by_role("region", name="Why").locator(".result > p").last
    expect(answer).not_to_be_empty(timeout=120_000)
    return answer.inner_text()


def value_at(trace: Trace, stage: Stage, map: str, step: int) -> float:
    """The value of a trace's map at the stage's pixel."""
    height, width = trace.photo.shape[:2]
    across, down = (stage.x + 0.5) / width, (stage.y + 0.5) / height
    if map.startswith("conv"):
        return figures.layer(trace, step, map).at(across, down)
    values = trace.refined if map == "after BRN" else trace.steps[step].saliency
    return float(values[int(down * values.shape[0]), int(across * values.shape[1])])


@pytest.fixture(scope="module")
def address(network: DGRL) -> Iterator[str]:
    app = build({"tiny": network}, precision="fp32", experiments=CARDS)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, **launch_settings())
    yield url
    app.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    opened = open_page(browser, address)
    yield opened.page
    opened.page.close()
    assert opened.errors == []


FLAT = [flatten_map(level) for level in ("conv3", "conv4", "conv5")]


def traced(network: DGRL, photo: str, edits: list[Edit]) -> Trace:
    return network.trace(EXAMPLES / f"{photo}.jpg", edits=edits)


@pytest.mark.parametrize("alter", [lambda page: run_experiment(page, "flat"), flatten_all], ids=["experiment", "hand"])
def test_another_photo_is_altered_in_the_same_way(page: Window, network: DGRL, alter: Callable[[Page], None]) -> None:
    alter(page)
    choose_photo(page, "kitten")
    stage = read_stage(page)
    assert stage.photo == "kitten"
    passes = [traced(network, "kitten", edits) for edits in ([], FLAT)]
    expected = [value_at(trace, stage, "prediction", 2) for trace in passes]
    assert abs(expected[0] - expected[1]) > 0.01, "the pixel says nothing"
    assert stage.values == pytest.approx(expected, abs=2e-3)


def test_an_experiment_of_two_altered_passes_goes_on_with_another_photo(page: Window, network: DGRL) -> None:
    run_experiment(page, "kernels")
    choose_photo(page, "kitten")
    stage = read_stage(page)
    passes = [network.trace(EXAMPLES / "kitten.jpg", edits=list(edits)) for edits in edits_of("kernels")]
    expected = [value_at(trace, stage, "after BRN", 2) for trace in passes]
    assert stage.values == pytest.approx(expected, abs=2e-3)


def edits_of(key: str) -> list[tuple[Edit, ...]]:
    """The edits of an experiment's two passes."""
    experiment = BY_KEY[key]
    assert experiment.second is not None
    return [experiment.first.edits, experiment.second.edits]


def test_the_untouched_pass_stays_untouched_while_somebody_paints(page: Window, network: DGRL) -> None:
    trace = traced(network, read_stage(page).photo, [])

    def untouched() -> None:
        stage = read_stage(page)
        assert stage.map == "conv4 at t = 2"
        assert stage.values[0] == pytest.approx(value_at(trace, stage, "conv4", 2), abs=5e-3)

    paint_stroke(page, "conv4", untouched)
    untouched()
    assert len(read_stage(page).values) == 2
    page.get_by_role("button", name="Undo").click()
    idle(page)
    untouched()
    go_to(page, "Explore")
    idle(page)
    untouched()


@pytest.mark.parametrize("how", ["button", "link"])
def test_the_experiment_on_kernels_shows_what_kernels_change(
    browser: Browser, page: Window, address: str, network: DGRL, how: str
) -> None:
    if how == "button":
        run_experiment(page, "kernels")
    else:
        page.goto(f"{address}{CARDS[list(BY_KEY).index('kernels')]['link']}")
        idle(page)
    stage = read_stage(page)
    assert stage.map == "after BRN"
    passes = [traced(network, stage.photo, list(edits)) for edits in edits_of("kernels")]
    expected = [value_at(trace, stage, "after BRN", 2) for trace in passes]
    assert abs(expected[0] - expected[1]) > 2e-3, "the pixel says nothing"
    assert stage.values == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("how", ["button", "link"])
def test_the_experiment_on_a_cell_is_explained(page: Window, address: str, network: DGRL, how: str) -> None:
    if how == "button":
        run_experiment(page, "cell")
    else:
        page.goto(f"{address}{CARDS[list(BY_KEY).index('cell')]['link']}")
        idle(page)
    assert read_question(page).endswith("at t = 2")
    answer = read_answer(page)
    found = re.match(r"The weight of row (\d+), column (\d+) of conv5's map at t = 2 is (\d+\.\d+)", answer)
    assert found, answer
    row, column, value = found.groups()
    weights = traced(network, "otters", []).steps[2].weight_maps["conv5"]
    assert float(value) == pytest.approx(float(weights[int(row), int(column)]), abs=0.006)


def test_fewer_steps_leave_no_question_about_a_step_that_is_gone(page: Window) -> None:
    page.locator(".frame").first.click()
    set_steps(page, 0)
    go_to(page, "Why")
    assert read_question(page).endswith("at t = 0")
    assert "at t = 0 " in read_answer(page)


def test_inside_a_page_of_another_site_that_may_not_store(
    browser: Browser, address: str, network: DGRL, tmp_path: Path
) -> None:
    """As a Space in a browser's default settings. Chromium without a profile blocks third parties' storage itself."""
    assert address.startswith("http://127.0.0.1:"), "the same site as the page around it"
    (tmp_path / "index.html").write_text(f"<iframe src='{address}' style='width: 1260px; height: 700px'></iframe>")
    site = Site(tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site.url)
    inner = page.frames[1]
    inner.wait_for_load_state()
    stored = "(() => { try { return !!window.sessionStorage } catch { return false } })()"
    assert not inner.evaluate(stored), "this browser stores"
    idle(inner)
    stage = read_stage(inner)
    expected = value_at(traced(network, stage.photo, []), stage, "prediction", 2)
    assert stage.values == pytest.approx([expected], abs=1e-3)
    choose_photo(inner, "kitten")
    assert read_stage(inner).photo == "kitten"
    page.close()
    site.stop()
    assert errors == []
