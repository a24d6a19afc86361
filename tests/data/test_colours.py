"""Colours of training pictures: what each number does, and that masks and the seed are respected."""

import colorsys

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from dgrl.data.colours import Recolour, colour_map

GREY = torch.tensor([0.299, 0.587, 0.114])
NOTHING = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


@pytest.fixture
def pixels() -> torch.Tensor:
    """Return pixels (3, 500), away from black and white."""
    return 60 + 120 * torch.rand(3, 500)


def altered(pixels: torch.Tensor, **settings: float) -> torch.Tensor:
    matrix, shift = colour_map(pixels.mean(1), **{**NOTHING, **settings})
    return shift + matrix @ pixels


def test_no_change_requested_changes_nothing(pixels):
    torch.testing.assert_close(altered(pixels), pixels, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("asked", "theirs"),
    [
        ({"brightness": 1.2}, lambda image: v2.functional.adjust_brightness(image, 1.2)),
        ({"contrast": 0.7}, lambda image: v2.functional.adjust_contrast(image, 0.7)),
        ({"saturation": 0.6}, lambda image: v2.functional.adjust_saturation(image, 0.6)),
        ({"saturation": 0.0}, lambda image: v2.functional.rgb_to_grayscale(image, 3)),
    ],
)
def test_each_colour_change_equals_torchvisions(pixels, asked, theirs):
    expected = theirs(pixels[:, None] / 255)[:, 0] * 255
    torch.testing.assert_close(altered(pixels, **asked), expected, rtol=0, atol=0.3)


def test_hue_turns_as_far_as_hsvs_and_leaves_luma():
    red = torch.tensor([[150.0], [90.0], [90.0]])
    matrix, _ = colour_map(red[:, 0], **{**NOTHING, "hue": 0.05})
    turned = matrix @ red
    assert float(GREY @ turned) == pytest.approx(float(GREY @ red), abs=0.1)
    hue = colorsys.rgb_to_hsv(*(turned[:, 0] / 255).tolist())[0]
    assert hue == pytest.approx(0.05, abs=0.02)


def test_the_mask_stays_and_the_seed_decides():
    image = tv_tensors.Image(torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8))
    mask = tv_tensors.Mask(torch.randint(0, 2, (1, 20, 30), dtype=torch.uint8) * 255)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Recolour()(image, mask))
    assert all(torch.equal(other, mask) for _, other in results)
    assert results[0][0].dtype == torch.uint8
    assert isinstance(results[0][0], tv_tensors.Image)
    assert torch.equal(results[0][0], results[1][0])
    assert not torch.equal(results[0][0], results[2][0])


def test_some_pictures_become_grey():
    image = tv_tensors.Image(torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8))
    spreads = [int(Recolour(grey_share=share)(image).float().std(0).max()) for share in (1.0, 0.0)]
    assert spreads[0] <= 1 < spreads[1]
