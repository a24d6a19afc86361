"""What training minimises: the published supervision, and the `default` preset's declared departures."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dgrl.rln import RLNOutput


def cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """Softmax cross-entropy per pixel (published), mean over pixels; logits (B, 2, H, W), masks (B, 1, H, W)."""
    return F.cross_entropy(logits, masks[:, 0].long())


def region_loss(saliency: Tensor, masks: Tensor) -> Tensor:
    """1 − soft intersection over union, per picture, then mean: both (B, 1, H, W) in [0, 1].

    Departure, `default` preset only: cross-entropy counts pixels, so small objects weigh little; this counts objects.
    """
    intersection = (saliency * masks).sum((1, 2, 3))
    union = (saliency + masks - saliency * masks).sum((1, 2, 3))
    return (1 - (intersection + 1) / (union + 1)).mean()


def attention_loss(weight_maps: dict[str, Tensor], masks: Tensor) -> Tensor:
    """−log of the share of each weight map's mass that lies inside the mask, mean over levels and pictures.

    Departure, `default` preset only: nothing in the published loss asks a weight map to favour the object, and after a
    short training the maps stay flat or light up the corners.
    """
    shares = []
    for weights in weight_maps.values():
        height, width = weights.shape[-2:]
        inside = F.adaptive_avg_pool2d(masks, (height, width))
        shares.append((weights * inside).sum((1, 2, 3)) / weights.sum((1, 2, 3)))
    share = torch.stack(shares)  # (levels, B)
    return -share.clamp(min=1e-4).log().mean()


def localisation_loss(output: RLNOutput, masks: Tensor, region_weight: float, attention_weight: float) -> Tensor:
    """The mean over time steps of each step's supervision ("three top supervisions", section 3.3)."""
    losses = []
    for step in output.steps:
        loss = cross_entropy(step.logits, masks)
        if region_weight:
            loss = loss + region_weight * region_loss(step.saliency, masks)
        if attention_weight and step.weight_maps:
            loss = loss + attention_weight * attention_loss(step.weight_maps, masks)
        losses.append(loss)
    return torch.stack(losses).mean()


def refinement_loss(refined: Tensor, masks: Tensor, region_weight: float) -> Tensor:
    """Cross-entropy of BRN's two-class softmax (published), plus the region term of the `default` preset."""
    refined = refined.clamp(1e-6, 1 - 1e-6)
    # Written out, because `F.binary_cross_entropy` refuses to run under CUDA's autocast.
    loss = -(masks * refined.log() + (1 - masks) * (1 - refined).log()).mean()
    return loss + region_weight * region_loss(refined, masks) if region_weight else loss
