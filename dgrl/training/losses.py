"""What training minimises: the published supervision, and the `default` preset's declared departures."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dgrl.network.rln import RLNOutput
from dgrl.training.config import TrainingConfig

EVEN_SHARE = 0.1
"""Share of a weight map's mass that `attention_loss` leaves to the whole picture, so that surroundings still count."""


def cross_entropy(logits: Tensor, masks: Tensor, summed: bool = False) -> Tensor:
    """Softmax cross-entropy per pixel, mean over pixels, or summed over them (published), mean over pictures.

    Logits are (B, 2, H, W), masks (B, 1, H, W) of 0 and 1.
    """
    loss = F.cross_entropy(logits, masks[:, 0].long(), reduction="none")  # (B, H, W)
    return loss.sum((1, 2)).mean() if summed else loss.mean()


def region_loss(saliency: Tensor, masks: Tensor) -> Tensor:
    """1 − soft intersection over union, per picture, then mean: both (B, 1, H, W) in [0, 1].

    Departure, `default` preset only: cross-entropy counts pixels, so small objects weigh little; this counts objects.
    """
    intersection = (saliency * masks).sum((1, 2, 3))
    union = (saliency + masks - saliency * masks).sum((1, 2, 3))
    return (1 - (intersection + 1) / (union + 1)).mean()


def attention_loss(weight_maps: dict[str, Tensor], masks: Tensor) -> Tensor:
    """How far each weight map is from the mask as a distribution of mass, in nats; mean over levels and pictures.

    KL(p ‖ w): w is the map normalised to sum 1, p the mask likewise, with `EVEN_SHARE` of its mass spread over all
    cells. Masks are (B, 1, H, W) of 0 and 1; where one is empty, nothing is asked.

    Departure, `default` preset only: nothing in the published loss asks a weight map to favour the object, and after a
    short training the maps stay flat or light up the corners. Asking for as much mass as possible inside the mask is
    not enough: the maps then put it on a few hot cells, and the saliency map gets holes beside them.
    """
    divergences = []
    for weights in weight_maps.values():
        height, width = weights.shape[-2:]
        inside = F.adaptive_avg_pool2d(masks, (height, width)).flatten(1)  # (B, h·w)
        on_object = inside / inside.sum(1, keepdim=True).clamp(min=1e-6)
        wanted = EVEN_SHARE / inside.shape[1] + (1 - EVEN_SHARE) * on_object
        mass = weights.flatten(1).clamp(min=1e-8)
        mass = mass / mass.sum(1, keepdim=True)
        divergences.append((wanted * (wanted.log() - mass.log())).sum(1))
    has_object = masks.flatten(1).any(1)
    return (torch.stack(divergences) * has_object).mean()


def localisation_loss(output: RLNOutput, masks: Tensor, config: TrainingConfig) -> Tensor:
    """Each time step's supervision ("three top supervisions", section 3.3): their weighted mean, or sum (published)."""
    losses = []
    for step in output.steps:
        loss = cross_entropy(step.logits, masks, config.summed)
        if config.region_weight:
            loss = loss + config.region_weight * region_loss(step.saliency, masks)
        if config.attention_weight and step.weight_maps:
            loss = loss + config.attention_weight * attention_loss(step.weight_maps, masks)
        losses.append(loss)
    weights = torch.tensor([config.step_growth**t for t in range(len(losses))], device=masks.device)
    total = (torch.stack(losses) * weights).sum()
    return total if config.summed else total / weights.sum()


def refinement_loss(evidence: Tensor, masks: Tensor, counted: Tensor, config: TrainingConfig) -> Tensor:
    """Cross-entropy of BRN's two-class softmax (published), plus the region term of the `default` preset.

    All are (B, 1, H, W): BRN's evidence, masks of 0 and 1, and 1 where a pixel counts.
    """
    loss = counted * F.binary_cross_entropy_with_logits(evidence.float(), masks, reduction="none")
    total = loss.sum((1, 2, 3))
    # A mean for each crop first: the pieces of a batch that several processes share then weigh the same.
    mean = total.mean() if config.summed else (total / counted.sum((1, 2, 3)).clamp(min=1)).mean()
    if config.region_weight:
        mean = mean + config.region_weight * region_loss(evidence.float().sigmoid() * counted, masks * counted)
    return mean
