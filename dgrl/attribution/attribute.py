"""Why the network says what it says: attribution of one number to the places of the photo, by Captum."""

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

from dgrl.attribution.evidence import Evidence
from dgrl.attribution.methods import WINDOWS, Batches, grad_cam, integrated_gradients, occlusion
from dgrl.attribution.question import (
    Method,
    Question,
    Target,
)
from dgrl.images import RGB, Picture, read_image
from dgrl.model import DGRL


@dataclass(frozen=True)
class Attribution:
    """Which places of the photo speak for a number, and which against it.

    Attributes:
        square: (S, S) float32, signed, over RLN's square input (384×384). Integrated Gradients: what each pixel adds;
            the sum is `value` − `baseline_value`. Occlusion: how much `value` falls where a window hides the photo.
            Layer Grad-CAM: the block's features weighted by their mean gradients, in units of their own.
        photo_size: (H, W).
        target: what was explained.
        method: "integrated_gradients", "occlusion" or "grad_cam".
        value: the target's value on the photo.
        baseline_value: its value where nothing of the photo is seen; None for Grad-CAM, which has no baseline.
        completeness_error: |sum − (value − baseline_value)| / |value − baseline_value|; None but for Integrated
            Gradients.
        seconds: how long it took.
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
        """(H, W): `square` in the photo's size, each value as it is; bilinear."""
        return self._sized(*self.photo_size)

    @cached_property
    def cells(self) -> NDArray[np.float32] | None:
        """(8, 8): Occlusion's values, each the mean of the windows that cover the cell; None of other methods."""
        if self.method != "occlusion":
            return None
        stride = len(self.square) // WINDOWS
        return self.square[stride // 2 :: stride, stride // 2 :: stride][:WINDOWS, :WINDOWS]

    def share_inside(self, region: NDArray[np.bool_]) -> float:
        """Which share of all that speaks for the number lies in a region of the photo; 0 if nothing speaks for it.

        The region (h, w) covers the whole photo, in whatever size.
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
    """Attribute the target's value to the places of the photo.

    Args:
        model: the network; it stays as it is, and may work elsewhere meanwhile.
        picture: a path, PIL image, array or tensor (see `read_image`).
        target: the number to explain: a `PixelTarget`, `ObjectTarget` or `CellTarget`.
        method: "integrated_gradients", "occlusion" or "grad_cam".
        batch_size: pictures at once, which memory grows with (about 1 GB each with gradients, for the small network);
            by default 8 on a GPU, 4 elsewhere.
        progress: called between batches with the share done, 0 to 1. What it raises stops the computation.
        settings: baseline, block, block_step, steps, tolerance: see `Question`.

    Raises:
        ImageError: the picture cannot be used.
        ValueError: the target, or a setting, is not in this pass; the message says what there is.
        FloatingPointError: the network gave NaN or infinite values.
    """
    batches = attribute_in_batches(model, picture, Question(target, method, **settings), batch_size)
    while True:
        try:
            share = next(batches)
        except StopIteration as done:
            return done.value
        if progress is not None:
            progress(share)


@torch.inference_mode(False)  # gradients, whatever the caller's mode is
def attribute_in_batches(
    model: DGRL,
    picture: Picture,
    question: Question,
    batch_size: int | None = None,
    evidence: Evidence | None = None,
) -> Generator[float, None, Attribution]:
    """Like `attribute`, a batch at a time: yields the share done, returns the attribution. Closing it stops it.

    `evidence` is what `evidence_of` gives, for those who go on with it.
    """
    start = time.perf_counter()
    if batch_size is None:
        batch_size = 4 if model.device.type == "cpu" else 8
    photo = read_image(picture)
    target, method = question.target, question.method
    evidence = evidence or evidence_of(model, photo, question)
    yield 0.0
    square = yield from explain(evidence, question, batch_size)
    value, nothing = evidence.value(1.0), None if method == "grad_cam" else evidence.value(0.0)
    error = None
    if method == "integrated_gradients" and nothing is not None:
        error = abs(float(square.sum()) - (value - nothing)) / (abs(value - nothing) or 1.0)
    if not torch.isfinite(square).all():
        raise FloatingPointError("the attribution is NaN or infinite; the network's weights are at fault")
    return Attribution(
        square=square.float().cpu().numpy(),
        photo_size=(photo.shape[0], photo.shape[1]),
        target=target,
        method=method,
        value=value,
        baseline_value=nothing,
        completeness_error=error,
        seconds=time.perf_counter() - start,
    )


def evidence_of(model: DGRL, photo: RGB, question: Question) -> Evidence:
    """What a question is answered from: the number, given how much of the photo (H, W, 3) is seen."""
    return Evidence(model, photo, question.target, question.steps, question.baseline)


def explain(evidence: Evidence, question: Question, batch_size: int, rough: bool = False) -> Batches:
    """The attribution (S, S) of the evidence by the question's method; `rough` spares Integrated Gradients refining."""
    if question.method == "integrated_gradients":
        return integrated_gradients(evidence, math.inf if rough else question.tolerance, batch_size)
    if question.method == "occlusion":
        return occlusion(evidence, batch_size)
    block_step = evidence.step if question.block_step is None else question.block_step
    return grad_cam(evidence, question.block, block_step)
