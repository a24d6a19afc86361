"""Training: RLN, then BRN on RLN's maps, or both, on whatever devices and processes Accelerate finds."""

import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DataLoaderConfiguration, broadcast_object_list, set_seed
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from dgrl.data.batch import Batch, collate
from dgrl.data.checking import check_pairs
from dgrl.data.pairs import DataError, Pair, SaliencyData
from dgrl.extras import load_pysodmetrics
from dgrl.model import DGRL
from dgrl.settings import check_names
from dgrl.training.averaging import MovingAverage, as_kept
from dgrl.training.card import write_card
from dgrl.training.checkpoints import (
    Progress,
    TrainingError,
    check_unused,
    claimed,
    load_checkpoint,
    save_checkpoint,
    whole_checkpoints,
)
from dgrl.training.config import Stage, TrainingConfig, preset
from dgrl.training.health import LEAST, DivergenceError, ReadingError, check_loss, drop_unproven, reading
from dgrl.training.keeping import Kept, choose_share, kept_of_best
from dgrl.training.kept_out import KeptOut, keep_change, weights_of
from dgrl.training.record import (
    FREE,
    RUN_FILE,
    changes_of_lists,
    own_hold_out,
    read_run,
    recipe_of,
    restore_start,
    resumed_recipe,
    write_run,
)
from dgrl.training.stages import TrainingStage, make_stage
from dgrl.training.stored import MAPS_FOLDER
from dgrl.training.validation import BEST_FOLDER, hold_out_share, judged_map, note_scores, save_best, validate
from dgrl.training.watching import Update, Watcher, evenly_spaced, looks, watchers
from dgrl.words import counted

VALIDATIONS = 10
"""Number of validations in a run without `validate_every`."""
MOST_WORKERS = 16
"""Largest number of reading processes per training process. Each needs about 400 MB, and no GPU needs more of them."""


def train(
    model: DGRL,
    pairs: Sequence[Pair],
    out: str | Path,
    config: TrainingConfig | str | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    kept_out: Mapping[str, Sequence[Pair]] | None = None,
    hold_out: Sequence[Pair] | float | None = None,
    tracker: str | None = None,
    settings: Mapping[str, Any] | None = None,
    **changes: Any,
) -> DGRL:
    """Train one stage of `model` and leave the result in the folder `out`.

    `out` receives `log.jsonl`, `checkpoints/`, `pictures/`, `best/` and at the end the network
    (`DGRL.save_pretrained`). Ctrl-C, a notebook's stop button, or SIGTERM end the run after the update in hand, with a
    checkpoint to resume from.

    Args:
        model: the network; trained in place. A resumed run sets it to what the run began with.
        pairs: pictures and masks (`find_pairs`).
        out: the run's folder.
        config: the recipe, or the name of a preset; by default "default" for RLN.
        resume: go on from the newest checkpoint in `out`, with the recipe that the run began with. Other settings that
            are named are not taken, and a line says so; those of reading and saving pictures (`FREE`) are.
        tensorboard: the same as `tracker="tensorboard"`.
        kept_out: sets of pictures by what they are called; their errors before and after training are printed.
        hold_out: pictures to validate by, or the share of `pairs` that is set aside for that; by default 10 % where
            there are at least 20 pictures; of a resumed run those that it began with. `best/` is the network with the
            lowest error on them.
        tracker: "tensorboard" or "trackio", which then show the log.
        settings: what `training.json` is to hold for `dgrl train --resume`; by default the pictures.
        changes: settings of `config` to replace, `batch_size=4` say.

    Raises:
        TypeError: there is no such setting.
        DataError: a mask is a photo, say (`dgrl.data.checking`), or `pairs` or `hold_out` are no pairs.
        TrainingError: `out` holds another run's checkpoints or no run to resume, or another process trains in it. The
            recipe does not fit the number of pictures or processes. The loss diverges, a picture can no longer be
            read, or a checkpoint cannot be written.
    """
    out = Path(out)
    check_names(TrainingConfig, changes)
    check_are_pairs(pairs, hold_out)
    lines: list[str] = []
    if resume:
        recipe, lines = recipe_to_resume(out, config, changes)
    else:
        recipe = named_recipe(config, changes)
        check_unused(out)
    tracker = tracker or ("tensorboard" if tensorboard else None)
    if resume and hold_out is None:
        pairs, hold_out = own_hold_out(out, pairs)
    elif hold_out is None or isinstance(hold_out, (int, float)):
        pairs, hold_out = hold_out_share(pairs, hold_out, recipe.seed)
    if hold_out:
        load_pysodmetrics()  # now, rather than at the first validation
    set_seed(recipe.seed)
    accelerator = make_accelerator(recipe)
    if accelerator.is_main_process:
        check_pairs([*pairs, *hold_out])
    with claimed(out) if accelerator.is_main_process else nullcontext():
        if resume and (out / RUN_FILE).is_file():
            restore_start(model, out)
            lines += changes_of_lists(out, pairs, hold_out)
        elif accelerator.is_main_process:
            write_run(out, model, recipe, pairs, hold_out, kept_out or {}, settings)
        for line in lines:
            accelerator.print(line)
        run = _Run(accelerator, model, list(pairs), list(hold_out), out, recipe)
        return run.train(resume and bool(whole_checkpoints(out)), tracker, kept_out or {})


