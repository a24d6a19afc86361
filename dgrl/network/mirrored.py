"""RLN's maps averaged over the images and their mirror images, for `quality="high"`."""

import torch

from dgrl.network.rln import RLN, RLNOutput, RLNStep
from dgrl.taps import listening_mirrored


def localise_twice(rln: RLN, squares: torch.Tensor, steps: int | None = None) -> RLNOutput:
    """Run RLN on the images and on their mirror images, and average both results at every time step.

    Edits apply to both passes; values at taps of the second pass are flipped back first.

    Args:
        rln: the network.
        squares: (B, 3, S, S) in [0, 1].
        steps: see `RLN.forward`.

    Returns:
        Steps whose `saliency` and `weight_maps` are the averages. `logits` are those of the averaged saliency: their
        softmax gives it.
    """
    original: RLNOutput = rln(squares, steps)
    with listening_mirrored():
        mirrored: RLNOutput = rln(squares.flip(-1), steps)
    return RLNOutput([_averaged(*step_pair) for step_pair in zip(original.steps, mirrored.steps, strict=True)])


def _averaged(original: RLNStep, mirrored: RLNStep) -> RLNStep:
    saliency = (original.saliency + mirrored.saliency.flip(-1)) / 2
    weight_maps = {level: (m + mirrored.weight_maps[level].flip(-1)) / 2 for level, m in original.weight_maps.items()}
    logits = torch.cat([1 - saliency, saliency], 1).clamp(min=1e-12).log()
    return RLNStep(logits, saliency, weight_maps)
