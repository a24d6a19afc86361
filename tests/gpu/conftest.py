"""Run the checks on a GPU with `make gpu`, and smaller ones on the CPU, which show that the checks themselves work."""

import os
from dataclasses import dataclass

import pytest
import torch

from dgrl import DGRL
from dgrl.checkpoint import default_weights
from tests.helpers.networks import TRAINED, filled

ON_GPU = pytest.param("cuda", marks=pytest.mark.gpu, id="gpu")
PLACES = [pytest.param("cpu", id="cpu"), ON_GPU]


@dataclass(frozen=True)
class Place:
    """A device, and what is checked on it.

    Attributes:
        device: "cpu" or "cuda".
        model: the network on the CPU: the shipped one for a GPU, else a tiny one.
    """

    device: str
    model: DGRL

    @property
    def full(self) -> bool:
        """Say whether checks have their full size."""
        return self.device != "cpu"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "cpu":
        return Place("cpu", filled(DGRL(TRAINED)))
    if not torch.cuda.is_available():
        # `make gpu` must run these checks on a GPU, so they fail without one; elsewhere they are skipped.
        give_up = pytest.fail if os.environ.get("DGRL_GPU") else pytest.skip
        give_up("PyTorch sees no GPU here")
    return Place("cuda", DGRL.from_pretrained(default_weights()))
