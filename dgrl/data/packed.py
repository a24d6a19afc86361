"""A data set as a few small files: squares of one size, to be kept as bytes in a GPU's memory.

A shard is a ZIP file without compression: `image/STEM.webp` and `mask/STEM.png` for each picture.
"""

import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dgrl.data.pairs import DataError, Pair
from dgrl.files import replacing
from dgrl.images import read_image

SHARD_BYTES = 59 * 2**20
"""A shard is closed before it exceeds this."""


def pack(pairs: Sequence[Pair], folder: Path, side: int = 320, quality: int = 60) -> list[Path]:
    """Write pictures and masks, resized to squares, as shards `folder`/000.zip, 001.zip, …

    Args:
        pairs: pictures and masks; stems must differ.
        folder: made if it is missing.
        side: side of the squares in pixels.
        quality: of the WebP pictures, 0 to 100.

    Returns:
        The shards.

    Raises:
        ImageError: a picture or mask cannot be read.
        DataError: the folder holds shards already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.zip")):
        raise DataError(f"{folder} holds shards already")
    shards: list[Path] = []
    pending: list[tuple[str, bytes]] = []
    size = 0
    with ThreadPoolExecutor() as pool:
        for entries in pool.map(lambda pair: _encoded(pair, side, quality), pairs):
            # A ZIP file names every entry twice, with some 80 bytes beside the name each time.
            added = sum(len(content) + 2 * (len(name) + 80) for name, content in entries)
            if pending and size + added > SHARD_BYTES:
                shards.append(_write(pending, folder / f"{len(shards):03d}.zip"))
                pending, size = [], 0
            pending += entries
            size += added
    shards.append(_write(pending, folder / f"{len(shards):03d}.zip"))
    return shards


def _encoded(pair: Pair, side: int, quality: int) -> list[tuple[str, bytes]]:
    picture, mask = io.BytesIO(), io.BytesIO()
    Image.fromarray(read_image(pair.image)).resize((side, side), Image.Resampling.BILINEAR).save(
        picture, "webp", quality=quality
    )
    levels = Image.fromarray(pair.truth() * np.uint8(255)).resize((side, side), Image.Resampling.BILINEAR)
    levels.point(lambda level: 255 * (level > 127)).convert("1").save(mask, "png")
    return [(f"image/{pair.stem}.webp", picture.getvalue()), (f"mask/{pair.stem}.png", mask.getvalue())]


def _write(entries: Sequence[tuple[str, bytes]], shard: Path) -> Path:
    with replacing(shard) as partial, zipfile.ZipFile(partial, "w") as file:
        for name, content in entries:
            file.writestr(name, content)
    return shard


def unpack(folder: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """Read all shards of a folder: images (N, 3, S, S) and masks (N, 1, S, S) of 0 and 255, uint8, on `device`.

    Raises:
        DataError: the folder holds no shards.
    """
    shards = sorted(folder.glob("*.zip"))
    if not shards:
        raise DataError(f"no shards in {folder}; `python -m dgrl.training.packed pack` makes them")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pictures = list(pool.map(lambda files: tuple(map(_decoded, files)), _contents(shards)))
    images, masks = (torch.from_numpy(np.stack(arrays)).to(device) for arrays in zip(*pictures, strict=True))
    return images.permute(0, 3, 1, 2).contiguous(), masks[:, None]


def _contents(shards: Sequence[Path]) -> Iterator[tuple[bytes, bytes]]:
    for shard in shards:
        with zipfile.ZipFile(shard) as file:
            for name in file.namelist():
                if name.startswith("image/"):
                    stem = Path(name).stem
                    yield file.read(name), file.read(f"mask/{stem}.png")


def _decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("L" if image.mode == "1" else "RGB"))
