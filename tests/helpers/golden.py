"""Small slices of what the networks compute, pinned in golden.json: `python -m tests.helpers.golden` rewrites it.

Run it when a change is meant to alter results, or when the shipped weights are new, and look at the difference.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from dgrl import DGRL, Trace
from dgrl.checkpoint import SHIPPED_WEIGHTS, WEIGHTS_FILE
from dgrl.files import EXAMPLES
from dgrl.images import to_tensor
from tests.helpers.networks import TINY, draw_photo, filled

GOLDEN = Path(__file__).with_name("golden.json")
WEIGHTS = SHIPPED_WEIGHTS / WEIGHTS_FILE
PINNED = ("astronaut", "cat", "coffee", "raccoon", "rocket")

SIDE = TINY.rln_size
SQUARE = dataclasses.replace(TINY, brn_size=SIDE)
"""Both halves read the drawn photo as it is: torch's versions round resized bytes differently."""

DRAWN = {
    "published": SQUARE,
    "binary prior, 3x3, shared heads": dataclasses.replace(SQUARE, prior="binary", kernel_size=3, share_heads=True),
    "resnet18, one pass, 7x7, no context": dataclasses.replace(
        SQUARE, backbone="resnet18", steps=0, kernel_size=7, context=False
    ),
}

Slices = dict[str, list[float]]


def slices(trace: Trace) -> Slices:
    """Return 4 × 4 evenly spread values of every map, and all coefficients of three pixels."""
    maps = {"saliency": trace.saliency, "prior": trace.prior, "refined": trace.refined}
    for step in trace.steps:
        maps[f"t{step.t} saliency"] = step.saliency
        maps |= {f"t{step.t} {level} weight map": weights for level, weights in step.weight_maps.items()}
    values = {name: _grid(array) for name, array in maps.items()}
    size = trace.refined.shape[0]
    for x, y in ((0, 0), (size // 2, size // 2), (size - 1, size // 3)):
        values[f"coefficients at {x}, {y}"] = trace.coefficients[:, y, x].tolist()
    return {name: [round(value, 5) for value in row] for name, row in values.items()}


def _grid(array: np.ndarray) -> list[float]:
    rows, columns = (np.linspace(0, extent - 1, 4).round().astype(int) for extent in array.shape)
    return array[np.ix_(rows, columns)].ravel().tolist()


def of_drawn(name: str) -> Slices:
    """Run a network with drawn weights on the drawn photo, with one more step than it has heads."""
    config = DRAWN[name]
    return slices(filled(DGRL(config)).trace(draw_photo(SIDE, SIDE, seed=1)[0], config.steps + 1))


def fingerprint() -> str:
    """Return a checksum of the shipped weights."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


def examples() -> list[Path]:
    """Return the example photographs with golden slices."""
    return [EXAMPLES / f"{name}.jpg" for name in PINNED]


def of_example(path: Path) -> Slices:
    """Return the shipped network's trace of an example photograph, and RLN's input."""
    model = DGRL.from_pretrained(WEIGHTS.parent)
    trace = model.trace(path)
    seen = model.sizing.for_rln(to_tensor(trace.photo), model.config.rln_size)
    return slices(trace) | {"input": _grid(seen[0].mean(0).numpy())}


def main() -> None:
    torch.set_num_threads(1)
    golden: dict[str, object] = {"drawn": {name: of_drawn(name) for name in DRAWN}}
    if WEIGHTS.exists():
        golden["weights"] = fingerprint()
        golden["examples"] = {path.name: of_example(path) for path in examples()}
    GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{GOLDEN}: {', '.join(golden)}")


if __name__ == "__main__":
    main()
