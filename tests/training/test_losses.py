import dataclasses

import pytest
import torch
from torch.nn import functional as F

from dgrl.network.rln import RLNOutput, RLNStep
from dgrl.training.config import TrainingConfig
from dgrl.training.losses import (
    EDGE_REACH,
    LEAN,
    LEAN_REACH,
    attention_loss,
    cross_entropy,
    lean_loss,
    localisation_loss,
    refinement_loss,
    region_loss,
)
from tests.helpers.networks import disc

PLAIN = TrainingConfig(region_weight=0, edge_weight=0, attention_weight=0)


def test_cross_entropy_is_the_mean_over_pixels():
    logits, masks = torch.randn(2, 2, 5, 6), torch.randint(0, 2, (2, 1, 5, 6)).float()
    saliency = logits.softmax(1)[:, 1:]
    expected = -torch.where(masks == 1, saliency, 1 - saliency).log()
    torch.testing.assert_close(cross_entropy(logits, masks), expected.mean())
    torch.testing.assert_close(cross_entropy(logits, masks, summed=True), expected.sum() / 2)


def test_refinement_loss_is_the_same_cross_entropy():
    logits, masks = torch.randn(2, 2, 5, 6), torch.randint(0, 2, (2, 1, 5, 6)).float()
    evidence, everywhere = logits[:, 1:] - logits[:, :1], torch.ones(2, 1, 5, 6)
    torch.testing.assert_close(refinement_loss(evidence, masks, everywhere, PLAIN), cross_entropy(logits, masks))
    summed = dataclasses.replace(PLAIN, summed=True)
    expected = cross_entropy(logits, masks, summed=True)
    torch.testing.assert_close(refinement_loss(evidence, masks, everywhere, summed), expected)
    half = dataclasses.replace(PLAIN, region_weight=0.5)
    expected = cross_entropy(logits, masks) + 0.5 * region_loss(evidence.sigmoid(), masks)
    torch.testing.assert_close(refinement_loss(evidence, masks, everywhere, half), expected)


def test_refinement_loss_uses_only_the_selected_pixels():
    evidence, masks = torch.randn(2, 1, 6, 6), torch.randint(0, 2, (2, 1, 6, 6)).float()
    counted = torch.zeros(2, 1, 6, 6)
    counted[..., 1:5, 2:5] = 1
    config = TrainingConfig(edge_weight=0)  # a contour beyond what counts is one too
    inner = refinement_loss(*(maps[..., 1:5, 2:5] for maps in (evidence, masks, counted)), config)
    torch.testing.assert_close(refinement_loss(evidence, masks, counted, config), inner)


def test_a_pixel_that_is_surely_wrong_still_learns():
    evidence = torch.full((1, 1, 2, 2), 40.0, requires_grad=True)
    refinement_loss(evidence, torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), PLAIN).backward()
    torch.testing.assert_close(evidence.grad, torch.full((1, 1, 2, 2), 0.25))


def test_region_loss_is_one_less_the_overlap():
    masks = torch.cat([disc(40, 40, (20, 20), 10), torch.zeros(1, 1, 40, 40)])
    assert region_loss(masks, masks) == 0
    assert region_loss(1 - masks, masks) > 0.99
    half = masks.clone()
    half[..., :20] = 0
    overlap = (half[0].sum() + 1) / (masks[0].sum() + 1)
    torch.testing.assert_close(region_loss(half, masks), (1 - overlap) / 2)


def wanted(masks, side):
    """Return the target of `attention_loss` for each cell: a tenth of the mass everywhere, the rest on the object."""
    inside = F.adaptive_avg_pool2d(masks, side)
    return 0.1 / side**2 + 0.9 * inside / inside.sum()


def test_attention_loss_is_zero_for_a_map_that_is_even_on_the_object():
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., :4, :4] = 1
    perfect = {"conv3": wanted(masks, 4) * 16, "conv4": wanted(masks, 2) * 4}
    torch.testing.assert_close(attention_loss(perfect, masks), torch.tensor(0.0), atol=1e-6, rtol=0)


def test_attention_loss_is_the_divergence_from_the_mask():
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., :4, :4] = 1
    flat, hot = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.1)
    hot[..., 0, 0] = 16 - 1.5
    target = wanted(masks, 4)
    divergence = (target * (target * 16).log()).sum()
    torch.testing.assert_close(attention_loss({"conv3": flat}, masks), divergence)
    both = attention_loss({"conv3": flat, "conv4": wanted(masks, 2) * 4}, masks)
    torch.testing.assert_close(both, divergence / 2)
    spread = torch.full((1, 1, 4, 4), 0.1)
    spread[..., :2, :2] = (16 - 1.2) / 4
    assert attention_loss({"conv3": hot}, masks) > 4 * attention_loss({"conv3": spread}, masks), "hot spots are cheap"


def test_attention_loss_ignores_pictures_without_an_object():
    masks = torch.zeros(2, 1, 8, 8)
    masks[0, :, :4, :4] = 1
    maps = torch.rand(2, 1, 4, 4)
    alone = attention_loss({"conv3": maps[:1]}, masks[:1])
    assert attention_loss({"conv3": maps[1:]}, masks[1:]) == 0
    torch.testing.assert_close(attention_loss({"conv3": maps}, masks), alone / 2)


