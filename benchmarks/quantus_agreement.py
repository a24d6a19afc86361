"""Compare our checks of explanations with Quantus: `python -m benchmarks.quantus_agreement [METHOD …]`.

Prints a Markdown table; METHOD is "grad_cam", "occlusion" or "integrated_gradients", by default all of them.

Needs `pip install quantus==0.6.0`, in an environment of its own because it brings another build of OpenCV. Quantus sees
only pictures, a network and an explanation. It hides pixels by itself and computes the network's value after each step
(PixelFlipping), and compares the explanation with that of the network with shuffled heads (MPRT).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from benchmarks.timing import table
from dgrl import DGRL
from dgrl.attribution.attribute import Attribution, attribute, evidence_of
from dgrl.attribution.evidence import shuffle
from dgrl.attribution.faithfulness import GRID, cells, faithfulness
from dgrl.attribution.question import METHODS, Method, PixelTarget, Question
from dgrl.checkpoint import default_weights
from dgrl.files import EXAMPLES
from dgrl.images import RGB, read_image
from dgrl.places import carried

PHOTOS = ("astronaut.jpg", "cat.jpg", "osprey.jpg")
STEPS = 48
"""Steps of Quantus' curves, of three whole cells each; every point of our curves is one of them."""
Pixels = NDArray[np.float32]


class ShuffledByQuantus(nn.Module):
    """The heads of a network: Quantus randomises modules that have `reset_parameters`."""

    def __init__(self, model: DGRL) -> None:
        super().__init__()
        self.__dict__["heads"] = model.rln.heads  # no submodule, whose layers Quantus would randomise too

    def reset_parameters(self) -> None:
        """Shuffle the heads as `faithfulness` does."""
        shuffle(self.__dict__["heads"], seed=0)


class SeenByQuantus(nn.Module):
    """RLN's evidence at a pixel, from pictures (B, 3, S, S) to (B, 1), without our `Evidence.__call__`."""

    def __init__(self, model: DGRL, photo: RGB, pixel: PixelTarget) -> None:
        super().__init__()
        self.__dict__["model"] = model
        self.heads = ShuffledByQuantus(model)
        evidence = evidence_of(model, photo, Question(pixel))
        self.picture: Pixels = evidence.picture.numpy()
        self.baseline: Pixels = evidence.baseline.numpy()
        self.column, self.row = carried(pixel.x, pixel.y, photo.shape[:2], self.picture.shape[-2:])

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the evidence."""
        model: DGRL = self.__dict__["model"]
        logits = model.rln.last(pictures, model.config.steps).logits[:, :, self.row, self.column]
        return (logits[:, 1] - logits[:, 0])[:, None]


@dataclass(frozen=True)
class Agreement:
    """What we and Quantus say about one explanation.

    Attributes:
        deletion, insertion: (ours, theirs), areas under the curves.
        largest_difference: of the points that both curves have.
        randomised: (ours, theirs), the rank correlation with the explanation of the network with shuffled heads.
    """

    deletion: tuple[float, float]
    insertion: tuple[float, float]
    largest_difference: float
    randomised: tuple[float, float]


def spread(squares: NDArray[np.float32]) -> Pixels:
    """Return the attribution of each of our cells at all of its pixels (1, 1, S, S)."""
    size = len(squares) // GRID
    return np.kron(cells(squares), np.ones((size, size), np.float32))[None, None]


def replaced(arr: Pixels, indices: NDArray[np.int64], replacement: Pixels, **_: object) -> Pixels:
    """Return pictures (B, N) with other values at the indices: Quantus' `perturb_func`."""
    changed = arr.copy()
    rows = np.arange(len(arr))[:, None]
    changed[rows, indices] = replacement.reshape(1, -1)[:, indices[0]]
    return changed


