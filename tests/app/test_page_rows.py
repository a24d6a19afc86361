"""Faults of the page of version 2, one test for each (numbered as in the list of faults), on the page of 3.0.

Every test clicks from the page as it opens, through the page's hooks for tests: `data-testid` and `window.dgrl`.
"""

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from dgrl import DGRL, Trace
from dgrl.app import build
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.edits import read_edits
from dgrl.evaluation.survey import answers, survey
from dgrl.experiments import sizes_of
from dgrl.experiments.tour import tour
from dgrl.files import EXAMPLES
from tests.helpers.networks import draw_photo
from tests.page.smooth import CONTROLS, slow_works
from tests.web.conftest import Site

pytestmark = pytest.mark.browser
CARDS = tour(sizes_of(SHIPPED_WEIGHTS))
SURVEYED = """() => {
  const { batch } = window.dgrl.store.state;
  return batch.length && batch.every(({ status }) => status === "done" || status === "failed");
}"""
WORKS = f"""() => {{
{CONTROLS}
  const {{ store }} = window.dgrl;
  const [first] = store.state.batch;
  // Columns and pictures are objects of each table, as they come from the server.
  const item = (id) => {{
    const table = structuredClone(first.table);
    table.pictures[0].name = `picture ${{id}}`;
    table.rows[0].values = table.columns.map(() => Math.round(1e6 * Math.random()) / 1e6);
    return {{ ...first, id, photo: table.pictures[0].name, table }};
  }};
  const items = Array.from({{ length: 999 }}, (_, index) => item(1e6 + index));
  const last = item(2e6);
  const batch = (one) => store.dispatch({{ type: "batch", items: [...items, one] }});
  const show = (view) => store.dispatch({{ type: "view", view }});
  window.works = {{
    starts: () => batch({{ ...last, table: null }}),
    finishes: () => batch({{ ...last, table: structuredClone(last.table) }}),
    scroll,
    sort: () => choose("Sort by", "contrast"),
    ask: () => choose("Question", "At which level and look?"),
    leave: () => show("explore"),
    come: () => show("batch"),
  }};
  return Object.keys(window.works);
}}"""
HOLD = """() => {
  const { engine } = window.dgrl.loader;
  const released = new Promise((resolve) => { window.release = resolve; });
  const survey = engine.survey.bind(engine);
  engine.survey = async (...request) => { await released; return survey(...request); };
}"""
READY = "() => !!window.dgrl?.scene"
DROP = """([selector, files]) => {
  const data = new DataTransfer();
  for (const { name, bytes } of files) {
    const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    data.items.add(new File([content], name, { type: "image/png" }));
  }
  for (const kind of ["dragover", "drop"]) document.querySelector(selector).dispatchEvent(
    new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""

Window = Page | Frame


class Server:
    """The app on one port, which can be stopped and started again."""

    def __init__(self, network: DGRL) -> None:
        self.network = network
        self.port: int | None = None
        self.start()

    def start(self) -> None:
        self.app = build({"tiny": self.network}, precision="fp32", experiments=CARDS)
        launched = self.app.launch(prevent_thread_lock=True, quiet=True, server_port=self.port)
        self.url = launched[1]
        self.port = int(re.findall(r":(\d+)", self.url)[-1])

    def stop(self) -> None:
        self.app.get_blocks().close()


@pytest.fixture(scope="module")
def server(network: DGRL) -> Iterator[Server]:
    started = Server(network)
    yield started
    started.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 720})
    opened.set_default_timeout(30_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    return open_page(context, server.url)


def open_page(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(READY)
    if not page.evaluate("typeof window.dgrl.dispatch === 'function'"):
        pytest.skip("the page offers no hooks for tests")
    idle(page)
    return page


def idle(page: Window) -> None:
    page.wait_for_function(READY)
    page.evaluate("window.dgrl.idle()")


def click(page: Window, name: str) -> None:
    page.get_by_test_id(name).click()
    idle(page)


def scene(page: Window) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate("window.dgrl.scene()")
    return result


def show_experiment(page: Window, key: str) -> None:
    click(page, "view-tour")
    click(page, f"tour-{key}")
    click(page, "tour-show")


def choose_photo(page: Window, name: str) -> None:
    page.get_by_test_id("photos").click()
    click(page, f"photo-{name}")


def choose_steps(page: Window, steps: int) -> None:
    page.get_by_test_id("looks").get_by_role("radio").nth(steps).check(force=True)
    idle(page)


def drawn(page: Window) -> list[dict[str, Any]]:
    """Return the pictures on the stage: slot, map, step and the map's mean."""
    result: list[dict[str, Any]] = page.evaluate("window.dgrl.values()")
    assert result, "nothing is on the stage"
    assert all(frame["ready"] for frame in result), result
    return result