def test_localisation_loss_supervises_every_step():
    masks = disc(16, 16, (8, 8), 4)
    steps = []
    for _ in range(3):
        logits = torch.randn(1, 2, 16, 16)
        steps.append(RLNStep(logits, logits.softmax(1)[:, 1:], {"conv5": torch.rand(1, 1, 2, 2)}))
    losses = torch.stack([cross_entropy(step.logits, masks) for step in steps])
    torch.testing.assert_close(localisation_loss(RLNOutput(steps), masks, PLAIN), losses.mean())
    summed = localisation_loss(RLNOutput(steps), masks, dataclasses.replace(PLAIN, summed=True))
    torch.testing.assert_close(summed, losses.sum() * 16 * 16)
    grown = dataclasses.replace(PLAIN, step_growth=2.0)
    expected = (losses * torch.tensor([1, 2, 4])).sum() / 7
    torch.testing.assert_close(localisation_loss(RLNOutput(steps), masks, grown), expected)
    region = torch.stack([region_loss(step.saliency, masks) for step in steps]).mean()
    attention = torch.stack([attention_loss(step.weight_maps, masks) for step in steps]).mean()
    loss = localisation_loss(RLNOutput(steps), masks, TrainingConfig(region_weight=2.0, attention_weight=0.5))
    torch.testing.assert_close(loss, losses.mean() + 2 * region + 0.5 * attention)
    both = dataclasses.replace(PLAIN, step_growth=2.0, attention_weight=0.5)
    torch.testing.assert_close(localisation_loss(RLNOutput(steps), masks, both), expected + 0.5 * attention)
    for step in steps:
        step.weight_maps = {}
    loss = localisation_loss(RLNOutput(steps), masks, TrainingConfig(region_weight=0, attention_weight=0.5))
    torch.testing.assert_close(loss, losses.mean())


def test_attention_is_asked_to_narrow_from_step_to_step():
    masks = disc(16, 16, (8, 8), 4)
    maps = {"conv3": torch.rand(1, 1, 4, 4)}
    logits = torch.zeros(1, 2, 16, 16)
    steps = [RLNStep(logits, logits.softmax(1)[:, 1:], maps) for _ in range(3)]
    config = dataclasses.replace(PLAIN, attention_weight=1.0, attention_spread=0.5, attention_narrowing=0.2)
    terms = [attention_loss(maps, masks, spread) for spread in (0.5, 0.1, 0.02)]
    assert terms[0] < terms[1] < terms[2]
    expected = cross_entropy(logits, masks) + torch.stack(terms).mean()
    torch.testing.assert_close(localisation_loss(RLNOutput(steps), masks, config), expected)


def test_lean_loss_is_the_shortfall_from_leaning_to_the_own_side():
    masks = torch.zeros(1, 1, 40, 40)
    masks[..., 20:] = 1
    everywhere = torch.zeros_like(masks)
    everywhere[..., 10:30, 10:30] = 1  # where the picture's sides are far
    outward, inward, centre = (torch.zeros(1, 9, 40, 40) for _ in range(3))
    centre[:, 4] = 2
    for columns, own, other in ((slice(0, 20), 3, 5), (slice(20, 40), 5, 3)):
        inward[:, own, :, columns] = 0.5
        outward[:, other, :, columns] = -0.5  # shares are of absolute coefficients, as in `KernelField`
    losses = [float(lean_loss(kernels, masks, everywhere)) for kernels in (inward, centre, outward)]
    assert losses == pytest.approx([0, LEAN, LEAN + 1])
    half_way = torch.where(torch.arange(40) < 20, inward, centre)
    assert float(lean_loss(half_way, masks, everywhere)) == pytest.approx(LEAN / 2)
    across = inward.view(1, 3, 3, 40, 40).permute(0, 2, 1, 4, 3).reshape(1, 9, 40, 40)
    assert float(lean_loss(across + centre, masks.transpose(2, 3), everywhere)) == pytest.approx(LEAN - 0.2)
    far = (torch.arange(40) - 19.5).abs() > LEAN_REACH + 1
    assert lean_loss(outward, masks, everywhere * far) == 0, "far from the contour the loss is 0"
    assert lean_loss(outward, torch.zeros_like(masks), everywhere) == 0, "without a contour the loss is 0"
    beside = torch.zeros_like(masks)
    beside[..., 30:] = 1
    assert lean_loss(outward, masks, beside) == 0, "the picture's side is not a contour"


def test_the_error_near_the_contour_can_count_more():
    masks = torch.zeros(1, 1, 30, 30)
    masks[..., 15:] = 1
    evidence, counted = torch.randn_like(masks), torch.ones_like(masks)
    counted[:, :, :10] = counted[:, :, 20:] = 0
    config = dataclasses.replace(PLAIN, edge_weight=3.0)
    error = (evidence.sigmoid() - masks).abs()[..., 10:20, :]
    band = [*range(15 - EDGE_REACH, 15 + EDGE_REACH)]
    expected = refinement_loss(evidence, masks, counted, PLAIN) + 3 * error[..., band].mean()
    torch.testing.assert_close(refinement_loss(evidence, masks, counted, config), expected)


def test_brns_loss_weighs_cross_entropy_and_absolute_error_as_asked():
    evidence, masks = torch.randn(2, 1, 6, 6), torch.randint(0, 2, (2, 1, 6, 6)).float()
    counted = torch.ones_like(masks)
    counted[..., :3] = 0
    entropy = refinement_loss(evidence, masks, counted, PLAIN)
    config = dataclasses.replace(PLAIN, entropy_weight=0.25, absolute_weight=2.0)
    error = (evidence.sigmoid() - masks).abs()[..., 3:].mean()
    torch.testing.assert_close(refinement_loss(evidence, masks, counted, config), 0.25 * entropy + 2 * error)
