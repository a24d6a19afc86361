"""Prompts: what weight maps they make, what is refused, and that the network that ships finds the object meant."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from dgrl import DGRL, prompts
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.edits import read_edits
from dgrl.experiments.tour import written_edits
from dgrl.files import EXAMPLES
from dgrl.prompts import box_prompt, mask_prompt, part_at
from dgrl.taps import EVERY, Edit, flatten_map
from dgrl.training.losses import mask_as_map
from tests.helpers.networks import TINY, filled

MASK = np.zeros((90, 120), bool)
MASK[10:50, 20:70] = True
BOX = (20, 10, 70, 50)


@pytest.fixture(scope="module")
def tiny_model() -> DGRL:
    """Return a tiny network whose feedback carries attention, like the shipped one's."""
    return filled(DGRL(replace(TINY, feedback="attended")))


def maps(trace, t=0):
    return trace.steps[t].weight_maps


def test_a_box_and_its_mask_are_the_same_prompt(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    boxed, masked = tiny_model.trace(photo, box=BOX), tiny_model.trace(photo, prompt=MASK)
    for level, weights in maps(boxed).items():
        np.testing.assert_allclose(weights, maps(masked)[level], atol=1e-5, err_msg=level)
    np.testing.assert_allclose(boxed.saliency, masked.saliency, atol=1e-5)
    assert np.abs(boxed.saliency - tiny_model.trace(photo).saliency).max() > 0.01


def test_the_maps_put_nine_tenths_on_the_prompt(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    trace, plain = tiny_model.trace(photo, 1, box=(0, 0, 60, 90)), tiny_model.trace(photo, 1)
    for level, weights in maps(trace).items():
        assert weights.mean() == pytest.approx(1, abs=1e-5)
        if weights.shape[1] % 2 == 0:  # half of the cells are prompted, and hold their part of the even tenth too
            left = weights[:, : weights.shape[1] // 2]
            np.testing.assert_allclose(left, 0.1 + 0.9 * 2, rtol=1e-5, err_msg=level)
        assert not np.array_equal(maps(trace, 1)[level], weights)  # later steps have maps of their own
        assert not np.array_equal(maps(plain)[level], weights)


@pytest.mark.parametrize("size", [(24, 24), (12, 12), (6, 6), (1, 1)])
def test_inference_gives_the_maps_of_training(size: tuple[int, int]) -> None:
    random = torch.rand(48, 72) < 0.2
    arguments = mask_prompt(random.numpy()).change
    expected = mask_as_map(random[None, None].float(), size, 0.1)
    torch.testing.assert_close(arguments(torch.rand(1, 1, *size)), expected)  # type: ignore[operator]


def test_small_boxes_count_by_area() -> None:
    weights = box_prompt(0.5, 0.5, 0.5 + 1e-6, 0.5 + 1e-6).change(torch.rand(1, 1, 6, 6))  # type: ignore[operator]
    assert weights.argmax() == 3 * 6 + 3
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    fine = F.adaptive_avg_pool2d(box_prompt(0.1, 0.3, 0.83, 0.77).change(torch.rand(1, 1, 600, 600)), 6)  # type: ignore[operator]
    coarse = box_prompt(0.1, 0.3, 0.83, 0.77).change(torch.rand(1, 1, 6, 6))  # type: ignore[operator]
    torch.testing.assert_close(coarse, fine, rtol=0, atol=1e-3)


@pytest.mark.parametrize("make", [lambda: box_prompt(0, 0.1, 0.5, 1), lambda: mask_prompt(MASK, 0.8)])
def test_prompts_are_values(tiny_model: DGRL, photo: NDArray[np.uint8], make) -> None:
    edit: Edit = make()
    assert (edit, hash(edit)) == (make(), hash(make()))
    assert pickle.loads(pickle.dumps(edit)) == edit
    (read,) = read_edits(json.loads(json.dumps(list(written_edits(edit)))))
    assert read == edit
    assert edit not in (box_prompt(0, 0.1, 0.5, 0.9), box_prompt(0, 0.1, 0.5, 1, 0.8), mask_prompt(MASK))


def test_a_large_mask_fits_in_a_link(tiny_model: DGRL) -> None:
    large = np.zeros((384, 512), bool)
    large[96:192, 128:256] = True
    (read,) = read_edits(list(written_edits(mask_prompt(large))))
    for size in ((12, 12), (6, 6)):
        torch.testing.assert_close(*(edit.change(torch.rand(1, 1, *size)) for edit in (read, mask_prompt(large))))  # type: ignore[operator]


def test_other_edits_come_after_a_prompt(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    written = [{"kind": "flatten", "level": "conv3"}, {"kind": "prompt", "box": [0, 0, 0.5, 1]}]
    trace = tiny_model.trace(photo, edits=read_edits(written))
    assert (maps(trace)["conv3"] == 1).all()
    assert (
        tiny_model.trace(photo, edits=[flatten_map("conv3", EVERY)], box=(0, 0, 60, 90)).refined == trace.refined
    ).all()
    assert (maps(trace)["conv4"] != 1).any()


def test_detect_and_cut_out_accept_the_arguments_of_trace(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    plain = tiny_model.trace(photo).saliency
    result = np.argwhere(tiny_model.trace_localised(photo).saliency > 0.6)[0]
    for arguments in ({"box": BOX}, {"prompt": MASK}, {"point": (int(result[1]), int(result[0]))}):
        expected = tiny_model.trace(photo, **arguments).saliency  # type: ignore[arg-type]
        np.testing.assert_allclose(tiny_model.detect(photo, **arguments), expected, atol=1e-5)  # type: ignore[arg-type]
        assert np.abs(expected - plain).max() > 0.01
        cut = tiny_model.cut_out(photo, **arguments)  # type: ignore[arg-type]
        assert (cut.mode, cut.size) == ("RGBA", (120, 90))
        np.testing.assert_allclose(np.asarray(cut)[..., 3] / 255, expected, atol=0.01)


def test_a_click_means_the_part_under_it(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    localised = tiny_model.trace_localised(photo, 1)
    saliency = localised.steps[-1].saliency
    row, column = np.argwhere(saliency > 0.6)[0]
    x, y = int((column + 0.5) * 120 / 96), int((row + 0.5) * 90 / 96)
    part = part_at(saliency, x, y, photo.shape)
    assert part is not None
    assert not (part & (saliency <= 0.5)).any()
    np.testing.assert_array_equal(
        tiny_model.trace(photo, 1, point=(x, y)).refined, tiny_model.trace(photo, 1, prompt=part).refined
    )


def test_parts_are_connected_along_rows_and_columns() -> None:
    saliency = np.float32([[0.9, 0.1, 0.0, 0.8], [0.7, 0.2, 0.6, 0.1]])
    assert part_at(saliency, 5, 15, (20, 40)).tolist() == [[True, False, False, False]] * 2  # type: ignore[union-attr]
    assert part_at(saliency, 25, 15, (20, 40)).sum() == 1  # type: ignore[union-attr]
    assert part_at(saliency, 15, 5, (20, 40)) is None


def test_a_click_on_nothing_starts_from_a_disc(
    tiny_model: DGRL, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    saliency = tiny_model.trace_localised(photo).steps[-1].saliency
    row, column = np.argwhere(saliency < 0.4)[0]
    point = int((column + 0.5) * 120 / 96), int((row + 0.5) * 90 / 96)
    disc = prompts.disc_at(*point, photo.shape, (96, 96))
    rows = np.nonzero(disc)[0]
    assert (rows.max() - rows.min()) <= 33
    assert disc[row, column]
    first = tiny_model.trace_localised(photo, edits=[mask_prompt(disc)]).steps[-1].saliency > 0.5
    second = prompts.grown(first)
    assert (second & first).sum() == first.sum() < second.sum()
    for rounds, expected in enumerate([disc, second]):
        monkeypatch.setattr(prompts, "ROUNDS", rounds)
        np.testing.assert_array_equal(
            tiny_model.trace(photo, point=point).refined, tiny_model.trace(photo, prompt=expected).refined
        )


REFUSED = {
    "two prompts": ({"box": BOX, "point": (3, 3)}, "one prompt: give box or point"),
    "no width": ({"box": (20, 10, 20, 50)}, "20,10,20,50 has no area"),
    "turned": ({"box": (70, 50, 20, 10)}, "has no area"),
    "not a number": ({"box": (float("nan"), 0, 5, 5)}, "has no area"),
    "beside": ({"box": (120, 0, 140, 50)}, "outside the photo of 120×90"),
    "above": ({"box": (0, -9, 50, 0)}, "outside the photo"),
    "point beside": ({"point": (120, 3)}, "point 120,3 lies outside the photo of 120×90"),
    "point above": ({"point": (3, -1)}, "outside the photo"),
    "empty mask": ({"prompt": np.zeros((90, 120), bool)}, "has no area"),
    "no mask": ({"prompt": np.full((90, 120), 2.0)}, "must be in"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_empty_prompts_are_refused(tiny_model: DGRL, photo: NDArray[np.uint8], name: str) -> None:
    arguments, message = REFUSED[name]
    for call in (tiny_model.detect, tiny_model.trace, tiny_model.cut_out):
        with pytest.raises(ValueError, match=message):
            call(photo, **arguments)  # type: ignore[operator]


def test_a_box_that_reaches_over_the_edge_is_cut_off(tiny_model: DGRL, photo: NDArray[np.uint8]) -> None:
    over, within = (tiny_model.detect(photo, box=box) for box in ((-30, -5, 60, 200), (0, 0, 60, 90)))
    np.testing.assert_array_equal(over, within)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        box_prompt(0, 0, 1, 0.5, share)
    with pytest.raises(ValueError, match="from 0 to 1"):
        box_prompt(0, 0, 1, 0.5 + share * 10)


def test_without_attended_feedback_every_step_is_prompted(photo: NDArray[np.uint8]) -> None:
    published = filled(DGRL(TINY))
    trace = published.trace(photo, box=BOX)
    for level in ("conv3", "conv4", "conv5"):
        np.testing.assert_array_equal(maps(trace)[level], maps(trace, 2)[level])
    assert np.abs(published.detect(photo, box=BOX) - published.detect(photo)).max() > 0.01
    with pytest.raises(ValueError, match="cannot express"):
        list(written_edits(box_prompt(0, 0, 1, 0.5, t=EVERY)))


def test_prompts_need_weight_maps(photo: NDArray[np.uint8]) -> None:
    without_context = filled(DGRL(replace(TINY, context=False)))
    with pytest.raises(ValueError, match="no weight maps"):
        without_context.detect(photo, box=BOX)


@pytest.mark.skipif(not SHIPPED_WEIGHTS.exists(), reason="the weights are not there")
@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"box": (90, 75, 285, 475)}, True),
        ({"box": (395, 0, 800, 430)}, False),
        ({"point": (190, 250)}, True),
        ({"point": (600, 200)}, False),
    ],
)
def test_the_shipped_network_finds_the_prompted_object(given: dict[str, tuple[int, ...]], left: bool) -> None:
    """An osprey at the left, a raccoon at the right: both are found without a prompt, one of them with it."""
    model, photo = DGRL.from_pretrained(SHIPPED_WEIGHTS), Path(EXAMPLES / "osprey-and-raccoon.jpg")
    width = Image.open(photo).width
    plain, prompted = model.detect(photo), model.detect(photo, **given)  # type: ignore[arg-type]
    halves = [slice(None, width // 2), slice(width // 2, None)]
    meant, other = halves if left else halves[::-1]
    assert (plain[:, other] > 0.5).mean() > 0.1
    assert prompted[:, meant][plain[:, meant] > 0.5].mean() > 0.9
    assert prompted[:, other].mean() < 0.01


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"box": (9, 9, 9)}, r"box is \(left, top, right, bottom\) in pixels"),
        ({"box": "0,0,9,9"}, "not '0,0,9,9'"),
        ({"box": ["a", 1, 2, 3]}, "box is"),
        ({"point": 5}, r"point is \(column, row\) in pixels of the photo, not 5"),
        ({"point": (1, 2, 3)}, "point is"),
    ],
)
def test_prompts_that_are_not_numbers_are_refused_in_words(tiny_model, photo, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        tiny_model.detect(photo, **arguments)
