"""Training: RLN, then BRN on RLN's maps, on whatever device Accelerate finds."""

import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from dgrl.data import Pair, SaliencyData, augmentation
from dgrl.images import square, to_size
from dgrl.losses import localisation_loss, refinement_loss
from dgrl.model import DGRL

Stage = Literal["rln", "brn"]


@dataclass(frozen=True)
class TrainingConfig:
    """One stage of training. The defaults are the `default` preset's.

    Attributes:
        stage: "rln" trains RLN at every time step; "brn" trains BRN on the maps of a fixed RLN.
        epochs: passes over the pictures.
        max_updates: end after so many updates, even in mid-epoch; the schedule follows.
        batch_size: pictures per update.
        size: side in pixels of RLN's training input; BRN trains at the network's own size, on crops.
        steps: T in training; by default the network's.
        crop: side in pixels of BRN's training crops.
        crops_per_picture: crops around object boundaries taken of each picture.
        learning_rate: of new layers, at its peak; it warms up for 5 % of the updates and falls to 0 along a cosine.
        backbone_learning_rate: of the pre-trained blocks.
        weight_decay: AdamW's.
        region_weight: of the soft-IoU term (departure; published: 0).
        attention_weight: of the term that asks weight maps to favour the object (departure; published: 0).
        precision: Accelerate's mixed precision: "no", "bf16" or "fp16".
        compile: compile RLN with `torch.compile`: a minute's wait, then faster updates.
        seed: of weights, order, augmentation and crops.
        workers: processes that read pictures.
        checkpoint_every: updates between checkpoints.
        keep: how many checkpoints stay on disk.
    """

    stage: Stage = "rln"
    epochs: int = 6
    max_updates: int | None = None
    batch_size: int = 16
    size: int = 256
    steps: int | None = None
    crop: int = 128
    crops_per_picture: int = 2
    learning_rate: float = 1e-3
    backbone_learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    region_weight: float = 1.0
    attention_weight: float = 0.1
    precision: str = "no"
    compile: bool = False
    seed: int = 0
    workers: int = 2
    checkpoint_every: int = 100
    keep: int = 2


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
        TrainingError: the loss is no longer finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    set_seed(config.seed)
    accelerator = Accelerator(mixed_precision=config.precision)
    accelerator.print(f"Training {config.stage} on {accelerator.device} with {len(pairs)} pictures")
    size = config.size if config.stage == "rln" else model.config.brn_size
    data = SaliencyData(pairs, augmentation(size), config.seed)
    order = Shuffle(len(data), config.seed)
    loader = DataLoader(
        data, config.batch_size, sampler=order, num_workers=config.workers, drop_last=len(data) >= config.batch_size
    )
    stage: nn.Module = (LocaliseStage if config.stage == "rln" else RefineStage)(model, config)
    if config.compile:
        model.rln.compile()
    stage = stage.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
                    loss = stage(images, masks, progress.update)
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


class LocaliseStage(nn.Module):
    """RLN with the supervision of all its time steps."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.rln = model.rln
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, update: int) -> Tensor:
        output = self.rln(images, self.config.steps)
        return localisation_loss(output, masks, self.config.region_weight, self.config.attention_weight)

    def parameter_groups(self) -> list[dict[str, Any]]:
        backbone = list(self.rln.backbone.parameters())
        new = [*self.rln.recurrent_step.parameters(), *self.rln.heads.parameters()]
        return [
            {"params": backbone, "peak": self.config.backbone_learning_rate},
            {"params": new, "peak": self.config.learning_rate},
        ]


class RefineStage(nn.Module):
    """BRN on crops of a fixed RLN's maps. BRN sees 15 pixels far, so crops teach it as much as whole pictures."""

    def __init__(self, model: DGRL, config: TrainingConfig) -> None:
        super().__init__()
        self.brn = model.brn
        # In a list, so that RLN's weights are not among this stage's parameters.
        self.fixed = [model.rln.eval().requires_grad_(False)]
        self.rln_size = model.config.rln_size
        self.config = config

    def forward(self, images: Tensor, masks: Tensor, update: int) -> Tensor:
        with torch.no_grad():
            saliency = self.fixed[0](square(images, self.rln_size), self.config.steps).saliency
            prior = to_size(saliency, *images.shape[-2:])
        generator = torch.Generator().manual_seed(hash((self.config.seed, update)))
        crops = boundary_crops([images, prior, masks], masks, self.config, generator)
        images, prior, masks = crops
        return refinement_loss(self.brn(images, prior).refined, masks, self.config.region_weight)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.brn.parameters()), "peak": self.config.learning_rate}]


def boundary_crops(
    maps: list[Tensor], masks: Tensor, config: TrainingConfig, generator: torch.Generator
) -> list[Tensor]:
    """The same random square crops of each of `maps` (B, C, H, W), around points of the masks' boundaries.

    Where a mask has no boundary, anywhere. Returns (B · crops_per_picture, C, crop, crop) each.
    """
    height, width = masks.shape[-2:]
    crop = min(config.crop, height, width)
    dilated = nn.functional.max_pool2d(masks, 3, 1, 1)
    boundary = (dilated != masks)[:, 0].cpu()  # (B, H, W)
    windows: list[tuple[int, int, int]] = []
    for picture, edge in enumerate(boundary):
        points = edge.nonzero()
        for _ in range(config.crops_per_picture):
            if len(points):
                row, column = points[torch.randint(len(points), (1,), generator=generator)][0].tolist()
            else:
                row, column = (int(torch.randint(side, (1,), generator=generator)) for side in (height, width))
            shift = torch.randint(-crop // 4, crop // 4 + 1, (2,), generator=generator).tolist()
            top = min(max(row + shift[0] - crop // 2, 0), height - crop)
            left = min(max(column + shift[1] - crop // 2, 0), width - crop)
            windows.append((picture, top, left))
    return [
        torch.stack([values[i, :, top : top + crop, left : left + crop] for i, top, left in windows])
        for values in maps
    ]


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
        for old in sorted(final.parent.glob("[0-9]*[0-9]"))[:-keep]:
            shutil.rmtree(old)


def load_checkpoint(accelerator: Accelerator, out: Path, progress: Progress) -> None:
    """Go back to the newest whole checkpoint in `out`; without one, start at the beginning."""
    checkpoints = sorted((out / "checkpoints").glob("[0-9]*[0-9]"))
    if checkpoints:
        accelerator.load_state(str(checkpoints[-1]))
        progress.update = json.loads((checkpoints[-1] / "progress.json").read_text())["update"]
