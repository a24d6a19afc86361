"""The published equations once more, in NumPy float64 and without torch: what the modules are compared with.

Written from the paper's equations and the Caffe network's layers (Convolution, Normalize, Softmax, Power, Interp,
Eltwise), one function each, as plainly as possible. Arrays are (C, H, W): one picture at a time.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Block = Callable[[Array], Array]


def convolution(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Compute Caffe's Convolution with stride 1 and same padding: a weighted sum of shifted inputs."""
    side = weight.shape[-1]
    padded = np.pad(x, ((0, 0), (side // 2, side // 2), (side // 2, side // 2)))
    height, width = x.shape[1:]
    out = np.zeros((len(weight), height, width))
    for i in range(side):
        for j in range(side):
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], padded[:, i : i + height, j : j + width])
    return out if bias is None else out + bias[:, None, None]


def interp(x: Array, height: int, width: int) -> Array:
    """Compute Caffe's Interp: bilinear, with the corners of both grids aligned."""

    def positions(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        where = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
        low = np.minimum(np.floor(where).astype(int), old - 1)
        return low, np.minimum(low + 1, old - 1), where - low

    top, bottom, down = positions(x.shape[1], height)
    left, right, across = positions(x.shape[2], width)
    rows = x[:, top] * (1 - down)[:, None] + x[:, bottom] * down[:, None]
    return rows[:, :, left] * (1 - across) + rows[:, :, right] * across


def normalize(x: Array, scale: Array) -> Array:
    """Compute Caffe's Normalize at each position: the vector over √(sum of squares + 1e-10), times a scale."""
    return x / np.sqrt((x**2).sum(0) + 1e-10) * scale.reshape(-1, 1, 1)


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def weight_map(features: Array, parameters: Mapping[str, Array]) -> Array:
    """Compute the Contextual Weighting Module: (C, H, W) to (h, w), half as large."""
    height, width = features.shape[1:]
    small = interp(features, (height + 1) // 2, (width + 1) // 2)
    contexts = [
        normalize(convolution(small, parameters[f"filters.{i}.weight"]), parameters[f"norms.{i}.scale"])
        for i in range(3)
    ]
    mask = convolution(np.concatenate(contexts), parameters["mask.weight"])[0]
    return softmax(mask.ravel(), 0).reshape(mask.shape) * mask.size


def recurrent_input(below: Array, above: Array, weight: Array) -> Array:
    """Compute f_{k−1}(t) + up(w_k * f_k(t − 1))."""
    return below + interp(convolution(above, weight), *below.shape[1:])


def head(features: Mapping[str, Array], parameters: Mapping[str, Array], size: tuple[int, int]) -> Array:
    """Compute the logits (2, H, W) of one time step from f_3, f_4, f_5."""
    fine = features["conv3"].shape[1:]
    total = np.zeros(())
    for level in ("conv3", "conv4", "conv5"):
        side = convolution(features[level], parameters[f"side.{level}.weight"])
        weights = weight_map(features[level], within(parameters, f"context.{level}."))
        total = total + interp(side * interp(weights[None], *side.shape[1:]), *fine)
    total = convolution(total, parameters["fuse.weight"], parameters["fuse.bias"])
    total = convolution(total, parameters["classify.weight"], parameters["classify.bias"])
    return interp(total, *size)


def localise(
    picture: Array, blocks: Sequence[Block], parameters: Mapping[str, Array], steps: int, heads: int
) -> list[Array]:
    """Compute RLN's logits of time steps 0 … `steps` for a normalised picture, with the five blocks given."""
    stem = blocks[0](picture)
    previous: dict[str, Array] = {}
    logits = []
    for t in range(steps + 1):
        below, features = stem, {}
        for k in (2, 3, 4, 5):
            name = f"conv{k}"
            if t > 0:
                below = recurrent_input(below, previous[name], parameters[f"recurrent_step.feedback.{name}.weight"])
            below = features[name] = blocks[k - 1](below)
        of_step = within(parameters, f"heads.{min(t, heads - 1)}.")
        logits.append(head(features, of_step, picture.shape[1:]))
        previous = features
    return logits


def coefficients(picture: Array, saliency: Array, parameters: Mapping[str, Array]) -> Array:
    """Compute BRN's convolutions: (3, H, W) and (H, W) to (n², H, W)."""
    x = np.concatenate([picture, saliency[None]])
    numbers = sorted({int(name.split(".")[1]) for name in parameters if name.startswith("layers.")})
    for number in numbers:
        x = convolution(x, parameters[f"layers.{number}.weight"], parameters[f"layers.{number}.bias"])
        if number != numbers[-1]:
            x = np.maximum(x, 0)
    return x


def refine(saliency: Array, v: Array) -> Array:
    """Compute BRN's propagation as in the Caffe network: neighbours, products with both classes, sums, softmax."""
    n = round(len(v) ** 0.5)
    height, width = saliency.shape
    padded = np.pad(saliency, n // 2)
    neighbours = np.stack([padded[i : i + height, j : j + width] for i in range(n) for j in range(n)])
    background, foreground = (v * (1 - neighbours)).sum(0), (v * neighbours).sum(0)
    return softmax(np.stack([background, foreground]), 0)[1]


def within(parameters: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the parameters under a prefix, without the prefix."""
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
