"""Trains while it is killed again and again: `python -m tests.helpers.killed_training PICTURES RUN KILLS SEED`.

Prints how often a kill came while a checkpoint was being written.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from dgrl import DGRL
from dgrl.data.pairs import find_pairs
from dgrl.training.checkpoints import whole_checkpoints
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import train
from tests.helpers.networks import TRAINED

CONFIG = TrainingConfig(batch_size=2, size=64, workers=0, max_updates=24, checkpoint_every=1, keep=1, validate_every=6)
PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT


def run(pictures: Path, out: Path) -> None:
    """Train, from the newest checkpoint on if there is one."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    pairs = find_pairs(pictures / "image", pictures / "mask")
    train(DGRL(TRAINED), pairs[1:], out, CONFIG, resume=bool(whole_checkpoints(out)), hold_out=pairs[:1])


def start(pictures: Path, out: Path) -> int:
    """Start training in a fork of a process that has only imported PyTorch, which takes no time."""
    child = os.fork()
    if child == 0:
        run(pictures, out)
        os._exit(0)
    return child


def main() -> None:
    pictures, out, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    moments = random.Random(seed)
    while_writing = 0
    checkpoints = out / "checkpoints"
    for kill in range(kills):
        child = start(pictures, out)
        time.sleep(moments.uniform(0.2, 1.0))
        # Every other kill waits for a checkpoint that is being written; the others come at any moment.
        while kill % 2 and not list(checkpoints.glob("*.partial")) and not os.waitid(os.P_PID, child, PEEK):
            time.sleep(0.0005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while_writing += bool(list(checkpoints.glob("*.partial")))
    _, status = os.waitpid(start(pictures, out), 0)
    assert status == 0, "the last run did not end well"
    print(while_writing)


if __name__ == "__main__":
    main()
