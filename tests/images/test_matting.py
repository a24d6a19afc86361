"""Matting: edges at the photo's own size, by alpha that is known."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.matting import as_photographed, at_brn_resolution, composed, edge_width, guided, reduced, shape
from dgrl.images import matting
from dgrl.images.matting import matted, trimap_of


@pytest.mark.parametrize("kind", ["disc", "hair", "holes"])
def test_edges_come_nearer_to_the_truth(kind):
    alpha = shape(kind, 800, 600)
    photo, saliency = composed(alpha, "tea", "lake"), at_brn_resolution(alpha)
    after, band = matted(photo, saliency), trimap_of(saliency) == 0.5
    assert np.abs(after - alpha)[band].mean() < 0.5 * np.abs(saliency - alpha)[band].mean()
    assert edge_width(after) < edge_width(saliency)
    assert (after.dtype, after.shape) == (np.float32, (600, 800))
    assert 0 <= after.min() <= after.max() <= 1


def test_tiles_leave_no_seam(monkeypatch):
    alpha = shape("disc", 320, 240)
    photo, saliency = composed(alpha, "tea", "lake"), at_brn_resolution(alpha)
    whole = matted(photo, saliency)
    monkeypatch.setattr(matting, "TILE", 100)
    assert np.abs(matted(photo, saliency) - whole).mean() < 2e-3
    assert np.abs(matted(photo, saliency) - whole).max() < 0.2


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 5)])
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_maps_without_an_edge_stay_as_they_are(size, value):
    photo = np.zeros((*size, 3), np.uint8)
    np.testing.assert_array_equal(matted(photo, np.full(size, value, np.float32)), np.full(size, value, np.float32))


def test_matting_keeps_pixels_that_the_map_leaves_undecided():
    saliency = np.full((300, 300), 0.5, np.float32)
    saliency[:10] = 1
    photo = np.random.default_rng(0).integers(256, size=(300, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(matted(photo, saliency)[20:], saliency[20:])


def test_tiles_that_know_one_side_only(monkeypatch):
    """If a tile only contains object pixels beside undecided ones, its edge stays unchanged."""
    monkeypatch.setattr(matting, "TILE", 30)
    alpha = shape("disc", 320, 240)
    photo, saliency = composed(alpha, "tea", "lake"), np.maximum(at_brn_resolution(alpha), np.float32(0.4))
    after = matted(photo, saliency)
    assert np.abs(after - saliency)[trimap_of(saliency) == 0.5].max() < 1e-6


def test_the_band_follows_the_edge():
    saliency = np.asarray(Image.fromarray(np.float32([[0, 1]])).resize((480, 60), Image.Resampling.NEAREST))
    trimap = trimap_of(saliency)
    assert (trimap[:, :238] == 0).all()
    assert (trimap[:, 242:] == 1).all()
    assert (trimap[:, 239:241] == 0.5).all()


def test_the_guided_filter_of_the_benchmark_follows_edges():
    alpha = shape("disc", 800, 600)
    photo, saliency = composed(alpha, "tea", "lake"), at_brn_resolution(alpha)
    band = trimap_of(saliency) == 0.5
    before, after = (np.abs(values - alpha)[band].mean() for values in (saliency, guided(photo, reduced(alpha))))
    assert after < 0.8 * before
    np.testing.assert_allclose(guided(photo, np.full((480, 480), 0.3, np.float32)), 0.3, atol=1e-3)
    assert 2 < np.abs(as_photographed(photo, 5).astype(int) - photo).mean() < 8
    assert as_photographed(photo, 0) is photo
