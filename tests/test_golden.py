"""Ring two: pinned slices (`python -m tests.helpers.golden`); tolerances allow for other versions and CPUs."""

import json

import numpy as np
import pytest

from tests.helpers import golden

PINNED = json.loads(golden.GOLDEN.read_text(encoding="utf-8"))
WRITE_ANEW = "run `python -m tests.helpers.golden` if that is meant, and look at the difference"

needs_weights = pytest.mark.skipif(not golden.WEIGHTS.exists(), reason="weights/dgrl-lite is not there")


def compare(slices, pinned, tolerance):
    assert slices.keys() == pinned.keys(), WRITE_ANEW
    for name, values in slices.items():
        message = f"{name}: {WRITE_ANEW}"
        np.testing.assert_allclose(values, pinned[name], rtol=tolerance, atol=tolerance, err_msg=message)


@pytest.mark.parametrize("name", golden.DRAWN)
def test_drawn_network(name):
    compare(golden.of_drawn(name), PINNED["drawn"][name], 1e-3)


@needs_weights
def test_pinned_with_the_weights_that_ship():
    assert PINNED.get("weights") == golden.fingerprint(), f"weights/dgrl-lite has changed: {WRITE_ANEW}"
    assert sorted(PINNED["examples"]) == [path.name for path in golden.examples()], WRITE_ANEW


@needs_weights
@pytest.mark.parametrize("path", golden.examples(), ids=lambda path: path.stem)
def test_example(path):
    result, pinned = golden.of_example(path), PINNED["examples"][path.name]
    # Other versions may decode or resize a photo to other grey levels, which three passes carry on.
    same = np.allclose(result["input"], pinned["input"], atol=1e-4)
    compare(result, pinned, 1e-2 if same else 1e-1)


def test_slices_are_not_flat():
    """A golden slice that hardly varies would hide a fault."""
    for network in PINNED["drawn"].values():
        for name, values in network.items():
            if "weight map" not in name or "conv5" not in name:
                assert np.std(values) > 1e-3, name