def mean_of(trace: Trace, map: str, step: int) -> float:
    maps = {"prior": trace.prior, "refined": trace.refined, "result": trace.refined}
    values = maps.get(map)
    if values is None:
        values = trace.steps[step].weight_maps[map] if map.startswith("conv") else trace.steps[step].saliency
    return float(values.mean())


def check_stage(page: Window, network: DGRL) -> None:
    """Check that each slot shows the pass of its request."""
    slots = scene(page)["slots"]
    for frame in drawn(page):
        request = slots[frame["slot"]]
        edits = read_edits(request["edits"], lambda fields: network.trace(EXAMPLES / f"{fields['photo']}.jpg"))
        trace = network.trace(EXAMPLES / f"{request['photo']}.jpg", steps=request["steps"], edits=edits)
        if frame["map"] not in ("photo", "change", "refinement"):
            assert frame["mean"] == pytest.approx(mean_of(trace, frame["map"], frame["step"]), abs=2e-3), frame


def drop(page: Page, selector: str, files: dict[str, Path]) -> None:
    packed = [{"name": name, "bytes": base64.b64encode(file.read_bytes()).decode()} for name, file in files.items()]
    page.evaluate(DROP, [selector, packed])
    idle(page)


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, Path]:
    """Return five photos, and the mask of the first."""
    files = {}
    for seed in range(5):
        photo, mask = draw_photo(60, 80, seed=seed)
        files[f"p{seed}.png"] = tmp_path / f"p{seed}.png"
        Image.fromarray(photo).save(files[f"p{seed}.png"])
        if not seed:
            files["p0_mask.png"] = tmp_path / "p0_mask.png"
            Image.fromarray(mask).save(files["p0_mask.png"])
    return files


def flatten_all(page: Window) -> None:
    click(page, "view-change")
    for level in ("conv3", "conv4", "conv5"):
        click(page, f"flatten-{level}")


@pytest.mark.parametrize("change", [lambda page: show_experiment(page, "flat"), flatten_all], ids=["tour", "hand"])
def test_row_1_another_photo_takes_the_same_edits(page: Page, network: DGRL, change: Callable[[Page], None]) -> None:
    change(page)
    before = scene(page)["slots"]
    choose_photo(page, "kitten")
    slots = scene(page)["slots"]
    assert [slot["photo"] for slot in slots] == ["kitten", "kitten"]
    assert [slot["edits"] for slot in slots] == [slot["edits"] for slot in before]
    check_stage(page, network)


def test_row_2_painting_leaves_the_original_as_it_is(page: Page, network: DGRL) -> None:
    click(page, "view-change")
    page.evaluate("window.dgrl.dispatch({ type: 'select', map: 'conv4', step: 2 })")
    page.get_by_test_id("tool-brush").check(force=True)
    idle(page)
    canvas = page.locator(".stage canvas").first.bounding_box()
    assert canvas is not None
    x, y = canvas["x"] + 0.6 * canvas["width"], canvas["y"] + 0.4 * canvas["height"]
    page.mouse.move(x, y)
    before = drawn(page)[0]["value"]
    page.mouse.down()
    page.mouse.move(x + 3, y)
    assert page.evaluate("window.dgrl.values()[0].value") == before, "while the second pass is computed"
    page.mouse.up()
    idle(page)
    assert [drawn(page)[0]["value"], len(drawn(page))] == [before, 2]
    click(page, "undo")
    assert drawn(page)[0]["value"] == before
    click(page, "view-explore")
    page.evaluate("window.dgrl.dispatch({ type: 'select', map: 'conv4', step: 2 })")
    assert drawn(page)[0]["value"] == before


