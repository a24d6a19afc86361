"""Training on several GPUs from a notebook."""

from pathlib import Path

import torch
from accelerate import notebook_launcher

from dgrl.data.pairs import Pair
from dgrl.model import DGRL
from dgrl.running.memory import keep_freed_memory
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import train


def train_on(
    processes: int, model: DGRL, pairs: list[Pair], out: Path, config: TrainingConfig, resume: bool = False
) -> DGRL:
    """Call `train` on several GPUs from a notebook's cell; return the final network in `out`.

    Each process is a fork of the notebook's kernel. One that has used a GPU cannot be forked: this is checked first.
    With one process, or without a GPU, `train` runs in the kernel itself.

    Raises:
        TrainingError: the kernel has used a GPU already, or there are not so many GPUs.
    """
    if processes < 1:
        raise TrainingError(f"{processes} processes cannot train")
    if processes == 1 or not torch.cuda.is_available():
        if processes > 1:
            raise TrainingError(f"{processes} processes were asked for, but PyTorch sees no GPU here; ask for 1")
        if not torch.accelerator.is_available():
            keep_freed_memory()
        return train(model, pairs, out, config, resume)
    if processes > torch.cuda.device_count():
        raise TrainingError(f"{processes} processes were asked for, but there are {torch.cuda.device_count()} GPUs")
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        raise TrainingError(
            "this notebook has already used a GPU, and a process that used one cannot be forked. Restart the kernel, "
            "and run this cell before any other that uses a GPU"
        )
    notebook_launcher(train, (model, pairs, out, config, resume), num_processes=processes)
    return DGRL.from_pretrained(out)
