"""Links to the experiments mean the very edits that the experiments make."""

import json
from urllib.parse import parse_qs

import pytest

from dgrl.experiments import EXPERIMENTS, Sizes, Spread
from dgrl.experiments.effects import FLAT, MEAN_KERNEL
from dgrl.experiments.links import link, offered, written_edits
from dgrl.experiments.passes import Setting
from dgrl.explorer.edits import read_edits
from dgrl.taps import BLOCKS, LEVELS, Edit, Recorder, feedback_name, weight_map_name


def applied(setting: Setting | None, edits: tuple[Edit, ...]) -> bool:
    """Whether the edits do to every tap what the setting's do: each names its taps in its own way."""
    import torch

    torch.manual_seed(0)
    names = [weight_map_name(level, t) for level in LEVELS for t in range(5)]
    names += [feedback_name(block, t) for block in BLOCKS for t in range(1, 5)]
    recorders = Recorder(setting.edits if setting else ()), Recorder(edits)
    for name in [*names, "brn.coefficients", "brn.refined"]:
        value = torch.rand(1, 25, 12, 12) if name == "brn.coefficients" else torch.rand(1, 1, 12, 12) + 0.1
        one, other = (recorder(name, value.clone()) for recorder in recorders)
        if not torch.allclose(one, other, atol=1e-5):
            return False
    return True


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.key)
def test_a_link_means_the_passes_of_the_experiment(experiment):
    said = {key: value for key, (value,) in parse_qs(link(experiment)[1:]).items()}
    assert said["example"] == experiment.photo
    assert ("two" in said) == (experiment.second is not None)
    assert applied(experiment.first, read_edits(json.loads(said.get("edits1", "[]"))))
    assert applied(experiment.second, read_edits(json.loads(said.get("edits", "[]"))))
    assert said.get("T2") == (str(experiment.second.steps) if experiment.second and experiment.second.steps else None)
    assert len(link(experiment)) < 8000


def test_each_kind_of_edit_has_words_and_others_are_refused():
    assert [one["level"] for edit in FLAT.edits for one in written_edits(edit)] == list(LEVELS)
    assert list(written_edits(MEAN_KERNEL.edits[0])) == [{"kind": "kernels", "to": "mean"}]
    with pytest.raises(ValueError, match="no words"):
        list(written_edits(Edit("rln.t*.conv4.weight_map", 2.0)))


def test_what_the_app_offers_has_numbers_where_they_were_measured():
    for card in offered(None):
        assert "was not measured" in card["answer"]
        assert "x=" not in card["link"]
    spread = {"effect": Spread(0.7, 0.6, 0.8, 40)}
    sizes = Sizes("DATA", {"pixel": spread}, {"pixel": {"effect": 0.75, "prior": 0, "refined": 0.75, "x": 3, "y": 7}})
    card = next(card for card in offered(sizes) if "x=3&y=7" in card["link"])
    assert "+75.0 percentage points" in card["answer"]
    assert "40 pictures of DATA" in card["answer"]
