"""The static page in a browser: what a user sees and clicks shows the library's numbers."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from dgrl import DGRL
from dgrl.attribution.attribute import attribute
from dgrl.attribution.question import ObjectTarget
from dgrl.edits import read_edits
from dgrl.evaluation import metrics
from dgrl.evaluation.survey import survey
from dgrl.files import EXAMPLES
from dgrl.images.marking import is_marked
from dgrl.images.reading import to_grey
from tests.helpers.networks import draw_photo
from tests.web.conftest import Site, Visit, upload, values, wait

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"
WEIGHTS = ("weights.bin.gz",)


def test_the_first_view_needs_no_network(small_page: Path, visit: Visit, png: Path) -> None:
    """Photo, maps and tour appear first; buttons that need the network are disabled; a photo waits for the network."""
    site = Site(small_page, held=WEIGHTS)
    page = visit(site, ready=False)
    page.wait_for_function("() => window.dgrl.values().every(({ ready }) => ready)")
    assert values(page)[0]["label"] == "Result"
    notice = page.get_by_test_id("notice")
    notice.filter(has_text=re.compile(r"Loading the network: \d+\.\d of \d+\.\d MB")).wait_for()
    page.get_by_test_id("view-why").click()
    assert page.get_by_test_id("explain").is_disabled()
    page.get_by_test_id("save").click()
    assert page.get_by_test_id("save-cutout").is_disabled()
    page.keyboard.press("Escape")
    page.get_by_test_id("view-tour").click()
    question = json.loads((small_page / "manifest.json").read_text("utf-8"))["experiments"][0]["question"]
    assert page.locator(".tour .question").inner_text() == question
    page.get_by_test_id("view-explore").click()
    upload(page, png)
    assert not values(page)[0]["ready"]
    site.free.set()
    wait(page)
    assert values(page)[0]["ready"]
    assert json.loads(values(page)[0]["key"])[0] == "drawn"
    assert notice.is_hidden()
    site.stop()


def test_the_first_view_is_small(small_page: Path) -> None:
    from web.build import first_view

    manifest = json.loads((small_page / "manifest.json").read_text("utf-8"))
    assert first_view(small_page, manifest) < 1e6


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)], ids=["desktop", "phone"])
def test_users_can_change_paint_and_undo(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path, size: tuple[int, int]
) -> None:
    """Edits are made by clicks, and both slots show the library's numbers."""
    network = small_network[0]
    page = visit(site, size=size)
    upload(page, png)
    page.get_by_test_id("view-change").click()
    page.get_by_test_id("flatten-conv4").click()
    page.locator("label", has=page.get_by_test_id("kernels-mean")).click()
    wait(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    edits = page.evaluate("window.dgrl.scene().slots[1].edits")
    assert sorted(edit["kind"] for edit in edits) == ["flatten", "kernels"]
    for slot, page_arrays in enumerate(([], edits)):
        trace = network.trace(png, edits=read_edits(page_arrays))
        for name, expected in {"brn.round1": trace.refined, "rln.t1.saliency": trace.steps[1].saliency}.items():
            assert np.abs(array_of(page, slot, name) - expected.ravel()).max() < 2e-3, (slot, name)
    page.get_by_test_id("undo").click()
    page.get_by_test_id("undo").click()
    wait(page)
    assert page.evaluate("window.dgrl.scene().slots[1]") is None
    page.locator("label", has=page.get_by_test_id("tool-brush")).click()
    before = array_of(page, 0, "rln.t0.conv4.weight_map")
    room = page.locator(".stage .frame:not([hidden]) canvas").first
    room.scroll_into_view_if_needed()
    box = room.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    wait(page)
    assert np.array_equal(array_of(page, 0, "rln.t0.conv4.weight_map"), before), "the original changed"
    painted = page.evaluate("window.dgrl.scene().slots[1].edits")
    expected = network.trace(png, edits=read_edits(painted)).steps[0].weight_maps["conv4"]
    assert np.abs(array_of(page, 1, "rln.t0.conv4.weight_map") - expected.ravel()).max() < 2e-3
    assert np.abs(expected.ravel() - before).max() > 0.1


def test_an_attention_map_is_taken_from_another_photo(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path
) -> None:
    network = small_network[0]
    page = visit(site)
    upload(page, png)
    page.get_by_test_id("view-change").click()
    page.get_by_title("Show the medium attention of look 1").click()
    page.get_by_role("combobox", name="Photo").select_option("kitten")
    wait(page)
    edits = page.evaluate("window.dgrl.scene().slots[1].edits")
    other = network.trace(EXAMPLES / "kitten.jpg")
    trace = network.trace(png, edits=read_edits(edits, lambda _: other))
    ours = array_of(page, 1, "rln.t0.conv4.weight_map")
    assert np.abs(ours - other.steps[0].weight_maps["conv4"].ravel()).max() < 2e-3
    assert np.abs(array_of(page, 1, "brn.round1") - trace.refined.ravel()).max() < 2e-3


ARRAY = """([slot, name]) => {
  const { store } = window.dgrl.loader;
  const { scene, passes } = store.state;
  const key = window.dgrl.values().find((one) => one.slot === slot).key;
  return [...passes[key].pass.arrays[name]];
}"""


def array_of(page: Page, slot: int, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return an array of the pass that a slot shows."""
    return np.array(page.evaluate(ARRAY, [slot, name]))


def test_explanations_equal_the_library_s_occlusion(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path
) -> None:
    page = visit(site)
    upload(page, png)
    wait(page)
    page.get_by_test_id("view-why").click()
    page.get_by_test_id("explain").click()
    wait(page)
    explanation = attribute(small_network[0], png, ObjectTarget(), "occlusion")
    assert f"is {explanation.value:.2f} on average over its pixels" in page.get_by_test_id("explanation").inner_text()
    answers = page.evaluate("Object.values(window.dgrl.loader.store.state.answers).map(({ result }) => result?.limit)")
    largest = float(np.abs(explanation.cells).max())  # type: ignore[arg-type]
    assert any(value == pytest.approx(largest, rel=2e-3) for value in answers if value)


def test_an_explanation_can_be_stopped(site: Site, visit: Visit, png: Path) -> None:
    page = visit(site)
    upload(page, png)
    wait(page)
    page.get_by_test_id("view-why").click()
    page.get_by_test_id("explain").click()
    page.get_by_role("button", name="Stop").click()
    wait(page)
    assert page.get_by_test_id("explanation").inner_text() == "Stopped."
    page.get_by_test_id("explain").click()
    wait(page)
    assert "on average over its pixels" in page.get_by_test_id("explanation").inner_text()


def test_scores_equal_the_library_s(small_network: tuple[DGRL, Path], site: Site, visit: Visit, tmp_path: Path) -> None:
    pixels, mask = draw_photo(90, 120, seed=3)
    photo, truth = tmp_path / "shape.png", tmp_path / "shape_mask.png"
    Image.fromarray(pixels).save(photo)
    Image.fromarray(mask).save(truth)
    page = visit(site)
    upload(page, photo)
    page.get_by_test_id("view-measure").click()
    page.get_by_test_id("mask").set_input_files(truth)
    wait(page)
    saliency = metrics.as_bytes(small_network[0].trace(photo).saliency)
    expected = metrics.measure(saliency, mask, stretch=True).results()
    for metric in ("MAE", "maxF", "meanF", "adaptiveF"):
        row = page.get_by_test_id("scores").locator("tr", has_text=metric).locator("td").last
        assert float(row.inner_text()) == pytest.approx(expected[metric], abs=2e-3), metric


def test_a_survey_with_masks_has_the_library_s_numbers(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, tmp_path: Path
) -> None:
    files = []
    for seed in (1, 2):
        pixels, mask = draw_photo(60, 80, seed=seed)
        for name, image in {f"photo{seed}.png": pixels, f"photo{seed}_mask.png": mask}.items():
            Image.fromarray(image).save(tmp_path / name)
            files.append(tmp_path / name)
    page = visit(site)
    page.get_by_test_id("view-batch").click()
    page.get_by_test_id("batch-files").set_input_files(files)
    page.wait_for_function(
        "() => { const { batch } = window.dgrl.loader.store.state; const own = batch.filter(({ file }) => file);"
        " return own.length === 2 && own.every(({ status }) => status === 'done'); }"
    )
    drawn = page.locator("[role=row] img[alt='Mask of photo1']")
    size, share = drawn.evaluate(
        """async (image) => {
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
          const bright = data.filter((_, i) => i % 4 === 0).filter((value) => value > 127).length;
          return [[canvas.width, canvas.height], bright / (canvas.width * canvas.height)];
        }"""
    )
    assert size == [80, 60]
    assert share == pytest.approx((draw_photo(60, 80, seed=1)[1] > 0).mean(), abs=0.02)
    with page.expect_download() as started:
        page.get_by_role("button", name="JSON").click()
    shown = {row["picture"]: row for row in json.loads(Path(started.value.path()).read_text(encoding="utf-8"))["rows"]}
    masks = tmp_path / "masks"
    masks.mkdir()
    for photo, mask in zip(files[::2], files[1::2], strict=True):
        shutil.copy(mask, masks / photo.name)
    expected = survey({"small": small_network[0]}, files[::2], masks, parts=False)
    for row in expected.rows:
        result = shown[Path(row.picture).stem]
        keys = set(result) & set(row.values)
        assert {"MAE_refined", "maxF_t0", "object_share", "found_share", "on_object_conv5_t0", "focus"} <= keys
        for key in keys:
            assert result[key] == pytest.approx(row.values[key], abs=2e-3), key


def test_files_equal_those_of_the_command_line(
    small_network: tuple[DGRL, Path], site: Site, visit: Visit, png: Path, tmp_path: Path
) -> None:
    """The map differs by at most one level and .05 on average; the cut-out has DGRL's mark and cleaned edges."""
    network = small_network[0]
    page = visit(site)
    upload(page, png)
    wait(page)
    files = {}
    for kind in ("map", "cutout"):
        page.get_by_test_id("save").click()
        with page.expect_download() as saved:
            page.get_by_test_id(f"save-{kind}").click()
        files[kind] = tmp_path / f"{kind}.png"
        saved.value.save_as(files[kind])
        assert is_marked(files[kind])
        page.keyboard.press("Escape")
    expected = np.asarray(to_grey(network.detect(png)), int)
    with Image.open(files["map"]) as image:
        difference = np.abs(np.asarray(image.convert("L"), int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.05
    result, theirs = Image.open(io.BytesIO(files["cutout"].read_bytes())), network.cut_out(png)
    assert (result.size, result.mode) == ((120, 90), "RGBA")
    ours_, theirs_ = np.asarray(result, int), np.asarray(theirs, int)
    # The canvas multiplies colours by their transparency and divides again.
    solid = theirs_[..., 3] > 127
    assert np.abs(ours_ - theirs_)[solid].max() <= 4


def test_a_link_opens_its_scene(site: Site, visit: Visit) -> None:
    edits = json.dumps([{"kind": "kernels", "to": "identity"}])
    page = visit(site, f"?{urlencode({'view': 'change', 'example': 'coffee', 'T': 0, 'two': 1, 'edits': edits})}")
    slots = page.evaluate("window.dgrl.scene().slots")
    assert [slot["photo"] for slot in slots] == ["coffee", "coffee"]
    assert page.evaluate(ARRAY, [1, "brn.coefficients"]).count(1) == 80 * 80  # one for each pixel


def test_a_file_that_is_not_a_picture_is_refused_with_a_reason(site: Site, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.get_by_test_id("photos").click()
    page.get_by_test_id("upload").set_input_files(tmp_path / "no.png")
    page.get_by_test_id("notice").filter(has_text="cannot read it as a picture").wait_for()


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_meets_wcag_aa(site: Site, visit: Visit, scheme: str) -> None:
    page = visit(site, scheme=scheme)
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(AXE.read_text("utf-8"))
    for view in ("explore", "tour", "change", "why", "measure"):
        page.get_by_test_id(f"view-{view}").click()
        wait(page)
        explanation = page.evaluate(
            """async () => (await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }))
              .violations.map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html }) => html.slice(0, 160))])"""
        )
        assert explanation == [], json.dumps([view, explanation], indent=1, ensure_ascii=False)


def test_the_page_has_the_licences_of_all_parts(small_page: Path) -> None:
    message = (small_page / "licences" / "README.txt").read_text("utf-8")
    for name in re.findall(r"[\w-]+\.(?:txt|md)", message):
        assert (small_page / "licences" / name).is_file() or name == "weights.md", name
    assert "onnxruntime-web 1.30.0 (MIT)" in message
