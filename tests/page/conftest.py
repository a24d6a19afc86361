"""A pass of a real photo."""

import pytest

from dgrl import DGRL, Trace
from dgrl.files import shipped


@pytest.fixture(scope="session")
def big_trace() -> Trace:
    """Return a pass of the shipped network: BRN's maps have 480×480 pixels."""
    return DGRL.from_pretrained().trace(shipped("examples") / "spices.jpg")
