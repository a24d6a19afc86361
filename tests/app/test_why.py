"""Explanations of the app equal the library's, and stop when they are cancelled."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl import DGRL, Trace
from dgrl.app.passes import Passes
from dgrl.app.runs import AS_TRAINED, View
from dgrl.attribution import methods
from dgrl.attribution.answer import percent, words
from dgrl.attribution.attribute import Attribution, attribute
from dgrl.attribution.question import CellTarget, ObjectTarget, PixelTarget, Target
from dgrl.figures.attribution import attribution_layer, attributions
from tests.app.conftest import Served


@pytest.fixture
def few_path_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute Integrated Gradients in one batch; the app runs in this process."""
    monkeypatch.setattr(methods, "CUTS", (0.0, 1.0))
    monkeypatch.setattr(methods, "MOST_POINTS", methods.POINTS)


@pytest.fixture
def view(network: DGRL, photo_files: dict[str, Path]) -> View:
    return Passes({"tiny": network}, "fp32").view(str(photo_files["wide"]), "tiny", AS_TRAINED)


def ask(client: Client, photo: Path, checkpoint: str = "tiny", steps: int = AS_TRAINED, **settings: Any) -> Any:
    """Return the endpoint's response; by default of Grad-CAM, which takes one pass."""
    arguments = {"x": 70, "y": 40, "method": "grad_cam", **settings}
    return client.predict(handle_file(photo), checkpoint=checkpoint, steps=steps, **arguments, api_name="/attribute")