def test_row_3_the_experiment_on_kernels_shows_maps_after_brn(page: Page, network: DGRL) -> None:
    show_experiment(page, "kernels")
    after = [frame for frame in drawn(page) if frame["map"] in ("refined", "result")]
    assert {frame["slot"] for frame in after} == {0, 1}
    assert abs(after[0]["mean"] - after[1]["mean"]) > 1e-4
    check_stage(page, network)


def test_row_4_the_experiment_on_a_cell_is_explained(page: Page) -> None:
    show_experiment(page, "cell")
    assert scene(page)["question"]["target"] == "cell"
    click(page, "view-why")
    click(page, "explain")
    expect(page.get_by_test_id("explanation")).to_contain_text(re.compile(r"coarse attention .* at look 3"))


def test_row_5_fewer_looks_apply_to_both_passes(page: Page, network: DGRL) -> None:
    flatten_all(page)
    choose_steps(page, 0)
    assert [slot["steps"] for slot in scene(page)["slots"]] == [0, 0]
    assert {frame["step"] for frame in drawn(page)} == {0}
    check_stage(page, network)


def test_row_6_more_looks_open_the_same_way_every_time(page: Page, network: DGRL) -> None:
    frames = []
    for before in ("narrowing", "flat", "kernels"):
        show_experiment(page, before)
        show_experiment(page, "more-steps")
        frames.append([(frame["slot"], frame["map"], frame["step"], frame["label"]) for frame in drawn(page)])
        assert 4 in {frame["step"] for frame in drawn(page)}
        for one in drawn(page):
            label_step = re.search(r"t = (\d)", one["label"])
            assert label_step is None or int(label_step[1]) == one["step"], one
    assert frames[0] == frames[1] == frames[2]
    check_stage(page, network)


def test_row_7_the_page_works_in_a_frame_without_storage(
    context: BrowserContext, server: Server, network: DGRL, tmp_path: Path, page: Page
) -> None:
    page.close()
    assert server.url.startswith("http://127.0.0.1:"), "the same site as the page around it"
    (tmp_path / "index.html").write_text(f"<iframe src='{server.url}' style='width: 1260px; height: 700px'></iframe>")
    site = Site(tmp_path)
    outer = context.new_page()
    outer.goto(site.url)
    inner = outer.frames[1]
    inner.wait_for_load_state()
    assert not inner.evaluate("(() => { try { return !!window.sessionStorage } catch { return false } })()")
    idle(inner)
    choose_photo(inner, "kitten")
    check_stage(inner, network)
    site.stop()


def test_row_8_three_tabs_work(context: BrowserContext, server: Server, page: Page, network: DGRL) -> None:
    tabs = [page, *(open_page(context, server.url) for _ in range(2))]
    for tab in tabs:
        tab.bring_to_front()
        flatten_all(tab)
        check_stage(tab, network)


def test_row_9_a_lost_server_is_reported_and_found_again(context: BrowserContext, network: DGRL) -> None:
    server = Server(network)
    try:
        page = open_page(context, server.url)
        server.stop()
        page.get_by_test_id("view-change").click()
        page.get_by_test_id("flatten-conv4").click()
        expect(page.get_by_test_id("notice")).to_contain_text("does not answer")
        server.start()
        expect(page.get_by_test_id("notice")).to_be_hidden(timeout=20_000)
        idle(page)
        check_stage(page, network)
        choose_photo(page, "kitten")
        check_stage(page, network)
    finally:
        server.stop()


def batch_of(page: Page) -> list[dict[str, Any]]:
    read = "window.dgrl.store.state.batch.map(({ file, mask }) => ({ name: file?.name, mask: mask?.name ?? null }))"
    result: list[dict[str, Any]] = page.evaluate(read)
    return [item for item in result if item["name"]]


def test_row_10_a_pair_that_is_added_twice_keeps_its_masks(page: Page, pairs: dict[str, Path]) -> None:
    click(page, "view-batch")
    for _ in range(2):
        page.set_input_files("[data-testid=batch-files]", [pairs["p0.png"], pairs["p0_mask.png"]])
        idle(page)
    assert batch_of(page) == [{"name": "p0.png", "mask": "p0_mask.png"}] * 2


