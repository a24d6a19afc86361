"""The tour shows the same passes that the experiments measure."""

import json

import pytest
import torch

from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.edits import read_edits
from dgrl.experiments import EXPERIMENTS, Sizes, Spread, sizes_of
from dgrl.experiments.effects import FLAT, MEAN_KERNEL
from dgrl.experiments.passes import Setting
from dgrl.experiments.tour import description_of, scene, tour, written_edits
from dgrl.page.vocabulary import vocabulary
from dgrl.taps import BLOCKS, LEVELS, Edit, Recorder, feedback_name, weight_map_name

SIZES = sizes_of(SHIPPED_WEIGHTS)


def same_effect(setting: Setting, edits: tuple[Edit, ...]) -> bool:
    """Say whether the edits change every tap as the setting's edits do; they may name taps differently."""
    torch.manual_seed(0)
    names = [weight_map_name(level, t) for level in LEVELS for t in range(5)]
    names += [feedback_name(block, t) for block in BLOCKS for t in range(1, 5)]
    recorders = Recorder(setting.edits), Recorder(edits)
    for name in [*names, "brn.coefficients", "brn.refined"]:
        value = torch.rand(1, 25, 12, 12) if name == "brn.coefficients" else torch.rand(1, 1, 12, 12) + 0.1
        first, second = (recorder(name, value.clone()) for recorder in recorders)
        if not torch.allclose(first, second, atol=1e-5):
            return False
    return True


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.key)
def test_show_means_the_passes_of_the_experiment(experiment):
    shown = scene(experiment, {})
    settings = [setting for setting in (experiment.first, experiment.second) if setting is not None]
    assert len(shown["slots"]) == len(settings)
    for request, setting in zip(shown["slots"], settings, strict=True):
        assert request["photo"] == experiment.photo
        assert request["steps"] == setting.steps
        assert same_effect(setting, read_edits(request["edits"]))
    maps = {word["name"] for word in vocabulary()["maps"]} | {"explanation"}
    for frame in shown.get("frames", []):
        assert frame["map"] in maps
        assert frame["slot"] < len(settings)
    assert json.loads(json.dumps(shown)) == shown


def test_each_kind_of_edit_can_be_written_and_others_are_refused():
    assert [written["level"] for edit in FLAT.edits for written in written_edits(edit)] == list(LEVELS)
    assert list(written_edits(MEAN_KERNEL.edits[0])) == [{"kind": "kernels", "to": "mean"}]
    with pytest.raises(ValueError, match="cannot express"):
        list(written_edits(Edit("rln.t*.conv4.weight_map", 2.0)))


def test_answers_have_numbers_where_they_were_measured():
    for description in tour(None):
        assert "was not measured" in description["answer"]
        assert "x" not in description["show"]
        assert description["sizes"] is None
    spread = {"effect": Spread.of([0.6, 0.7, 0.8], keep=True)}
    here = {"effect": 0.75, "prior": 0, "refined": 0.75, "x": 3, "y": 7, "zoom_x": 0.1, "zoom_y": 0.2}
    sizes = Sizes("DATA", {"pixel": spread}, {"pixel": here})
    description = next(description for description in tour(sizes) if description["key"] == "pixel")
    assert description["answer"] == "The pixel goes from 0.000 to 0.750."
    effects = {"here": 75.0, "median": 70.0, "values": [60.0, 70.0, 80.0]}
    assert description["sizes"] == {"unit": "percentage points", "decimals": 1, "data": "DATA"} | effects | {
        "effect": "change of that pixel"
    }
    assert (description["show"]["x"], description["show"]["y"], description["show"]["pinned"]) == (3, 7, True)
    assert description["show"]["zoom"] == {"x": 0.1, "y": 0.2, "width": 0.2, "height": 0.2}


@pytest.mark.skipif(SIZES is None, reason="the weights come without parts.json")
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.key)
def test_the_shipped_table_has_what_the_tour_shows(experiment):
    description = description_of(experiment, SIZES)
    assert description["right"] == experiment.verdict(SIZES.photos[experiment.key]["effect"])
    assert len(description["sizes"]["values"]) >= 30
    assert ("zoom" in description["show"]) == experiment.show.zoom
    assert (description["explanation"] is not None) == experiment.cell
