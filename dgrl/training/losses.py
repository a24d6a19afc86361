"""The losses of training: the published supervision, and the `default` preset's declared departures."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from dgrl.evaluation.metrics import near_contour
from dgrl.network.rln import RLNOutput
from dgrl.training.config import TrainingConfig

LEAN, LEAN_REACH = 0.6, 8
"""Kernels are trained to lean this many pixels, in pixels up to this distance from the contour."""
EDGE_REACH = 6
"""In training, an error up to this distance from the contour, in pixels, counts as an error of the edge."""


def cross_entropy(logits: Tensor, masks: Tensor, summed: bool = False) -> Tensor:
    """Compute the softmax cross-entropy: mean over pixels, or summed over them (published), then mean over pictures.

    Logits are (B, 2, H, W), masks (B, 1, H, W) in [0, 1]: of 0 and 1, or mixed with a teacher's maps.
    """
    loss = F.cross_entropy(logits, torch.cat([1 - masks, masks], 1), reduction="none")  # (B, H, W)
    return loss.sum((1, 2)).mean() if summed else loss.mean()


def region_loss(saliency: Tensor, masks: Tensor) -> Tensor:
    """Compute 1 − soft intersection over union per picture, and the mean of it; both (B, 1, H, W) in [0, 1].

    Departure, `default` preset only: cross-entropy counts pixels, so small objects weigh little; this counts objects.
    """
    intersection = (saliency * masks).sum((1, 2, 3))
    union = (saliency + masks - saliency * masks).sum((1, 2, 3))
    return (1 - (intersection + 1) / (union + 1)).mean()


def mask_as_map(masks: Tensor, size: tuple[int, int], spread: float | Tensor) -> Tensor:
    """Return weight maps (B, 1, h, w) of the given `size` for masks (B, 1, H, W) of 0 and 1: positive, mean 1.

    The share `spread` of the weight is equal in all cells, so that the surroundings still count; the rest is inside the
    mask. Where a mask is empty, all cells have weight 1.
    """
    inside = F.adaptive_avg_pool2d(masks, size)
    area = inside.mean((-2, -1), keepdim=True)
    return torch.where(area > 0, spread + (1 - spread) * inside / area.clamp(min=1e-6), 1.0)


def attention_loss(weight_maps: dict[str, Tensor], masks: Tensor, spread: float = 0.1) -> Tensor:
    """Return the divergence of each weight map from the mask, both as distributions, in nats; mean of all.

    KL(p ‖ w): w is the map normalised to sum 1, p the mask likewise (`mask_as_map`), with the share `spread` of its
    mass over all cells. Masks are (B, 1, H, W) of 0 and 1; where one is empty, nothing is asked.

    Departure, `default` preset only: nothing in the published loss asks a weight map to favour the object, and after a
    short training the maps stay flat or light up the corners. Asking for as much mass as possible inside the mask is
    not enough: the maps then put it on a few hot cells, and the saliency map gets holes beside them.
    """
    divergences = []
    for weights in weight_maps.values():
        height, width = weights.shape[-2:]
        target = mask_as_map(masks, (height, width), spread).flatten(1)  # (B, h·w)
        mass = weights.flatten(1).clamp(min=1e-8)
        mass = mass / mass.mean(1, keepdim=True)
        divergences.append((target * (target.log() - mass.log())).mean(1))
    has_object = masks.flatten(1).any(1)
    return (torch.stack(divergences) * has_object).mean()


def localisation_loss(output: RLNOutput, masks: Tensor, config: TrainingConfig) -> Tensor:
    """Compute the loss of all time steps ("three top supervisions", section 3.3): weighted mean, or sum (published).

    In the term on the weight maps all steps count equally, because the first look would learn nothing otherwise.
    """
    losses, attention = [], []
    for t, step in enumerate(output.steps):
        loss = cross_entropy(step.logits, masks, config.summed)
        if config.region_weight:
            loss = loss + config.region_weight * region_loss(step.saliency, masks)
        losses.append(loss)
        if config.attention_weight and step.weight_maps:
            spread = config.attention_spread * config.attention_narrowing**t
            attention.append(attention_loss(step.weight_maps, masks, spread))
    weights = [config.step_growth**t for t in range(len(losses))]  # numbers: a tensor would have to wait for the GPU
    total = torch.stack([weight * loss for weight, loss in zip(weights, losses, strict=True)]).sum()
    total = total if config.summed else total / sum(weights)
    if attention:
        terms = torch.stack(attention)
        total = total + config.attention_weight * (terms.sum() if config.summed else terms.mean())
    return total


def mean_where(counted: Tensor, values: Tensor) -> Tensor:
    """Return the mean of `values` (B, 1, H, W) where `counted` (B, 1, H, W) is 1, of each crop, then of the crops.

    So the pieces of a batch that several processes share, or that come one after the other, weigh the same.
    """
    return ((counted * values).sum((1, 2, 3)) / counted.sum((1, 2, 3)).clamp(min=1)).mean()


def lean_loss(coefficients: Tensor, masks: Tensor, counted: Tensor) -> Tensor:
    """Measure how far kernels near the contour are from leaning `LEAN` pixels into their pixel's own side.

    A kernel's first moment, Σ |v_d| · d / Σ |v_d|, is measured along the direction away from the contour, into the side
    that the pixel is on. The mean is over the pixels within `LEAN_REACH` of the contour. `coefficients` are (B, n², H,
    W), `masks` and `counted` (B, 1, H, W).

    Departure: where the map is smooth over a window only the sum of a kernel matters, so kernels learn
    to change the map's contrast, and all look alike.
    """
    n, side = math.isqrt(coefficients.shape[1]), 2 * LEAN_REACH + 1
    share = F.avg_pool2d(F.pad(masks, [LEAN_REACH + 1] * 4, mode="replicate"), side, 1)  # (B, 1, H + 2, W + 2)
    side_sign = 2 * masks - 1
    across = side_sign * (share[..., 1:-1, 2:] - share[..., 1:-1, :-2])
    down = side_sign * (share[..., 2:, 1:-1] - share[..., :-2, 1:-1])
    slope = torch.hypot(across, down)  # 2 / side within reach of a straight contour
    near = counted * (slope > 0.5 / side)
    offsets = torch.arange(n, device=masks.device) - n // 2.0
    sums = torch.stack([torch.ones(n * n, device=masks.device), offsets.repeat(n), offsets.repeat_interleave(n)])
    total, right, below = F.conv2d(coefficients.abs(), sums.view(3, n * n, 1, 1)).chunk(3, 1)
    moment = (right * across + below * down) / (slope * total).clamp(min=1e-6)
    return mean_where(near, (LEAN - moment).relu())


def refinement_loss(evidence: Tensor, masks: Tensor, counted: Tensor, config: TrainingConfig) -> Tensor:
    """Compute the cross-entropy of BRN's softmax (published), plus the terms that the `default` preset adds.

    All are (B, 1, H, W): BRN's `evidence`, `masks` of 0 and 1, and `counted`, which is 1 where a pixel counts.
    """
    saliency = evidence.float().sigmoid()
    loss = config.entropy_weight * F.binary_cross_entropy_with_logits(evidence.float(), masks, reduction="none")
    error = (saliency - masks).abs()
    if config.absolute_weight:
        # Departure: cross-entropy alone leaves grey wherever BRN cannot be sure, which every score counts as an error.
        loss = loss + config.absolute_weight * error
    mean = (counted * loss).sum((1, 2, 3)).mean() if config.summed else mean_where(counted, loss)
    if config.region_weight:
        mean = mean + config.region_weight * region_loss(saliency * counted, masks * counted)
    if config.edge_weight:
        # Departure: far from the contour, errors are objects that RLN missed. BRN cannot correct those, and they
        # dominate.
        near_edge = counted * near_contour(masks, EDGE_REACH)
        mean = mean + config.edge_weight * mean_where(near_edge, error)
    return mean
