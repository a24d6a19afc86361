"""Test an explanation: deletion and insertion against random order, and sensitivity to randomised heads.

Deletion and insertion (Petsiuk et al., "RISE", 2018): the photo's cells are hidden, or shown on the baseline, in the
order of the explanation's ranks, and the explained value is computed after each part. If the explanation is true,
the value falls early when cells are hidden and rises early when they are shown. Sensitivity (Adebayo et al., "Sanity
checks for saliency maps", 2018): an explanation of what the network learned changes when the network's heads are
randomised.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dgrl.attribution.attribute import Attribution, evidence_of, explain
from dgrl.attribution.batches import as_part, result_of
from dgrl.attribution.evidence import Evidence
from dgrl.attribution.question import Method, Question
from dgrl.images import Picture, read_image
from dgrl.model import DGRL

Curve = NDArray[np.float64]
GRID = 12
"""Number of cells on each side of the photo, equal to that of the deepest block; cells are hidden as a whole."""
POINTS: dict[Method, int] = {"grad_cam": 3, "occlusion": 6, "integrated_gradients": 8}
"""Number of points on a curve between its ends, by method, so that checking takes at most twice the explanation."""
ORDERS: dict[Method, int] = {"grad_cam": 2, "occlusion": 4, "integrated_gradients": 4}
"""Number of random orders."""
MARGIN = 0.05
"""Added to two standard deviations when testing the gap, because a few random orders may agree by chance."""
INSENSITIVE = 0.5
"""Absolute rank correlation above which an explanation hardly depends on the network's heads."""
BATCH = 4


