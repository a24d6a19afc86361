"""A batch of a training stage, with a name for each part."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Pictures with masks, and what some stages read beside them. An item of a data set lacks the first dimension.

    PyTorch pins it and Accelerate moves it like a tensor, by `pin_memory` and `to`.

    Attributes:
        images: (B, 3, S, S) float32 in [0, 1].
        masks: (B, 1, S, S) float32 of 0 and 1.
        given: (B,) int64: which time steps' weight maps a picture brings (`dgrl.training.named`); None for none.
        places: (B, 1, S, S) of 0 and 1: where these weight maps look; None if no picture brings any.
        corners: (B, K, 2) int64: top row and left column of each window to cut; None if none is cut.
        priors: (B, 1, S, S): RLN's map in [0, 1]; None where it is not stored.
    """

    images: Tensor
    masks: Tensor
    given: Tensor | None = None
    places: Tensor | None = None
    corners: Tensor | None = None
    priors: Tensor | None = None

    def parts(self) -> dict[str, Tensor]:
        """Return the tensors of the batch that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return it on a device."""
        return Batch(**{name: value.to(device, non_blocking=non_blocking) for name, value in self.parts().items()})

    def pin_memory(self) -> "Batch":
        """Return it in memory that a GPU copies from."""
        return Batch(**{name: value.pin_memory() for name, value in self.parts().items()})

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.images)


def collate(items: Sequence[Batch]) -> Batch:
    """Stack the items of a data set, which have the same parts."""
    parts = [item.parts() for item in items]
    return Batch(**{name: torch.stack([item[name] for item in parts]) for name in parts[0]})
