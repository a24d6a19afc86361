"""The ten: each does on its photo what it says, by at least half of the size that is stated."""

import json
import pickle

import numpy as np
import pytest

from dgrl import DGRL
from dgrl.checkpoint import SHIPPED_WEIGHTS
from dgrl.experiments import BY_KEY, EXPERIMENTS, Sizes, Spread, sizes_of

SIZES = sizes_of(SHIPPED_WEIGHTS)


@pytest.fixture(scope="module")
def shipped():
    return DGRL.from_pretrained(SHIPPED_WEIGHTS)


def test_each_of_the_eleven_experiments_has_a_photo_and_three_choices():
    assert len(BY_KEY) == len(EXPERIMENTS) == 11
    for experiment in EXPERIMENTS:
        assert experiment.path.is_file()
        assert len(set(experiment.choices)) == 3
        assert experiment.question.endswith("?")
        assert pickle.loads(pickle.dumps(experiment)) == experiment
        assert hash(experiment.second) == hash(experiment.second)


def test_the_verdict_follows_the_number():
    experiment = BY_KEY["flat"]
    assert [experiment.verdict(k * experiment.least) for k in (1.5, 0.5, -0.5, -1.5)] == [0, 1, 1, 2]


def test_the_words_follow_the_table():
    experiment = BY_KEY["narrowing"]
    numbers = {"effect": 0.12, "medium_first": 0.4, "medium_last": 0.52}
    assert "40\u00a0%" in experiment.happened(numbers)
    assert "not measured" in experiment.size(numbers, None)
    for median, message in ((0.1, None), (0.0, "it stays where it was"), (-0.1, "less of it goes")):
        table = Sizes("DATA", {"narrowing": {"effect": Spread(median, median - 0.01, median + 0.01, 50)}}, {})
        text = experiment.size(numbers, table)
        assert "+12.0 percentage points" in text
        assert "50 pictures of DATA" in text
        assert message is None or message in text
        assert ("This photo is an exception" in text) == (message is not None)


def test_sizes_are_read_as_they_were_written(tmp_path):
    sizes = Sizes(
        "DATA", {"flat": {"effect": Spread.of([1, 2, 3, 4, 5])}}, {"flat": {"effect": 0.5}}, {"T = 1": {"error": 1.1}}
    )
    assert sizes.experiments["flat"]["effect"] == Spread(3, 2, 4, 5)
    sizes.save(tmp_path / "parts.json")
    assert sizes_of(tmp_path) == sizes
    assert sizes_of(None) is None
    assert sizes_of(tmp_path / "nothing") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"format": "dgrl-parts-1"}), '{"format": "another"}'])
def test_files_of_another_format_are_refused(tmp_path, text):
    (tmp_path / "parts.json").write_text(text)
    with pytest.raises(ValueError, match="is not a file of effect sizes"):
        sizes_of(tmp_path)


@pytest.mark.skipif(SIZES is None, reason="the weights come without parts.json")
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.key)
def test_each_experiment_has_an_effect_on_its_photo(shipped, experiment):
    """The effect has the stated direction and at least half of the stated size."""
    stated = SIZES.photos[experiment.key]["effect"]
    effect = experiment.measure(experiment.passes(shipped))["effect"]
    assert np.sign(effect) == np.sign(stated)
    assert abs(effect) >= abs(stated) / 2
    assert experiment.verdict(effect) == experiment.verdict(stated)


@pytest.mark.skipif(SIZES is None, reason="the weights come without parts.json")
def test_every_experiment_says_how_large_its_effect_is_over_a_data_set():
    for experiment in EXPERIMENTS:
        spread = SIZES.experiments[experiment.key]["effect"]
        assert spread.low <= spread.median <= spread.high
        assert spread.pictures >= 30
        assert all(row in SIZES.variants for row, _ in experiment.variants)
