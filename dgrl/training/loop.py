"""Training: RLN, then BRN on RLN's maps, or both, on whatever devices and processes Accelerate finds."""

import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, set_seed
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from dgrl.data.pairs import Pair, SaliencyData
from dgrl.model import DGRL
from dgrl.training.checkpoints import Progress, TrainingError, check_unused, claimed, load_checkpoint, save_checkpoint
from dgrl.training.config import TrainingConfig
from dgrl.training.kept_out import KeptOut, changed_by, keep_change, weights_of
from dgrl.training.stages import TrainingStage, make_stage
from dgrl.training.stored import MAPS_FOLDER
from dgrl.training.watching import evenly_spaced, looks, watchers

Batch = list[Tensor]
MOST_WORKERS = 16
"""Of one process that trains; more than any GPU needs, and each holds some 400 MB."""


def train(
    model: DGRL,
    pairs: list[Pair],
    out: Path,
    config: TrainingConfig,
    resume: bool = False,
    tensorboard: bool = False,
    kept_out: Mapping[str, Sequence[Pair]] | None = None,
) -> DGRL:
    """Train one stage of `model` and leave the result in the folder `out`.

    `out` receives `log.jsonl`, `checkpoints/`, `pictures/` and at the end the network (`DGRL.save_pretrained`). Ctrl-C,
    a notebook's stop button, or SIGTERM end the run after the update in hand, with a checkpoint to resume from.

    Args:
        model: the network; trained in place. To resume, as it was before training.
        pairs: pictures and masks.
        out: the run's folder.
        config: the recipe.
        resume: go on from the newest checkpoint in `out`, if there is one.
        tensorboard: write what TensorBoard shows to `out/tensorboard`.
        kept_out: sets of pictures by what they are called; their errors before and after training are printed.

    Raises:
        TrainingError: `out` holds another run's checkpoints, or another process trains in it, the recipe does not fit
            the number of pictures or processes, the loss is no longer finite, or a checkpoint cannot be written.
    """
    if not resume:
        check_unused(out)
    set_seed(config.seed)
    accelerator = make_accelerator(config)
    with claimed(out) if accelerator.is_main_process else nullcontext():
        return _train(accelerator, model, pairs, out, config, resume, tensorboard, kept_out or {})


