"""A batch has names for its parts, and PyTorch and Accelerate treat it as they do a tensor."""

import dataclasses

import pytest
import torch
from accelerate.data_loader import prepare_data_loader
from accelerate.utils import send_to_device
from torch.utils.data import DataLoader

from dgrl.data.batch import Batch, collate
from dgrl.data.crops import CropData
from dgrl.data.pairs import plain_resize
from tests.helpers.networks import write_pairs


@pytest.fixture
def data(tmp_path):
    return CropData(write_pairs(tmp_path, 5), plain_resize(48), 0, crop=16, count=3, boundary_share=0.5)


def test_items_are_stacked_by_name(data):
    (batch, last) = DataLoader(data, 4, collate_fn=collate)
    assert batch.images.shape == (4, 3, 48, 48)
    assert batch.masks.shape == (4, 1, 48, 48)
    assert batch.corners.shape == (4, 3, 2)
    assert batch.given is batch.places is batch.priors is None
    assert (len(batch), len(last)) == (4, 1)
    assert torch.equal(batch.corners[2], data[2].corners)


def test_parts_cannot_be_replaced_unnoticed(data):
    with pytest.raises(dataclasses.FrozenInstanceError):
        data[0].masks = torch.zeros(1)


def test_accelerate_moves_every_part(data):
    moved = send_to_device(collate([data[0], data[1]]), torch.device("meta"), non_blocking=True)
    assert isinstance(moved, Batch)
    assert set(moved.parts()) == {"images", "masks", "corners"}
    assert {part.device.type for part in moved.parts().values()} == {"meta"}


def test_accelerate_splits_a_batch_over_processes(data):
    """Each of two processes gets two pictures of a batch of four, on its device."""
    loader = DataLoader(data, 4, collate_fn=collate, drop_last=True)
    halves = []
    for process in range(2):
        own = prepare_data_loader(
            loader,
            torch.device("meta"),
            num_processes=2,
            process_index=process,
            split_batches=True,
            put_on_device=True,
            rng_types=[],
        )
        (half,) = own
        assert (len(half), half.images.device.type) == (2, "meta")
        halves.append(half)
    assert len(halves) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_processes_that_read_return_batches(data, workers):
    batch = next(iter(DataLoader(data, 2, num_workers=workers, collate_fn=collate)))
    assert isinstance(batch, Batch)
    assert torch.equal(batch.images[1], data[1].images)
