"""Trains on as many processes as start it: `torchrun … -m tests.helpers.distributed_training PICTURES OUT`."""

import dataclasses
import sys
from contextlib import nullcontext
from pathlib import Path

import torch

from dgrl import DGRL
from dgrl.data.pairs import find_pairs
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import train
from tests.helpers.networks import TRAINED
from tests.helpers.stopping import stopped_after

CONFIG = TrainingConfig(
    batch_size=4,
    size=64,
    crop=32,
    workers=0,
    max_updates=5,
    checkpoint_every=3,
    # With SGD: AdamW divides by the gradient's size, and so enlarges rounding where a gradient is almost 0.
    optimiser="sgd",
    learning_rate=1e-2,
    backbone_learning_rate=1e-2,
)


STAGES = ("rln", "brn", "joint")


def main(pictures: Path, out: Path) -> None:
    """Run every stage and resume it once; two processes write, two processes read."""
    torch.set_num_threads(1)
    pairs = find_pairs(pictures / "image", pictures / "mask")
    for stage in STAGES:
        config = dataclasses.replace(CONFIG, stage=stage, accumulate=2 if stage == "joint" else 1)
        settings = dataclasses.replace(config, schedule="constant")
        for resume in (False, True):
            torch.manual_seed(1)
            with nullcontext() if resume else stopped_after(3):
                train(DGRL(TRAINED), pairs, out / stage, settings, resume)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