def _train(
    accelerator: Accelerator,
    model: DGRL,
    pairs: list[Pair],
    out: Path,
    config: TrainingConfig,
    resume: bool,
    tensorboard: bool,
    kept_out: Mapping[str, Sequence[Pair]],
) -> DGRL:
    """`train`, in a folder that is claimed."""
    model.to(accelerator.device)  # all of it: the BRN stage runs RLN too, outside of what Accelerate prepares
    start_weights = weights_of(model) if config.kept_change < 1 else {}
    measured = KeptOut(model, kept_out if accelerator.is_main_process else {})
    accelerator.print(f"Training {config.stage} on {in_use(accelerator)} with {len(pairs)} pictures")
    stage: Any = make_stage(model, config)
    if config.stage == "brn" and config.stored_maps:
        stage.store_maps(pairs, out / MAPS_FOLDER)
    data = stage.make_data(pairs)
    order = Shuffle(len(data), config.seed)
    size = piece_size(config, len(data), accelerator.num_processes)
    loader: Any = make_loader(data, order, size, config.workers, accelerator.device)
    stage = stage.to(memory_format=torch.channels_last)
    if config.compile:
        (model.brn if config.stage == "brn" else model.rln).compile()
    optimiser: Any = make_optimiser(stage, config)
    stage, optimiser, loader = accelerator.prepare(stage, optimiser, loader)
    progress = Progress(total=config.max_updates or config.epochs * (len(loader) // config.accumulate))
    if resume:
        load_checkpoint(accelerator, out, progress)
    watching = watchers(accelerator, out, progress, tensorboard)
    stage.train()

    with ExitStack() as closing, stop_signals() as stop, fastest(accelerator.device):
        for watcher in watching:
            closing.callback(watcher.close)
        start = time.perf_counter()
        for batch in batches(loader, data, order, progress, size, config.accumulate):
            loss, stopped = update(accelerator, stage, optimiser, batch, progress, config, stop.is_set())
            now = time.perf_counter()
            for watcher in watching:
                watcher.update(progress, loss, size * config.accumulate / (now - start))
            start = now
            if watching and config.pictures_every and progress.update % config.pictures_every == 0:
                with changed_by(model, start_weights, config.kept_change):
                    figure = looks(model, evenly_spaced(pairs), refine=config.stage != "rln")
                    measured.say(model, f"update {progress.update}, ")
                for watcher in watching:
                    watcher.look(progress, figure)
            last = stopped or progress.update == progress.total
            if last or progress.update % config.checkpoint_every == 0:
                save_checkpoint(accelerator, out, progress, config.keep)
            if last:
                break
    model.eval()
    if progress.update < progress.total:
        accelerator.print(f"Stopped after update {progress.update} of {progress.total}; it can be resumed")
        return model
    if start_weights:
        keep_change(model, start_weights, config.kept_change)
    if accelerator.is_main_process:
        measured.say(model)
        try:
            model.save_pretrained(out)
        except OSError as error:
            raise TrainingError(f"the network cannot be written to {out}: {error}") from error
    return model


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Accelerate on what there is: a GPU or several, or the CPU.

    Raises:
        TrainingError: the precision cannot be had there.
    """
    AcceleratorState._reset_state()  # a second run in one process, a notebook's, may ask for another precision
    try:
        # Batches are split over the processes, so that the same recipe makes the same updates on any number of them.
        splitting = DataLoaderConfiguration(split_batches=True, non_blocking=True)
        # Without a GPU Accelerate must be told so, or several processes would each train alone.
        cpu = not torch.accelerator.is_available()
        return Accelerator(mixed_precision=config.precision, cpu=cpu, dataloader_config=splitting)
    except ValueError as error:
        raise TrainingError(f"precision {config.precision} cannot be had here: {error}") from error


def in_use(accelerator: Accelerator) -> str:
    """What a run computes on, for people; says so if a GPU is there that this PyTorch cannot use."""
    device = accelerator.device
    name = f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
    if device.type == "cpu" and shutil.which("nvidia-smi"):
        name += " (there seems to be a GPU, but this PyTorch cannot use it)"
    count = accelerator.num_processes
    return name if count == 1 else f"{name}, {count} processes"


def piece_size(config: TrainingConfig, pictures: int, processes: int) -> int:
    """Pictures in a batch of the loader: an update's, or one of the pieces it is computed in, all processes together.

    Raises:
        TrainingError: the pieces cannot be shared equally by the processes.
    """
    size = min(config.batch_size // config.accumulate, pictures // config.accumulate)
    if size == 0:
        raise TrainingError(f"{pictures} pictures are fewer than the {config.accumulate} pieces of an update")
    if size % processes:
        raise TrainingError(
            f"{size} pictures (batch_size over accumulate) cannot be shared equally by {processes} processes"
        )
    return size


def make_loader(
    data: SaliencyData, order: Sampler[int], size: int, workers: int | None, device: torch.device
) -> "DataLoader[tuple[Tensor, ...]]":
    """What reads batches of `size`, by processes that live as long as the run, into memory that a GPU copies from."""
    count = worker_count(device) if workers is None else workers
    return DataLoader(
        data,
        size,
        sampler=order,
        num_workers=count,
        persistent_workers=count > 0,
        pin_memory=device.type == "cuda",
        drop_last=True,
    )


def worker_count(device: torch.device) -> int:
    """Processes that read pictures, by the processors that this process may use and shares with others like it.

    One feeds whatever a CPU can train. For a GPU all processors are there to read (`python -m benchmarks data`).
    """
    if device.type == "cpu":
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, processors // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


@contextmanager
def fastest(device: torch.device) -> Iterator[None]:
    """What a GPU computes fastest with while it trains: TF32, and convolutions chosen by trying."""
    cudnn = torch.backends.cudnn
    if device.type != "cuda":
        yield
        return
    kept = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    torch.set_float32_matmul_precision("high")
    cudnn.allow_tf32 = cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(kept[0])
        cudnn.allow_tf32, cudnn.benchmark = kept[1:]


def make_optimiser(stage: TrainingStage, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD as Caffe's, or AdamW, over the stage's parameters by learning rate."""
    groups = stage.parameter_groups()
    if config.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    # Caffe multiplies by the rate before it adds to the momentum, PyTorch after: at a fixed rate that is the same.
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay)


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


def batches(
    loader: Any, data: SaliencyData, order: Shuffle, progress: Progress, size: int, accumulate: int
) -> Iterator[list[Batch]]:
    """What each update reads, in its pieces of `size` pictures, from the run's position on, until its end."""
    updates_per_epoch = len(loader) // accumulate
    while progress.update < progress.total:
        data.epoch = order.epoch = progress.update // updates_per_epoch
        order.start = progress.update % updates_per_epoch * size * accumulate
        pieces: list[Batch] = []
        for piece in loader:
            pieces.append(piece)
            if len(pieces) == accumulate:
                yield pieces
                pieces = []


def update(
    accelerator: Accelerator,
    stage: Any,
    optimiser: Any,
    pieces: list[Batch],
    progress: Progress,
    config: TrainingConfig,
    stop: bool,
) -> tuple[float, bool]:
    """One update; its loss, and whether any process was asked to stop.

    Raises:
        TrainingError: the loss is not finite. The weights stay as they were.
    """
    set_learning_rates(optimiser, progress, config)
    total = torch.zeros((), device=accelerator.device)
    for number, piece in enumerate(pieces, start=1):
        # Processes share their gradients once per update.
        with nullcontext() if number == len(pieces) else accelerator.no_sync(stage):
            with accelerator.autocast():
                loss = stage(*piece) / len(pieces)
            total += loss.detach()
            accelerator.backward(loss)
    shared: Any = accelerator.reduce(torch.stack([total, total.new_tensor(float(stop))]), "mean")
    value, stopped = shared.tolist()
    if not math.isfinite(value):
        raise TrainingError(f"the loss is {value} at update {progress.update}; lower learning_rate")
    if config.clip is not None:
        accelerator.clip_grad_norm_(stage.parameters(), config.clip)
    optimiser.step()
    optimiser.zero_grad()
    progress.update += 1
    return value, stopped > 0


def set_learning_rates(optimiser: Any, progress: Progress, config: TrainingConfig) -> None:
    """ "cosine" warms up linearly over the first `warm_up` of the updates and falls to 0; "constant" stays."""
    factor = 1.0
    if config.schedule == "cosine":
        rising = (progress.update + 1) / max(1, int(progress.total * config.warm_up))
        falling = 0.5 * (1 + math.cos(math.pi * progress.update / progress.total))
        factor = min(rising, falling)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, a notebook's stop button, or SIGTERM set, instead of breaking off; a second Ctrl-C does."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread hears signals
        return

    def ask(_number: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    kept = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
