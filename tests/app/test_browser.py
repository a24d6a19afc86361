"""The app as a person uses it, in Debian's chromium."""

import json
import re
import urllib.parse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from dgrl import DGRL
from dgrl.attribution.attribute import attribute
from dgrl.attribution.question import ObjectTarget
from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import evaluate
from dgrl.evaluation.metrics import METRICS
from dgrl.explorer.edits import read_mask
from dgrl.images import to_grey
from dgrl.taps import flatten_map, paint_map, scale_feedback
from tests.app.conftest import Served, Visit, visit
from tests.explorer.conftest import settle
from tests.explorer.test_numbers import READ, check_films, check_pixel
from tests.helpers.networks import draw_photo

pytestmark = pytest.mark.browser
SIZES = [(1280, 720), (1920, 1080)]
PHONE = (390, 844)
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"
expect.set_options(timeout=60_000)


def whole(page: Page, slot: str = "first") -> None:
    """Wait until all of a pass is on the stage."""
    expect(page.locator(f".dgrl-app[data-{slot}=whole]:not([data-busy])")).to_be_visible()


def give(page: Page, photo: Path) -> None:
    """Give the app a photo, and wait for its pass."""
    page.evaluate("delete document.querySelector('.dgrl-app').dataset.first")
    page.set_input_files("#photo-file", photo)
    expect(page.locator(".above .photo")).to_contain_text(photo.stem)
    whole(page)


def scene(page: Page) -> dict[str, Any]:
    return page.evaluate("dgrl.scene()")


def second(page: Page, array: str) -> np.ndarray:
    """An array of the second pass on the stage."""
    read = f"[...dgrl.explorer().parts.app.slots[1].pass.arrays['{array}']]"
    values = np.array(page.evaluate(read), np.float32)
    return values.reshape(round(values.size**0.5), -1)


def clean(seen: Visit) -> None:
    assert seen.errors == []
    assert seen.outside == [], "the page asked other machines for something"


@pytest.fixture
def seen(browser: Browser, served: Served, request: pytest.FixtureRequest) -> Iterator[Visit]:
    opened = visit(browser, served.url, *getattr(request, "param", SIZES[0]))
    whole(opened.page)
    yield opened
    clean(opened)
    opened.page.close()


def test_it_opens_on_a_computed_example_and_hovering_asks_for_nothing(seen: Visit, served: Served) -> None:
    page = seen.page
    assert scene(page)["first"]["photo"]["example"]
    passes, asked = len(served.passes), []
    page.on("request", lambda request: asked.append(request.url))
    frame = page.locator(".frame").first.bounding_box()
    assert frame is not None
    said = set()
    for share in np.linspace(0.05, 0.95, 30):
        page.mouse.move(frame["x"] + share * frame["width"], frame["y"] + share * frame["height"])
        settle(page)
        said.add(page.locator(".panel h2").inner_text() + page.locator("[data-grid=coefficients]").inner_text())
    assert len(said) > 20, "the pixel under the pointer is not shown"
    page.keyboard.press("Escape")
    page.locator(".steps label").first.click()
    page.locator(".strip .film").nth(2).click()
    page.locator(".opacity input").press("End")
    assert asked == []
    assert len(served.passes) == passes


def draw(folder: Path, kind: str) -> Path:
    size = {"wide": (60, 200), "tall": (190, 70), "tiny": (3, 2), "turned": (80, 140)}[kind]
    path = folder / f"{kind}.png"
    exif = Image.Exif()
    if kind == "turned":
        path = folder / f"{kind}.jpg"
        exif[0x0112] = 6
    Image.fromarray(draw_photo(*size, seed=len(kind))[0]).save(path, exif=exif)
    return path


