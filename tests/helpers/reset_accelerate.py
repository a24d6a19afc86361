"""The fixture that resets Accelerate; importing it into a module or `conftest.py` turns it on there."""

import pytest
from accelerate.state import AcceleratorState


@pytest.fixture(autouse=True)
def reset_accelerate():
    """Accelerate keeps device and precision for the whole process, as if it trained once in its life."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
