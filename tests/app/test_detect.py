"""What the Detect tab says of a map."""

import numpy as np
import pytest

from dgrl.app.detect import object_found
from dgrl.trace import found_in


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (0, "**No salient object** in this photo."),
        (3, "**No salient object** in this photo."),
        (4, "The object covers **less than 1%** of the photo."),
        (10, "The object covers **1%** of the photo."),
        (50, "The object covers **25%** of the photo."),
    ],
)
def test_how_much_the_object_covers(side, said):
    saliency = np.full((100, 100), 0.5, np.float32)
    saliency[:side, :side] = 0.51
    assert object_found(found_in(saliency)) == said
