"""Our checks of explanations equal Quantus', on a tiny network. Skipped where Quantus is not installed."""

from dataclasses import replace

import numpy as np
import pytest

from dgrl import DGRL
from dgrl.attribution.question import METHODS, Method, PixelTarget
from tests.helpers.networks import TRAINED, draw_photo, filled

pytest.importorskip("quantus")
from benchmarks.quantus_agreement import compare


@pytest.fixture(scope="module")
def network() -> DGRL:
    return filled(DGRL(replace(TRAINED, rln_size=96)))


@pytest.mark.parametrize("method", METHODS)
def test_curves_and_correlation_equal_those_of_quantus(network: DGRL, method: Method) -> None:
    photo = np.asarray(draw_photo(120, 160)[0])
    found = compare(network, photo, PixelTarget(80, 60), method)
    assert found.largest_difference < 1e-4
    # Integrated Gradients stops refining its path earlier for the randomised network.
    assert found.randomised[0] == pytest.approx(
        found.randomised[1], abs=0.1 if method == "integrated_gradients" else 1e-3
    )
