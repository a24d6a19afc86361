"""Experiments measure the effects that they describe: tiny random networks, compared with independent computations."""

import dataclasses

import numpy as np
import pytest

from dgrl import DGRL
from dgrl.experiments import effects
from dgrl.experiments.effects import FLAT, MEAN_KERNEL, painted_setting
from dgrl.experiments.passes import Passes, Setting, on_grid, share_inside
from dgrl.taps import LEVELS, identity_kernels
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture(scope="module")
def network():
    return filled(DGRL(dataclasses.replace(TINY, feedback="attended")))


@pytest.fixture
def passes(network):
    photo, mask = draw_photo(seed=3)
    half = np.zeros(mask.shape, bool)
    half[:, : mask.shape[1] // 2] = True
    return Passes(network, photo, half, ~half)


def test_each_pass_is_computed_once_and_brn_runs_again_for_its_edits(passes, monkeypatch):
    first, second = passes.whole(), passes.whole(MEAN_KERNEL)
    monkeypatch.setattr(passes.model, "trace_localised", None)
    assert passes.whole() is first
    assert np.array_equal(passes.whole(MEAN_KERNEL).refined, second.refined)
    assert np.array_equal(first.prior, second.prior)
    assert not np.array_equal(first.refined, second.refined)


def test_passes_equal_the_network_with_the_same_edits(passes):
    for setting in (FLAT, Setting(steps=3), Setting((*FLAT.edits, identity_kernels()))):
        expected = passes.model.trace(passes.picture, setting.steps, setting.edits)
        np.testing.assert_array_equal(passes.whole(setting).refined, expected.refined)


def test_the_share_of_a_map_inside_places():
    places = np.zeros((8, 8), bool)
    places[:, :4] = True
    weights = np.array([[3.0, 1.0], [1.0, 1.0]], np.float32)
    assert share_inside(weights, places) == pytest.approx(4 / 6)
    assert on_grid(places, (1, 1)) == pytest.approx(0.5)


def test_half_of_a_map():
    assert effects.half_mass_share(np.ones((4, 5), np.float32)) == pytest.approx(0.5)
    assert effects.half_mass_share(np.array([[100.0, 1, 1, 1]], np.float32)) == 0.25


def test_narrowing_is_the_mean_of_the_levels(passes, monkeypatch):
    result = np.zeros(passes.last().shape, bool)
    result[:16] = True
    monkeypatch.setattr(passes, "found", lambda: result)
    numbers = effects.narrowing_effect(passes)
    steps = passes.localised().steps
    expected = [
        np.mean([share_inside(s.weight_maps[level], result) for level in LEVELS]) for s in (steps[0], steps[-1])
    ]
    assert [numbers["first"], numbers["last"]] == pytest.approx(expected)
    assert numbers["effect"] == pytest.approx(expected[1] - expected[0])


def test_measuring_needs_an_object_or_a_painting(network, monkeypatch):
    passes = Passes(network, draw_photo(seed=3)[0])
    nothing = np.zeros(passes.last().shape, bool)
    monkeypatch.setattr(passes, "found", lambda: nothing)
    for measure in (
        effects.narrowing_effect,
        effects.flat_maps_effect,
        effects.painted_object_effect,
        effects.memory_effect,
        effects.blur_effect,
    ):
        assert measure(passes) is None


def test_painting_moves_the_maps_to_what_is_painted(passes):
    painted = passes.localised(painted_setting(passes.painted)).steps[-1].weight_maps
    for weights in painted.values():
        assert share_inside(weights, passes.painted) > 0.75
    first = passes.localised(painted_setting(passes.painted, 0))
    assert share_inside(first.steps[0].weight_maps["conv3"], passes.painted) > 0.75
    assert share_inside(first.steps[-1].weight_maps["conv3"], passes.painted) < 0.75


def test_with_the_feedback_cut_the_first_look_is_forgotten(passes):
    untouched_cut = passes.last(Setting(painted_setting(passes.painted, 0, cut=True).edits[-1:]))
    np.testing.assert_allclose(passes.last(painted_setting(passes.painted, 0, cut=True)), untouched_cut, atol=1e-6)
    assert not np.allclose(passes.last(painted_setting(passes.painted, 0)), passes.last(), atol=1e-6)
    numbers = effects.memory_effect(passes)
    kept = numbers["painted"] - numbers["other"]
    assert numbers["effect"] == pytest.approx(kept - (numbers["painted_cut"] - numbers["other_cut"]))


def test_more_steps_begin_as_those_trained(passes):
    more = passes.localised(Setting(steps=passes.model.config.steps + effects.MORE)).steps
    np.testing.assert_array_equal(more[passes.model.config.steps].saliency, passes.last())
    assert effects.further_change(passes)["effect"] == pytest.approx(np.abs(more[-1].saliency - passes.last()).mean())


def test_an_outline_is_one_pixel_wide():
    places = np.zeros((7, 7), bool)
    places[2:6, 1:5] = True
    line = effects.outline(places)
    assert line.sum() == 12
    assert not line[3:5, 2:4].any()
    assert not effects.outline(np.ones((4, 4), bool)).any()


def test_the_explained_cell_is_the_heaviest(passes):
    cell = effects.heaviest_cell(passes)
    weights = passes.localised().steps[-1].weight_maps["conv5"]
    assert weights[cell.row, cell.column] == weights.max()
