"""SIGKILL, at random moments and while a checkpoint is being written."""

import pytest
import torch

from dgrl import DGRL
from tests.helpers.killed_training import CONFIG, run
from tests.helpers.launching import launch
from tests.helpers.networks import write_pairs


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_weights(tmp_path):
    write_pairs(tmp_path / "drawn", 6)
    run(tmp_path / "drawn", tmp_path / "whole")
    message = launch("tests.helpers.killed_training", tmp_path / "drawn", tmp_path / "cut", 6, 0)
    assert int(message.split()[-1]) >= 1, "no kill met a checkpoint that was being written"
    whole, cut = (DGRL.from_pretrained(tmp_path / name).state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
    best, again = (DGRL.from_pretrained(tmp_path / name / "best").state_dict() for name in ("whole", "cut"))
    assert all(torch.equal(value, again[name]) for name, value in best.items())
    assert (tmp_path / "cut" / "log.jsonl").read_text().count("\n") == CONFIG.max_updates + 4
