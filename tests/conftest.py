"""Fixtures of all tests: tiny networks and drawn photos. Nothing here needs a network, a GPU or a data set."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

if "DGRL_GPU" not in os.environ:
    # Tests without the mark "gpu" run on the CPU, on every machine. `make gpu` sets the variable.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

# After a cut-out, Numba leaves its own number of OpenMP threads in the process, which PyTorch then uses too. This
# changes the order of sums, and so the last bit of maps.
os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dgrl import DGRL, DGRLConfig
from tests.helpers.networks import TINY, draw_photo, filled

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--one-case", action="store_true", help="of each parametrised test its first case alone")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run files with slow tests first, so that no worker is left alone with one of them at the end.

    `--one-case` leaves the first case of each parametrised test.
    """
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    if config.getoption("--one-case"):
        # Of those with the same name the last one stays in a dictionary: hence backwards.
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
        config.hook.pytest_deselected(items=list(set(items).difference(first)))
        items[:] = reversed(first)


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
    """Return a tiny network with varied maps, in evaluation mode. All tests share it: copy it before changing it."""
    yield _shared_tiny_model
    assert not _shared_tiny_model.training, "a test left the shared network in training mode; let it copy the network"


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """Return a photo (90, 120, 3) uint8."""
    return draw_photo()[0]


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    if CHROMIUM is None:
        # `make test` has to pass on a machine with nothing but Python; CI has to drive the browser.
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("the browser tests need Debian's chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield started
        started.close()
