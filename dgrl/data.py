"""Pictures with masks: finding the pairs, reading them, and augmenting both alike."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from dgrl.images import IMAGE_SUFFIXES, ImageError, read_image, read_mask


class DataError(ValueError):
    """A data set cannot be used; the message says which folder or file, and why."""


@dataclass(frozen=True)
class Pair:
    """A picture and its mask on disk."""

    image: Path
    mask: Path

    @property
    def stem(self) -> str:
        """The file name that picture and mask share."""
        return self.image.stem


def find_pairs(images: Path, masks: Path, exclude: Collection[str] = ()) -> list[Pair]:
    """Pictures of one folder with the masks of the same stem in another, sorted by stem.

    Args:
        images: folder of pictures.
        masks: folder of masks.
        exclude: stems to leave out, e.g. those kept for validation.

    Raises:
        DataError: a folder is missing, there are no pictures, a picture has no mask, or two share a name.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder")
    pictures = {stem: path for stem, path in _by_stem(images).items() if stem not in exclude}
    mates = _by_stem(masks)
    missing = sorted(pictures.keys() - mates.keys())
    if not pictures:
        raise DataError(f"no pictures in {images}")
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"no mask in {masks} for {missing[0]}{more}")
    return [Pair(pictures[stem], mates[stem]) for stem in sorted(pictures)]


def _by_stem(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            # Else a mask kept beside its picture would pass for the picture.
            if path.stem in files:
                raise DataError(f"{folder} holds both {files[path.stem].name} and {path.name}: which is meant?")
            files[path.stem] = path
    return files


def augmentation(size: int, smallest_crop: float = 0.6) -> v2.Transform:
    """Random crop to a square of `size`, flip, and colour: the `default` preset's paired augmentation."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(smallest_crop, 1.0), ratio=(0.7, 1.4), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3),
        ]
    )


def plain_resize(size: int) -> v2.Transform:
    """To a square of `size`, as in the published training."""
    return v2.Resize((size, size), antialias=True)


class SaliencyData(Dataset[tuple[Tensor, Tensor]]):
    """Pairs as tensors: image (3, S, S) float32 in [0, 1] and mask (1, S, S) float32 of 0 and 1.

    What augmentation does to item i in an epoch depends only on (seed, epoch, i): not on workers, processes or on where
    a run was resumed.

    Args:
        pairs: the files.
        transform: a paired v2 transform that ends with a square picture.
        seed: seed of the augmentation.

    Attributes:
        epoch: set by the training loop; changes the augmentation.
    """

    def __init__(self, pairs: Sequence[Pair], transform: v2.Transform, seed: int = 0) -> None:
        self.pairs = list(pairs)
        self.transform = transform
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pair = self.pairs[index]
        image = torch.from_numpy(read_image(pair.image)).permute(2, 0, 1)  # (3, H, W)
        mask = torch.from_numpy(read_mask(pair.mask))[None] * 255  # (1, H, W)
        if image.shape[-2:] != mask.shape[-2:]:
            raise ImageError(f"{pair.mask}: the mask's size differs from that of {pair.image.name}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(hash((self.seed, self.epoch, index)))
            image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        # Masks are resized by nearest neighbour in torchvision, so they stay 0 and 255.
        return image.as_subclass(Tensor).float() / 255, (mask.as_subclass(Tensor) > 127).float()
