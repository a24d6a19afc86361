"""`python -m benchmarks parts`: what it alters has the effect that its row claims."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks import parts
from dgrl import DGRL
from dgrl.experiments import BY_KEY, Sizes
from tests.helpers.networks import TINY, filled, write_pairs


@pytest.fixture(scope="module")
def network():
    return filled(DGRL(dataclasses.replace(TINY, feedback="attended")))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("drawn"), 3)


def test_every_variant_but_the_usual_one_changes_the_result(network, pairs):
    errors = parts.measure_variants(network, pairs, refine=True)
    usual = errors.pop("as it is")
    trained = errors.pop(f"T = {network.config.steps}")
    assert trained.whole == usual.whole
    assert {name: error.whole == usual.whole for name, error in errors.items()} == dict.fromkeys(errors, False)
    assert all(len(error.whole) == len(error.edge) == len(pairs) for error in errors.values())


def test_without_brn_its_variants_are_skipped(network, pairs):
    errors = parts.measure_variants(network, pairs[:1], refine=False)
    assert not {"one mean kernel", "prior rounded"} & set(errors)
    assert errors["no BRN"].whole == errors["as it is"].whole


def test_prescribed_maps_choose_the_object_and_cutting_feedback_makes_the_network_forget_them(network, pairs):
    found = parts.measure_selectivity(network, pairs)
    assert {len(result.chosen) for result in found.values()} == {2 * (len(pairs) - 1)}
    nothing, every, first, cut = found.values()
    assert len({tuple(result.chosen) for result in (nothing, every, first)}) == 3
    # With the feedback cut, the maps of t = 0 cannot reach the last step: the object they chose makes no difference.
    chosen, other = np.array(cut.chosen), np.array(cut.other)
    np.testing.assert_allclose(chosen[0::2], other[1::2], atol=1e-6)
    np.testing.assert_allclose(chosen[1::2], other[0::2], atol=1e-6)


def test_the_tables_have_the_names_of_the_measurements(network, pairs, capsys):
    parts.print_tables(network, pairs, refine=True)
    printed = capsys.readouterr().out
    assert all(variant.name in printed for variant in parts.variants())
    assert "px" in printed
    assert f"{len(pairs)} pictures" in printed


def test_numbers_of_the_experiments_are_measured_on_every_picture(network, pairs, tmp_path, monkeypatch, capsys):
    few = [BY_KEY[key] for key in ("levels", "paint", "pixel")]
    monkeypatch.setattr(parts, "EXPERIMENTS", few)
    sizes = parts.print_tables(network, pairs, refine=True, data="drawn")
    assert {key: of["effect"].pictures for key, of in sizes.experiments.items()} == {
        "levels": 3,
        "paint": 4,
        "pixel": 3,
    }
    assert set(sizes.photos) == set(sizes.experiments)
    assert sizes.variants["as it is"] == {"error": 1, "edge": 1}
    assert BY_KEY["paint"].title in capsys.readouterr().out
    sizes.save(tmp_path / "parts.json")
    assert Sizes.load(tmp_path / "parts.json") == sizes


def test_the_objects_of_two_photos_side_by_side(pairs):
    photo, left, right = parts.side_by_side(*pairs[:2], size=64)
    assert photo.shape == (64, 64, 3)
    assert left.any()
    assert right.any()
    assert not left[:, 32:].any()
    assert not right[:, :32].any()


def test_first_moments_equal_those_of_the_kernels(pairs):
    network = filled(DGRL(TINY))
    with torch.no_grad():
        last = network.brn.layers[-1]
        last.weight.zero_()
        last.bias.zero_()
        last.bias[14] = 2.0  # two pixels to the right of the centre, of a 5 × 5 kernel
    assert parts.first_moments(network, pairs) == pytest.approx(2)
