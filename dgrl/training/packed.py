"""Train RLN on one GPU within a given time, on a packed data set (`scripts/train-on-gpu.sh`).

    python -m dgrl.training.packed pack --images DIR --masks DIR [--without LIST] --out PACKED
    python -m dgrl.training.packed train PACKED --out RUN --minutes 9

Pictures are stored as bytes in the GPU's memory and augmented there, because the processors would be too slow. Drawn
pages of text are added before the time starts. Sides of batches are drawn from `SIZES`, all time steps are trained, the
weights are averaged, and the learning rate follows a cosine over the time.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from dgrl.commands.data import Images, Masks, Without, pairs_of
from dgrl.data.augment_batch import augmented
from dgrl.data.batch import Batch
from dgrl.data.packed import pack, unpack
from dgrl.data.text_pages import draw_page
from dgrl.model import DGRL
from dgrl.training.averaging import MovingAverage, averaged
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.loop import fastest, make_optimiser
from dgrl.training.named import NOTHING, with_prompt
from dgrl.training.stages import TrainingStage, make_stage

SIZES = (288, 320, 352, 384, 416)
"""Sides of the batches, drawn at random."""
RECIPE = TrainingConfig(
    batch_size=48,
    named_share=0.4,
    page_share=0.03,
    step_growth=3.0,
    attention_weight=0.15,
    attention_spread=0.3,
    attention_narrowing=0.8,
    learning_rate=4e-4,
    backbone_learning_rate=1e-4,
    teacher_weight=0.3,
    ema=0.998,
)
CHECKPOINT_SECONDS = 120.0
MOST_SKIPPED = 20
"""Updates in a row whose gradient is not finite, after which a run ends."""

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


@app.command("pack")
def pack_command(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    images: Images = None,
    masks: Masks = None,
    without: Without = None,
    side: Annotated[int, typer.Option(min=32, help="Side in pixels.")] = 320,
    quality: Annotated[int, typer.Option(min=0, max=100, help="Of the WebP pictures.")] = 60,
) -> None:
    """Write a data set as shards below 60 MiB."""
    for shard in pack(pairs_of(images, masks, without), out, side, quality):
        typer.echo(f"{shard}: {shard.stat().st_size / 2**20:.1f} MiB")


@app.command("train")
def train_command(
    packed: Annotated[Path, typer.Argument(help="Folder of shards.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, log and result.")],
    minutes: Annotated[float, typer.Option(min=0, help="Time for training, in minutes.")] = 9.0,
    max_updates: Annotated[int | None, typer.Option(min=1, help="End after so many updates at the latest.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures per update.")] = RECIPE.batch_size,
    weights: Annotated[str | None, typer.Option(help="Checkpoint to start from; default: the one that ships.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Checkpoint whose maps are mixed into the masks.")] = None,
    seed: Annotated[int, typer.Option(help="Of order and augmentation.")] = 0,
) -> None:
    """Train RLN from a checkpoint until the time is over."""
    config = TrainingConfig(**(vars(RECIPE) | {"batch_size": batch_size, "teacher": teacher, "seed": seed}))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    images, masks = with_pages(*unpack(packed, device), config.page_share)
    train_packed(DGRL.from_pretrained(weights), images, masks, out, config, 60 * minutes, max_updates)


def train_packed(
    model: DGRL,
    images: Tensor,
    masks: Tensor,
    out: Path,
    config: TrainingConfig,
    seconds: float,
    max_updates: int | None = None,
    sizes: tuple[int, ...] = SIZES,
) -> DGRL:
    """Train RLN on the device of `images` until the time is over, and save the moving average of its weights.

    The network and `log.jsonl` are saved in `out`. Every two minutes, the present network is saved in `out/checkpoint`.

    Args:
        model: the network; trained in place, and moved to the device.
        images: (N, 3, S, S) uint8.
        masks: (N, 1, S, S) uint8 of 0 and 255.
        out: the run's folder.
        config: the recipe.
        seconds: time for training.
        max_updates: end after so many updates at the latest; the learning rate follows whichever is nearer to its end.
        sizes: sides of the batches, multiples of 32.

    Raises:
        TrainingError: the loss is not finite, or `MOST_SKIPPED` gradients in a row were not. The last checkpoint stays.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    stage = make_stage(model.to(images.device), config).to(memory_format=torch.channels_last)
    optimiser = make_optimiser(stage, config)
    average = MovingAverage(stage, config.ema)
    start = saved = time.monotonic()
    skipped = skipped_in_a_row = 0
    with (out / "log.jsonl").open("a", encoding="utf-8") as log, fastest(images.device):
        for number, chosen in enumerate(orders(len(images), config.batch_size), start=1):
            passed = (time.monotonic() - start) / seconds if seconds else 1.0
            share = min(1.0, max(passed, number / max_updates if max_updates else 0.0))
            loss, was_made = update(stage, optimiser, share, batch_of(images, masks, chosen, config, sizes))
            average.update()
            skipped, skipped_in_a_row = skipped + (not was_made), 0 if was_made else skipped_in_a_row + 1
            if skipped_in_a_row == MOST_SKIPPED:
                raise TrainingError(f"{skipped_in_a_row} updates in a row were skipped: their gradients are not finite")
            now = time.monotonic()
            if number % 20 == 0 or number == max_updates:
                if not math.isfinite(value := float(loss)):
                    raise TrainingError(f"the loss is {value} at update {number}; lower the learning rate")
                entry = {"update": number, "seconds": round(now - start, 1), "loss": value, "skipped": skipped}
                log.write(json.dumps(entry) + "\n")
                log.flush()
            if now - saved > CHECKPOINT_SECONDS:
                saved = now
                with averaged(average):
                    model.save_pretrained(out / "checkpoint")
            if now - start >= seconds or number == max_updates:
                break
    average.apply()
    model.save_pretrained(out)
    return model.eval()


