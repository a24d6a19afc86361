"""The page resizes photos and maps as the library does: photos to the last bit."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packaging.version import Version

from dgrl.images import square, to_size, to_tensor

PAGE = Path(__file__).parents[2] / "web" / "page"
NODE = shutil.which("node")
SCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
const { square, toSize } = await import(process.argv[1]);
const { jobs } = JSON.parse(readFileSync(0, "utf8"));
const results = jobs.map(({ kind, values, width, height, to }) => {
  if (kind === "photo") return [...square(Uint8ClampedArray.from(values), width, height, to[0])];
  return [...toSize(Float32Array.from(values), { width, height }, { width: to[1], height: to[0] })];
});
writeFileSync(1, JSON.stringify(results));
"""


def in_node(jobs: list[dict[str, Any]]) -> list[np.ndarray]:
    if NODE is None:
        pytest.skip("the page's script is tested where there is Node.js")
    command = [NODE, "--input-type=module", "-e", SCRIPT, (PAGE / "sizing.js").as_uri()]
    done = subprocess.run(command, input=json.dumps({"jobs": jobs}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [np.array(values, np.float32) for values in json.loads(done.stdout)]


def test_photos_become_the_same_squares() -> None:
    """Wide, tall, tiny, of the square's own size, and of one pixel; noise, for it shows every rounding."""
    random = np.random.default_rng(0)
    sizes = [(70, 200, 32), (300, 90, 32), (3, 2, 16), (32, 32, 32), (1, 1, 8), (33, 31, 32), (61, 500, 24)]
    photos = [random.integers(0, 256, (height, width, 3), np.uint8) for height, width, _ in sizes]
    jobs = [
        {"kind": "photo", "values": np.dstack([photo, np.full(photo.shape[:2], 255)]).ravel().tolist()}
        | {"width": photo.shape[1], "height": photo.shape[0], "to": [side, side]}
        for photo, (_, _, side) in zip(photos, sizes, strict=True)
    ]
    for photo, (_, _, side), ours in zip(photos, sizes, in_node(jobs), strict=True):
        theirs = square(to_tensor(photo), side)[0].numpy()
        # PyTorch 2.8 weighs bytes more coarsely: a fifth of its values differ by one level from those of 2.11.
        levels = 0 if Version(torch.__version__).release >= (2, 11) else 1
        assert np.abs(ours.reshape(theirs.shape) - theirs).max() * 255 <= levels * 1.0001, (photo.shape, side)


def test_maps_become_the_same_maps() -> None:
    random = np.random.default_rng(1)
    sizes = [((24, 24), (50, 31)), ((40, 40), (7, 90)), ((16, 16), (16, 16)), ((12, 12), (1, 1))]
    maps = [random.random(before, np.float32) for before, _ in sizes]
    jobs = [
        {"kind": "map", "values": values.ravel().tolist(), "width": before[1], "height": before[0], "to": after}
        for values, (before, after) in zip(maps, sizes, strict=True)
    ]
    for values, (_, after), ours in zip(maps, sizes, in_node(jobs), strict=True):
        theirs = to_size(torch.from_numpy(values)[None, None], *after)[0, 0].numpy()
        assert np.abs(ours.reshape(after) - theirs).max() < 1e-5, after  # PyTorch places pixels in float32
