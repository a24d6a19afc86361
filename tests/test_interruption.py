"""SIGKILL, at random moments and while a checkpoint is being written."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from dgrl import DGRL
from tests.killed_training import CONFIG, run
from tests.networks import write_pairs

ROOT = Path(__file__).parents[1]


def test_killed_again_and_again_it_ends_with_the_same_weights(tmp_path):
    write_pairs(tmp_path / "drawn", 6)
    run(tmp_path / "drawn", tmp_path / "whole")
    arguments = [str(tmp_path / "drawn"), str(tmp_path / "cut"), "6", "0"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_training", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= 1, "no kill met a checkpoint that was being written"
    whole, cut = (DGRL.from_pretrained(tmp_path / name).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
    assert (tmp_path / "cut" / "log.jsonl").read_text().count("\n") == CONFIG.max_updates