@pytest.mark.parametrize("seen", [SIZES[1]], indirect=True)
def test_numbers_of_a_pinned_pixel_are_the_trace_s(seen: Visit, network: DGRL, tmp_path: Path) -> None:
    """In the corners, on the sides and inside, of photos of every shape; those of a hover to two decimals."""
    page = seen.page
    for kind in ("wide", "tall", "tiny", "turned"):
        path = draw(tmp_path, kind)
        trace = network.trace(path)
        height, width = trace.photo.shape[:2]
        give(page, path)
        for x, y in {(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1), (width // 2, height // 3)}:
            page.evaluate("([x, y]) => dgrl.explorer().set({ x, y, pinned: false })", [x, y])
            settle(page)
            hovered = page.evaluate(READ)
            check_films(hovered, trace, x, y)
            exact = trace.pixel(x, y)
            for text, value in zip(hovered["grids"]["coefficients"], exact.coefficients.ravel(), strict=True):
                assert abs(float(text) - value) <= 0.005 + abs(value) / 2048 + 1e-6
            assert float(hovered["lines"]["refined"]) == pytest.approx(exact.refined, abs=5.1e-5)
            with page.expect_response(re.compile("queue/data")):
                page.evaluate("([x, y]) => dgrl.explorer().parts.app.update({ x, y, pinned: true }, 'pin')", [x, y])
            expect(page.locator("[data-grid=coefficients] td").first).not_to_have_attribute("title", "")
            check_pixel(page.evaluate(READ), trace, x, y)


@pytest.mark.parametrize("seen", SIZES, ids=["720", "1080"], indirect=True)
def test_everything_of_a_view_is_on_one_screen(seen: Visit) -> None:
    page = seen.page
    for tab in ("Explore", "Alter", "Compare", "Why", "Measure", "Detect"):
        page.get_by_role("tab", name=tab, exact=True).click()
        if tab == "Alter":
            page.get_by_role("button", name="All flat").click()
            whole(page, "second")
            expect(page.locator(".effect table")).to_be_visible()
        height, inner, width, across = page.evaluate(
            "[document.documentElement.scrollHeight, innerHeight, document.documentElement.scrollWidth, innerWidth]"
        )
        assert (height, width) == (inner, across), tab
        if tab in ("Explore", "Alter", "Compare", "Why"):
            for part in (".stage", ".strip", ".aside:visible, .panel:visible"):
                box = page.locator(part).first.bounding_box()
                assert box is not None
                assert box["y"] + box["height"] <= inner + 1, (tab, part)
            inside = page.locator(".aside-host" if tab != "Explore" else ".panel").first
            scrolled = inside.evaluate("(e) => e.scrollHeight - e.clientHeight")
            assert scrolled <= 1, (tab, scrolled)
        assert page.locator(".dgrl-app").bounding_box()["width"] == across  # type: ignore[index]


@pytest.mark.parametrize("seen", [PHONE], indirect=True)
def test_on_a_phone_it_stacks(seen: Visit) -> None:
    page = seen.page
    for tab in ("Explore", "Alter", "Compare", "Measure", "Detect", "Batch"):
        page.get_by_role("tab", name=tab, exact=True).click()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0], tab


def test_alterations_run_by_themselves_and_can_be_undone(
    seen: Visit, served: Served, network: DGRL, photo_files: dict[str, Path]
) -> None:
    page, photo = seen.page, photo_files["wide"]
    give(page, photo)
    page.get_by_role("tab", name="Alter").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("queue/join") else None)
    page.get_by_role("button", name="Make conv4’s weight map flat").click()
    whole(page, "second")
    expect(page.locator(".effect table")).to_be_visible()
    assert len(asked) == 3, "RLN's part, BRN's and the kernels, each once"
    flat = network.trace(photo, edits=[flatten_map("conv4")])
    np.testing.assert_allclose(second(page, "brn.round1"), flat.refined, atol=1e-5)
    page.get_by_role("button", name="Cut all").click()
    expect(page.locator(".said").first).to_contain_text("feedback into conv5 cut")
    cut = [flatten_map("conv4"), *(scale_feedback(block, 0) for block in ("conv2", "conv3", "conv4", "conv5"))]
    both = network.trace(photo, edits=cut)
    page.wait_for_function("!document.querySelector('[data-busy]') && dgrl.scene().second.edits.length === 5")
    page.wait_for_timeout(400)
    whole(page, "second")
    np.testing.assert_allclose(second(page, "brn.round1"), both.refined, atol=1e-5)
    inside = both.saliency[network.trace(photo).found()].mean()
    expect(page.locator(".effect tbody tr").nth(2).locator("td").nth(1)).to_have_text(f"{inside:.3f}")
    page.get_by_role("button", name="Undo").click()
    assert scene(page)["second"]["edits"] == [{"kind": "flatten", "level": "conv4", "at": None}]
    page.get_by_role("button", name="Redo").click()
    assert len(scene(page)["second"]["edits"]) == 5
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".said").first).to_have_text("Nothing is altered yet.")
    page.locator(".altering").get_by_role("radio", name="before BRN").check(force=True)
    assert scene(page)["view"]["map"] == "refined", "the one map that has changed is not shown"
    page.get_by_role("button", name="Reset").click()
    passes = len(served.passes)
    page.locator(".altering").get_by_role("radio", name="4").check(force=True)
    whole(page, "second")
    page.wait_for_function("dgrl.explorer().parts.app.slots[1].pass.header.steps === 5")
    assert len(served.passes) == passes + 1


