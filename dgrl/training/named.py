"""Training pictures with prompts: given weight maps teach RLN to follow attention, and to remember it.

Most of these pictures have two objects, and the maps are a prompt for one of them, which is the target. The prompt is
its mask, the box around it, or a disc on it, like a click (`prompted`). In other pictures the prompt is a place without
an object (`GROUND_SHARE`); then the target is empty, even if an object stands out elsewhere. In the rest the maps of
t = 0 are zero (`NOWHERE_SHARE`), and the target is empty too.

Some pictures give the maps of every time step, and every step must find what the maps show. The others (`FIRST_SHARE`)
give the maps of t = 0 only. Later steps then make their own maps, and learn from the feedback alone which object is
meant.
"""

import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from dgrl.data.batch import Batch
from dgrl.data.pairs import Pair, SaliencyData
from dgrl.training.losses import mask_as_map

NOTHING, FIRST, EVERY = 0, 1, 2
"""The time steps whose maps are given with a picture: none, t = 0, or all of them."""

WEIGHT_MAP = re.compile(r"rln\.t(\d+)\.conv\d\.weight_map")
FIRST_SHARE = 2 / 3
"""Share of the pictures with a prompt that give the maps of t = 0 only, because remembering is harder to learn."""
GROUND_SHARE = 1 / 4
"""Share of the pictures with a prompt for a place that has no object."""
NOWHERE_SHARE = 1 / 5
"""Share of the pictures whose maps of t = 0 are zero everywhere."""
LEAST_SHARE = 0.01
"""Smallest share of the picture that an object must cover to get a prompt."""
BOX_SHARE = DISC_SHARE = 1 / 3
"""Share of the prompts that are boxes, and share that are discs; the others are the objects' masks."""
RADII = 12 / 384, 64 / 384
"""Smallest and largest radius of a disc, as a share of the picture's side."""


class NamedData(SaliencyData):
    """`SaliencyData` some of whose pictures name a place, by `given` (`EVERY` …) and `places` of each item.

    The mask is then that of the named object alone, or empty; so is the place of a picture that looks nowhere.

    Args:
        pairs, transform, seed, paste_share, page_share: see `SaliencyData`.
        named_share: which share of the pictures names a place.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        transform: v2.Transform,
        seed: int = 0,
        paste_share: float = 0.0,
        page_share: float = 0.0,
        named_share: float = 0.5,
    ) -> None:
        super().__init__(pairs, transform, seed, paste_share, page_share)
        self.named_share = named_share

    def sample(self, index: int) -> Batch:
        """Return item `index`; random choices follow PyTorch's current random state."""
        item = super().sample(index)
        image, mask = item.images, item.masks
        if torch.rand(()) >= self.named_share or not mask.any():
            return Batch(image, mask, torch.tensor(NOTHING), mask)
        image, mask, maps_from, place = with_prompt(image, mask, self.another)
        return Batch(image, mask, torch.tensor(maps_from), place)


def with_prompt(
    image: Tensor, mask: Tensor, another: Callable[[], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor, int, Tensor]:
    """Return a picture with a prompt: image (3, S, S), mask and prompt (1, S, S), and the steps whose maps are given.

    Random choices follow PyTorch's current random state.

    Args:
        image, mask: the picture and its mask, which is not empty.
        another: returns another picture and its mask.
    """
    unchanged = image, mask, NOTHING, mask
    empty, chance = torch.zeros_like(mask), torch.rand(())
    if chance < NOWHERE_SHARE:
        return image, empty, FIRST, empty
    first, second = (image, mask), another()
    if chance < NOWHERE_SHARE + GROUND_SHARE:
        place, target = second[1] * (1 - mask), empty
    else:
        if torch.rand(()) < 0.5:
            first, second = second, first
        image, place = two_in_one(*first, *second, kind=int(torch.randint(3, ())))
        target = place
    if place.mean() < LEAST_SHARE:  # too small for a prompt
        return unchanged
    return image, target, FIRST if torch.rand(()) < FIRST_SHARE else EVERY, prompted(place)


def prompted(place: Tensor) -> Tensor:
    """Return a prompt (1, S, S) of 0 and 1 for a place (1, S, S): itself, the box around it, or a disc on it.

    The kind, and a disc's centre and radius, come from PyTorch's current random state.
    """
    chance, rows, columns = float(torch.rand(())), *torch.nonzero(place[0], as_tuple=True)
    if chance >= BOX_SHARE + DISC_SHARE:
        return place
    if chance < BOX_SHARE:
        box = torch.zeros_like(place)
        box[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
        return box
    side = place.shape[-1]
    radius = side * (RADII[0] + (RADII[1] - RADII[0]) * float(torch.rand(())))
    centre = int(torch.randint(len(rows), ()))
    positions = torch.arange(side, device=place.device)
    distance = torch.hypot(positions[:, None] - rows[centre].float(), positions - columns[centre].float())
    return (distance <= radius).float()[None]


def two_in_one(
    image: Tensor, mask: Tensor, second_image: Tensor, second_mask: Tensor, kind: int
) -> tuple[Tensor, Tensor]:
    """Return a picture (3, S, S) of two, and the mask (1, S, S) of the first one's object in it.

    Kind 0 puts them side by side, 1 one above the other, each squeezed to half, in either order; 2 pastes the object of
    either on the other one.
    """
    if kind == 2:
        if torch.rand(()) < 0.5:
            return torch.where(mask > 0, image, second_image), mask
        return torch.where(second_mask > 0, second_image, image), mask * (1 - second_mask)
    side = image.shape[-1]
    half = (side, side // 2) if kind == 0 else (side // 2, side)
    pictures = [F.interpolate(maps[None], half, mode="bilinear", antialias=True)[0] for maps in (image, second_image)]
    masks = [F.interpolate(mask[None], half)[0], mask.new_zeros(1, *half)]
    if torch.rand(()) < 0.5:
        pictures, masks = pictures[::-1], masks[::-1]
    dimension = 2 if kind == 0 else 1
    return torch.cat(pictures, dimension), torch.cat(masks, dimension)


class GivenMaps:
    """A listener that gives the maps of the pictures of a batch that name a place.

    Args:
        places: (B, 1, H, W) of 0 and 1; an empty one gives maps of zeros.
        given: (B,) int64, whose maps are given.
        spread: share of a given map's mass that lies evenly over the picture.
    """

    def __init__(self, places: Tensor, given: Tensor, spread: float = 0.1) -> None:
        self.places = places
        self.somewhere = places.amax((1, 2, 3), keepdim=True)
        self.given = given.view(-1, 1, 1, 1)
        self.spread = spread

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """Return the value that replaces `value` at tap `name`."""
        match = WEIGHT_MAP.fullmatch(name)
        if match is None:
            return value
        replaced = self.given >= (FIRST if match[1] == "0" else EVERY)
        height, width = value.shape[-2:]
        maps = mask_as_map(self.places, (height, width), self.spread) * self.somewhere
        return torch.where(replaced, maps, value)
