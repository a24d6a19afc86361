"""Networks and pictures that come out the same on every machine and with every version of torch and timm."""

import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dgrl import DGRL, DGRLConfig
from dgrl.data.pairs import Pair, find_pairs

TINY = DGRLConfig(
    backbone="tf_efficientnet_lite0",
    rln_size=96,
    brn_size=80,
    refinement_channels=(8, 8),
    side_channels=8,
    context_channels=4,
)

TRAINED = DGRLConfig(
    backbone="test_resnet",  # timm's smallest
    steps=1,
    rln_size=64,
    brn_size=64,
    refinement_channels=(16, 16),
    side_channels=16,
    context_channels=4,
)
"""The network that tests train."""


def filled(model: DGRL) -> DGRL:
    """Return `model` in evaluation mode with weights drawn by the name of each tensor.

    Initial weights of a fresh network give almost flat maps, and change with the version of timm. These make every
    map vary, and `RandomState`'s stream is frozen for good.
    """
    for name, tensor in model.state_dict().items():
        noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(tensor.shape))
        if not tensor.is_floating_point():
            continue
        tensor.copy_(torch.from_numpy(_values(name, noise)))
    return model.eval()


def _values(name: str, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    if name.endswith("running_var"):
        return 1 + 0.2 * np.abs(noise)
    if noise.ndim == 4:  # a convolution; the last ones are scaled so that their maps use the whole range
        loudness = {"classify": 0.1, "mask": 0.2}.get(name.split(".")[-2], 1.4)
        return loudness * noise / np.sqrt(noise[0].size)
    if ".norms." in name:
        return 10 + noise
    if name.endswith(".weight"):  # batch-norm
        return 1 + 0.1 * noise
    bias = 0.1 * noise
    if name.startswith("brn.") and bias.size in (9, 25, 49):
        bias[bias.size // 2] += 1
    return bias


def draw_photo(height: int = 90, width: int = 120, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a bright disc on a dark, textured background, (H, W, 3) uint8, and its mask, (H, W) of 0 and 255."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:height, :width]
    radius = min(height, width) * random.uniform(0.2, 0.35)
    centre_y, centre_x = random.uniform(0.35, 0.65) * height, random.uniform(0.35, 0.65) * width
    mask = (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2
    ground = random.uniform(0.1, 0.3, 3) + 0.1 * np.sin(x[..., None] / random.uniform(2, 6, 3))
    disc = random.uniform(0.5, 0.9, 3) + 0.1 * np.cos(y[..., None] / random.uniform(3, 9, 3))
    photo = np.where(mask[..., None], disc, ground) + random.uniform(-0.05, 0.05, (height, width, 3))
    return np.rint(photo.clip(0, 1) * 255).astype(np.uint8), np.where(mask, 255, 0).astype(np.uint8)


def disc(height: int, width: int, centre: tuple[int, int], radius: int) -> torch.Tensor:
    """Return a mask (1, 1, height, width): 1 inside a circle, 0 outside."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).float()[None, None]


def write_pairs(folder: Path, count: int, size: int = 64) -> list[Pair]:
    """Write `count` drawn photos and masks to `folder`/image and `folder`/mask."""
    for kind in ("image", "mask"):
        (folder / kind).mkdir(parents=True)
    for i in range(count):
        photo, mask = draw_photo(size, size + 16, seed=i)
        Image.fromarray(photo).save(folder / "image" / f"{i:03d}.png")
        Image.fromarray(mask).save(folder / "mask" / f"{i:03d}.png")
    return find_pairs(folder / "image", folder / "mask")
