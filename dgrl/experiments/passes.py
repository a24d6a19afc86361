"""The passes over one picture that experiments compare, each computed once, and regions to measure them on."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from dgrl.images import Picture, read_image
from dgrl.model import DGRL
from dgrl.taps import COEFFICIENTS, PRIOR, REFINED, Edit
from dgrl.trace import Array, Trace, found_in

Places = NDArray[np.bool_]


@dataclass(frozen=True)
class Setting:
    """The settings of a pass.

    Attributes:
        edits: the changes at taps.
        steps: T; None for the number trained.
        name: its name in comparisons.
    """

    edits: tuple[Edit, ...] = ()
    steps: int | None = None
    name: str = "as it is"


UNTOUCHED = Setting()


@dataclass
class Passes:
    """The passes over one picture.

    Attributes:
        model: the network.
        picture: a path, PIL image, array or tensor (see `read_image`).
        painted: (H, W) in any size, the region to attend to; None if the experiment paints nothing.
        other: (H, W), the object that is not painted, or None.
    """

    model: DGRL
    picture: Picture
    painted: Places | None = None
    other: Places | None = None
    _made: dict[tuple[tuple[Edit, ...], int | None], Trace] = field(default_factory=dict)

    def localised(self, setting: Setting = UNTOUCHED) -> Trace:
        """Return RLN's half of a pass, with RLN's edits."""
        edits = tuple(edit for edit in setting.edits if not edit.tap.startswith("brn."))
        key = edits, setting.steps
        if key not in self._made:
            photo = read_image(self.picture)
            self._made[key] = self.model.trace_localised(photo, setting.steps, edits)
        return self._made[key]

    def whole(self, setting: Setting = UNTOUCHED) -> Trace:
        """Return a pass with RLN and BRN."""
        edits = tuple(edit for edit in setting.edits if edit.tap in (PRIOR, COEFFICIENTS, REFINED))
        key = setting.edits, setting.steps
        if key not in self._made or not self._made[key].whole:
            trace = self.model.trace_refined(self.localised(setting), edits)
            if not edits:
                self._made[key] = trace
            return trace
        return self._made[key]

    def last(self, setting: Setting = UNTOUCHED) -> Array:
        """Return RLN's last prediction (S, S) in [0, 1]."""
        saliency: Array = self.localised(setting).steps[-1].saliency
        return saliency

    def found(self) -> Places:
        """Return where RLN finds an object (S, S) in the unchanged pass; all False if there is none."""
        return found_in(self.last())


def on_grid(places: Places, size: tuple[int, int]) -> Array:
    """Return each cell's share (h, w) of the places (H, W)."""
    shares: Array = F.adaptive_avg_pool2d(torch.from_numpy(places.astype(np.float32))[None], size)[0].numpy()
    return shares


def share_inside(weights: Array, places: Places) -> float:
    """Return the share of a weight map's mass (h, w) that lies on the places (H, W)."""
    size = weights.shape[0], weights.shape[1]
    return float((weights * on_grid(places, size)).sum() / weights.sum())


def resized(places: Places, size: tuple[int, int]) -> Places:
    """Resize places (H, W)."""
    maps = torch.from_numpy(places.astype(np.float32))[None, None]
    return F.interpolate(maps, size, mode="bilinear", antialias=True)[0, 0].numpy() > 0.5