def test_row_11_one_look_has_no_memory_to_cut(page: Page) -> None:
    click(page, "view-change")
    choose_steps(page, 0)
    button = page.get_by_test_id("feedback-all")
    if button.is_enabled():
        button.click()
        idle(page)
    expect(page.get_by_text("nothing to cut")).to_be_visible()
    expect(page.get_by_test_id("notice")).to_be_hidden()


def test_row_12_five_photos_that_are_dropped_on_batch_are_five(page: Page, pairs: dict[str, Path]) -> None:
    click(page, "view-batch")
    drop(page, ".batch", {name: file for name, file in pairs.items() if "mask" not in name})
    assert len(batch_of(page)) == 5


@pytest.mark.parametrize("parts", [False, True])
def test_the_survey_s_numbers_are_those_of_the_command(
    page: Page, network: DGRL, pairs: dict[str, Path], parts: bool
) -> None:
    click(page, "view-batch")
    page.get_by_role("button", name="Clear").click()
    if parts:
        page.get_by_label("what each part does").check()
    photos = [file for name, file in pairs.items() if "mask" not in name]
    masks = photos[0].parent / "masks"
    masks.mkdir()
    for seed, photo in enumerate(photos):
        Image.fromarray(draw_photo(60, 80, seed=seed)[1]).save(masks / photo.name)
        shutil.copy(masks / photo.name, photo.with_name(f"{photo.stem}_mask.png"))
    named = [photo.with_name(f"{photo.stem}_mask.png") for photo in photos]
    page.set_input_files("[data-testid=batch-files]", [*photos, *named])
    page.wait_for_function(SURVEYED)
    with page.expect_download() as started:
        page.get_by_role("button", name="JSON").click()
    shown = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))["rows"]
    table = survey({"tiny": network}, photos, masks, parts=parts)
    expected = json.loads(table.to_json())["rows"]
    assert [row.pop("picture") for row in shown] == [Path(row.pop("picture")).stem for row in by_error(expected)]
    assert shown == by_error(expected)
    worst = page.locator("[role=row][data-index='0']")
    assert f"{shown[0]['MAE_refined']:.3f}" in worst.inner_text()
    assert shown[0]["why"] in worst.inner_text()
    named_as_here = [replace(row, picture=Path(row.picture).stem) for row in table.rows]
    found = answers(replace(table, rows=named_as_here))
    assert len(found) == (4 if parts else 2)
    for title, answer in found.items():
        page.get_by_label("Question").select_option(label=title)
        assert page.locator(".dgrl-survey .answer").inner_text() == answer


def test_own_photos_take_the_place_of_the_examples(page: Page, pairs: dict[str, Path]) -> None:
    names = "() => window.dgrl.store.state.batch.map(({ photo }) => photo)"
    click(page, "view-batch")
    assert "cat" in page.evaluate(names)
    page.set_input_files("[data-testid=batch-files]", [pairs["p1.png"]])
    page.wait_for_function(SURVEYED)
    assert page.evaluate(names) == ["p1"]
    assert page.locator("[role=row][data-index]").count() == 1
    page.set_input_files("[data-testid=batch-files]", [pairs["p2.png"]])
    page.wait_for_function(SURVEYED)
    assert page.evaluate(names) == ["p1", "p2"]


@pytest.mark.parametrize("opens", ["by address", "again"])
def test_the_survey_opens_by_its_address_with_the_examples(context: BrowserContext, server: Server, opens: str) -> None:
    page = open_page(context, f"{server.url}?view=batch" if opens == "by address" else server.url)
    if opens == "again":
        click(page, "view-batch")
        page.reload()
    page.wait_for_function(SURVEYED)
    assert page.locator("[role=row][data-index]").count() == 6