def named_recipe(
    config: TrainingConfig | str | None, changes: Mapping[str, Any], stage: Stage = "rln"
) -> TrainingConfig:
    """Return the recipe that a call names; of a preset alone it is that of a stage."""
    if isinstance(config, TrainingConfig):
        return replace(config, **changes)
    return preset(config or "default", **{"stage": stage, **changes})


def recipe_to_resume(
    out: Path, config: TrainingConfig | str | None, changes: Mapping[str, Any]
) -> tuple[TrainingConfig, list[str]]:
    """Return the recipe that the run in `out` goes on with, and the lines to print about the requested one.

    Raises:
        TrainingError: there is no run.
    """
    if not (out / RUN_FILE).is_file() and whole_checkpoints(out):
        return named_recipe(config, changes), []  # version 2.0 did not write down what Python was asked for
    own = recipe_of(read_run(out))
    asked = named_recipe(config or own, changes, own.stage)
    if isinstance(config, str):
        asked = replace(asked, **{name: getattr(own, name) for name in FREE - changes.keys()})
    return resumed_recipe(own, asked)


def check_are_pairs(pairs: Any, hold_out: Any) -> None:
    """Raise DataError if an argument does not hold pairs, for example if it is the name of a folder."""
    for name, given in (("pairs", pairs), ("hold_out", hold_out)):
        if given is None or isinstance(given, (int, float)):
            continue
        if isinstance(given, (str, Path)) or not all(isinstance(one, Pair) for one in given):
            raise DataError(f"{name} must be what find_pairs(images, masks) returns, not {given!r:.60}")


