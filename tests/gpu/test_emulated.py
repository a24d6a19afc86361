"""Run GPU code without a GPU, with emulated devices that cannot be mixed (`tests/helpers/emulated_gpu.py`)."""

import os
import subprocess
import sys

import pytest
import torch

from tests.helpers.launching import ROOT

pytest.importorskip("spaces", reason="the package is for Linux")


@pytest.mark.skipif(torch.version.cuda is None, reason="spaces needs a PyTorch that knows CUDA")
@pytest.mark.slow
def test_everything_is_moved_to_the_device(tmp_path):
    environment = os.environ | {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": "http://127.0.0.1:9",  # no service listens there
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-W", "ignore", "-m", "tests.helpers.emulated_gpu"]
    completed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr[-3000:]
    assert completed.stdout.count("detect, trace and edits:") == 3
    assert completed.stdout.count("attribution:") == 3
    assert completed.stdout.count("loss:") == 4
