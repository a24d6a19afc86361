"""Drawn pictures of a kind that no photograph prepares for: of several shapes only the disc counts."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dgrl.data.pairs import Pair, find_pairs

SIDE = 192


def draw_disc(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a disc and two squares on stripes (SIDE, SIDE, 3), and the disc's mask of 0 and 255."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    stripes = 0.1 * np.sin(x * random.uniform(10, 60) + y * random.uniform(10, 60))[..., None]
    photo = random.uniform(0.2, 0.8, 3) + stripes + random.uniform(-0.05, 0.05, (SIDE, SIDE, 3))
    disc = np.zeros((SIDE, SIDE), bool)
    for number, place in enumerate(random.permutation(4)[:3]):
        centre = (np.array(divmod(place, 2)) + 0.5) / 2 + random.uniform(-0.05, 0.05, 2)
        radius = random.uniform(0.1, 0.18)
        across, down = np.abs(x - centre[1]), np.abs(y - centre[0])
        shape = np.hypot(across, down) < radius if number == 0 else np.maximum(across, down) < 0.9 * radius
        photo[shape] = random.uniform(0, 1, 3)
        if number == 0:
            disc = shape
    return (photo.clip(0, 1) * 255).astype(np.uint8), disc.astype(np.uint8) * 255


def drawn_discs(folder: Path, count: int) -> list[Pair]:
    """Write such pictures as files in `folder`/image and `folder`/mask."""
    places = folder / "image", folder / "mask"
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        for place, picture in zip(places, draw_disc(seed), strict=True):
            Image.fromarray(picture).save(place / f"{seed:03d}.png")
    return find_pairs(*places)
