"""Training: RLN, then BRN on RLN's maps, on whatever device Accelerate finds."""

import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from dgrl.data import Pair, SaliencyData, augmentation
from dgrl.model import DGRL
from dgrl.stages import LocaliseStage, RefineStage
from dgrl.training_config import TrainingConfig


class TrainingError(RuntimeError):
    """Training cannot start, go on or be resumed; the message says why."""


def train(model: DGRL, pairs: list[Pair], out: Path, config: TrainingConfig, resume: bool = False) -> DGRL:
    """Train one stage of `model` and leave the result in the folder `out`.

    `out` receives `training.json`, `log.jsonl`, `checkpoints/` and at the end the network (`DGRL.save_pretrained`).

    Args:
        model: the network; trained in place.
        pairs: pictures and masks.
        out: the run's folder.
        config: the recipe.
        resume: go on from the newest checkpoint in `out`, if there is one.

    Raises:
        TrainingError: `out` holds another run's checkpoints, or the loss is no longer finite.
    """
    if not resume:
        check_unused(out)
    out.mkdir(parents=True, exist_ok=True)
    set_seed(config.seed)
    AcceleratorState._reset_state()  # a second run in one process, a notebook's, may ask for another precision
    accelerator = Accelerator(mixed_precision=config.precision)
    model.to(accelerator.device)  # all of it: the BRN stage runs RLN too, outside of what Accelerate prepares
    accelerator.print(f"Training {config.stage} on {accelerator.device} with {len(pairs)} pictures")
    size = config.size if config.stage == "rln" else model.config.brn_size
    data = SaliencyData(pairs, augmentation(size), config.seed)
    order = Shuffle(len(data), config.seed)
    loader = DataLoader(
        data, config.batch_size, sampler=order, num_workers=config.workers, drop_last=len(data) >= config.batch_size
    )
    stage: LocaliseStage | RefineStage
    stage = LocaliseStage(model, config) if config.stage == "rln" else RefineStage(model, config)
    if config.compile:
        model.rln.compile()
    stage = stage.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(stage.parameter_groups(), weight_decay=config.weight_decay)
    stage, optimiser, loader = accelerator.prepare(stage, optimiser, loader)
    progress = Progress(total=config.max_updates or config.epochs * len(loader))
    if resume:
        load_checkpoint(accelerator, out, progress)
    stage.train()

    updates_per_epoch = len(loader)
    with progress_bar(accelerator, progress) as bar, (out / "log.jsonl").open("a") as log:
        while progress.update < progress.total:
            data.epoch = order.epoch = progress.update // updates_per_epoch
            order.start = progress.update % updates_per_epoch * config.batch_size * accelerator.num_processes
            for images, masks in loader:
                set_learning_rates(optimiser, progress)
                with accelerator.autocast():
                    loss = stage(images, masks, hash((config.seed, progress.update)))
                if not torch.isfinite(loss):
                    raise TrainingError(f"the loss is {loss.item()} at update {progress.update}; lower learning_rate")
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(stage.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad()
                progress.update += 1
                report(bar, log, progress, loss.item())
                if progress.update % config.checkpoint_every == 0:
                    save_checkpoint(accelerator, out, progress, config.keep)
                if progress.update >= progress.total:
                    break
    if accelerator.is_main_process:
        model.eval().save_pretrained(out)
    return model


def check_unused(out: Path) -> None:
    """TrainingError if `out` holds the checkpoints of a run, which a new one would mix with its own."""
    if whole_checkpoints(out):
        raise TrainingError(f"{out} holds checkpoints of an earlier run: resume that, or choose another folder")


class Shuffle(Sampler[int]):
    """Indices in a random order that depends only on (seed, epoch), from position `start` on."""

    def __init__(self, length: int, seed: int) -> None:
        self.length = length
        self.seed = seed
        self.epoch = 0
        self.start = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch)))
        yield from torch.randperm(self.length, generator=generator).tolist()[self.start :]


@dataclass
class Progress:
    """How far a run is, in updates."""

    total: int
    update: int = 0


def set_learning_rates(optimiser: Any, progress: Progress) -> None:
    """Warm up linearly over the first 5 % of the updates, then fall to 0 along a cosine."""
    warm_up = max(1, progress.total // 20)
    rising = (progress.update + 1) / warm_up
    falling = 0.5 * (1 + math.cos(math.pi * progress.update / progress.total))
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * min(rising, falling)


def report(bar: "tqdm[None]", log: TextIO, progress: Progress, loss: float) -> None:
    """A line in the log, and the bar moved on."""
    log.write(json.dumps({"update": progress.update, "loss": round(loss, 5)}) + "\n")
    log.flush()
    bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    bar.update()


def progress_bar(accelerator: Accelerator, progress: Progress) -> "tqdm[None]":
    """A bar on a terminal, a line every half minute elsewhere."""
    interval = 0.5 if sys.stderr.isatty() else 30
    return tqdm(
        total=progress.total,
        initial=progress.update,
        unit="update",
        mininterval=interval,
        maxinterval=interval,
        disable=not accelerator.is_main_process,
    )


def save_checkpoint(accelerator: Accelerator, out: Path, progress: Progress, keep: int) -> None:
    """Write everything that a resumed run needs. Atomic: a folder of that name is either whole or not there."""
    final = out / "checkpoints" / f"{progress.update:08d}"
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    accelerator.save_state(str(partial))
    if accelerator.is_main_process:
        (partial / "progress.json").write_text(json.dumps(dataclasses.asdict(progress)))
        partial.rename(final)
        for old in whole_checkpoints(out)[:-keep]:
            shutil.rmtree(old)


def load_checkpoint(accelerator: Accelerator, out: Path, progress: Progress) -> None:
    """Go back to the newest whole checkpoint in `out`; without one, start at the beginning."""
    checkpoints = whole_checkpoints(out)
    if checkpoints:
        accelerator.load_state(str(checkpoints[-1]))
        progress.update = json.loads((checkpoints[-1] / "progress.json").read_text())["update"]


def whole_checkpoints(out: Path) -> list[Path]:
    """The checkpoints in `out`, oldest first; a `.partial` one, which a kill left behind, is none."""
    return sorted((out / "checkpoints").glob("[0-9]*[0-9]"))