QUESTIONS: dict[str, tuple[dict[str, Any], Target, dict[str, Any]]] = {
    "pixel": ({}, PixelTarget(70, 40), {}),
    "pixel of a step": ({"step": 1, "block": "conv2", "block_step": 0}, PixelTarget(70, 40, 1), {"block_step": 0}),
    "pixel after BRN": ({"refined": True, "step": 1}, PixelTarget(70, 40, refined=True), {}),
    "object": ({"target": "object", "block": "conv4"}, ObjectTarget(), {}),
    # conv3's map has 6×6 cells at 96²; the photo has 200×120 pixels, and corner cells lie on its corners.
    "cell": ({"target": "cell", "level": "conv3", "block": "conv1"}, CellTarget("conv3", 2, 2), {}),
    "corner": ({"target": "cell", "level": "conv3", "x": 199, "y": 0, "block": "conv3"}, CellTarget("conv3", 0, 5), {}),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_endpoint_explains_what_the_library_explains(
    client: Client, served: Served, photo_files: dict[str, Path], wide_trace: Trace, name: str
) -> None:
    settings, target, library_settings = QUESTIONS[name]
    picture, numbers = ask(client, photo_files["wide"], **settings)
    block = settings.get("block", "conv5")
    expected = attribute(served.network, photo_files["wide"], target, "grad_cam", block=block, **library_settings)
    assert numbers["value"] == pytest.approx(expected.value, abs=1e-4)
    assert {field: numbers[field] for field in vars(target)} == vars(target)
    result = wide_trace.saliency > 0.5
    assert numbers["share_inside"] == pytest.approx(expected.share_inside(result), abs=0.02)
    assert numbers["object_share"] == pytest.approx(result.mean(), abs=0.01)
    assert numbers["completeness_error"] is None
    assert f"is {expected.value:.2f}" in numbers["words"]
    assert f"{percent(numbers['share_inside'])} of what speaks for it" in numbers["words"]
    assert Image.open(picture).size == (800, 480)
    assert Image.open(picture).format == "PNG"
    assert numbers["scale"] == {"low": -1, "high": 1, "label": "share of the strongest part"}


@pytest.mark.usefixtures("few_path_points")
@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_methods_with_a_baseline(client: Client, served: Served, photo_files: dict[str, Path], method: Any) -> None:
    picture, numbers = ask(client, photo_files["wide"], method=method, target="object", baseline="grey")
    expected = attribute(served.network, photo_files["wide"], ObjectTarget(), method, baseline="grey")
    assert numbers["value"] == pytest.approx(expected.value, abs=1e-4)
    assert numbers["baseline_value"] == pytest.approx(expected.baseline_value, abs=1e-4)
    assert f"Without the photo it would be {expected.baseline_value:.2f}." in numbers["words"]
    if method == "integrated_gradients":
        assert numbers["completeness_error"] == pytest.approx(expected.completeness_error, rel=0.01)
        assert numbers["sum"] == pytest.approx(expected.square.sum(), rel=0.01)
        assert "added by 1 % of the photo" in numbers["scale"]["label"]
    else:
        assert "completeness_error" in numbers
        assert numbers["scale"]["high"] == pytest.approx(np.abs(expected.square).max(), rel=1e-3)
    assert Path(picture).stem == f"why_{method}"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({"x": 200}, "columns 0 to 199 and rows 0 to 119"),
    "no column": ({"x": None}, "columns 0 to 199 and rows 0 to 119"),
    "later step": ({"step": 4}, "There is no time step 4: this pass has t = 0 to 2."),
    "block's later step": ({"step": 0, "block_step": 1}, "The target is at time step 0"),
    "block above": ({"target": "cell", "level": "conv3", "block": "conv5"}, "no influence on conv3's weight map"),
    "no weight maps": ({"checkpoint": "other", "target": "cell"}, "no such weight map"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_impossible_questions_are_refused_with_a_reason(
    client: Client, photo_files: dict[str, Path], name: str
) -> None:
    settings, message = REFUSED[name]
    with pytest.raises(AppError, match=message):
        ask(client, photo_files["wide"], **settings)
    ask(client, photo_files["wide"])


def still(served: Served) -> int:
    """Return the number of passes, once none has run for two seconds."""
    deadline = time.monotonic() + 60
    before = -1
    while before != len(served.passes) and time.monotonic() < deadline:
        before = len(served.passes)
        time.sleep(2)
    return before


@pytest.mark.slow
def test_cancelling_stops_the_computation(client: Client, served: Served, photo_files: dict[str, Path]) -> None:
    arguments = {"x": 70, "y": 40, "method": "occlusion"}
    before = still(served)
    ask(client, photo_files["wide"], **arguments)
    start = still(served)
    whole = start - before
    assert whole > 10, "it takes many batches"
    slow = served.network.rln.backbone.conv1.register_forward_pre_hook(lambda *_: time.sleep(0.3))
    try:
        job = client.submit(handle_file(photo_files["wide"]), **arguments, api_name="/attribute")
        deadline = time.monotonic() + 60
        while len(served.passes) < start + 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        job.cancel()
        assert still(served) < start + whole, "all windows were computed although the job was cancelled"
    finally:
        slow.remove()
    value = ask(client, photo_files["wide"])[1]["value"]
    assert value == pytest.approx(attribute(served.network, photo_files["wide"], PixelTarget(70, 40), "grad_cam").value)


def test_red_speaks_for_it_and_blue_against(view: View) -> None:
    square = np.zeros((96, 96), np.float32)
    square[:, :32], square[:, 64:] = 2.0, -2.0
    result = Attribution(square, (120, 200), ObjectTarget(), "occlusion", 1.0, 0.0, None, 0.0)
    layer = attribution_layer(result)
    assert layer.limit == 2
    left, middle, right = layer.over(view.photo)[240, [80, 400, 720]].astype(int)
    assert left[0] > left[2] + 30
    assert right[2] > right[0] + 30
    assert middle.max() - middle.min() < 12
    np.testing.assert_allclose(attribution_layer(replace_method(result, "grad_cam")).values, square / 2)
    figure = attributions(view.trace.photo, [result, replace_method(result, "grad_cam")])
    assert [ax.get_title() for ax in figure.axes[:3]] == ["photo", "Occlusion", "Layer Grad-CAM"]


def replace_method(found: Attribution, method: Any) -> Attribution:
    return Attribution(found.square, found.photo_size, found.target, method, 1.0, 0.0, None, 0.0)


def test_smoothing_keeps_the_sum() -> None:
    square = np.zeros((96, 96), np.float32)
    square[40, 50] = 3.0
    result = Attribution(square, (96, 96), ObjectTarget(), "integrated_gradients", 3.0, 0.0, 0.0, 0.0)
    assert attribution_layer(result).values.mean() * 100 == pytest.approx(3.0, rel=1e-4)


def test_a_warning_says_when_an_attribution_does_not_add_up() -> None:
    square = np.ones((4, 4), np.float32)
    for error, warned in [(0.04, False), (0.06, True)]:
        result = Attribution(square, (4, 4), ObjectTarget(), "integrated_gradients", 3.0, 1.0, error, 2.0)
        assert ("too much" in words(result, None, 0.0, 2)) == warned
