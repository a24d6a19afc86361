"""Checks of explanations: true ones beat chance, shuffled ones do not, and randomised heads change explanations."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgrl import DGRL
from dgrl.attribution.answer import explanation_in_batches
from dgrl.attribution.attribute import Attribution, attribute
from dgrl.attribution.batches import result_of
from dgrl.attribution.evidence import Evidence
from dgrl.attribution.faithfulness import GRID, cells, faithfulness, hidden, rank_correlation, shown
from dgrl.attribution.question import METHODS, Method, ObjectTarget, PixelTarget, Question
from dgrl.checkpoint import default_weights
from dgrl.files import EXAMPLES
from tests.helpers.networks import TRAINED, filled

SMALLEST = replace(TRAINED, rln_size=96)
ASTRONAUT, KITTEN = EXAMPLES / "astronaut.jpg", EXAMPLES / "kitten.jpg"
PIXEL = PixelTarget(200, 120)


@pytest.fixture(scope="module")
def network() -> DGRL:
    return filled(DGRL(SMALLEST))


def explanation(square: NDArray[np.float64], value: float = 1.0, method: Method = "grad_cam") -> Attribution:
    return Attribution(square.astype(np.float32), (512, 512), PIXEL, method, value, 0.0, None, 0.0)


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float64]:
    """Return what each place adds to the value (96, 96), with sum 1, in place of a network's effect."""
    y, x = np.mgrid[:96, :96]
    weights = np.exp(-((x - 30) ** 2 + (y - 60) ** 2) / 300)
    weights /= weights.sum()

    def value(self: Evidence, visibility: Tensor) -> Tensor:
        return (visibility[:, 0] * torch.from_numpy(weights).float()).sum((1, 2))

    monkeypatch.setattr(Evidence, "__call__", value)
    return weights


def test_the_true_explanation_beats_chance(network: DGRL, truth: NDArray[np.float64]) -> None:
    checked = faithfulness(network, ASTRONAUT, Question(PIXEL, "occlusion"), explanation(truth, method="occlusion"))
    ordered = np.sort(cells(truth.astype(np.float32)).ravel())[::-1] * 8 * 8  # what each of the cells of 8×8 adds
    for share, inserted, deleted in zip(checked.shares, checked.insertion, checked.deletion, strict=True):
        assert inserted == pytest.approx(ordered[: round(share * GRID**2)].sum(), abs=1e-5)
        assert deleted == pytest.approx(1 - inserted, abs=1e-5)
    assert checked.insertion_area > 0.85
    assert checked.deletion_area == pytest.approx(1 - checked.insertion_area, abs=1e-5)
    assert checked.random_area == pytest.approx(0.5, abs=0.1)
    assert checked.beats_chance
    assert "beats chance" in checked.words
    assert f"{checked.deletion_area:.2f}" in checked.words
    content = json.loads(json.dumps(checked.as_json()))
    assert content["insertion"] == checked.insertion.tolist()
    assert (content["words"], content["beats_chance"]) == (checked.words, True)


