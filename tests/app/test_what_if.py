"""Altered passes: what the app computes equals the library's, once for each setting, and a person can ask for it."""

import pickle
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from dgrl import DGRL, Edit, Trace
from dgrl.app.alterations import AS_COMPUTED, EVERY_STEP, IDENTITY, MEAN, Alterations
from dgrl.app.painting import BRUSH_OPACITY, canvas, painting_file, read_painting
from dgrl.app.passes import Passes
from dgrl.evaluation.comparison import Comparison, compare
from dgrl.images import read_mask
from dgrl.taps import flatten_map, identity_kernels, mean_kernels, paint_map, scale_feedback
from tests.app.conftest import Served, visit

expect.set_options(timeout=30_000)

LEVELS = ["conv3", "conv4", "conv5"]


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.float32]]:
    """A painting as a file, white on a disc and grey beside it, and as numbers."""
    y, x = np.mgrid[:60, :100]
    grey = np.where(np.hypot(x - 60, y - 25) < 18, 255, np.where(x < 20, 100, 0)).astype(np.uint8)
    path = tmp_path_factory.mktemp("painting") / "painting.png"
    Image.fromarray(grey).save(path)
    return path, grey / np.float32(255)


def ask(client: Client, photo: Path, checkpoint: str = "tiny", steps: int = -1, **settings: Any) -> list[Any]:
    """The endpoint's answer, with nothing altered but what is named."""
    given: dict[str, Any] = {"painting": None, "mask": None, **settings}
    files = {name: handle_file(path) for name, path in given.items() if isinstance(path, Path)}
    return list(
        client.predict(handle_file(photo), checkpoint, steps, **{**given, **files}, api_name="/what_if"),
    )


def assert_readings(numbers: dict[str, Any], expected: Comparison) -> None:
    for kind, pair in asdict(expected).items():
        for given, wanted in zip(numbers[kind], pair, strict=True):
            assert given == {name: pytest.approx(value, abs=1e-5) for name, value in wanted.items()}


