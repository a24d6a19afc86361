"""Pictures with masks: finding the pairs, reading them, and augmenting both alike."""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from dgrl.data.batch import Batch
from dgrl.data.colours import Recolour
from dgrl.data.masks import HALF, read_mask
from dgrl.images import IMAGE_SUFFIXES, ImageError, read_image


class DataError(ValueError):
    """A data set cannot be used; the message says which folder or file, and why."""


@dataclass(frozen=True)
class Pair:
    """A picture and its mask on disk.

    Attributes:
        image: the picture's file.
        mask: the mask's file.
        threshold: pixels of the mask brighter than this, of 255, are salient.
    """

    image: Path
    mask: Path
    threshold: int = HALF

    @property
    def stem(self) -> str:
        """The file name that picture and mask share (see `stem_of`)."""
        return stem_of(self.image)

    def truth(self) -> NDArray[np.uint8]:
        """Read the mask as (H, W) uint8 of 0 and 1; raise ImageError if it cannot be read."""
        return read_mask(self.mask, threshold=self.threshold)


def find_pairs(images: str | Path, masks: str | Path, exclude: Collection[str] = ()) -> list[Pair]:
    """Pair the pictures of one folder with the masks of the same stem in another, sorted by stem.

    Only names are compared; `dgrl.data.checking` also opens the files and lists all problems.

    Args:
        images: folder of pictures.
        masks: folder of masks.
        exclude: stems to leave out, e.g. those kept for validation.

    Raises:
        DataError: a folder is missing, there are no pictures, a picture has no mask, or two share a name.
    """
    images, masks = Path(images), Path(masks)
    picture_of_stem, mask_of_stem = file_of_stem(images), file_of_stem(masks)
    for stem in exclude:
        picture_of_stem.pop(composed(stem), None)
    without_mask = sorted(picture_of_stem.keys() - mask_of_stem.keys())
    if not picture_of_stem:
        raise DataError(f"no pictures in {images}")
    if without_mask:
        others = f" and {len(without_mask) - 1} more" if len(without_mask) > 1 else ""
        similar = get_close_matches(without_mask[0], mask_of_stem, 1, 0.4)
        hint = (
            f"; {mask_of_stem[similar[0]].name} is there, but masks need the names of their pictures" if similar else ""
        )
        raise DataError(f"no mask in {masks} for {without_mask[0]}{others}{hint}")
    return [Pair(picture_of_stem[stem], mask_of_stem[stem]) for stem in sorted(picture_of_stem)]


def files_by_stem(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> dict[str, list[Path]]:
    """Return a folder's pictures by the stem of their names, sorted; hidden files are skipped.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        siblings = [path.name for path in folder.parent.iterdir() if path.is_dir()] if folder.parent.is_dir() else []
        similar = get_close_matches(folder.name, siblings, 1)
        raise DataError(
            f"{folder} is not a folder" + (f"; did you mean {folder.with_name(similar[0])}?" if similar else "")
        )
    files: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        # On macOS "._photo.jpg" beside a photo is not a picture.
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            files.setdefault(stem_of(path), []).append(path)
    return files


def stem_of(path: Path) -> str:
    """Return a file's name without its suffix, in composed form, because macOS stores é as e and an accent."""
    return composed(path.stem)


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", name)


def file_of_stem(folder: Path) -> dict[str, Path]:
    """Return a folder's pictures by stem, like `files_by_stem`; raise DataError if two files share a stem."""
    files = files_by_stem(folder)
    for paths in files.values():
        # Otherwise a mask beside its picture could be taken for the picture.
        if len(paths) > 1:
            raise DataError(f"{folder} holds both {paths[0].name} and {paths[1].name}: which is meant?")
    return {stem: paths[0] for stem, paths in files.items()}


def augmentation(size: int, smallest_crop: float = 0.9) -> v2.Transform:
    """Build the `default` preset's paired augmentation: random crop to a square of `size`, flip, colour and blur.

    A crop keeps at least the share `smallest_crop` of the picture's area.
    """
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(smallest_crop, 1.0), ratio=(0.65, 1.5), antialias=True),
            v2.RandomHorizontalFlip(),
            Recolour(),
            v2.RandomApply([v2.GaussianBlur(5, (0.5, 1.5))], 0.1),
        ]
    )


def plain_resize(size: int) -> v2.Transform:
    """Build the published training's resizing to a square of `size`."""
    return v2.Resize((size, size), antialias=True)


class SaliencyData(Dataset[Batch]):
    """Pairs as tensors: item i is a `Batch` of one picture, without the first dimension.

    The augmentation of item i in an epoch depends only on (seed, epoch, i), not on workers, processes or resuming.

    Args:
        pairs: the files.
        transform: a paired v2 transform that ends with a square picture.
        seed: seed of the augmentation.
        paste_share: share of the pictures onto which the object of another one is pasted, both augmented; the mask is
            then their union.
        page_share: share of the pictures that are replaced by a drawn page of text with an empty mask.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        transform: v2.Transform,
        seed: int = 0,
        paste_share: float = 0.0,
        page_share: float = 0.0,
    ) -> None:
        self.pairs = list(pairs)
        self.transform = transform
        self.seed = seed
        self.paste_share = paste_share
        self.page_share = page_share
        # In shared memory, so that persistent worker processes see a new epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """Number of the epoch, which selects the augmentation."""
        return int(self._epoch)

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._epoch.fill_(number)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Batch:
        with torch.random.fork_rng(devices=[]):
            # `torch.manual_seed` would also seed GPUs, which `fork_rng(devices=[])` does not restore.
            torch.default_generator.manual_seed(hash((self.seed, self.epoch, index)))
            return self.sample(index)

    def sample(self, index: int) -> Batch:
        """Return item `index`, augmented with PyTorch's current random state."""
        image, mask = self.augmented(index)
        if torch.rand(()) < self.paste_share:
            pasted, pasted_mask = self.another()
            image, mask = torch.where(pasted_mask > 0, pasted, image), torch.maximum(mask, pasted_mask)
        if torch.rand(()) < self.page_share:
            # Imported on use: Matplotlib, whose fonts it uses, is slow to import.
            from dgrl.data.text_pages import draw_page

            page = draw_page(image.shape[-1])
            image, mask = self.transformed(page, torch.zeros_like(page[:1]))
        return Batch(image, mask)

    def another(self) -> tuple[Tensor, Tensor]:
        """Return a random pair, augmented, with PyTorch's current random state."""
        return self.augmented(int(torch.randint(len(self), ())))

    def augmented(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one pair as tensors, augmented with PyTorch's current random state."""
        pair = self.pairs[index]
        image = torch.from_numpy(read_image(pair.image)).permute(2, 0, 1)  # (3, H, W)
        mask = torch.from_numpy(pair.truth())[None] * 255  # (1, H, W)
        if image.shape[-2:] != mask.shape[-2:]:
            raise ImageError(f"{pair.mask}: the mask's size differs from that of {pair.image.name}")
        return self.transformed(image, mask)

    def transformed(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a picture (3, H, W) and mask (1, H, W), uint8, with PyTorch's current random state."""
        image, mask = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
        # Masks are resized by nearest neighbour in torchvision, so they stay 0 and 255.
        return image.as_subclass(Tensor).float() / 255, (mask.as_subclass(Tensor) > 127).float()
