"""Attribution by Captum: how much each part of the photo contributes to one value of the network."""

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from dgrl.attribution.batches import result_of
from dgrl.attribution.evidence import Evidence
from dgrl.attribution.methods import ROUGH_PIECES, WINDOWS, Batches, grad_cam, integrated_gradients, occlusion
from dgrl.attribution.question import (
    Method,
    Question,
    Target,
)
from dgrl.images import RGB, Picture, read_image
from dgrl.model import DGRL


@dataclass(frozen=True)
class Attribution:
    """An attribution: the parts of the photo that raise a value, and those that lower it.

    Attributes:
        square: (S, S) float32, signed, over RLN's square input (384×384). Integrated Gradients: each pixel's share of
            `value` − `baseline_value`, which is their sum. Occlusion: how much `value` falls when a window hides this
            part. Layer Grad-CAM: the block's features weighted by their mean gradients, in arbitrary units.
        photo_size: (H, W).
        target: the explained value.
        method: "integrated_gradients", "occlusion" or "grad_cam".
        value: the target's value on the photo.
        baseline_value: its value on the baseline; None for Grad-CAM, which has no baseline.
        completeness_error: |sum − (value − baseline_value)| / |value − baseline_value|; None for other methods than
            Integrated Gradients.
        seconds: duration of the computation.
    """

    square: NDArray[np.float32]
    photo_size: tuple[int, int]
    target: Target
    method: Method
    value: float
    baseline_value: float | None
    completeness_error: float | None
    seconds: float

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """`square` resized to the photo's size (H, W), bilinear, without rescaling its values."""
        return self._sized(*self.photo_size)

    @cached_property
    def cells(self) -> NDArray[np.float32] | None:
        """Occlusion's values (8, 8), each the mean of the windows that cover the cell; None for other methods."""
        if self.method != "occlusion":
            return None
        stride = len(self.square) // WINDOWS
        return self.square[stride // 2 :: stride, stride // 2 :: stride][:WINDOWS, :WINDOWS]

    def share_inside(self, region: NDArray[np.bool_]) -> float:
        """Return the share of the positive attribution inside a region of the photo; 0 if none is positive.

        Args:
            region: (h, w), a mask of the whole photo in any size.
        """
        speaks_for = np.maximum(self._sized(*region.shape), 0)
        total = float(speaks_for.sum())
        return float(speaks_for[region].sum()) / total if total > 0 else 0.0

    def _sized(self, height: int, width: int) -> NDArray[np.float32]:
        maps = torch.from_numpy(self.square)[None, None]
        array: NDArray[np.float32] = F.interpolate(maps, (height, width), mode="bilinear", antialias=True)[0, 0].numpy()
        return array


def attribute(
    model: DGRL,
    picture: Picture,
    target: Target,
    method: Method = "integrated_gradients",
    *,
    batch_size: int | None = None,
    progress: Callable[[float], None] | None = None,
    **settings: Any,
) -> Attribution:
    """Attribute the target's value to the parts of the photo.

    Args:
        model: the network; it is not changed, and can be used at the same time.
        picture: a path, PIL image, array or tensor (see `read_image`).
        target: the value to explain: a `PixelTarget`, `ObjectTarget` or `CellTarget`.
        method: "integrated_gradients", "occlusion" or "grad_cam".
        batch_size: inputs per batch (with gradients about 1 GB each for the small network); by default 8 on a GPU, 4
            elsewhere.
        progress: called between batches with the share done, 0 to 1. An exception from it stops the computation.
        settings: baseline, block, block_step, steps, tolerance: see `Question`.

    Raises:
        ImageError: the picture cannot be used.
        ValueError: the target or a setting is not in this pass; the message says what is.
        FloatingPointError: the network returned NaN or infinite values.
    """
    return result_of(attribute_in_batches(model, picture, Question(target, method, **settings), batch_size), progress)


@torch.inference_mode(False)  # gradients are needed even in the caller's inference mode
def attribute_in_batches(
    model: DGRL,
    picture: Picture,
    question: Question,
    batch_size: int | None = None,
    evidence: Evidence | None = None,
) -> Generator[float, None, Attribution]:
    """Run `attribute` batch by batch: yield the share done, return the attribution. Closing the generator stops it.

    `evidence` is the result of `evidence_of`, if the caller already has it.
    """
    start = time.perf_counter()
    if batch_size is None:
        batch_size = 4 if model.device.type == "cpu" else 8
    photo = read_image(picture)
    target, method = question.target, question.method
    evidence = evidence or evidence_of(model, photo, question)
    yield 0.0
    square = yield from explain(evidence, question, batch_size)
    value, baseline_value = evidence.value(1.0), None if method == "grad_cam" else evidence.value(0.0)
    error = None
    if method == "integrated_gradients" and baseline_value is not None:
        error = abs(float(square.sum()) - (value - baseline_value)) / (abs(value - baseline_value) or 1.0)
    if not torch.isfinite(square).all():
        raise FloatingPointError("the attribution is NaN or infinite, because of the network's weights")
    return Attribution(
        square=square.float().cpu().numpy(),
        photo_size=(photo.shape[0], photo.shape[1]),
        target=target,
        method=method,
        value=value,
        baseline_value=baseline_value,
        completeness_error=error,
        seconds=time.perf_counter() - start,
    )


def evidence_of(model: DGRL, photo: RGB, question: Question) -> Evidence:
    """Build the evidence for a question: its value as a function of the visible parts of the photo (H, W, 3)."""
    return Evidence(model, photo, question.target, question.steps, question.baseline)


def explain(evidence: Evidence, question: Question, batch_size: int, rough: bool = False) -> Batches:
    """Compute the attribution (S, S) by the question's method; with `rough`, Integrated Gradients does not refine."""
    if question.method == "integrated_gradients":
        if rough:
            return integrated_gradients(evidence, math.inf, batch_size, ROUGH_PIECES)
        return integrated_gradients(evidence, question.tolerance, batch_size)
    if question.method == "occlusion":
        return occlusion(evidence, batch_size)
    block_step = evidence.step if question.block_step is None else question.block_step
    return grad_cam(evidence, question.block, block_step)
