"""An experiment as a page: its question, its numbers, and both passes."""

import dataclasses
import json
import re

import numpy as np
import pytest

from dgrl import DGRL
from dgrl.experiments import BY_KEY
from dgrl.experiments.page import experiment_page
from tests.helpers.networks import TINY, filled


@pytest.fixture(scope="module")
def network():
    return filled(DGRL(dataclasses.replace(TINY, feedback="attended")))


@pytest.mark.parametrize(("key", "passes"), [("levels", 1), ("paint", 2), ("pixel", 1)])
def test_a_page_asks_shows_and_tells(network, key, passes):
    experiment = BY_KEY[key]
    html = experiment_page(network, experiment)
    content = json.loads(re.search(r'id="content">(.*?)</script>', html, re.DOTALL)[1])
    assert len(content["stored"]) == passes
    assert [stored_pass["request"]["photo"] for stored_pass in content["stored"]] == [experiment.photo] * passes
    host = html.index('id="app"')
    assert html.index(experiment.question.split("?")[0].replace("'", "&#39;")) < host
    numbers = experiment.measure(experiment.passes(network))
    assert experiment.unit.write(numbers["effect"]) in html
    assert ("x" in content["scene"]) == (key == "pixel")
    assert "https://" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_an_experiment_without_an_effect_has_no_page(network):
    nothing = dataclasses.replace(BY_KEY["levels"], measure=lambda passes: None)
    with pytest.raises(ValueError, match="to measure levels on"):
        experiment_page(network, nothing)


def test_the_pixel_of_the_explained_cell_lies_in_that_cell(network):
    experiment = BY_KEY["cell"]
    passes = experiment.passes(network)
    place = experiment.place(passes)
    trace = passes.localised()
    weights = trace.steps[-1].weight_maps["conv5"]
    height, width = trace.photo.shape[:2]
    rows, columns = weights.shape
    row = round(place["y"] / (height - 1) * (rows - 1))
    column = round(place["x"] / (width - 1) * (columns - 1))
    assert weights[row, column] == np.max(weights)