SETTINGS: dict[str, tuple[dict[str, Any], Callable[[NDArray[np.float32]], list[Edit]], int | None]] = {
    "flatten": ({"flattened": ["conv4"]}, lambda _: [flatten_map("conv4")], None),
    "flatten at one step": ({"flattened": LEVELS, "maps_at": 2}, lambda _: [flatten_map(k, 2) for k in LEVELS], None),
    "scale at one step": (
        {"conv2": 2, "conv3": 0.5, "conv4": 0, "feedback_at": 2},
        lambda _: [scale_feedback("conv2", 2, 2), scale_feedback("conv3", 0.5, 2), scale_feedback("conv4", 0, 2)],
        None,
    ),
    "four steps": ({"altered_steps": 4}, lambda _: [], 4),
    "identity": ({"kernels": IDENTITY}, lambda _: [identity_kernels()], None),
    "paint": ({"painting": True}, lambda p: [paint_map(k, p, 4) for k in LEVELS], None),
    "paint away": (
        {"painting": True, "strength": 0, "painted": ["conv3"], "maps_at": 2},
        lambda p: [paint_map("conv3", p, 0, 2)],
        None,
    ),
    "everything at once": (
        {
            "painting": True,
            "painted": ["conv5", "conv4"],
            "strength": 6,
            "flattened": ["conv4"],
            "conv4": 1.5,
            "altered_steps": 3,
            "kernels": MEAN,
        },
        lambda p: [
            flatten_map("conv4"),
            paint_map("conv4", p, 6),
            paint_map("conv5", p, 6),
            scale_feedback("conv4", 1.5),
            mean_kernels(),
        ],
        3,
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_endpoint_gives_what_the_library_gives(
    client: Client,
    served: Served,
    photo_files: dict[str, Path],
    wide_trace: Trace,
    painting: tuple[Path, NDArray[np.float32]],
    name: str,
) -> None:
    settings, edits, steps = SETTINGS[name]
    if "painting" in settings:
        settings = {**settings, "painting": painting[0]}
    words, *drawn, tables, numbers = ask(client, photo_files["wide"], **settings)
    altered = served.network.trace(photo_files["wide"], steps, edits(painting[1]))
    expected = compare(wide_trace, altered)
    assert expected.refined[0] != expected.refined[1], "the setting has no effect"
    assert_readings(numbers, expected)
    assert words.startswith("**Altered:**")
    assert [Path(path).stem for path in drawn[::2]] == [
        "untouched_after_BRN", "altered_after_BRN", "difference_after_BRN",
    ]  # fmt: skip
    assert {Image.open(path).size for path in drawn[::2]} == {(800, 480)}
    cells = re.findall(r"<td>([^<]*)</td>", tables)
    before, after = expected.refined
    assert cells[6:9] == [f"{before.inside:.4f}", f"{after.inside:.4f}", f"{after.inside - before.inside:+.4f}"]
    change = np.abs(altered.refined - wide_trace.refined)
    assert f"mean |change| {change.mean():.4f}" in drawn[5]
    assert f"<span>{change.max():.2f}</span>" in drawn[5]


def test_with_a_mask_the_error_is_given_too(
    client: Client,
    served: Served,
    photo_files: dict[str, Path],
    mask_files: dict[str, Path],
    wide_trace: Trace,
) -> None:
    *_, tables, numbers = ask(client, photo_files["wide"], kernels=IDENTITY, mask=mask_files["wide"])
    truth = read_mask(mask_files["wide"])
    altered = served.network.trace(photo_files["wide"], edits=[identity_kernels()])
    expected = compare(wide_trace, altered, truth)
    assert expected.refined[1].mae == pytest.approx(np.abs(altered.saliency - truth).mean(), abs=1e-6)
    assert_readings(numbers, expected)
    assert tables.count("MAE") == 2
    with pytest.raises(AppError, match="The mask has 140×210 pixels and the photo 200×120"):
        ask(client, photo_files["wide"], kernels=IDENTITY, mask=mask_files["high"])


def test_a_weight_map_is_shown_as_it_was_altered(
    client: Client, served: Served, photo_files: dict[str, Path], wide_trace: Trace
) -> None:
    settings = {"flattened": ["conv3"], "maps_at": 1, "shown": "conv3", "shown_at": 1}
    _, *drawn, _, numbers = ask(client, photo_files["wide"], **settings)
    assert "weight at conv3, t = 1" in drawn[3]
    highest = max(step.weight_maps["conv3"].max() for step in wide_trace.steps)
    assert f"<span>{highest:.2f}</span>" in drawn[1]
    assert drawn[1].split("</div>")[0] == drawn[3].split("</div>")[0], "the two maps have different scales"
    even = np.asarray(Image.open(drawn[2]).convert("RGB"))
    assert even.std() < np.asarray(Image.open(drawn[0]).convert("RGB")).std()
    # A weight map acts on its own step's prediction alone; the feedback takes the features themselves.
    assert numbers["localised"][0] == numbers["localised"][1]
    change = np.abs(1 - wide_trace.steps[1].weight_maps["conv3"])
    assert f"mean |change| {change.mean():.4f}" in drawn[5]


def test_each_altered_setting_costs_one_pass(
    client: Client, served: Served, new_photo: Path, painting: tuple[Path, NDArray[np.float32]]
) -> None:
    before = len(served.passes)
    ask(client, new_photo)
    assert len(served.passes) == before + 1, "nothing is altered: the untouched pass is all there is to compute"
    settings = [{"kernels": IDENTITY, "conv3": 0.5}, {"painting": painting[0]}, {"altered_steps": 1}]
    for number, setting in enumerate(settings, start=2):
        for shown in ("after BRN", "conv4"):
            ask(client, new_photo, **setting, shown=shown)
        assert len(served.passes) == before + number, setting
    ask(client, new_photo, flattened=["conv5", "conv3"])
    ask(client, new_photo, flattened=["conv3", "conv5"])
    assert len(served.passes) == before + 5


def test_nothing_altered_is_said_so(client: Client, photo_files: dict[str, Path]) -> None:
    words, *_, numbers = ask(client, photo_files["wide"], strength=1, painted=["conv3"])
    assert "Nothing is altered" in words
    assert numbers["refined"][0] == numbers["refined"][1]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such step": ({"flattened": ["conv3"], "maps_at": 4}, "time steps 0 to 2: there are no weight maps at t = 4"),
    "no such feedback": ({"conv3": 0, "feedback_at": 3}, "time steps 0 to 2: there is no feedback at t = 3"),
    "one look": ({"conv3": 0, "altered_steps": 0}, "nothing is fed back"),
    "no weight maps": ({"flattened": ["conv3"], "checkpoint": "other"}, "built without weight maps"),
    "no such level": ({"flattened": ["conv9"]}, "conv9"),
    "beyond the slider": ({"conv2": 7}, "(?i)maximum|greater|less"),
    "no such kernels": ({"kernels": "none"}, "none"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_altered_is_refused_in_words(client: Client, photo_files: dict[str, Path], name: str) -> None:
    settings, said = REFUSED[name]
    with pytest.raises(AppError, match=said):
        ask(client, photo_files["wide"], **settings)


def test_a_painting_that_is_no_picture_or_leaves_nothing_is_refused(
    client: Client, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    words = tmp_path / "words.png"
    words.write_text("these are words")
    with pytest.raises(AppError, match=r"words\.png: this is not a picture"):
        ask(client, photo_files["wide"], painting=words)
    white = tmp_path / "white.png"
    Image.new("L", (20, 20), 255).save(white)
    with pytest.raises(AppError, match="The painting leaves no weight anywhere"):
        ask(client, photo_files["wide"], painting=white, strength=0)


def test_every_argument_has_a_name_and_all_but_a_few_a_default(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/what_if"]
    defaults = {p["parameter_name"]: p["parameter_has_default"] for p in described["parameters"]}
    assert list(defaults) == [
        "photo", "checkpoint", "steps", "painting", "painted", "strength", "flattened", "maps_at", "conv2", "conv3",
        "conv4", "conv5", "feedback_at", "altered_steps", "kernels", "mask", "shown", "shown_at",
    ]  # fmt: skip
    assert [name for name, default in defaults.items() if not default and name not in ("painting", "mask")] == ["photo"]


def test_a_pass_with_edits_is_the_library_s_and_is_kept_under_them(
    network: DGRL, photo_files: dict[str, Path], wide_trace: Trace
) -> None:
    passes, photo = Passes({"tiny": network}, "fp32"), str(photo_files["wide"])
    edits = [flatten_map("conv4", 1), scale_feedback("conv5", 0), identity_kernels()]
    altered = passes.view(photo, "tiny", -1, "ann", edits).trace
    expected = network.trace(photo_files["wide"], edits=edits)
    for name, values in expected.taps.items():
        np.testing.assert_allclose(altered.taps[name], values, atol=1e-5, err_msg=name)
    again = passes.view(photo, "tiny", -1, "bob", pickle.loads(pickle.dumps(edits)))
    assert again.trace is altered
    assert passes.count == 1
    untouched = passes.view(photo, "tiny", -1, "ann").trace
    np.testing.assert_allclose(untouched.refined, wide_trace.refined, atol=1e-5)
    assert passes.count == 2
    for visitor in ("ann", "bob"):
        passes.leave(visitor)
    assert passes.kept_bytes == 0


def test_what_the_editor_holds_becomes_a_grey_picture() -> None:
    photo = np.zeros((30, 40, 3), np.uint8)
    assert painting_file(None) is None
    layer = Image.new("RGBA", (40, 30))
    assert painting_file({"layers": [layer]}) is None
    brush = (230, 159, 0, round(255 * BRUSH_OPACITY))
    layer.paste(brush, (10, 5, 20, 15))
    layer.paste((230, 159, 0, round(255 * BRUSH_OPACITY / 2)), (20, 5, 30, 15))  # the brush's soft edge
    expected = np.zeros((30, 40))
    expected[5:15, 10:20], expected[5:15, 20:30] = 1, 0.5
    path = painting_file({"layers": [layer]})
    assert path is not None
    np.testing.assert_allclose(read_painting(path), expected, atol=0.01)
    painted = canvas(photo, expected == 1)
    (drawn,) = painted["layers"]
    path = painting_file({"layers": [Image.open(drawn)]})
    assert path is not None
    np.testing.assert_array_equal(read_painting(path), expected == 1)


def test_settings_in_words() -> None:
    everything = Alterations(["conv3"], np.eye(3, dtype=np.float32), LEVELS, 4, EVERY_STEP, (1, 0, 1.5, 1), 2, MEAN)
    assert everything.words == [
        "weight maps of conv3 flattened at every step",
        "weight maps of conv3, conv4, conv5 painted with strength 4 at every step",
        "feedback into conv3 cut at t = 2",
        "feedback into conv4 times 1.5 at t = 2",
        "BRN's kernels replaced by the mean of the picture",
    ]
    nothing = Alterations(
        [], np.zeros((3, 3), np.float32), LEVELS, 4, EVERY_STEP, (1, 1, 1, 1), EVERY_STEP, AS_COMPUTED
    )
    assert nothing.words == nothing.edits == []
    assert nothing.objection(last=0, has_maps=False) is None


def stroke(page: Page, width: int, height: int) -> None:
    """A stroke across the middle of the photo that the editor shows."""
    target = page.locator("#editor canvas").first
    target.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = target.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - width, middle[1] - height)
    page.mouse.down()
    page.mouse.move(middle[0] + width, middle[1] + height, steps=10)
    page.mouse.up()
    page.wait_for_timeout(500)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_paint_cut_and_compare(
    browser: Browser,
    served: Served,
    photo_files: dict[str, Path],
    wide_trace: Trace,
    width: int,
    height: int,
) -> None:
    seen = visit(browser, served.url, width, height)
    page = seen.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or "") if "queue/join" in request.url else None)
    page.set_input_files("#photo input[type=file]", photo_files["wide"])
    expect(page.locator("#cutout img")).to_be_visible()
    page.get_by_role("tab", name="What if").click()
    expect(page.locator("#editor canvas").first).to_be_visible()
    page.wait_for_timeout(2000)
    passes = len(served.passes)
    stroke(page, 60, 10)
    page.get_by_label("Feedback into conv5, times").first.fill("0")
    page.get_by_label("Feedback into conv5, times").first.press("Tab")
    assert len(served.passes) == passes, "controls ran the network"
    page.locator("#run").click()
    expect(page.locator("#what-if-difference img")).to_be_visible()
    expect(page.locator("#altered-words")).to_contain_text("painted with strength 4 at every step")
    expect(page.locator("#altered-words")).to_contain_text("feedback into conv5 cut at every step")
    assert len(served.passes) == passes + 1

    # The painting that the browser sent, in plain Python.
    (sent,) = {path for body in asked for path in re.findall(r'"path":\s*"([^"]*/painting\.png)"', body)}
    coverage = read_painting(sent)
    rows, columns = np.nonzero(coverage > 0.5)
    assert coverage.shape == (480, 800)
    assert max(abs(rows.mean() - 240), abs(columns.mean() - 400)) < 15, "the paint is not where the mouse was"
    assert columns.std() > 3 * rows.std()
    edits = [*(paint_map(level, coverage, 4) for level in LEVELS), scale_feedback("conv5", 0)]
    expected = compare(wide_trace, served.network.trace(photo_files["wide"], edits=edits))
    cells = page.locator("#change td").all_inner_texts()
    pairs = [(kind[0].inside, kind[1].inside) for kind in (expected.localised, expected.refined)]
    assert [float(cells[i]) for i in (0, 1, 6, 7)] == pytest.approx([*pairs[0], *pairs[1]], abs=2e-4)

    passes = len(served.passes)
    shown = page.locator("#what-if-altered img").get_attribute("src") or ""
    page.get_by_role("radio", name="prediction", exact=True).last.check()
    expect(page.locator("#what-if-altered img")).not_to_have_attribute("src", shown)
    assert len(served.passes) == passes, "another map of the same pass ran the network"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.errors == []
    assert seen.outside == []
    page.close()


@pytest.mark.browser
def test_the_found_object_can_be_painted_by_keyboard_and_taken_away_again(
    browser: Browser, served: Served, photo_files: dict[str, Path]
) -> None:
    seen = visit(browser, served.url)
    page = seen.page
    page.set_input_files("#photo input[type=file]", photo_files["high"])
    expect(page.locator("#cutout img")).to_be_visible()
    page.get_by_role("tab", name="What if").click()
    expect(page.locator("#editor canvas").first).to_be_visible()
    page.wait_for_timeout(2000)
    page.get_by_role("button", name="Paint the found object").press("Enter")
    page.wait_for_timeout(2000)
    page.locator("#run").press("Enter")
    expect(page.locator("#altered-words")).to_contain_text("painted with strength 4")
    altered = [float(cell) for cell in page.locator("#change td").all_inner_texts()]
    untouched = served.network.trace(photo_files["high"])
    found = untouched.saliency > 0.5
    edits = [paint_map(level, found, 4) for level in LEVELS]
    expected = compare(untouched, served.network.trace(photo_files["high"], edits=edits))
    assert altered[1] == pytest.approx(expected.localised[1].inside, abs=0.01)

    page.get_by_label("Feedback into conv5, times").first.fill("0")
    page.get_by_role("button", name="Reset", exact=True).press("Enter")
    expect(page.get_by_label("Feedback into conv5, times").first).to_have_value("1")
    expect(page.locator("#altered-words")).to_contain_text("Alter something")
    passes = len(served.passes)
    page.locator("#run").press("Enter")
    expect(page.locator("#altered-words")).to_contain_text("Nothing is altered")

    page.get_by_role("button", name="Paint the found object").press("Enter")
    page.wait_for_timeout(2000)
    page.locator("#run").press("Enter")
    expect(page.locator("#altered-words")).to_contain_text("painted with strength 4")
    page.get_by_label("Clear canvas").click()
    page.wait_for_timeout(1500)  # the photo comes back
    page.locator("#run").press("Enter")
    expect(page.locator("#altered-words")).to_contain_text("Nothing is altered")
    assert len(served.passes) == passes, "the painting outlived the reset or the cleared canvas"

    editor = page.locator("#editor canvas").first
    width = editor.bounding_box()["width"]  # type: ignore[index]  # None would be a failure, too
    page.get_by_role("tab", name="Detect").click()
    expect(editor).not_to_be_visible()
    assert page.locator("#what-if").bounding_box()["height"] == 0  # type: ignore[index]
    assert editor.evaluate("canvas => canvas.getBoundingClientRect().width") == width, "it will be drawn anew"
    assert seen.errors == []
    page.close()
