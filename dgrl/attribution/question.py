"""The values that an attribution can explain, and the methods."""

from dataclasses import dataclass
from typing import Literal

Method = Literal["integrated_gradients", "occlusion", "grad_cam"]
METHODS: tuple[Method, ...] = ("integrated_gradients", "occlusion", "grad_cam")
Baseline = Literal["blurred", "grey", "black"]
BASELINES: tuple[Baseline, ...] = ("blurred", "grey", "black")


@dataclass(frozen=True)
class PixelTarget:
    """The network's evidence that one pixel belongs to the object.

    Attributes:
        x, y: the photo's pixel, column and row.
        step: RLN's time step t, whose logits are used (object minus background); None for the last.
        refined: use BRN's evidence instead, foreground minus background (section 4 of the paper). It follows RLN's
            last step, so `step` must be None.
    """

    x: int
    y: int
    step: int | None = None
    refined: bool = False


@dataclass(frozen=True)
class ObjectTarget:
    """RLN's evidence for the object: the mean of its logits, object minus background, over the object.

    The object is where the same time step's prediction on the unchanged photo is above one half.

    Attributes:
        step: the time step t; None for the last.
    """

    step: int | None = None


@dataclass(frozen=True)
class CellTarget:
    """One cell of an attention map.

    Attributes:
        level: "conv3", "conv4" or "conv5".
        row, column: the cell of the level's weight map.
        step: the time step t; None for the last.
    """

    level: str
    row: int
    column: int
    step: int | None = None


Target = PixelTarget | ObjectTarget | CellTarget


@dataclass(frozen=True)
class Question:
    """The value to explain, and the method.

    Attributes:
        target: the value: a `PixelTarget`, `ObjectTarget` or `CellTarget`.
        method: "integrated_gradients" sums gradients on the path from baseline to photo and gives the sharpest map
            (Sundararajan et al., 2017). "occlusion" hides one window at a time (Zeiler and Fergus, 2014). "grad_cam"
            weights one block's features by their gradients (Selvaraju et al., 2017).
        baseline: replaces hidden parts in Integrated Gradients and Occlusion: "blurred", "grey" or "black".
        block: for Grad-CAM, "conv1" to "conv5".
        block_step: for Grad-CAM, the block's time step; None for the target's own. conv1 runs once for all steps.
        steps: T of the pass; by default `config.steps`.
        tolerance: completeness error below which Integrated Gradients stops refining its path.

    Raises:
        ValueError: there is no such method.
    """

    target: Target
    method: Method = "integrated_gradients"
    baseline: Baseline = "blurred"
    block: str = "conv5"
    block_step: int | None = None
    steps: int | None = None
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"there is no method {self.method!r}: choose {', '.join(METHODS)}")
