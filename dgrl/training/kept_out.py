"""Measure the effect of training on hold-out pictures: the error of every map, before and after."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import run
from dgrl.model import DGRL
from dgrl.training.watching import evaluating

Errors = dict[str, float]
MOST = 100
"""Largest number of pictures of a set that are measured, evenly spaced."""


def errors(model: DGRL, pairs: Sequence[Pair]) -> Errors:
    """Measure the mean absolute error of every map over pictures, by kind ("t0", …, "refined").

    Maps are not stretched.     The network is left in the mode it was in.
    """
    errors_of: dict[str, list[float]] = {}
    with evaluating(model):
        for pair in pairs[:: -(-len(pairs) // MOST)]:
            truth = pair.truth()
            for kind, values in run(model, pair, None, refine=True)[1].items():
                errors_of.setdefault(kind, []).append(float(np.abs(values[0, 0].cpu().numpy() - truth).mean()))
    return {kind: float(np.mean(values)) for kind, values in errors_of.items()}


class KeptOut:
    """Sets of pictures that a run never trains on, and their errors before it.

    Args:
        model: the network before training.
        sets: pictures and masks by what they are called.
    """

    def __init__(self, model: DGRL, sets: Mapping[str, Sequence[Pair]]) -> None:
        self.sets = {name: pairs for name, pairs in sets.items() if pairs}
        self.before = {name: errors(model, pairs) for name, pairs in self.sets.items()}

    def say(self, model: DGRL, prefix: str = "") -> None:
        """Print a line for each set: "held out: error of t0 0.0361 → 0.0342 (-5.3 %), …"."""
        for name, pairs in self.sets.items():
            before, after = self.before[name], errors(model, pairs)
            changes = [
                f"{kind} {error:.4f} → {after[kind]:.4f} ({percent(error, after[kind])})"
                for kind, error in before.items()
            ]
            print(f"{prefix}{name}: error of {', '.join(changes)}", flush=True)


def percent(before: float, after: float) -> str:
    """Write by how much a number has changed, e.g. "-5.3 %"."""
    return f"{100 * (after / before - 1):+.1f} %" if before else "from 0"


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the network's weights and statistics by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def keep_change(model: nn.Module, start: Mapping[str, Tensor], share: float) -> None:
    """Set each weight to start + share · (weight − start).

    Departure, `finetune` preset: averaging a network's weights with its fine-tuned ones loses little of what was
    learned and keeps much of the accuracy on other pictures. Source: Wortsman et al., "Robust fine-tuning of zero-shot
    models", CVPR 2022.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.lerp(start[name].to(value), value, share))


@contextmanager
def changed_by(model: nn.Module, start: Mapping[str, Tensor], share: float) -> Iterator[None]:
    """Apply `keep_change` to the network within this context; change nothing without `start`."""
    if not start:
        yield
        return
    weights = weights_of(model)
    keep_change(model, start, share)
    try:
        yield
    finally:
        model.load_state_dict(weights)