def test_the_old_numbers_stay_until_there_are_new_ones(page: Page) -> None:
    """Without them the view was empty for as long as the first picture took, and seemed to hang."""
    click(page, "view-batch")
    page.wait_for_function(SURVEYED)
    page.evaluate(HOLD)
    page.get_by_role("checkbox", name="what each part does").check()
    expect(page.get_by_test_id("batch-summary")).to_contain_text("0 of 6 done. Until the first is done")
    expect(page.locator("[role=row][data-index]")).to_have_count(6)
    expect(page.get_by_test_id("batch-grid")).to_be_visible()
    page.evaluate("window.release()")
    page.wait_for_function(SURVEYED)
    expect(page.get_by_test_id("batch-summary")).to_have_text("6 of 6 done.")


def test_a_thousand_pictures_stay_smooth(page: Page) -> None:
    click(page, "view-batch")
    page.wait_for_function(SURVEYED)
    slow = slow_works(page, page.evaluate(WORKS))
    assert page.locator("[role=grid]").get_attribute("aria-rowcount") == "1001"
    assert page.locator("[role=row][data-index]").count() < 40
    assert slow == {}


def by_error(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -row["MAE_refined"])


def test_a_picture_of_the_survey_opens_in_explore_and_the_survey_goes_on(page: Page, pairs: dict[str, Path]) -> None:
    click(page, "view-batch")
    page.set_input_files("[data-testid=batch-files]", [file for name, file in pairs.items() if "mask" not in name])
    click(page, "view-explore")
    page.wait_for_function(SURVEYED)
    click(page, "view-batch")
    page.locator("[data-picture=p3][role=row]").dblclick()
    idle(page)
    assert scene(page)["view"] == "explore"
    assert scene(page)["slots"][0]["photo"] == "p3"


