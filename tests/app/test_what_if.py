"""Changing a pass: the endpoint's results equal the library's, and edits written as JSON mean the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dgrl.edits import read_edits, read_mask, write_mask
from dgrl.evaluation.comparison import compare
from dgrl.prompts import box_prompt, mask_prompt
from dgrl.taps import (
    before_refinement,
    flatten_map,
    identity_kernels,
    mean_kernels,
    paint_map,
    scale_feedback,
)
from tests.app.conftest import Served

MASK = np.zeros((6, 10), bool)
MASK[1:4, 2:9] = True
PAINT = {"kind": "paint", "level": "conv3", "strength": 3, "mask": write_mask(MASK), "at": 1}
ALTERED: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    "flat": ([{"kind": "flatten", "level": "conv4", "at": 1}], [flatten_map("conv4", 1)]),
    "flat at every step": ([{"kind": "flatten", "level": "conv5"}], [flatten_map("conv5")]),
    "painted": ([PAINT], [paint_map("conv3", MASK, 3, 1)]),
    "painted on an even map": (
        [PAINT, {"kind": "flatten", "level": "conv3"}],
        [flatten_map("conv3"), paint_map("conv3", MASK, 3, 1)],
    ),
    "cut": ([{"kind": "feedback", "block": "conv5"}], [scale_feedback("conv5", 0)]),
    "scaled": ([{"kind": "feedback", "block": "conv2", "factor": 1.5, "at": 2}], [scale_feedback("conv2", 1.5, 2)]),
    "mean kernels": ([{"kind": "kernels", "to": "mean"}], [mean_kernels()]),
    "identity kernels": ([{"kind": "kernels", "to": "identity"}], [identity_kernels()]),
    "before BRN": ([{"kind": "unrefined"}], [before_refinement()]),
    "a box as prompt": ([{"kind": "prompt", "box": [0.1, 0, 0.5, 1]}], [box_prompt(0.1, 0, 0.5, 1)]),
    "a mask as prompt": ([{"kind": "prompt", "mask": write_mask(MASK), "share": 0.8}], [mask_prompt(MASK, 0.8)]),
    "nothing": ([], []),
}


@pytest.mark.parametrize("name", ALTERED)
def test_the_endpoint_gives_what_the_library_gives(
    client: Client, served: Served, photo_files: dict[str, Path], mask_files: dict[str, Path], name: str
) -> None:
    sent, edits = ALTERED[name]
    photo, mask = photo_files["wide"], mask_files["wide"]
    arguments = {"edits": sent, "mask": handle_file(mask)}
    *pictures, numbers = client.predict(handle_file(photo), api_name="/what_if", **arguments)
    untouched, altered = served.network.trace(photo), served.network.trace(photo, edits=edits)
    truth = (np.asarray(Image.open(mask)) > 127).astype(np.uint8)
    expected = compare(untouched, altered, truth)
    for part in ("localised", "refined"):
        for which, reading in zip(("untouched", "altered"), getattr(expected, part), strict=True):
            assert numbers[part][which] == pytest.approx(vars(reading), abs=1e-4)
    difference = np.abs(altered.saliency - untouched.saliency).mean()
    assert numbers["refined"]["mean_absolute_difference"] == pytest.approx(difference, abs=1e-5)
    assert [Path(path).stem for path in pictures] == ["untouched", "altered", "difference"]
    # This network's feedback carries no attention, so the weights of a step only shape its own map.
    without_effect = "nothing", "flat", "painted", "a box as prompt", "a mask as prompt"
    assert (difference > 0) == (name not in without_effect)


def test_the_photo_alone_has_all_weight_maps_flattened(
    client: Client, served: Served, photo_files: dict[str, Path]
) -> None:
    *_, numbers = client.predict(handle_file(photo_files["wide"]), api_name="/what_if")
    altered = served.network.trace(
        photo_files["wide"], edits=[flatten_map(level) for level in ("conv3", "conv4", "conv5")]
    )
    inside = altered.saliency[served.network.trace(photo_files["wide"]).found()].mean()
    assert numbers["refined"]["altered"]["inside"] == pytest.approx(inside, abs=1e-4)
    assert [edit["kind"] for edit in numbers["edits"]] == ["flatten"] * 3


def test_paintings_can_be_pictures_and_changed_passes_can_have_more_steps(
    client: Client, served: Served, photo_files: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "painting.png"
    Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8)).save(path)
    arguments = {"edits": [{"kind": "paint", "level": "conv4"}], "painting": handle_file(path), "altered_steps": 4}
    *_, numbers = client.predict(handle_file(photo_files["wide"]), api_name="/what_if", **arguments)
    altered = served.network.trace(photo_files["wide"], 4, [paint_map("conv4", MASK, 4)])
    result = served.network.trace(photo_files["wide"]).found()
    assert numbers["localised"]["altered"]["inside"] == pytest.approx(altered.sized(-1)[result].mean(), abs=1e-4)


def test_each_changed_setting_takes_one_pass(client: Client, served: Served, new_photo: Path) -> None:
    before = len(served.passes)
    flat = {"kind": "flatten", "level": "conv4"}
    for edits in ([PAINT, flat], [flat, PAINT], [flat]):
        client.predict(handle_file(new_photo), edits, api_name="/what_if")
    assert len(served.passes) == before + 3  # the unchanged pass and two changed ones


REFUSED: dict[str, tuple[Any, str]] = {
    "no list": ({"kind": "flatten"}, "Edits are a list"),
    "too many": ([{"kind": "unrefined"}] * 65, "at most 64"),
    "no kind": ([{}], "kind is one of prompt, flatten, patch, paint"),
    "level": ([{"kind": "flatten", "level": "conv9"}], "Level is one of conv3, conv4, conv5"),
    "block": ([{"kind": "feedback", "block": 3}], "Block is one of conv2"),
    "step": ([{"kind": "flatten", "level": "conv3", "at": "1"}], "At is a time step"),
    "later step": ([{"kind": "flatten", "level": "conv3", "at": 4}], "(?i)this pass has no tap"),
    "factor": ([{"kind": "feedback", "block": "conv3", "factor": 1e9}], "Factor is from 0 to 10"),
    "not finite": ([{"kind": "feedback", "block": "conv3", "factor": "NaN"}], "Factor is a number"),
    "no mask": ([{"kind": "paint", "level": "conv3"}], "A mask begins with its size"),
    "large mask": ([{**PAINT, "mask": "999x999:1"}], "from 1 to 256 columns"),
    "short mask": ([{**PAINT, "mask": "9x9:1.2"}], "has 81 pixels, and the lengths of this one add up to 3"),
    "bad mask": ([{**PAINT, "mask": "9x9:§"}], "base 36"),
    "prompt of no area": ([{"kind": "prompt", "box": [0.5, 0, 0.5, 1]}], "has no area"),
    "prompt outside": ([{"kind": "prompt", "box": [0.5, 0, 1.5, 1]}], "Box is from 0 to 1"),
    "empty prompt": ([{"kind": "prompt", "mask": "2x2:4"}], "has no area"),
    "prompt of nothing": ([{"kind": "prompt"}], "either a box or a mask"),
    "two prompts": ([{"kind": "prompt", "box": [0, 0, 0.5, 1]}] * 2, "takes one prompt"),
    "nothing left": ([{**PAINT, "strength": 0, "mask": "2x2:0.4"}], "leaves no weight"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_edits_are_refused_with_a_reason(client: Client, photo_files: dict[str, Path], name: str) -> None:
    edits, message = REFUSED[name]
    with pytest.raises(AppError, match=message):
        client.predict(handle_file(photo_files["wide"]), edits, api_name="/what_if")


@pytest.mark.parametrize("fill", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (85, 128)])
def test_written_masks_are_read_back_unchanged(size: tuple[int, int], fill: float) -> None:
    painted = np.random.default_rng(0).random(size) < fill
    np.testing.assert_array_equal(read_mask(write_mask(painted)), painted)


def test_edits_in_any_order_are_equal() -> None:
    sent = [PAINT, {"kind": "unrefined"}, {"kind": "flatten", "level": "conv4"}, {"kind": "flatten", "level": "conv3"}]
    assert read_edits(sent) == read_edits(sent[::-1])
    assert len(read_edits(sent)) == 4