@dataclass(frozen=True)
class Faithfulness:
    """The comparison of an explanation with random ones.

    Values are scaled: 0 on the baseline, 1 on the photo, or −1 if the photo lowers the value.

    Attributes:
        shares: (K,) from 0 to 1, the share of the photo that is hidden or shown.
        deletion: (K,) the value while cells are hidden, the most positive first.
        insertion: (K,) the value while cells are shown on the baseline, in the same order.
        random: (K,) the value while cells are shown in random order, mean over orders.
        deletion_area, insertion_area, random_area: the areas under these curves.
        random_spread: standard deviation of the value over random orders, mean over the points.
        sensitivity: rank correlation, −1 to 1, with the explanation by the same network with randomised heads. Near 0
            is good.
        beats_chance: whether the gap between insertion and deletion is larger than that of random orders.
        seconds: duration of the check.
    """

    shares: Curve
    deletion: Curve
    insertion: Curve
    random: Curve
    deletion_area: float
    insertion_area: float
    random_area: float
    random_spread: float
    sensitivity: float
    beats_chance: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return all fields as numbers and lists for JSON, and `words`."""
        fields = {
            name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()
        }
        return {**fields, "words": self.words}

    @property
    def words(self) -> str:
        """Describe the result in two sentences."""
        areas = (
            f"hiding its places first leaves {self.deletion_area:.2f} of the number on average and showing them first "
            f"gives {self.insertion_area:.2f}; in random order it is {self.random_area:.2f}"
        )
        verdict = (
            f"This explanation beats chance: {areas}."
            if self.beats_chance
            else f"This explanation does not beat chance, so do not rely on it: {areas}."
        )
        if abs(self.sensitivity) > INSENSITIVE:
            depends = "so it shows the photo more than what the network has learned"
        else:
            depends = "so it depends on what the network has learned"
        return f"{verdict} With randomised heads its correlation is {self.sensitivity:.2f}, {depends}."


def faithfulness(
    model: DGRL, picture: Picture, question: Question, attribution: Attribution, seed: int = 0
) -> Faithfulness:
    """Test an explanation by deletion, insertion and randomised heads.

    Args:
        model: the explained network.
        picture: the explained photo.
        question: the explained value and the method.
        attribution: the explanation.
        seed: for the random orders and the randomised heads.

    Raises:
        ImageError: the picture cannot be used.
        ValueError: the target is not in this pass.
        FloatingPointError: the network returned NaN or infinite values.
    """
    return result_of(faithfulness_in_batches(model, picture, question, attribution, seed))


@torch.inference_mode(False)
def faithfulness_in_batches(
    model: DGRL,
    picture: Picture,
    question: Question,
    attribution: Attribution,
    seed: int = 0,
    evidence: Evidence | None = None,
) -> Generator[float, None, Faithfulness]:
    """Run `faithfulness` batch by batch: yield the share done, return the result. Closing the generator stops it.

    Args:
        model, picture, question, attribution, seed: see `faithfulness`.
        evidence: what the explanation was made from, where it is still there; that spares some passes.
    """
    start = time.perf_counter()
    random = np.random.default_rng(seed)
    evidence = evidence or evidence_of(model, read_image(picture), question)
    yield 0.0
    points, orders = POINTS[question.method], ORDERS[question.method]
    ranks = np.argsort(-cells(attribution.square).ravel(), kind="stable")
    # The shares are symmetric, so showing cells in a random order equals hiding them in reverse: one curve serves both.
    shares = (np.arange(points) + 0.5) / points
    masks = [] if attribution.baseline_value is not None else [np.zeros((GRID, GRID), np.float32)]
    masks += [*(hidden(ranks, share) for share in shares), *(shown(ranks, share) for share in shares)]
    for _ in range(orders):
        order = random.permutation(GRID**2)
        masks += [shown(order, share) for share in shares]
    values: list[float] = []
    for batch in range(0, len(masks), BATCH):
        with torch.no_grad():
            values += evidence(visibility(masks[batch : batch + BATCH], evidence)).tolist()
        yield 0.5 * len(values) / len(masks)
    baseline_value = values.pop(0) if attribution.baseline_value is None else attribution.baseline_value
    sensitivity = yield from _sensitivity(evidence, question, attribution, seed)
    scale = abs(attribution.value - baseline_value) or 1.0
    photo_value = (attribution.value - baseline_value) / scale
    curves = (np.array(values).reshape(-1, points) - baseline_value) / scale
    curves = np.hstack([np.zeros((len(curves), 1)), curves, np.full((len(curves), 1), photo_value)])
    curves[0, [0, -1]] = photo_value, 0.0
    shares_with_ends = np.concatenate([[0.0], shares, [1.0]])
    areas = ((curves[:, 1:] + curves[:, :-1]) / 2 * np.diff(shares_with_ends)).sum(1)  # trapezoids
    random_spread = float(curves[2:, 1:-1].std(0, ddof=1).mean())
    gap = float(areas[1] - areas[0])
    return Faithfulness(
        shares=shares_with_ends,
        deletion=curves[0],
        insertion=curves[1],
        random=curves[2:].mean(0),
        deletion_area=float(areas[0]),
        insertion_area=float(areas[1]),
        random_area=float(areas[2:].mean()),
        random_spread=random_spread,
        sensitivity=sensitivity,
        beats_chance=bool(gap > 2 * np.sqrt(2) * random_spread + MARGIN),
        seconds=time.perf_counter() - start,
    )


def _sensitivity(
    evidence: Evidence, question: Question, attribution: Attribution, seed: int
) -> Generator[float, None, float]:
    batches = explain(evidence.with_random_heads(seed), question, BATCH, rough=True)
    randomised = yield from as_part(batches, 0.5, 1.0)
    return rank_correlation(cells(attribution.square), cells(randomised.detach().float().cpu().numpy()))


def cells(square: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of an attribution (S, S) in each cell, (`GRID`, `GRID`)."""
    pooled: NDArray[np.float32] = F.adaptive_avg_pool2d(torch.from_numpy(square)[None], GRID)[0].numpy()
    return pooled


def shown(order: NDArray[np.int64], share: float) -> NDArray[np.float32]:
    """Return 1 in the first `share` of the cells in this order, else 0, (`GRID`, `GRID`); the last cell is partial."""
    count = share * len(order)
    mask = np.zeros(len(order), np.float32)
    mask[order] = np.clip(count - np.arange(len(order)), 0, 1)
    return mask.reshape(GRID, GRID)


def hidden(order: NDArray[np.int64], share: float) -> NDArray[np.float32]:
    """Return 0 in the first `share` of the cells in this order, else 1, (`GRID`, `GRID`)."""
    return 1 - shown(order, share)


def visibility(masks: list[NDArray[np.float32]], evidence: Evidence) -> Tensor:
    """Return cells as visibilities (B, 1, S, S)."""
    stacked = torch.from_numpy(np.stack(masks))[:, None].to(evidence.picture.device)
    return F.interpolate(stacked, (evidence.side, evidence.side), mode="nearest")


def rank_correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return Spearman's rank correlation of two arrays of the same size, −1 to 1; 0 if one of them is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    ranks = [np.argsort(np.argsort(values.ravel(), kind="stable")) for values in (first, second)]
    return float(np.corrcoef(ranks)[0, 1])
