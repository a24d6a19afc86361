import pytest
import torch

from dgrl.data.crops import CropData, cut, valid_interior, windows
from dgrl.data.pairs import plain_resize
from dgrl.network.brn import BRN
from dgrl.network.config import DGRLConfig
from tests.helpers.networks import disc, write_pairs


def test_crops_lie_around_the_boundary():
    mask = disc(60, 80, (25, 42), 9)[0]
    corners = windows(mask, 20, 50, 1.0, torch.Generator().manual_seed(0))
    assert corners.shape == (50, 2)
    for top, left in corners.tolist():
        assert 0 <= top <= 60 - 20
        assert 0 <= left <= 80 - 20
        assert 0 < mask[0, top : top + 20, left : left + 20].mean() < 1, "no boundary inside"
    assert len({tuple(corner) for corner in corners.tolist()}) > 30, "the crops are all alike"
    assert torch.equal(corners, windows(mask, 20, 50, 1.0, torch.Generator().manual_seed(0)))
    assert not torch.equal(corners, windows(mask, 20, 50, 1.0, torch.Generator().manual_seed(1)))


def test_a_share_of_the_crops_lies_anywhere():
    mask = disc(200, 200, (30, 30), 9)[0]
    corners = windows(mask, 20, 400, 0.25, torch.Generator().manual_seed(0))
    crops = cut(mask[None], corners[None], 20)
    share = ((crops.mean((1, 2, 3)) > 0) & (crops.mean((1, 2, 3)) < 1)).float().mean()
    assert 0.2 < share < 0.35, "a quarter is cut on the boundary, and some of the others meet it by chance"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_crops_of_masks_without_boundary_are_anywhere(value):
    corners = windows(torch.full((1, 40, 50), value), 16, 200, 1.0, torch.Generator().manual_seed(0))
    assert corners.amin(0).tolist() == [0, 0]
    assert corners.amax(0).tolist() == [24, 34]


def test_crops_are_never_larger_than_the_picture():
    mask = disc(30, 24, (15, 12), 6)[0]
    corners = windows(mask, 128, 3, 0.5, torch.Generator())
    assert corners.tolist() == [[0, 0]] * 3
    assert cut(mask[None], corners[None], 128).shape == (3, 1, 30, 24)
    assert valid_interior(mask[None], corners[None], 128, 9).all()


def test_cut_takes_the_windows_out():
    maps = torch.arange(2 * 3 * 6 * 7).view(2, 3, 6, 7)
    pieces = cut(maps, torch.tensor([[[2, 3], [0, 0]], [[1, 1], [2, 2]]]), 4)
    assert pieces.shape == (4, 3, 4, 4)
    assert torch.equal(pieces[0], maps[0, :, 2:6, 3:7])
    assert torch.equal(pieces[1], maps[0, :, :4, :4])
    assert torch.equal(pieces[3], maps[1, :, 2:6, 2:6])


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_crops_equal_the_whole_picture_where_they_count(kernel_size):
    """And no more is left out than has to be."""
    config = DGRLConfig(backbone="test_resnet", kernel_size=kernel_size, refinement_channels=(4, 4), refinement_std=0.3)
    brn = BRN(config)
    images, saliency = torch.rand(1, 3, 40, 44), torch.rand(1, 1, 40, 44)
    corners = torch.tensor([[[0, 0], [0, 9], [7, 12], [16, 20], [16, 0]]])
    whole = cut(brn(images, saliency).evidence, corners, 24)
    crops = brn(cut(images, corners, 24), cut(saliency, corners, 24)).evidence
    same = (whole - crops).abs() < 1e-5
    counted = valid_interior(images, corners, 24, brn.reach) > 0
    kept = 24 - brn.reach
    both = kept - brn.reach
    assert counted.sum((1, 2, 3)).tolist() == [kept * kept, kept * both, both * both, kept * kept, kept * kept]
    assert same[counted].all()
    assert not valid_interior(images, corners, 24, brn.reach - 1)[~same].eq(0).all(), "the reach is too long"


def test_windows_depend_on_seed_epoch_and_picture_only(tmp_path):
    pairs = write_pairs(tmp_path, 3)
    data = CropData(pairs, plain_resize(64), 5, crop=16, count=4, boundary_share=0.5)
    item, corners = data[1], data[1].corners
    assert item.images.shape == (3, 64, 64)
    assert item.masks.shape == (1, 64, 64)
    assert corners.shape == (4, 2)
    torch.rand(3)
    assert torch.equal(data[1].corners, corners)
    assert not torch.equal(data[2].corners, corners)
    data.epoch = 1
    assert not torch.equal(data[1].corners, corners)
