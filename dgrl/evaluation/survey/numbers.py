"""The numbers of a survey's row that need no network: of an attention map, an object, a set of kernels."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from dgrl.images import RGB
from dgrl.trace import SMALLEST_OBJECT

Object = NDArray[np.bool_]
EDGE = 0.1, 0.9
"""Kernels are looked at where RLN's map lies between these."""


def attention_numbers(weights: Tensor, inside: Object) -> dict[str, float | None]:
    """Measure where an attention map lies.

    Args:
        weights: (1, 1, h, w), positive.
        inside: (H, W), the object; the map covers the same picture.

    Returns:
        on_object: share of the map's mass on the object; None without an object.
        entropy: of the map as a distribution, over ln(h·w): 0 in one cell, 1 flat.
        distance: from the map's centre of mass to the object's, in picture diagonals; None without an object.
    """
    weight_share = weights[0, 0].double()
    weight_share = weight_share / weight_share.sum()
    entropy = -(weight_share * weight_share.clamp(min=1e-12).log()).sum() / max(np.log(weight_share.numel()), 1e-12)
    if not inside.any():
        return {"on_object": None, "entropy": float(entropy), "distance": None}
    object_share = F.adaptive_avg_pool2d(
        torch.from_numpy(inside)[None, None].float(), (weight_share.shape[0], weight_share.shape[1])
    )[0, 0].double()
    shift = [
        size * (a - b) for size, a, b in zip(inside.shape, centre(weight_share), centre(object_share), strict=True)
    ]
    return {
        "on_object": float((weight_share * object_share).sum()),
        "entropy": float(entropy),
        "distance": float(np.hypot(*shift) / np.hypot(*inside.shape)),
    }


def centre(mass: Tensor) -> tuple[float, float]:
    """Return the row and column of the centre of a mass (h, w), from 0 to 1 over the picture."""
    rows, columns = ((torch.arange(size, dtype=mass.dtype) + 0.5) / size for size in mass.shape)
    total = mass.sum()
    return float((mass.sum(1) * rows).sum() / total), float((mass.sum(0) * columns).sum() / total)


def moved(before: Tensor, after: Tensor) -> float:
    """Return the share of the mass that lies elsewhere in the second map: total variation distance, 0 to 1."""
    shares = [weights.double() / weights.double().sum() for weights in (before, after)]
    return float((shares[0] - shares[1]).abs().sum() / 2)


def object_numbers(photo: RGB, inside: Object) -> dict[str, float | None]:
    """Measure the size, number of parts and contrast of an object (H, W) in a photo (H, W, 3)."""
    area = float(inside.mean())
    parts, _ = ndimage.label(inside)
    sizes = np.bincount(parts.ravel())[1:]
    contrast = None
    if 0 < area < 1:
        # Every fourth pixel says enough about a mean colour.
        step = 2 if inside.size > 40_000 else 1
        colours, is_object = photo[::step, ::step] / 255, inside[::step, ::step]
        if is_object.any() and not is_object.all():
            contrast = float(np.linalg.norm(colours[is_object].mean(0) - colours[~is_object].mean(0)) / np.sqrt(3))
    return {
        "object_share": area,
        "objects": float((sizes >= SMALLEST_OBJECT * inside.size).sum()),
        "contrast": contrast,
    }


def lean(coefficients: Tensor, saliency: Tensor) -> float | None:
    """Measure how far, in pixels, kernels lean where the map is uncertain: from a pixel to its kernel's centre of mass.

    Args:
        coefficients: (1, n², H, W), BRN's.
        saliency: (1, 1, H, W), RLN's last map at BRN's size.

    Returns:
        The median, or None where the map is certain everywhere.
    """
    near_edge = (saliency[0, 0] > EDGE[0]) & (saliency[0, 0] < EDGE[1])
    if not near_edge.any():
        return None
    kernels = coefficients[0][:, near_edge].abs()  # (n², pixels)
    n = round(len(kernels) ** 0.5)
    offsets = torch.arange(n, device=kernels.device, dtype=kernels.dtype) - n // 2
    shares = (kernels / kernels.sum(0).clamp(min=1e-12)).view(n, n, -1)
    down, right = (shares.sum(1) * offsets[:, None]).sum(0), (shares.sum(0) * offsets[:, None]).sum(0)
    return float(torch.hypot(down, right).median())
