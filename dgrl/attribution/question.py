"""What can be asked of an attribution: which number, and how it is to be explained."""

from dataclasses import dataclass
from typing import Literal

Method = Literal["integrated_gradients", "occlusion", "grad_cam"]
METHODS: tuple[Method, ...] = ("integrated_gradients", "occlusion", "grad_cam")
Baseline = Literal["blurred", "grey", "black"]
BASELINES: tuple[Baseline, ...] = ("blurred", "grey", "black")


@dataclass(frozen=True)
class PixelTarget:
    """How much the network takes one pixel for the object.

    Attributes:
        x, y: the photo's pixel, column and row.
        step: the time step t of RLN whose logits are meant, object minus background; None for the last.
        refined: BRN's evidence instead, foreground minus background (section 4 of the paper). It follows RLN's last
            step, so `step` must be None.
    """

    x: int
    y: int
    step: int | None = None
    refined: bool = False


@dataclass(frozen=True)
class ObjectTarget:
    """How much RLN takes the object for one: the mean difference of its logits over the object.

    The object is where the prediction of this very time step, on the whole photo, is above one half.

    Attributes:
        step: the time step t; None for the last.
    """

    step: int | None = None


@dataclass(frozen=True)
class CellTarget:
    """One weight of a Contextual Weighting Module.

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
    """One number, and how it is to be explained.

    Attributes:
        target: the number: a `PixelTarget`, `ObjectTarget` or `CellTarget`.
        method: "integrated_gradients" (Sundararajan et al., 2017) follows the path from baseline to photo and has the
            sharpest map; "occlusion" (Zeiler and Fergus, 2014) hides a window at a time; "grad_cam" (Selvaraju et al.,
            2017) looks at what one block saw.
        baseline: what stands for nothing, in Integrated Gradients and Occlusion: "blurred", "grey" or "black".
        block: for Grad-CAM, "conv1" to "conv5".
        block_step: for Grad-CAM, the time step at which the block is looked at; None for the target's own. conv1 sees
            the photo once, for all steps alike.
        steps: T of the pass; by default the number trained.
        tolerance: the largest completeness error at which Integrated Gradients stops to cut its path finer.

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