def with_pages(images: Tensor, masks: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Add drawn pages of text with empty masks, so that the network learns that a page of text is not an object.

    Args:
        images: (N, 3, S, S) uint8.
        masks: (N, 1, S, S) uint8.
        share: the pages' share of the result, below 1; the pages follow PyTorch's current random state.
    """
    count = round(len(images) * share / (1 - share))
    if not count:
        return images, masks
    side = images.shape[-1]
    pages = torch.stack([v2.functional.resize(draw_page(side), [side, side]) for _ in range(count)])
    empty = masks.new_zeros(count, *masks.shape[1:])
    return torch.cat([images, pages.to(images.device)]), torch.cat([masks, empty])


def orders(count: int, batch_size: int) -> Iterator[Tensor]:
    """Yield indices of batch after batch, each picture once per epoch, without end."""
    batch_size = min(batch_size, count)
    while True:
        order = torch.randperm(count)
        yield from torch.split(order[: count - count % batch_size], batch_size)


def batch_of(images: Tensor, masks: Tensor, chosen: Tensor, config: TrainingConfig, sizes: tuple[int, ...]) -> Batch:
    """Return a batch like `NamedData`'s, augmented on the device of `images`."""
    chosen = chosen.to(images.device)
    pictures, objects = augmented(images[chosen].float() / 255, masks[chosen].float() / 255, config.smallest_crop)
    rows = []
    for index, (picture, shape) in enumerate(zip(pictures, objects, strict=True)):
        if torch.rand(()) >= config.named_share or not shape.any():
            rows.append((picture, shape, NOTHING, shape))
            continue
        rows.append(with_prompt(picture, shape, partial(another_of, pictures, objects, index)))
    size = sizes[int(torch.randint(len(sizes), ()))]
    row_pictures, row_masks, maps_from, row_places = zip(*rows, strict=True)
    squares = F.interpolate(torch.stack(row_pictures), (size, size), mode="bilinear", antialias=True)
    shapes = [F.interpolate(torch.stack(maps), (size, size)) for maps in (row_masks, row_places)]
    return Batch(squares, shapes[0], torch.tensor(maps_from, device=images.device), shapes[1])


def another_of(pictures: Tensor, objects: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Return a picture and its mask drawn at random from a batch, if possible not number `index`."""
    another = (index + 1 + int(torch.randint(max(1, len(pictures) - 1), ()))) % len(pictures)
    return pictures[another], objects[another]


def update(stage: TrainingStage, optimiser: torch.optim.Optimizer, share: float, batch: Batch) -> tuple[Tensor, bool]:
    """Make one update at the learning rate for the `share` of the time that has passed.

    Returns:
        The loss, and whether the update was made. It is skipped if the gradient is not finite: one batch that overflows
        in half precision must not end the run. On a CPU, pictures below 96x96 pixels are such batches: there oneDNN's
        bfloat16 gradient of a 7x7 filter on 2x2 positions reads memory that nothing has written (PyTorch 2.14).
    """
    factor = 0.5 * (1 + math.cos(math.pi * share)) * min(1.0, share / max(stage.config.warm_up, 1e-6) + 0.05)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor
    stage.train()
    batch = replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))
    with torch.autocast(batch.images.device.type, torch.bfloat16):
        loss: Tensor = stage(batch)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(stage.parameters(), stage.config.clip or math.inf)
    finite = bool(torch.isfinite(norm))
    if finite:
        optimiser.step()
    return loss.detach(), finite


if __name__ == "__main__":
    app()
