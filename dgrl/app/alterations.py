"""What a visitor of the What if tab has set, as edits of a pass, in words, and whether it goes with the pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgrl.taps import BLOCKS, EVERY, Edit, flatten_map, identity_kernels, mean_kernels, paint_map, scale_feedback

EVERY_STEP = -1
AS_COMPUTED, IDENTITY, MEAN = "as computed", "identity", "mean of the picture"
KERNELS = (AS_COMPUTED, IDENTITY, MEAN)
STRENGTH = 4.0
STRONGEST = 10.0


@dataclass(frozen=True)
class Alterations:
    """The settings of the tab.

    Attributes:
        flattened: levels whose weight maps become even.
        painting: (H, W) in [0, 1], 1 is painted; None for no painting.
        painted, strength: the levels that are painted, and how (see `paint_map`).
        maps_at: the time step of both, or EVERY_STEP.
        factors: what each block's feedback is multiplied by, in the order of BLOCKS.
        feedback_at: the time step of that, or EVERY_STEP.
        kernels: one of KERNELS.
    """

    flattened: Sequence[str]
    painting: NDArray[np.float32] | None
    painted: Sequence[str]
    strength: float
    maps_at: int
    factors: Sequence[float]
    feedback_at: int
    kernels: str

    @property
    def paints(self) -> bool:
        """Whether the painting changes anything."""
        return self.painting is not None and bool(self.painting.any()) and bool(self.painted) and self.strength != 1

    @property
    def scaled(self) -> dict[str, float]:
        """The factors that change something, by block."""
        return {block: factor for block, factor in zip(BLOCKS, self.factors, strict=True) if factor != 1}

    @property
    def edits(self) -> list[Edit]:
        """The same for `model.trace`: a map that is both flattened and painted is painted on an even one."""
        at = EVERY if self.maps_at == EVERY_STEP else self.maps_at
        edits = [flatten_map(level, at) for level in self.flattened]
        if self.painting is not None and self.paints:
            edits += [paint_map(level, self.painting, self.strength, at) for level in self.painted]
        at = EVERY if self.feedback_at == EVERY_STEP else self.feedback_at
        edits += [scale_feedback(block, factor, at) for block, factor in self.scaled.items()]
        if self.kernels != AS_COMPUTED:
            edits.append(identity_kernels() if self.kernels == IDENTITY else mean_kernels())
        return edits

    @property
    def words(self) -> list[str]:
        """The same in words, a phrase for each kind."""
        said = []
        at = when(self.maps_at)
        if self.flattened:
            said.append(f"weight maps of {', '.join(self.flattened)} flattened {at}")
        if self.paints:
            said.append(f"weight maps of {', '.join(self.painted)} painted with strength {self.strength:g} {at}")
        for block, factor in self.scaled.items():
            change = "cut" if factor == 0 else f"times {factor:g}"
            said.append(f"feedback into {block} {change} {when(self.feedback_at)}")
        if self.kernels != AS_COMPUTED:
            said.append(f"BRN's kernels replaced by the {self.kernels}")
        return said

    def objection(self, last: int, has_maps: bool) -> str | None:
        """Why a pass with time steps 0 to `last`, of a network with or without weight maps, cannot be altered so."""
        span = f"The altered pass has time steps 0 to {last}"
        if self.flattened or self.paints:
            if not has_maps:
                return "This network was built without weight maps: there is none to flatten or paint."
            if self.maps_at > last:
                return f"{span}: there are no weight maps at t = {self.maps_at}."
        if self.scaled:
            if last == 0:
                return "With T = 0 the network looks once and nothing is fed back: there is no feedback to change."
            if self.feedback_at > last:
                return f"{span}: there is no feedback at t = {self.feedback_at}."
        return None


def when(t: int) -> str:
    """A time step in words."""
    return "at every step" if t == EVERY_STEP else f"at t = {t}"
