"""Fixtures of all tests: tiny networks and drawn photos. Nothing here needs a network, a GPU or a data set."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dgrl import DGRL, DGRLConfig
from tests.helpers.networks import TINY, draw_photo, filled


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tiny networks gain nothing from a second thread, and on a busy machine threads wait for each other.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_config() -> DGRLConfig:
    return TINY


@pytest.fixture(scope="session")
def _shared_tiny_model() -> DGRL:
    return filled(DGRL(TINY))


@pytest.fixture
def tiny_model(_shared_tiny_model: DGRL) -> Iterator[DGRL]:
    """A tiny network with lively maps, in evaluation mode. Shared by all tests: copy it before altering it."""
    yield _shared_tiny_model
    assert not _shared_tiny_model.training, "a test left the shared network in training mode; let it copy the network"


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """(90, 120, 3) uint8."""
    return draw_photo()[0]