def curve(network: SeenByQuantus, ranked: Pixels, start: Pixels, end: Pixels) -> NDArray[np.float64]:
    """Return Quantus' values (`STEPS` + 1,) while the first picture turns into the second, in the order of ranks."""
    import quantus

    metric = quantus.PixelFlipping(
        features_in_step=start.size // STEPS,
        perturb_func=partial(replaced, replacement=end),
        abs=False,
        normalise=False,
        disable_warnings=True,
    )
    values = metric(network, start, np.array([0]), ranked, channel_first=True, softmax=False, batch_size=1)
    with torch.no_grad():
        return np.array([float(network(torch.from_numpy(start))), *values[0]])


def randomised(network: SeenByQuantus, attribution: Attribution, explain: Callable[[DGRL], Attribution]) -> float:
    """Return Quantus' rank correlation of the explanation with that of the network with shuffled heads."""
    import quantus

    def explained(model: SeenByQuantus, **_: object) -> Pixels:
        return spread(explain(model.__dict__["model"]).square)

    metric = quantus.MPRT(
        quantus.similarity_func.correlation_spearman,
        skip_layers=True,
        return_last_correlation=True,
        abs=False,
        normalise=False,
        disable_warnings=True,
    )
    first = spread(attribution.square)
    arguments: dict[str, Any] = {"explain_func": explained, "channel_first": True, "softmax": False, "batch_size": 1}
    return float(metric(network, network.picture, np.array([0]), first, **arguments)[0])


def inside(model: DGRL, photo: RGB) -> PixelTarget:
    """Return the pixel deepest inside the object that the network finds."""
    depth = ndimage.distance_transform_edt(model.trace(photo).found())
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    return PixelTarget(int(column), int(row))


def compare(model: DGRL, photo: RGB, pixel: PixelTarget, method: Method) -> Agreement:
    """Check the explanation of a pixel's evidence by our code and by Quantus."""
    import quantus.helpers.utils as utils

    def explain(asked: DGRL) -> Attribution:
        return attribute(asked, photo, pixel, method)

    attribution, network = explain(model), SeenByQuantus(model, photo, pixel).eval()
    ours = faithfulness(model, photo, Question(pixel, method), attribution)
    ranked = spread(attribution.square)
    with torch.no_grad():
        low, high = (float(network(torch.from_numpy(one))) for one in (network.baseline, network.picture))
    theirs = [
        (curve(network, ranked, start, end) - low) / abs(high - low)
        for start, end in ((network.picture, network.baseline), (network.baseline, network.picture))
    ]
    areas = [float(utils.calculate_auc(values, 1 / STEPS)) for values in theirs]  # type: ignore[arg-type]
    shared = np.rint(ours.shares * STEPS).astype(int)
    differences = np.abs([theirs[0][shared] - ours.deletion, theirs[1][shared] - ours.insertion])
    return Agreement(
        deletion=(ours.deletion_area, areas[0]),
        insertion=(ours.insertion_area, areas[1]),
        largest_difference=float(differences.max()),
        randomised=(ours.sensitivity, randomised(network, attribution, explain)),
    )


def main(methods: Sequence[str] = ()) -> None:
    """Compare the methods on the photos and print the table."""
    model = DGRL.from_pretrained(default_weights())
    photos = {Path(name).stem: read_image(EXAMPLES / name) for name in PHOTOS}
    pixels = {name: inside(model, photo) for name, photo in photos.items()}
    rows = []
    for method in [method for method in METHODS[::-1] if method in (methods or METHODS)]:  # the fastest first
        for name, photo in photos.items():
            found = compare(model, photo, pixels[name], method)
            numbers = (found.deletion, found.insertion, found.randomised)
            said = [f"{value:.3f}" for pair in numbers for value in pair]
            rows.append([name, method.replace("_", " "), f"{found.largest_difference:.0e}", *said])
            print(*rows[-1], file=sys.stderr, flush=True)
    columns = ["photo", "method", "largest difference of a point"]
    for measure in ("deletion", "insertion", "randomised heads"):
        columns += [measure, "Quantus"]
    print(table(columns, rows))


if __name__ == "__main__":
    main(sys.argv[1:])
