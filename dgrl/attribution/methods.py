"""The methods of attribution: each a generator that calls Captum for a batch at a time, so that it can be stopped.

They yield the share done, from 0 to 1, and return the attribution (S, S) over RLN's square input.
"""

import itertools
import math
from collections.abc import Generator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dgrl.attribution.evidence import Evidence
from dgrl.attribution.question import CellTarget, Question
from dgrl.extras import require
from dgrl.network.layers import resize

BLOCKS = ("conv1", "conv2", "conv3", "conv4", "conv5")

# Positions on the path from baseline to photo at which the value is computed before choosing the pieces. Most of the
# change happens below a tenth of the photo's contrast, so equal pieces would waste nearly all passes.
CUTS = (0.0, 1 / 128, 1 / 64, 1 / 32, 3 / 64, 1 / 16, 3 / 32, 1 / 8, 3 / 16, 1 / 4, 1 / 2, 1.0)
PIECES, ROUGH_PIECES = 9, 5
POINTS = 3
MOST_POINTS = 24
WINDOWS = 8

Batches = Generator[float, None, Tensor]


def most_passes(question: Question) -> int:
    """Return the largest number of passes that an explanation takes; a pass with gradients counts as two."""
    limits = {"integrated_gradients": 2 * (MOST_POINTS + 2 * POINTS), "occlusion": WINDOWS**2, "grad_cam": 2}
    return limits[question.method] + 4  # the target's values on photo and baseline


def captum_methods() -> Any:
    """Return the module `captum.attr`, imported on first use.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    require("explain")
    import captum.attr

    return captum.attr


def integrated_gradients(evidence: Evidence, tolerance: float, batch_size: int, count: int = PIECES) -> Batches:
    """Run Captum's Integrated Gradients on `count` pieces of the path, then halve the pieces with the largest error."""
    captum = captum_methods().IntegratedGradients(evidence)
    values = dict(zip(CUTS, evidence.values(CUTS, batch_size), strict=True))  # without gradients, in half the time
    pieces: list[tuple[float, float, float, Tensor]] = []  # error, start, end, attribution
    queue = list(itertools.pairwise(cuts(values, count)))
    points = 0
    while queue:
        for start, end in queue:
            end_visibility, start_visibility = evidence.all_visible(end), evidence.all_visible(start)
            part = captum.attribute(end_visibility, start_visibility, n_steps=POINTS, internal_batch_size=batch_size)[
                0, 0
            ].detach()
            error = float(part.sum()) - (values[end] - values[start])
            pieces.append((error, start, end, part))
            points += POINTS
            yield min(points / MOST_POINTS, 1.0)
        queue = []
        # Errors of different pieces may cancel in the sum, so their norm counts too.
        errors = [piece[0] for piece in pieces]
        error = max(abs(sum(errors)), math.hypot(*errors))
        if error > tolerance * abs(values[1.0] - values[0.0]) and points < MOST_POINTS:
            worst = max(range(len(pieces)), key=lambda index: abs(pieces[index][0]))
            _, start, end, _ = pieces.pop(worst)
            middle = (start + end) / 2
            values[middle] = evidence.value(middle)
            queue = [(start, middle), (middle, end)]
    return torch.stack([piece[3] for piece in pieces]).sum(0)


def cuts(values: Mapping[float, float], count: int) -> list[float]:
    """Choose positions among the known values, first and last included: about `count` pieces of equal change."""
    places = list(values)
    changes = [abs(values[after] - values[before]) for before, after in itertools.pairwise(places)]
    enough = sum(changes) / count
    chosen, change_since_cut = [places[0]], 0.0
    for change, place in zip(changes, places[1:], strict=True):
        # Cut before this change if more than half of it would exceed the piece's share.
        if change_since_cut and change_since_cut + change / 2 > enough:
            chosen.append(places[places.index(place) - 1])
            change_since_cut = 0.0
        change_since_cut += change
    return [*chosen, places[-1]]


def occlusion(evidence: Evidence, batch_size: int) -> Batches:
    """Run Captum's Occlusion one row of windows at a time: squares of a quarter of the side, overlapping by half."""
    side = evidence.side
    stride, window = side // WINDOWS, 2 * (side // WINDOWS)
    total = torch.zeros(side, side, device=evidence.picture.device)
    count = torch.zeros(side, 1, device=evidence.picture.device)
    unhidden = torch.tensor([evidence.value(1.0)], device=evidence.picture.device)
    for top in range(0, side - stride, stride):
        rows = slice(top, top + window)

        def value_with_band(band: Tensor, rows: slice = rows) -> Tensor:
            if len(band) == 1 and bool((band == 1).all()):  # Captum evaluates the unchanged input once per row
                return unhidden
            visibility = evidence.all_visible(1.0).repeat(len(band), 1, 1, 1)
            visibility[:, :, rows] = band
            return evidence(visibility)

        captum = captum_methods().Occlusion(value_with_band)
        band = evidence.all_visible(1.0)[:, :, rows]
        shape, strides = (1, window, window), (1, stride, stride)
        part = captum.attribute(band, shape, strides, 0.0, perturbations_per_eval=batch_size)
        total[rows] += part[0, 0]
        count[rows] += 1
        yield min((top + stride) / (side - stride), 1.0)
    return total / count


def grad_cam(evidence: Evidence, block: str, step: int) -> Batches:
    """Run Captum's Layer Grad-CAM for one block at one time step, up-sampled as RLN up-samples its features."""
    if block not in BLOCKS:
        raise ValueError(f"there is no block {block!r}: choose {', '.join(BLOCKS)}")
    if not 0 <= step <= evidence.step:
        raise ValueError(f"the target is at time step {evidence.step}, so block_step must be 0 to {evidence.step}")
    target = evidence.target
    if isinstance(target, CellTarget) and BLOCKS.index(block) > BLOCKS.index(target.level):
        # Feedback from a block enters the input of the same block, so it never reaches lower levels.
        raise ValueError(f"{block} has no influence on {target.level}'s weight map: choose {target.level} or below")
    watched = _Watched(evidence.rln.backbone.get_submodule(block), 0 if block == "conv1" else step)
    setattr(evidence.rln.backbone, block, watched)
    visibility = evidence.all_visible(1.0).requires_grad_()  # the weights have no gradients, so the input must
    cam = captum_methods().LayerGradCam(evidence, watched.here).attribute(visibility)  # (1, 1, h, w)
    setattr(evidence.rln.backbone, block, watched.block)
    yield 1.0
    return resize(cam.detach(), (evidence.side, evidence.side))[0, 0]


class _Watched(nn.Module):
    """A block that runs once per time step; at one of them its output goes through `here`, which Captum hooks."""

    def __init__(self, block: nn.Module, step: int) -> None:
        super().__init__()
        self.block = block
        self.step = step
        self.here = nn.Identity()
        self.calls = 0

    def forward(self, features: Tensor) -> Tensor:
        features = self.block(features)
        if self.calls == self.step:
            features = self.here(features).clone()  # the next layer may work in place
        self.calls += 1
        return features
