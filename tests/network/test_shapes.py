"""Every shape that the docstrings of `dgrl.network` state, checked on networks of several kinds."""

import dataclasses

import pytest
import torch

from dgrl import DGRL, DGRLConfig
from dgrl.network.brn import propagate
from dgrl.taps import Recorder, listening
from tests.helpers.networks import TINY, filled
from tests.network.shapes import Shapes

KINDS = {
    "tiny": TINY,
    "attended feedback, kernels of 3": dataclasses.replace(TINY, feedback="attended", kernel_size=3),
    "two propagations": dataclasses.replace(TINY, propagations=2),
    "without maps": dataclasses.replace(TINY, context=False),
}


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_a_pass_returns_maps_of_the_expected_shapes(config: DGRLConfig) -> None:
    network = filled(DGRL(config)).eval()
    recorder = Recorder([])
    with torch.no_grad(), listening(recorder):
        output = network(torch.rand(2, 3, 50, 70))
    sizes = {"B": 2, "S": config.rln_size, "R": config.brn_size, "N": config.kernel_size**2}
    shapes = Shapes(**sizes)
    shapes.check(output.saliency, "B 1 50 70")
    for step in output.localised.steps:
        shapes.check(step.logits, "B 2 S S")
        shapes.check(step.saliency, "B 1 S S")
        for level, weights in step.weight_maps.items():
            shapes.check(weights, f"B 1 {level}_height {level}_width")
    for name in ("prior", "evidence", "refined"):
        shapes.check(getattr(output.refined, name), "B 1 R R")
    shapes.check(output.refined.coefficients, "B N R R")
    for name, value in recorder.values.items():  # feedback has the size of the block that it comes from at every step
        if name.endswith(".feedback"):
            block = name.split(".")[2]
            shapes.check(value, f"B {block}_channels {block}_from_height {block}_from_width")
        assert value.shape[0] == 2, name


def test_propagation_keeps_the_shape_of_its_map() -> None:
    shapes = Shapes()
    for saliency, coefficients in (("B 1 H W", "B 9 H W"), ("H W", "9 H W")):
        sizes = {"B": 2, "H": 5, "W": 7}
        tensors = [
            torch.rand([int(word) if word.isdigit() else sizes[word] for word in shape.split()])
            for shape in (saliency, coefficients)
        ]
        shapes.check(propagate(*tensors), saliency)


def test_a_wrong_shape_is_found() -> None:
    shapes = Shapes(B=2)
    shapes.check(torch.zeros(2, 3), "B C")
    for shape in ("B B", "C B", "B C C", "B 4"):
        with pytest.raises(AssertionError, match="is not"):
            shapes.check(torch.zeros(2, 3), shape)