@pytest.mark.parametrize("shape", ["wide", "high"])
def test_paint_lies_where_the_brush_was_and_the_found_object_where_it_is(
    seen: Visit, network: DGRL, photo_files: dict[str, Path], shape: str
) -> None:
    page, photo = seen.page, photo_files[shape]
    give(page, photo)
    page.get_by_role("tab", name="Alter").click()
    page.get_by_role("button", name="Paint on conv4’s weight map with the brush").click()
    frame = page.locator(".frame").first.bounding_box()
    assert frame is not None
    x, y = frame["x"] + 0.75 * frame["width"], frame["y"] + 0.25 * frame["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 2, y)
    page.mouse.up()
    whole(page, "second")
    page.wait_for_timeout(400)
    whole(page, "second")
    (edit,) = scene(page)["second"]["edits"]
    painted = read_mask(edit["mask"])
    rows, columns = np.nonzero(painted)
    height, width = painted.shape
    assert (columns.mean() + 0.5) / width == pytest.approx(0.75, abs=0.03)
    assert (rows.mean() + 0.5) / height == pytest.approx(0.25, abs=0.03)
    expected = network.trace(photo, edits=[paint_map("conv4", painted, 4)])
    np.testing.assert_allclose(
        second(page, "rln.t2.conv4.weight_map"), expected.steps[2].weight_maps["conv4"], atol=1e-4
    )
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Paint the found object", exact=True).click()
    edits = scene(page)["second"]["edits"]
    assert [edit["level"] for edit in edits] == ["conv3", "conv4", "conv5"]
    mask = read_mask(edits[0]["mask"])
    found = network.trace(photo).found()
    small = np.asarray(Image.fromarray(found).resize(mask.shape[::-1], Image.Resampling.BOX))
    assert (mask > 0.5)[~small].mean() < 0.05
    assert (mask > 0.5)[small].mean() > 0.95


def test_the_difference_has_one_scale_and_says_its_numbers(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("tab", name="Alter").click()
    ends = set()
    for name in ("All flat", "Cut all"):
        page.get_by_role("button", name=name).click()
        whole(page, "second")
        page.get_by_role("radio", name="difference").check(force=True)
        expect(page.locator(".stage h2")).to_contain_text(re.compile(r"altered minus untouched: on average ±\d\.\d{4}"))
        ends.add(page.locator(".legend .end").last.inner_text())
    assert ends == {"+0.5"}


def test_a_link_restores_what_was_seen_in_another_browser(browser: Browser, seen: Visit, served: Served) -> None:
    page = seen.page
    page.locator(".above .photo").click()
    page.get_by_role("button", name="cat").click()
    whole(page)
    page.get_by_role("tab", name="Alter").click()
    page.get_by_role("button", name="Paint the found object", exact=True).click()
    page.get_by_role("button", name="Cut all").click()
    whole(page, "second")
    page.evaluate("dgrl.explorer().parts.app.update({ x: 123, y: 45, pinned: true, step: 1, map: 'conv4' }, 'pin')")
    page.get_by_role("radio", name="wipe").check(force=True)
    page.get_by_role("tab", name="Why").click()
    page.get_by_role("radio", name="a cell of").check(force=True)
    page.get_by_role("radio", name="Occlusion").check(force=True)
    page.get_by_role("button", name="Copy link").click()
    link = page.get_by_label("Link to this view")
    expect(link).to_have_value(re.compile("^http"))
    expect(page.locator(".linked")).to_contain_text("edits")
    before = scene(page)
    other = visit(browser, link.input_value())
    whole(other.page)
    whole(other.page, "second")
    after = scene(other.page)
    for name in ("tab", "why"):
        assert after[name] == before[name]
    for slot in ("first", "second"):
        assert after[slot] == before[slot]
    for name in ("x", "y", "pinned", "step", "map", "arrangement"):
        assert after["view"][name] == before["view"][name]
    other.page.reload()
    whole(other.page)
    assert scene(other.page)["second"]["edits"] == before["second"]["edits"]
    # The otters are less high than row 460, the kitten is not; and no part of the page is loaded anew.
    for name, place in (("otters", ""), ("kitten", "&x=100&y=460")):
        follow = "q => { history.pushState(null, '', q); dispatchEvent(new Event('popstate')) }"
        other.page.evaluate("delete document.querySelector('.dgrl-app').dataset.first")
        other.page.evaluate(follow, f"?example={name}{place}")
        expect(other.page.locator(".above .photo")).to_contain_text(name)
        whole(other.page)
    view = scene(other.page)["view"]
    assert (view["x"], view["y"], view["pinned"]) == (100, 460, True)
    clean(other)
    other.page.close()


def test_a_reload_keeps_an_own_photo_and_a_link_says_that_it_has_none(
    browser: Browser, seen: Visit, photo_files: dict[str, Path]
) -> None:
    page = seen.page
    give(page, photo_files["high"])
    page.get_by_role("button", name="Copy link").click()
    link = page.get_by_label("Link to this view").input_value()
    assert "high" not in urllib.parse.urlsplit(link).query
    expect(page.locator(".linked")).to_contain_text("not your photo")
    page.wait_for_timeout(400)
    page.reload()
    whole(page)
    assert scene(page)["first"]["photo"]["name"] == "high"
    strange = visit(browser, page.url)
    expect(strange.page.get_by_role("alert")).to_contain_text("somebody’s own")
    whole(strange.page)
    strange.page.close()


NOT_OFFERED = [
    "?tab=nonsense&example=../../etc/passwd&checkpoint=x&T=99&T2=-3&two=1",
    "?edits=[{%22kind%22:%22evil%22}]&two=1&x=1e9&y=-4&map=%3Cscript%3E&target=x&method=y",
    "?edits=not%20json&two=1&opacity=NaN&t=-1&scale=7&own=somebody",
]


@pytest.mark.parametrize("query", NOT_OFFERED)
def test_a_link_that_asks_for_nonsense_opens_the_app(browser: Browser, served: Served, query: str) -> None:
    opened = visit(browser, f"{served.url}{query}")
    whole(opened.page)
    state = scene(opened.page)
    assert (state["tab"], state["first"]["checkpoint"], state["first"]["steps"]) == ("explore", "tiny", None)
    clean(opened)
    opened.page.close()


@pytest.mark.parametrize("seen", SIZES, ids=["720", "1080"], indirect=True)
def test_present_mode_is_readable_from_the_last_row(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("button", name="Present").click()
    settle(page)
    small = page.evaluate(
        """() => [...document.querySelectorAll(".film output, .grids td, .arithmetic output, .status, .colours .end")]
          .filter((element) => element.checkVisibility() && element.textContent)
          .map((element) => [element.className, parseFloat(getComputedStyle(element).fontSize)])
          .filter(([, size]) => size < 28)"""
    )
    assert small == []
    assert not page.locator(".prose:visible").count()
    assert page.evaluate("document.documentElement.scrollHeight") == page.viewport_size["height"]  # type: ignore[index]


def test_why_forgets_its_picture_when_something_else_is_asked(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("tab", name="Why").click()
    picture = page.locator(".explaining .result img")
    changes = [
        lambda: page.get_by_role("radio", name="the object").check(force=True),
        lambda: page.get_by_role("radio", name="a cell of").check(force=True),
        lambda: page.locator(".frame").first.click(position={"x": 40, "y": 40}),
        lambda: page.locator(".steps label").first.click(),
    ]
    for change in changes:
        page.get_by_role("button", name="Explain").click()
        expect(picture).to_be_visible()
        change()
        expect(picture).to_be_hidden()
        assert picture.get_attribute("src") is None


def test_pointing_at_a_cell_of_an_occlusion_says_its_effect(
    seen: Visit, network: DGRL, photo_files: dict[str, Path]
) -> None:
    page = seen.page
    give(page, photo_files["wide"])
    page.get_by_role("tab", name="Why").click()
    page.get_by_role("radio", name="the object").check(force=True)
    picture, said = page.locator(".attributed"), page.locator(".result .said")
    page.get_by_role("button", name="Explain").click()
    expect(picture).to_be_visible()
    expect(said).to_be_hidden()  # Grad-CAM has no cells
    page.get_by_role("radio", name="Occlusion").check(force=True)
    page.get_by_role("button", name="Explain").click()
    expect(said).to_have_text("Point at a cell, and its effect stands here.")
    page.wait_for_function("document.querySelector('.attributed img').naturalWidth")
    found = attribute(network, photo_files["wide"], ObjectTarget(), "occlusion", baseline="blurred")
    side = len(found.square)
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(200 / 120, rel=0.02)
    for row, column in ((0, 0), (3, 5), (7, 7), (6, 1)):
        # Near the cell's corners: elsewhere a wrong size of the picture would not be noticed.
        for down, across in ((0.15, 0.85), (0.85, 0.15)):
            page.mouse.move(
                box["x"] + (column + across) / 8 * box["width"], box["y"] + (row + down) / 8 * box["height"]
            )
            told = f"Row {row}, column {column} of 8 × 8 cells: "
            expect(said).to_contain_text(told)
            place = int((row + down) / 8 * side), int((column + across) / 8 * side)
            value = float(said.inner_text().removeprefix(told).split()[0].replace("−", "-"))
            assert value == pytest.approx(found.square[place], abs=6e-4)
    picture.focus()
    page.keyboard.press("ArrowUp")
    expect(said).to_contain_text("Row 5, column 1 of 8 × 8 cells: ")
    inside = page.locator(".aside-host").evaluate("(host) => host.scrollHeight - host.clientHeight")
    assert inside <= 1, "the effect is off the screen"
    page.get_by_role("radio", name="this pixel").check(force=True)
    expect(said).to_be_hidden()


def test_why_answers_a_link_that_names_no_pixel(browser: Browser, served: Served) -> None:
    opened = visit(browser, f"{served.url}?tab=why&target=object&example=cat", *SIZES[0])
    page = opened.page
    whole(page)
    for photo in ("cat", "coffee"):
        expect(page.locator(".above .photo")).to_contain_text(photo)
        for target in ("the object", "this pixel"):
            page.get_by_role("radio", name=target).check(force=True)
            page.get_by_role("button", name="Explain").click()
            expect(page.locator(".explaining .result img")).to_be_visible()
        assert (
            min(int(number) for number in re.findall(r"-?\d+", page.locator(".explaining .said").first.inner_text()))
            >= 0
        )
        if photo == "cat":
            page.locator(".above .photo").click()
            page.get_by_role("button", name="coffee", exact=True).click()
            page.wait_for_function("dgrl.scene().first.photo.name === 'coffee' && dgrl.scene().view.pinned")
            whole(page)
    clean(opened)
    page.close()


def test_why_can_be_stopped(seen: Visit, served: Served) -> None:
    page = seen.page
    page.get_by_role("tab", name="Why").click()
    page.get_by_role("radio", name="Occlusion").check(force=True)
    before = len(served.passes)
    page.get_by_role("button", name="Explain").click()
    page.wait_for_function("document.querySelector('.explaining progress').value > 0")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    page.wait_for_timeout(1500)
    assert len(served.passes) < before + 45
    page.get_by_role("radio", name="Grad-CAM").check(force=True)
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".explaining .result img")).to_be_visible()


def test_a_mask_is_measured_and_a_wrong_one_is_explained(
    seen: Visit, network: DGRL, photo_files: dict[str, Path], mask_files: dict[str, Path]
) -> None:
    page = seen.page
    give(page, photo_files["wide"])
    page.get_by_role("tab", name="Measure").click()
    expect(page.locator(".measuring .said")).to_contain_text("Give the photo’s mask")
    expect(page.locator(".measuring .curve")).to_be_hidden()
    assert (
        page.locator(".measuring input[type=checkbox]").evaluate("(box) => getComputedStyle(box).appearance") == "auto"
    )
    page.set_input_files("#mask-file", mask_files["high"])
    expect(page.locator(".measuring .said")).to_contain_text("The mask has 140×210 pixels and the photo 200×120")
    page.set_input_files("#mask-file", mask_files["wide"])
    expect(page.locator(".scores tbody tr")).to_have_count(len(METRICS))
    scores = evaluate(network, [Pair(photo_files["wide"], mask_files["wide"])], stretch=True).scores
    for row, metric in enumerate(METRICS):
        cells = page.locator(".scores tbody tr").nth(row).locator("td").all_inner_texts()
        assert [float(cell) for cell in cells] == pytest.approx([kind[metric] for kind in scores.values()], abs=2e-3)
    expect(page.locator(".measuring .curve")).to_be_visible()
    page.wait_for_function("document.querySelector('.measuring .curve').complete")
    assert page.locator(".measuring .curve").evaluate("(image) => image.naturalWidth") > 100, "no curves are drawn"
    with page.expect_download() as download:
        page.get_by_role("link", name="Scores (CSV)").click()
    assert download.value.suggested_filename == "wide_scores.csv"


def test_batch_sorts_by_error_and_opens_any(
    seen: Visit, network: DGRL, photo_files: dict[str, Path], mask_files: dict[str, Path], tmp_path: Path
) -> None:
    page = seen.page
    page.get_by_role("tab", name="Batch").click()
    page.set_input_files("#batch-files", list(photo_files.values()))
    expect(page.locator(".batch li")).to_have_count(2)
    masks = []
    for name, path in mask_files.items():
        masks.append(tmp_path / f"{name}.png")
        masks[-1].write_bytes(path.read_bytes())
    page.set_input_files("#batch-masks", masks)
    expect(page.locator(".batching .said")).to_contain_text("Sorted by error")
    errors = {
        name: np.abs(network.detect(photo) - (np.asarray(Image.open(mask_files[name])) > 127)).mean()
        for name, photo in photo_files.items()
    }
    order = sorted(errors, key=lambda name: -errors[name])
    expect(page.locator(".batch li strong")).to_have_text([f"{errors[name]:.4f}" for name in order])
    page.get_by_label("Another checkpoint").select_option("other")
    expect(page.locator(".batching .said")).to_contain_text("Sorted by disagreement")
    page.locator(".batch button").first.click()
    whole(page, "second")
    state = scene(page)
    assert (state["tab"], state["second"]["checkpoint"]) == ("compare", "other")


def test_batch_takes_a_folder_and_gives_all_maps_and_cut_outs(
    seen: Visit, network: DGRL, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    page = seen.page
    folder = tmp_path / "holiday"
    (folder / "below").mkdir(parents=True)
    (folder / "wide.png").write_bytes(photo_files["wide"].read_bytes())
    (folder / "below" / "hübsch.png").write_bytes(photo_files["high"].read_bytes())
    (folder / "below" / "broken.png").write_bytes(b"these are words")
    (folder / "notes.txt").write_text("words")
    (folder / ".hidden").write_text("words")
    page.get_by_role("tab", name="Batch").click()
    every = page.get_by_role("button", name="Download all maps and cut-outs")
    expect(every).to_be_hidden()
    page.set_input_files("#batch-folder", folder)
    expect(page.locator(".batch li")).to_have_count(3)
    expect(page.locator(".batch .refused")).to_contain_text("broken.png: this is not a picture")
    expect(page.locator(".batching .said")).to_contain_text("No pictures: holiday/notes.txt.")
    with page.expect_download() as download:
        every.click()
    assert download.value.suggested_filename == "dgrl_batch.zip"
    with zipfile.ZipFile(download.value.path()) as packed:
        assert packed.testzip() is None
        names = {"wide.png", "wide_cutout.png", "hübsch.png", "hübsch_cutout.png"}
        assert set(packed.namelist()) == names
        for name, photo in {"wide": "wide", "hübsch": "high"}.items():
            with packed.open(f"{name}.png") as file:
                saliency = np.asarray(Image.open(file))
            np.testing.assert_array_equal(saliency, np.asarray(to_grey(network.detect(photo_files[photo]))))
            with packed.open(f"{name}_cutout.png") as file:
                cut = Image.open(file)
                assert (cut.mode, cut.size[::-1]) == ("RGBA", saliency.shape)
    expect(every).to_be_enabled()


@pytest.mark.parametrize("seen", [SIZES[0], PHONE], ids=["720", "phone"], indirect=True)
@pytest.mark.parametrize("shape", ["wide", "high"])
def test_detect_lays_the_cut_out_on_the_photo_beside_its_map(
    seen: Visit, photo_files: dict[str, Path], shape: str
) -> None:
    page = seen.page
    give(page, photo_files[shape])
    page.get_by_role("tab", name="Detect").click()
    expect(page.locator(".detecting img.over")).to_have_attribute("src", re.compile("cutout"))
    page.wait_for_function("[...document.querySelectorAll('.detecting img')].every((one) => one.naturalWidth)")
    photo, cut, handle, saliency = (
        page.locator(f".detecting {part}").bounding_box() or {}
        for part in ("img >> nth=0", "img.over", "input", "img >> nth=2")
    )
    width, height = Image.open(photo_files[shape]).size
    assert photo == cut
    assert photo["width"] / photo["height"] == pytest.approx(width / height, rel=0.02)
    assert (saliency["width"], saliency["height"]) == pytest.approx((photo["width"], photo["height"]), abs=1)
    assert (handle["x"], handle["width"]) == pytest.approx((photo["x"], photo["width"]), abs=3), "no hand on the edge"
    if page.viewport_size["width"] > 1000:  # type: ignore[index]
        assert saliency["y"] == pytest.approx(photo["y"], abs=1)
        assert page.evaluate("document.documentElement.scrollHeight === innerHeight")


def test_where_no_object_is_found_none_is_painted(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("tab", name="Alter").click()
    button = page.get_by_role("button", name="Paint the found object", exact=True)
    found = "dgrl.explorer().parts.app.slots[0].pass"
    for share in (0, 1):
        page.evaluate(
            f"""(share) => {{
              {found}.arrays[`brn.round${{{found}.header.propagations}}`].fill(share);
              dgrl.explorer().set({{ map: share ? "prior" : "refined" }});
            }}""",
            share,
        )
        (expect(button).to_be_enabled if share else expect(button).to_be_disabled)()


def test_detect_gives_files_to_keep(seen: Visit, photo_files: dict[str, Path]) -> None:
    page = seen.page
    give(page, photo_files["high"])
    page.get_by_role("tab", name="Detect").click()
    for name, file in (("Saliency map (PNG)", "high.png"), ("Cut-out (PNG)", "high_cutout.png")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == file
    with page.expect_download(timeout=120_000) as download:
        page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        assert "high_dgrl/trace.npz" in packed.namelist()


def test_a_bad_picture_is_said_so_and_the_app_goes_on(seen: Visit, tmp_path: Path) -> None:
    page = seen.page
    path = tmp_path / "words.png"
    path.write_bytes(b"these are words")
    page.set_input_files("#photo-file", path)
    expect(page.get_by_role("alert")).to_contain_text("words.png: this is not a picture")
    whole(page)
    assert scene(page)["first"]["photo"]["example"]


def test_tabs_and_choices_follow_the_arrow_keys(seen: Visit) -> None:
    page = seen.page
    page.get_by_role("tab", name="Explore").focus()
    page.keyboard.press("ArrowRight")
    assert scene(page)["tab"] == "alter"
    expect(page.get_by_role("tab", name="Alter")).to_be_focused()
    page.keyboard.press("End")
    assert scene(page)["tab"] == "batch"
    page.get_by_role("tab", name="Batch").press("Home")
    assert scene(page)["tab"] == "detect"
    page.get_by_label("Photo or cut-out").press("ArrowRight")
    assert page.get_by_label("Photo or cut-out").input_value() == "51"
    page.get_by_role("tab", name="Explore").click()
    page.locator(".picks input[type=radio]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert scene(page)["first"]["steps"] == 3


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_meets_wcag_aa(browser: Browser, served: Served, theme: str) -> None:
    opened = visit(browser, f"{served.url}?__theme={theme}", *SIZES[0])
    page = opened.page
    whole(page)
    page.add_script_tag(path=AXE)
    for tab in ("Explore", "Alter", "Compare", "Why", "Measure", "Batch", "Detect"):
        page.get_by_role("tab", name=tab, exact=True).click()
        if tab == "Alter":
            page.get_by_role("button", name="All flat").click()
            whole(page, "second")
            page.get_by_role("button", name="Paint on conv4’s weight map with the brush").click()
        found = page.evaluate(
            """async () => (await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }))
              .violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html, failureSummary }) =>
                `${html.slice(0, 160)} ${failureSummary.slice(0, 300)}`)])"""
        )
        assert found == [], f"{theme}, {tab}: {json.dumps(found, indent=1, ensure_ascii=False)}"
    opened.page.close()
