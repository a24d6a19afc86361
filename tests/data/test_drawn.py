"""The drawn kind: one disc, which is the object."""

import numpy as np

from dgrl.data.drawn import SIDE, draw_disc, drawn_discs


def test_the_object_is_a_disc_of_one_colour():
    for seed in range(5):
        photo, mask = draw_disc(seed)
        rows, columns = np.nonzero(mask)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert abs(height - width) <= 1
        assert abs(len(rows) / (np.pi / 4 * height * width) - 1) < 0.05
        assert len(np.unique(photo[mask > 0], axis=0)) == 1
    assert photo.shape == (SIDE, SIDE, 3)
    assert not np.array_equal(draw_disc(0)[0], draw_disc(1)[0])


def test_as_files(tmp_path):
    pairs = drawn_discs(tmp_path, 3)
    assert len(pairs) == 3
    np.testing.assert_array_equal(pairs[1].truth(), draw_disc(1)[1] > 0)
