"""`DGRLConfig.published()` computes what the authors' two MATLAB test scripts do, from the photo to the last map.

The scripts are written out here in NumPy, with OpenCV in Caffe's place.
"""

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dgrl import DGRL, DGRLConfig
from dgrl.caffe.convert import import_caffe
from dgrl.network.sizing import imresize_bicubic, imresize_nearest, stretch
from tests.helpers.caffe_files import run_opencv
from tests.helpers.caffe_network import COPIES, brn_network, rln_network
from tests.helpers.networks import draw_photo

MEAN_BGR = np.array([104.00699, 116.66877, 122.67892], np.float32)


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def resample_rows(image, outputs, nearest):
    """Resize along one axis like `imresize`, sample by sample, as MATLAB documents it; pixels count from 1."""
    inputs, scale = len(image), outputs / len(image)
    result = np.empty((outputs, *image.shape[1:]))
    for i in range(1, outputs + 1):
        centre = i / scale + 0.5 * (1 - 1 / scale)
        if nearest:
            result[i - 1] = image[math.floor(centre + 0.5) - 1]
            continue
        stretched = min(scale, 1.0)
        total, sample = 0.0, 0.0
        for j in range(math.floor(centre - 2 / stretched), math.ceil(centre + 2 / stretched) + 1):
            weight = cubic(stretched * (centre - j))
            mirrored = [*range(inputs), *reversed(range(inputs))][(j - 1) % (2 * inputs)]
            total, sample = total + weight, sample + weight * image[mirrored]
        result[i - 1] = sample / total
    return result


def imresize(image, height, width, nearest=False):
    rows = resample_rows(np.asarray(image, np.float64), height, nearest)
    return resample_rows(rows.swapaxes(0, 1), width, nearest).swapaxes(0, 1)


def stretched(values):
    return (values - values.min()) / (values.max() - values.min())


def to_caffe(image):
    """Convert (H, W, C) RGB to (1, C, H, W) BGR."""
    return np.ascontiguousarray(image[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)


def stage1(photo, model):
    """Return the PNG that the script saves: (H, W) uint8."""
    images = to_caffe(imresize(photo, 384, 384))
    scores = run_opencv(model, rln_network(published_sizes()), {f"data{c}": images for c in COPIES}, ["prob-net3"])
    return np.floor(stretched(imresize(scores["prob-net3"][0, 1], *photo.shape[:2])) * 255 + 0.5).astype(np.uint8)


def stage2(photo, png, model, size):
    """Return the map that the script would save, before its last stretch: (H, W)."""
    saliency = np.floor(png / 255 + 0.5)  # MATLAB divides 8-bit integers, and rounds
    images = to_caffe(imresize(photo, size, size, nearest=True)) - MEAN_BGR[:, None, None]
    saliency = imresize(saliency, size, size, nearest=True)[None, None].astype(np.float32)
    scores = run_opencv(model, brn_network(), {"data": images, "data_sal": saliency}, ["prob"])
    return imresize(scores["prob"][0, 1], *photo.shape[:2], nearest=True)


def published_sizes():
    from tests.caffe.conftest import NARROW

    return NARROW


@pytest.mark.parametrize(
    ("size", "brn_size"), [((90, 130), 120), ((500, 401), 160), pytest.param((300, 400), 480, marks=pytest.mark.slow)]
)
def test_test_scripts(narrow, narrow_models, tmp_path, size, brn_size):
    model = import_caffe(*narrow_models, tmp_path / "checkpoint")
    model.config = dataclasses.replace(model.config, brn_size=brn_size)  # 480 is theirs; less takes less time
    rln, brn = (Path(shutil.copy(path, tmp_path)) for path in narrow_models)
    photo = draw_photo(*size)[0]
    png = stage1(photo, rln)
    expected = stage2(photo, png, brn, brn_size)
    trace = model.trace(photo)
    assert 0.05 < trace.prior.mean() < 0.95
    assert np.array_equal(np.unique(trace.prior), [0, 1])
    np.testing.assert_allclose(trace.saliency, expected, atol=1e-4)
    assert trace.saliency.std() > 0.05


def test_imresize_bicubic():
    image = np.random.default_rng(0).uniform(0, 1, (41, 67)).astype(np.float32)
    for height, width in ((20, 30), (100, 67), (41, 67), (7, 200), (1, 1)):
        result = imresize_bicubic(torch.from_numpy(image), height, width).numpy()
        np.testing.assert_allclose(result, imresize(image, height, width), atol=1e-5)
        # Pillow's bicubic is the same except at the edges, which it does not mirror.
        theirs = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
        inner = slice(height // 3, height - height // 3), slice(width // 3, width - width // 3)
        if min(height, width) > 7:
            np.testing.assert_allclose(result[inner], theirs[inner], atol=1e-5)
    # A straight slope, mirrored at its ends: by hand from Keys' kernel at a quarter and three quarters of a pixel.
    slope = imresize_bicubic(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), 1, 8)[0]
    expected = [-0.09375, 0.1796875, 0.7265625, 1.25]
    np.testing.assert_allclose(slope[:4], expected, atol=1e-6)
    np.testing.assert_allclose(slope[4:], [3 - value for value in reversed(expected)], atol=1e-6)


def test_imresize_nearest():
    image = np.random.default_rng(0).integers(0, 255, (41, 67)).astype(np.uint8)
    for height, width in ((20, 30), (100, 67), (480, 480), (1, 1)):
        result = imresize_nearest(torch.from_numpy(image), height, width).numpy()
        np.testing.assert_array_equal(result, imresize(image, height, width, nearest=True))
        np.testing.assert_array_equal(
            result, np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST))
        )


def test_stretch_leaves_flat_maps():
    maps = torch.tensor([[[[0.2, 0.4], [0.3, 0.4]]], [[[0.7, 0.7], [0.7, 0.7]]]])
    np.testing.assert_allclose(stretch(maps)[0, 0], [[0, 1], [0.5, 1]], atol=1e-6)
    assert torch.equal(stretch(maps)[1], maps[1])


def test_defaults_are_not_the_scripts():
    assert DGRLConfig().sizing == "smooth"
    assert DGRLConfig.published().sizing == "published"
    assert DGRLConfig.published(steps=3).steps == 3
    with pytest.raises(ValueError, match="sizing must be"):
        DGRLConfig(sizing="nearest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="brn_mean"):
        DGRLConfig(brn_mean=(0.5,))  # type: ignore[arg-type]


def test_no_imagenet_weights():
    with pytest.raises(ValueError, match="import-caffe"):
        DGRL(DGRLConfig.published(), pretrained_backbone=True)
    assert DGRLConfig.for_backbone("caffe_resnet50").std == DGRLConfig.published().std
