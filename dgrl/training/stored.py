"""RLN's maps, made once and kept, for trainings of BRN that are much longer than it takes to make them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from dgrl.data.batch import Batch
from dgrl.data.colours import Recolour
from dgrl.data.crops import CropData
from dgrl.data.pairs import Pair
from dgrl.files import digest, replacing
from dgrl.images import read_image, to_tensor
from dgrl.model import DGRL

MAPS_FOLDER = "maps"
"""Folder of the stored maps, inside the run's folder."""


@torch.inference_mode()
def store_maps(model: DGRL, pairs: Sequence[Pair], folder: Path, steps: int | None) -> list[Path]:
    """Store RLN's last map of every whole picture as an 8-bit PNG of BRN's size; keep the files that already exist.

    A file's name depends on the picture's name and content and on RLN's weights, so that other pictures or another
    network never read the wrong maps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = hashlib.sha256(f"{steps} {model.config.rln_size} {model.config.brn_size}".encode())
    for value in model.rln.state_dict().values():
        network.update(value.detach().cpu().contiguous().numpy().tobytes())
    files = [folder / f"{pair.stem}-{_key(pair, network.hexdigest())}.png" for pair in pairs]
    for pair, file in zip(pairs, files, strict=True):
        if file.exists():
            continue
        images = to_tensor(read_image(pair.image))
        saliency = model.localise(images, steps).saliency
        _, prior = model.sizing.for_brn(images, saliency, model.config.brn_size)
        with replacing(file) as partial:
            Image.fromarray((prior[0, 0] * 255).round().byte().cpu().numpy()).save(partial, "png")
    return files


def _key(pair: Pair, network: str) -> str:
    return hashlib.sha256(f"{digest(pair.image)} {network}".encode()).hexdigest()[:16]


def still(augment: bool) -> v2.Transform:
    """Return flips, colours and blur as in `dgrl.data.augmentation`, without crops, so that stored maps still fit."""
    if not augment:
        return v2.Identity()
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            Recolour(),
            v2.RandomApply([v2.GaussianBlur(5, (0.5, 1.5))], 0.1),
        ]
    )


class StoredCropData(CropData):
    """`CropData` with stored maps, the `priors` of each item."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        transform: v2.Transform,
        seed: int,
        crop: int,
        count: int,
        boundary_share: float,
        files: Sequence[Path],
        doubt_share: float = 0.0,
    ) -> None:
        super().__init__(pairs, transform, seed, crop, count, boundary_share)
        self.files = files
        self.doubt_share = doubt_share

    def sample(self, index: int) -> Batch:
        """Return item `index` without its windows; random choices follow PyTorch's current random state."""
        pair = self.pairs[index]
        prior = torch.from_numpy(np.asarray(Image.open(self.files[index])).copy())[None]
        size = prior.shape[-2:]
        image = v2.functional.resize(torch.from_numpy(read_image(pair.image)).permute(2, 0, 1), size, antialias=True)
        # Averaged, then cut at one half: nearest pixels would put stairs on the contour that BRN is to draw.
        mask = v2.functional.resize(torch.from_numpy(pair.truth())[None] * 255, size, antialias=True)
        image, mask, prior = self.transform(tv_tensors.Image(image), tv_tensors.Mask(mask), tv_tensors.Mask(prior))
        image, prior = (maps.as_subclass(Tensor).float() / 255 for maps in (image, prior))
        if torch.rand(()) < self.doubt_share:
            prior = doubted(prior)
        return Batch(image, (mask.as_subclass(Tensor) > 127).float(), priors=prior)


def doubted(saliency: Tensor) -> Tensor:
    """Make a map in [0, 1] less certain at random: divide its log odds by 1 to 5, and shift them in proportion.

    RLN is more certain about the pictures it was trained on than about others. A BRN trained on those maps alone would
    treat every grey object as a mistake.
    """
    certainty, shift = torch.rand(2).tolist()
    certainty = 0.2 + 0.8 * certainty
    return torch.sigmoid(certainty * saliency.logit(1e-3) + 2 * (1 - certainty) * (2 * shift - 1))
