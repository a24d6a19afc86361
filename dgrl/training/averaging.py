"""A moving average of the weights, which is steadier than the weights of the last update."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dgrl.training.kept_out import changed_by


class MovingAverage:
    """Exponential moving average of the parameters that a module trains.

    Departure: the published training keeps the last update's weights. In the first updates the average follows faster,
    by (1 + n) / (10 + n) after n of them, so that short runs are not held back by their start.

    Args:
        module: the stage.
        decay: share of the average that an update leaves, below 1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self.values = {name: value.detach().clone() for name, value in self.parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after an update."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        weights = [value.detach() for value in self.parameters.values()]
        torch._foreach_lerp_(list(self.values.values()), weights, 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Set the weights to their average."""
        for name, value in self.parameters.items():
            value.copy_(self.values[name])

    def state_dict(self) -> dict[str, Any]:
        """Return the part of a checkpoint that holds the average."""
        return {"updates": self.updates, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.updates = state["updates"]
        for name, value in self.values.items():
            value.copy_(state["values"][name])


@contextmanager
def averaged(average: MovingAverage | None) -> Iterator[None]:
    """Replace the weights by their moving average within this context; change nothing without an average."""
    if average is None:
        yield
        return
    original = {name: value.detach().clone() for name, value in average.parameters.items()}
    average.apply()
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in average.parameters.items():
                value.copy_(original[name])


@contextmanager
def as_kept(
    model: nn.Module, average: MovingAverage | None, start: Mapping[str, Tensor], share: float | None
) -> Iterator[None]:
    """Set the weights within this context as the run would save them now: averaged, with a share of their change."""
    with averaged(average), changed_by(model, start, 1.0 if share is None else share):
        yield