class _Run:
    """A run in a folder that is claimed: what its parts share."""

    def __init__(
        self,
        accelerator: Accelerator,
        model: DGRL,
        pairs: list[Pair],
        hold_out: list[Pair],
        out: Path,
        config: TrainingConfig,
    ) -> None:
        self.accelerator = accelerator
        self.model = model
        self.pairs = pairs
        self.hold_out = hold_out
        self.out = out
        self.config = config
        self.start: dict[str, Tensor] = {}
        self.average: MovingAverage | None = None
        self.watching: list[Watcher] = []

    def train(self, resume: bool, tracker: str | None, kept_out: Mapping[str, Sequence[Pair]]) -> DGRL:
        """See `train`."""
        accelerator, model, config = self.accelerator, self.model, self.config
        model.to(accelerator.device)  # all of it: the BRN stage runs RLN too, outside of what Accelerate prepares
        self.start = {} if config.kept_change == 1 else weights_of(model)
        self.measured = KeptOut(model, kept_out if accelerator.is_main_process else {})
        told = f", {len(self.hold_out)} to validate by" if self.hold_out else ""
        accelerator.print(
            f"Training {config.stage} on {in_use(accelerator)} with {counted(len(self.pairs), 'picture')}{told}"
        )
        stage: Any = make_stage(model, config)
        if config.stage == "brn" and config.stored_maps:
            stage.store_maps(self.pairs, self.out / MAPS_FOLDER)
        data = stage.make_data(self.pairs)
        order = Shuffle(len(data), config.seed)
        size = piece_size(config, len(data), accelerator.num_processes)
        loader: Any = make_loader(data, order, size, config.workers, accelerator.device)
        stage = stage.to(memory_format=torch.channels_last)
        if config.compile:
            (model.brn if config.stage == "brn" else model.rln).compile()
        if config.ema:
            self.average = MovingAverage(stage, config.ema)
            accelerator.register_for_checkpointing(self.average)
        optimiser: Any = make_optimiser(stage, config)
        stage, optimiser, loader = accelerator.prepare(stage, optimiser, loader)
        progress = Progress(total=config.max_updates or config.epochs * (len(loader) // config.accumulate))
        if resume:
            peaks = [group["peak"] for group in optimiser.param_groups]
            load_checkpoint(accelerator, self.out, progress)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["peak"] = peak  # the recipe's, which may have changed
        self.watching = watchers(accelerator, self.out, progress, tracker)
        stage.train()
        with ExitStack() as closing, stop_signals() as stop, fastest(accelerator.device):
            for watcher in self.watching:
                closing.callback(watcher.close)
            reader = batches(loader, data, order, progress, size, config.accumulate)
            self.make_updates(stage, optimiser, reader, progress, size * config.accumulate, stop)
        model.eval()
        if not progress.over:
            accelerator.print(f"Stopped after update {progress.update} of {progress.total}; it can be resumed")
            return model
        self.finish(progress)
        return model

    def make_updates(
        self,
        stage: Any,
        optimiser: Any,
        reader: Iterator[list[Batch]],
        progress: Progress,
        pictures: int,
        stop: threading.Event,
    ) -> None:
        """Update after update, with what belongs between them, until the run is over or stopped."""
        every = self.config.validate_every or max(1, progress.total // VALIDATIONS)
        saved = progress.update
        begun = time.perf_counter()
        while not progress.over:
            try:
                batch = next(reader)
                numbers, stopped = update(
                    self.accelerator, stage, optimiser, batch, progress, self.config, stop.is_set(), begun, pictures
                )
            except ReadingError as error:
                # Other processes would wait for this one for ever.
                if self.accelerator.num_processes == 1 and saved < progress.update:
                    save_checkpoint(self.accelerator, self.out, progress, self.config.keep)
                raise TrainingError(f"{error}; update {progress.update} can be resumed from") from error
            except DivergenceError as error:
                left = drop_unproven(self.out, progress) if self.accelerator.is_main_process else ""
                raise TrainingError(f"{error}; {left}") from error
            begun = time.perf_counter()
            if self.average is not None:
                self.average.update()
            for watcher in self.watching:
                watcher.update(progress, numbers)
            self.note_end(progress)
            over = stopped or progress.over
            if self.hold_out and (progress.update % every == 0 or progress.over):
                over = self.validate(progress) or over
            elif self.config.pictures_every and progress.update % self.config.pictures_every == 0:
                self.look(progress, self.pairs)
            if over or progress.update % self.config.checkpoint_every == 0:
                save_checkpoint(self.accelerator, self.out, progress, self.config.keep)
                saved = progress.update
            if over:
                break

    def note_end(self, progress: Progress) -> None:
        """End the run where its time is up."""
        if self.config.minutes is not None and progress.seconds >= 60 * self.config.minutes:
            progress.ended = f"{self.config.minutes:g} minutes are over"

    def validate(self, progress: Progress) -> bool:
        """Measure the hold-out pictures with the network as it would be kept; whether the run is to end."""
        kind = judged_map(self.config.stage, self.model.config.steps)
        if self.accelerator.is_main_process:
            with as_kept(self.model, self.average, self.start, self.config.kept_change):
                scores = validate(self.model, self.hold_out)
                best = note_scores(progress, scores, kind)
                if best:
                    save_best(self.model, self.out, scores, progress)
                figure = looks(self.model, evenly_spaced(self.hold_out), refine=True)
                self.measured.say(self.model, f"update {progress.update}, ")
            for watcher in self.watching:
                watcher.validated(progress, scores.as_json(), best)
                watcher.look(progress, figure)
            self.scores = scores
            tqdm.write(f"update {progress.update}: {scores.sentence()}{', the best so far' if best else ''}")
        stale = progress.validations - progress.best_validation
        if self.config.patience is not None and stale >= self.config.patience:
            progress.ended = f"no lower hold-out error in {stale} validations"
        # The main process alone has measured.
        ended = self.accelerator.reduce(torch.tensor(float(bool(progress.ended)), device=self.accelerator.device))
        if float(ended) and not progress.ended:
            progress.ended = "the hold-out error falls no more"
        return bool(progress.ended)

    def keep_share(self, progress: Progress) -> tuple[Kept | None, Kept | None]:
        """Keep the recipe's share of the change, or the one that the hold-out pictures speak for, in all processes.

        Returns what was chosen for this network and for that in `best/`.
        """
        if self.config.kept_change is not None:
            keep_change(self.model, self.start, self.config.kept_change)
            return None, None
        kept = of_best = None
        if self.accelerator.is_main_process:
            choose = partial(
                choose_share,
                self.model,
                self.start,
                self.hold_out,
                judged_map(self.config.stage, self.model.config.steps),
                self.measured.sets.get("elsewhere", ()),
            )
            kept = choose()
            self.accelerator.print(kept.sentence())
            if self.hold_out and (self.out / BEST_FOLDER).is_dir():
                of_best = kept_of_best(self.model, self.start, self.out, progress, kept, choose)
        shares = broadcast_object_list([kept.share if kept else 0.0])
        keep_change(self.model, self.start, float(shares[0]))
        return kept, of_best

    def look(self, progress: Progress, pairs: list[Pair]) -> None:
        """Show a few pictures that are trained on."""
        if self.watching:
            with as_kept(self.model, self.average, self.start, self.config.kept_change):
                figure = looks(self.model, evenly_spaced(pairs), refine=self.config.stage != "rln")
                self.measured.say(self.model, f"update {progress.update}, ")
            for watcher in self.watching:
                watcher.look(progress, figure)

    def finish(self, progress: Progress) -> None:
        """Make the network what is kept of it, and write it with its card."""
        if self.average is not None:
            self.average.apply()
        kept = self.keep_share(progress) if self.start else (None, None)
        if progress.ended:
            self.accelerator.print(f"Ended after update {progress.update} of {progress.total}: {progress.ended}")
        if self.accelerator.is_main_process:
            self.measured.say(self.model)
            try:
                self.model.save_pretrained(self.out)
                write_card(self.out, self.config, progress, self.pairs, self.hold_out, *kept)
            except OSError as error:
                raise TrainingError(f"the network cannot be written to {self.out}: {error}") from error
        self.accelerator.wait_for_everyone()  # all processes may read the network from now on


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Set up Accelerate for one GPU, for several, or for the CPU.

    Raises:
        TrainingError: the precision cannot be had there.
    """
    AcceleratorState._reset_state()  # a second run in one process, a notebook's, may ask for another precision
    try:
        # Batches are split over the processes, so that the same recipe makes the same updates on any number of them.
        splitting = DataLoaderConfiguration(split_batches=True, non_blocking=True)
        # Without a GPU, Accelerate needs `cpu=True`; otherwise each process would train alone.
        cpu = not torch.accelerator.is_available()
        return Accelerator(mixed_precision=config.precision, cpu=cpu, dataloader_config=splitting)
    except ValueError as error:
        raise TrainingError(f"precision {config.precision} cannot be had here: {error}") from error


def in_use(accelerator: Accelerator) -> str:
    """Describe the device of a run; say so if there is a GPU that this PyTorch cannot use."""
    device = accelerator.device
    name = f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
    if device.type == "cpu" and shutil.which("nvidia-smi"):
        name += " (there seems to be a GPU, but this PyTorch cannot use it)"
    count = accelerator.num_processes
    return name if count == 1 else f"{name}, {count} processes"


def piece_size(config: TrainingConfig, pictures: int, processes: int) -> int:
    """Return the number of pictures in a loader's batch: an update's, or those of one of its pieces, for all processes.

    Raises:
        TrainingError: the pieces cannot be shared equally by the processes.
    """
    size = min(config.batch_size // config.accumulate, pictures // config.accumulate)
    if size == 0:
        if pictures == 0:
            raise TrainingError("there are no pictures to train with")
        raise TrainingError(
            f"{counted(pictures, 'picture')} for the {config.accumulate} pieces of an update: lower accumulate"
        )
    if size % processes:
        raise TrainingError(
            f"{counted(size, 'picture')} (batch_size over accumulate) cannot be shared equally by {processes} processes"
        )
    return size


def make_loader(
    data: SaliencyData, order: Sampler[int], size: int, workers: int | None, device: torch.device
) -> "DataLoader[Batch]":
    """Return a loader of batches of `size`; its processes live as long as the run and write to pinned memory."""
    count = worker_count(device) if workers is None else workers
    return DataLoader(
        data,
        size,
        sampler=order,
        collate_fn=collate,
        num_workers=count,
        persistent_workers=count > 0,
        pin_memory=device.type == "cuda",
        drop_last=True,
    )


def worker_count(device: torch.device) -> int:
    """Return the number of processes that read pictures.

    One is enough for training on a CPU. For a GPU it is the number of processors that this process may use, divided by
    the number of training processes on this machine (`python -m benchmarks data` measures it).
    """
    if device.type == "cpu":
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, processors // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


@contextmanager
def fastest(device: torch.device) -> Iterator[None]:
    """Set the fastest GPU settings during training: TF32, and convolutions chosen by benchmarking."""
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
    """Make the optimiser, SGD as in Caffe or AdamW, of the stage's parameters, grouped by learning rate."""
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
    """Yield each update's batches, in pieces of `size` pictures, from the run's position to its end."""
    updates_per_epoch = len(loader) // accumulate
    while progress.update < progress.total:
        data.epoch = order.epoch = progress.update // updates_per_epoch
        order.start = progress.update % updates_per_epoch * size * accumulate
        pieces: list[Batch] = []
        for piece in reading(loader):
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
    begun: float,
    pictures: int,
) -> tuple[Update, bool]:
    """Make one update with `pictures` pictures, whose reading began at `begun`; also return whether to stop the run.

    Raises:
        DivergenceError: the loss is not finite, or has grown out of all proportion. The weights stay as they were.
    """
    set_learning_rates(optimiser, progress, config)
    total = torch.zeros((), device=accelerator.device)
    for number, piece in enumerate(pieces, start=1):
        # Processes share their gradients once per update.
        with nullcontext() if number == len(pieces) else accelerator.no_sync(stage):
            with accelerator.autocast():
                loss = stage(piece) / len(pieces)
            total += loss.detach()
            accelerator.backward(loss)
    spent = progress.seconds + time.perf_counter() - begun
    shared: Any = accelerator.reduce(torch.stack([total, *total.new_tensor([float(stop), spent])]), "mean")
    value, stopped, spent = shared.tolist()
    check_loss(value, progress, 0.0 if config.summed else LEAST)
    norm = accelerator.clip_grad_norm_(stage.parameters(), math.inf if config.clip is None else config.clip)
    optimiser.step()
    optimiser.zero_grad()
    progress.update += 1
    progress.seconds = spent
    speed = pictures / max(time.perf_counter() - begun, 1e-9)
    rate = max(group["lr"] for group in optimiser.param_groups)
    return Update(value, rate, float(norm), speed), stopped > 0


def set_learning_rates(optimiser: Any, progress: Progress, config: TrainingConfig) -> None:
    """Set the rates: "cosine" rises linearly over the first `warm_up` updates, then falls to 0; "constant" stays."""
    factor = 1.0
    if config.schedule == "cosine":
        rising = (progress.update + 1) / max(1, int(progress.total * config.warm_up))
        done = progress.update / progress.total
        if config.minutes is not None:
            done = min(1.0, max(done, progress.seconds / (60 * config.minutes)))
            rising = max(rising, done / max(config.warm_up, 1e-9))
        falling = 0.5 * (1 + math.cos(math.pi * done))
        factor = min(rising, falling)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * factor


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Return an event that Ctrl-C, a notebook's stop button, or SIGTERM sets; a second Ctrl-C interrupts at once.

    A second SIGTERM does not: a launcher sends one to each process after the panel has sent one to all.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread receives signals
        return

    def ask(number: int, _frame: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    kept = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
