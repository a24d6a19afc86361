"""How much of its change a fine-tuned network keeps, chosen by what the change gains and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dgrl.data.pairs import Pair
from dgrl.files import EXAMPLES
from dgrl.model import DGRL
from dgrl.training.kept_out import changed_by, percent
from dgrl.training.validation import validate
from dgrl.training.watching import evaluating

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
LIMIT = 0.02
"""So far, of 0 to 1, the maps of other pictures may move on average."""
LEAST_GAIN = 0.05
"""A hold-out error that falls by less than this share may be chance: the network then stays as it was."""
PHOTOS = 8


@dataclass(frozen=True)
class Kept:
    """The share that was chosen.

    Attributes:
        share: of the change; 0 where no share lowers the hold-out error by `LEAST_GAIN`.
        before, after: the hold-out error with nothing and with this share kept; None without hold-out pictures.
        moved: mean absolute difference of the example photos' maps, in [0, 1].
    """

    share: float
    before: float | None
    after: float | None
    moved: float

    def sentence(self, kind: str) -> str:
        """Describe the share, what it changes, and the setting for another share."""
        if self.before is None or self.after is None:
            gain = "no hold-out pictures to choose it by"
        else:
            gain = f"hold-out MAE of {kind} {self.before:.4f} → {self.after:.4f} ({percent(self.before, self.after)})"
        return (
            f"Kept {self.share:.0%} of the change: {gain}; maps of the example photos move by {self.moved:.4f} "
            f"(at most {LIMIT}); kept_change sets another share"
        )


def choose_share(model: DGRL, start: Mapping[str, Tensor], hold_out: Sequence[Pair], kind: str) -> Kept:
    """Return the share with the lowest hold-out error among those that change other pictures' maps by at most `LIMIT`.

    Soft targets are the maps that the network gave the example photos before training. Without hold-out pictures the
    largest share within the limit is taken.

    Args:
        model: the network after training; it stays so.
        start: its weights before.
        hold_out: pictures of the new kind that were not trained with.
        kind: the map whose error decides.
    """
    photos = sorted(EXAMPLES.glob("*.jpg"))
    photos = photos[:: max(1, len(photos) // PHOTOS)][:PHOTOS]
    found: list[Kept] = []
    before: float | None = None
    with evaluating(model):
        with changed_by(model, start, 0.0):
            targets = [model.detect(photo) for photo in photos]
            before = validate(model, hold_out).mae[kind] if hold_out else None
        for share in SHARES:
            with changed_by(model, start, share):
                maps = [model.detect(photo) for photo in photos]
                moved = [float(np.abs(now - was).mean()) for now, was in zip(maps, targets, strict=True)]
                after = validate(model, hold_out).mae[kind] if hold_out else None
            found.append(Kept(share, before, after, float(np.mean(moved)) if moved else 0.0))
    return best_of(found, before)


def best_of(found: Sequence[Kept], before: float | None) -> Kept:
    """Return the best of the measured shares, which come in falling order: see `choose_share`."""
    within = [one for one in found if one.moved <= LIMIT]
    if before is None:
        return within[0] if within else found[-1]
    better = [one for one in within if one.after is not None and one.after <= (1 - LEAST_GAIN) * before]
    return min(better, key=lambda one: one.after or 0.0) if better else Kept(0.0, before, before, 0.0)
