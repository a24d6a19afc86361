"""The imported networks compute what another engine, OpenCV's Caffe importer, computes from the same files."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dgrl import DGRL, DGRLConfig
from dgrl.caffe.convert import import_caffe, read_brn
from dgrl.network.config import CAFFE_MEAN
from tests.helpers.caffe_files import run_opencv, write_model
from tests.helpers.caffe_network import COPIES, Sizes, brn_network, rln_network

TOLERANCE = 1e-4
MAPS = {
    "conv5": "spa.att_Reshape_6-power",
    "conv4": "spa.att_Reshape_6-power-c4",
    "conv3": "spa.att_Reshape_6-power-c3",
}


def picture(size):
    """Draw random large and small blocks: (1, 3, size, size) RGB in [0, 255], whole numbers."""
    random = np.random.default_rng(5)
    coarse = np.kron(random.uniform(0, 255, (1, 3, 6, 6)), np.ones((size // 6, size // 6)))
    fine = np.kron(random.uniform(-40, 40, (1, 3, size // 8, size // 8)), np.ones((8, 8)))
    return np.rint((coarse + fine).clip(0, 255)).astype(np.float32)


def bgr(images):
    return np.ascontiguousarray(images[:, ::-1])


def assert_rln_equal(model, file, sizes):
    images = picture(sizes.image)
    names = [name + copy for copy in COPIES for name in ("prob", *MAPS.values())]
    expected = run_opencv(file, rln_network(sizes), {f"data{copy}": bgr(images) for copy in COPIES}, names)
    with torch.inference_mode():
        result = model.rln(torch.from_numpy(images) / 255)
    for step, copy in zip(result.steps, COPIES, strict=True):
        saliency = step.saliency.numpy()
        assert np.abs(saliency - expected["prob" + copy][:, 1:]).max() < TOLERANCE
        # A saturated or flat map would be equal for no good reason.
        assert saliency.std() > 0.02
        assert np.mean((saliency > 0.01) & (saliency < 0.99)) > 0.9
        for level, name in MAPS.items():
            weights = step.weight_maps[level].numpy()
            assert weights.shape == expected[name + copy].shape
            assert np.abs(weights - expected[name + copy]).max() < TOLERANCE
            assert weights.max() > 1.2
            assert weights.min() < 0.8
    first, last = result.steps[0].saliency, result.steps[-1].saliency
    assert (first - last).abs().max() > 0.1, "feedback changes nothing"


def test_narrow_rln(narrow, narrow_models, tmp_path):
    model = import_caffe(*narrow_models, tmp_path / "checkpoint")
    file = shutil.copy(narrow_models[0], tmp_path)
    assert_rln_equal(model, Path(file), narrow)


def test_brn(narrow_models, tmp_path):
    model = DGRL(DGRLConfig.published(prior="soft")).eval()
    model.load_state_dict(model.state_dict() | read_brn(narrow_models[1], model))
    images = picture(96)
    saliency = np.random.default_rng(6).uniform(0, 1, (1, 1, 96, 96)).astype(np.float32)
    centred = bgr(images) - np.array(CAFFE_MEAN[::-1], np.float32)[:, None, None]
    file = Path(shutil.copy(narrow_models[1], tmp_path))
    expected = run_opencv(file, brn_network(), {"data": centred, "data_sal": saliency}, ["conv3", "prob"])
    with torch.inference_mode():
        result = model.brn(torch.from_numpy(images) / 255, torch.from_numpy(saliency))
    assert np.abs(result.coefficients.numpy() - expected["conv3"]).max() < TOLERANCE
    assert np.abs(result.refined.numpy() - expected["prob"][:, 1:]).max() < TOLERANCE
    assert result.refined.std() > 0.05
    assert ((result.refined > 0.01) & (result.refined < 0.99)).float().mean() > 0.8


IMPORT = r"""
import json, pathlib, re, resource, sys, time
started = time.perf_counter()
from dgrl.caffe.convert import import_caffe
import_caffe(*sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
# `ru_maxrss` would count the memory of the process that started this one.
status = pathlib.Path("/proc/self/status")
held = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) if status.exists() else used.ru_maxrss
print(json.dumps({"bytes": held * 1024, "cpu": used.ru_utime + used.ru_stime,
                  "wall": time.perf_counter() - started}))
"""


@pytest.fixture
def _every_core():
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("_every_core")
def test_full_size():
    """RLN's file of 646 MB needs at most 2.5 GB of memory and a minute, and agrees to 1e-4."""
    with tempfile.TemporaryDirectory() as folder:  # pytest would keep its own for three runs: 3 GB
        rln, brn, out = Path(folder, "rln.caffemodel"), Path(folder, "brn.caffemodel"), Path(folder, "out")
        write_model(rln, rln_network())
        write_model(brn, brn_network())
        assert rln.stat().st_size > 645e6
        arguments = [sys.executable, "-c", IMPORT, str(rln), str(brn), str(out)]
        used = json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
        print(f"import: {used['bytes'] / 1e9:.2f} GB, {used['cpu']:.1f} s of computing, {used['wall']:.1f} s")
        assert used["bytes"] < 2.5e9
        assert used["cpu"] < 60
        assert_rln_equal(DGRL.from_pretrained(out), rln, Sizes())