@pytest.mark.parametrize("method", METHODS)
def test_shuffled_explanations_are_called_chance(
    network: DGRL, truth: NDArray[np.float64], method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgrl.attribution.faithfulness._sensitivity", lambda *_: iter_nothing())
    called = []
    for seed in range(20):
        shuffled = np.random.default_rng(seed).permutation(cells(truth.astype(np.float32)).ravel())
        square = np.kron(shuffled.reshape(GRID, GRID), np.ones((8, 8)))
        checked = faithfulness(network, ASTRONAUT, Question(PIXEL, method), explanation(square, method=method), seed)
        called.append(not checked.beats_chance)
        assert ("does not beat chance" in checked.words) == called[-1]
    assert sum(called) >= 19


def iter_nothing():
    return 0.0
    yield


def test_the_opposite_of_the_truth_does_not_beat_chance(network: DGRL, truth: NDArray[np.float64]) -> None:
    checked = faithfulness(network, ASTRONAUT, Question(PIXEL, "occlusion"), explanation(-truth))
    assert checked.insertion_area < checked.random_area < checked.deletion_area
    assert not checked.beats_chance


def test_a_number_that_the_photo_lowers_is_checked_too(
    network: DGRL, truth: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Evidence.__call__
    monkeypatch.setattr(Evidence, "__call__", lambda self, visibility: -usual(self, visibility))
    checked = faithfulness(network, ASTRONAUT, Question(PIXEL, "occlusion"), explanation(-truth, value=-1.0))
    assert checked.beats_chance
    assert (checked.deletion[0], checked.deletion[-1]) == (-1, 0)
    assert (checked.insertion[0], checked.insertion[-1]) == (0, -1)


def test_a_value_that_the_photo_does_not_change_cannot_be_checked(network: DGRL) -> None:
    black = np.zeros((40, 60, 3), np.uint8)
    question = Question(PixelTarget(5, 5), "grad_cam", baseline="black")
    checked = faithfulness(network, black, question, attribute(network, black, PixelTarget(5, 5), "grad_cam"))
    assert not checked.beats_chance
    assert np.isfinite(checked.deletion).all()


def test_the_heads_are_randomised_and_the_model_s_stay(network: DGRL) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for target in (PIXEL, PixelTarget(200, 120, refined=True)):
        evidence = Evidence(network, np.asarray(read(ASTRONAUT)), target)
        other = evidence.with_random_heads(3)
        for original, shuffled in zip(evidence.rln.heads.parameters(), other.rln.heads.parameters(), strict=True):
            assert torch.equal(original.flatten().sort().values, shuffled.flatten().sort().values)
            assert original.numel() < 3 or not torch.equal(original, shuffled)
        for original, same in zip(evidence.rln.backbone.parameters(), other.rln.backbone.parameters(), strict=True):
            assert torch.equal(original, same)
        assert evidence.value(1.0) != other.value(1.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def read(path: Path) -> NDArray[np.uint8]:
    from dgrl.images import read_image

    return read_image(path)


def test_an_explanation_that_ignores_the_heads_is_insensitive(
    network: DGRL, truth: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Occlusion of a number that does not come from the heads is the same with any heads.
    result = attribute(network, ASTRONAUT, PIXEL, "occlusion")
    checked = faithfulness(network, ASTRONAUT, Question(PIXEL, "occlusion"), result)
    assert checked.sensitivity == pytest.approx(1)
    assert "shows the photo more" in checked.words


def test_masks_of_cells() -> None:
    order = np.arange(GRID**2)[::-1]
    mask = shown(order, 1.5 / GRID**2)
    assert (mask[-1, -1], mask[-1, -2], mask.sum()) == (1, 0.5, 1.5)
    np.testing.assert_array_equal(hidden(order, 0.25), 1 - shown(order, 0.25))


def test_rank_correlation() -> None:
    values = np.array([3.0, 1.0, 2.0], np.float32)
    assert rank_correlation(values, values**3) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert rank_correlation(values, np.ones(3, np.float32)) == 0


@pytest.mark.parametrize("method", METHODS)
def test_an_explanation_with_its_check_equals_each_alone(network: DGRL, method: Method) -> None:
    question = Question(PIXEL, method)
    with torch.inference_mode():
        both = result_of(explanation_in_batches(network, read(ASTRONAUT), question))
    alone = attribute(network, ASTRONAUT, PIXEL, method)
    np.testing.assert_allclose(both.attribution.square, alone.square, rtol=1e-5, atol=1e-7)
    checked = faithfulness(network, ASTRONAUT, question, alone)
    np.testing.assert_allclose(both.faithfulness.deletion, checked.deletion, rtol=1e-4, atol=1e-5)
    assert both.faithfulness.sensitivity == pytest.approx(checked.sensitivity, abs=1e-3)


@pytest.mark.slow
def test_with_the_weights_that_ship_grad_cam_beats_chance_and_shuffled_it_does_not() -> None:
    model, question = DGRL.from_pretrained(default_weights()), Question(ObjectTarget(), "grad_cam")
    result = attribute(model, KITTEN, ObjectTarget(), "grad_cam")
    checked = faithfulness(model, KITTEN, question, result)
    assert checked.beats_chance
    shuffled = np.random.default_rng(0).permutation(cells(result.square).ravel()).reshape(GRID, GRID)
    square = np.kron(shuffled, np.ones((32, 32), np.float32))
    assert not faithfulness(model, KITTEN, question, replace(result, square=square)).beats_chance