def test_a_picture_that_cannot_be_surveyed_is_named(page: Page, pairs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("these are words")
    Image.new("L", (7, 9), 255).save(tmp_path / "p1_mask.png")
    click(page, "view-batch")
    page.set_input_files(
        "[data-testid=batch-files]", [tmp_path / "words.png", pairs["p1.png"], tmp_path / "p1_mask.png"]
    )
    page.wait_for_function(SURVEYED)
    expect(page.get_by_test_id("batch-failures")).to_contain_text("this is not a picture")
    expect(page.get_by_test_id("batch-failures")).to_contain_text("must be alike")


def test_a_map_is_taken_from_another_photo(page: Page, network: DGRL) -> None:
    click(page, "view-change")
    page.get_by_title("Show the medium attention of look 1").click()
    page.get_by_role("combobox", name="Photo").select_option("kitten")
    idle(page)
    edits = scene(page)["slots"][1]["edits"]
    assert edits == [{"kind": "patch", "tap": "rln.t0.conv4.weight_map", "photo": "kitten"}]
    expect(page.get_by_text("Changed: medium attention of look 1 taken from kitten.")).to_be_visible()
    check_stage(page, network)
    page.evaluate("dgrl.dispatch({ type: 'select', map: 'prediction', step: 0 })")
    check_stage(page, network)
    before, after = drawn(page)
    assert before["mean"] != after["mean"], "the map has no effect"
    page.reload()
    idle(page)
    assert scene(page)["slots"][1]["edits"] == edits
    check_stage(page, network)
    page.evaluate("dgrl.dispatch({ type: 'select', map: 'conv4', step: 0 })")
    page.get_by_role("combobox", name="Photo").select_option("this one")
    assert scene(page)["slots"][1] is None
    click(page, "undo")
    assert scene(page)["slots"][1]["edits"] == edits


def test_row_12_a_mask_that_is_dropped_on_measure_is_a_mask(page: Page, tmp_path: Path) -> None:
    click(page, "view-measure")
    photo = scene(page)["slots"][0]["photo"]
    with Image.open(EXAMPLES / f"{photo}.jpg") as picture:
        mask = np.zeros(picture.size[::-1], np.uint8)
    mask[: len(mask) // 2] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    drop(page, ".measure", {"mask.png": tmp_path / "mask.png"})
    assert scene(page)["slots"][0]["photo"] == photo
    expect(page.get_by_test_id("scores")).to_be_visible()


def test_row_12_a_mask_without_its_photo_is_named(page: Page, pairs: dict[str, Path]) -> None:
    click(page, "view-batch")
    page.set_input_files("[data-testid=batch-files]", [pairs["p1.png"], pairs["p0_mask.png"]])
    expect(page.get_by_test_id("notice")).to_contain_text("p0_mask.png")


def test_row_12_back_goes_to_the_previous_view(page: Page) -> None:
    for view in ("change", "why"):
        click(page, f"view-{view}")
    for view in ("change", "explore"):
        page.go_back()
        idle(page)
        assert scene(page)["view"] == view


def test_row_13_identical_clicks_are_one_step_of_undo(page: Page) -> None:
    click(page, "view-change")
    before = scene(page)["slots"]
    for _ in range(10):
        page.get_by_test_id("kernels-mean").check(force=True)
        page.get_by_test_id("kernels-mean").dispatch_event("change")
    idle(page)
    assert scene(page)["slots"] != before
    click(page, "undo")
    assert scene(page)["slots"] == before
    expect(page.get_by_test_id("undo")).to_be_disabled()


def test_the_first_stroke_stays_under_the_pointer(page: Page) -> None:
    click(page, "view-change")
    page.locator(".pipeline .cell[data-map=conv4][data-step='0']").click()
    page.locator(".change").get_by_label("brush", exact=True).check(force=True)
    box = page.locator(".stage .pictures").first.bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 0.2 * box["height"])
    page.mouse.down()
    for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        page.mouse.move(x, box["y"] + share * box["height"])
        page.wait_for_timeout(150)  # a frame is drawn: the second picture must not come before the stroke has ended
    page.mouse.up()
    idle(page)
    edits = read_edits(scene(page)["slots"][1]["edits"])
    painted = np.frombuffer(edits[0].change.grey, np.uint8).reshape(edits[0].change.height, -1) > 0
    rows, columns = np.nonzero(painted)
    radius = scene(page)["brush"]["radius"]
    assert abs(columns.mean() / painted.shape[1] - 0.5) < 0.02, "the stroke went straight down the middle"
    assert np.ptp(columns) / painted.shape[1] < 2.5 * radius + 0.03
    assert np.ptp(rows) / painted.shape[0] > 0.55
    assert len(drawn(page)) == 2


def test_edits_of_the_first_slot_are_changes_too(page: Page) -> None:
    click(page, "view-change")
    click(page, "flatten-conv4")
    click(page, "view-compare")
    page.get_by_role("button", name="Swap").click()
    page.get_by_role("button", name="Remove second").click()
    click(page, "view-change")
    slots = scene(page)["slots"]
    assert (slots[0]["edits"], len(slots[1]["edits"])) == ([], 1)
    expect(page.locator(".change .said").first).to_contain_text("medium attention")


def test_other_views_show_the_maps_of_the_pass_on_their_stage(page: Page, network: DGRL) -> None:
    click(page, "view-change")
    click(page, "flatten-all")
    for view in ("explore", "why", "measure"):
        click(page, f"view-{view}")
        expect(page.locator(".pipeline")).not_to_have_class(re.compile("stale"))
        cell = page.locator(".pipeline .cell[data-map=conv4][data-step='2'] canvas")
        shades = cell.evaluate(
            "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
        )
        assert shades > 20, f"{view} shows the flat map of Change"


def test_on_an_own_photo_the_example_s_answer_does_not_stand(page: Page, tmp_path: Path) -> None:
    Image.fromarray(draw_photo(120, 160)[0]).save(tmp_path / "own.png")
    page.get_by_test_id("photos").click()
    page.get_by_test_id("upload").set_input_files(tmp_path / "own.png")
    idle(page)
    show_experiment(page, "flat")
    answer = page.get_by_test_id("tour-answer").locator(".answer")
    expect(answer).to_contain_text("The answer:")
    page.get_by_test_id("tour-own").click()
    idle(page)
    expect(answer).to_have_text("The pictures show what happens on “own”.")
    expect(page.locator(".tour .right, .tour .here")).to_have_count(0)


def test_p_begins_present_mode_and_escape_ends_it(page: Page) -> None:
    page.keyboard.press("p")
    assert scene(page)["present"]
    page.keyboard.press("Escape")
    assert not scene(page)["present"]


def test_the_page_is_never_longer_than_its_panels(page: Page) -> None:
    click(page, "view-change")
    page.get_by_test_id("kernel-open").click()
    idle(page)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
