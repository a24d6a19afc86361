"""Training checkpoints: everything that a resumed run needs, whole or not there at all."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors import SafetensorError

from dgrl.locking import FileLock

PROGRESS_FILE = "progress.json"
LOCK_FILE = ".lock"
_claimed: set[Path] = set()


class TrainingError(RuntimeError):
    """Training cannot start, go on or be resumed; the message says why."""


@dataclass
class Progress:
    """The progress of a run, and the numbers that later decisions depend on.

    Attributes:
        total: updates of the whole run.
        update: updates made.
        seconds: time spent, over all its parts.
        ended: why the run is over before `total`; empty while it is not.
        validations: how many there were.
        best: the lowest hold-out error; `best_update` and `best_validation` say when.
        first: losses of the first updates.
        recent: losses of the last ones.
    """

    total: int
    update: int = 0
    seconds: float = 0.0
    ended: str = ""
    validations: int = 0
    best: float | None = None
    best_update: int = 0
    best_validation: int = 0
    first: list[float] = field(default_factory=list)
    recent: list[float] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether all updates have been made."""
        return self.update >= self.total or bool(self.ended)


def save_checkpoint(accelerator: Accelerator, out: Path, progress: Progress, keep: int) -> None:
    """Write weights, optimiser, random states and position. Atomic: a folder of that name is whole or not there.

    Raises:
        TrainingError: it cannot be written (a full disk, say). The checkpoints before it stay.
    """
    final = out / "checkpoints" / f"{progress.update:08d}"
    partial = final.with_suffix(".partial")
    try:
        if accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        accelerator.wait_for_everyone()  # each process has written its random states
        if accelerator.is_main_process:
            (partial / PROGRESS_FILE).write_text(json.dumps(asdict(progress)))
            partial.rename(final)
            for old in whole_checkpoints(out)[:-keep]:
                shutil.rmtree(old)
        accelerator.wait_for_everyone()  # a process that went ahead and resumed would not find the checkpoint yet
    except (OSError, SafetensorError, RuntimeError) as error:  # the last is what `torch.save` raises on a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(f"the checkpoint {final} cannot be written: {error}") from error


def load_checkpoint(accelerator: Accelerator, out: Path, progress: Progress) -> None:
    """Go back to the newest whole checkpoint in `out`; without one, start at the beginning.

    Raises:
        TrainingError: the checkpoint is of another network or run, or not all processes see it.
    """
    checkpoints = whole_checkpoints(out)
    newest = torch.tensor([int(checkpoints[-1].name) if checkpoints else -1], device=accelerator.device)
    if not (accelerator.gather(newest) == newest).all():
        raise TrainingError(f"the processes see different checkpoints: {out} must be a folder that all machines share")
    if not checkpoints:
        return
    try:
        accelerator.load_state(str(checkpoints[-1]))
        saved = json.loads((checkpoints[-1] / PROGRESS_FILE).read_text())
        progress.update = saved["update"]
        for name in asdict(progress).keys() & saved.keys() - {"total", "update"}:
            setattr(progress, name, saved[name])
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise TrainingError(f"the checkpoint {checkpoints[-1]} cannot be resumed: {error}") from error


@contextmanager
def replacing_folder(final: Path) -> Iterator[Path]:
    """Yield a path for a folder that replaces `final` at the end: `final` is whole, or not there."""
    partial = final.with_name(f"{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def whole_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints in `out`, oldest first, without `.partial` ones, which a killed process left behind."""
    return sorted((out / "checkpoints").glob("[0-9]*[0-9]"))


def check_unused(out: Path) -> None:
    """Raise TrainingError if `out` holds the checkpoints of another run, which a new run would mix with its own."""
    if whole_checkpoints(out):
        raise TrainingError(f"{out} holds checkpoints of an earlier run: resume that, or choose another folder")


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Make the folder `out` and hold it, so that no other process trains in it; claims of one process may be nested.

    Raises:
        TrainingError: another process holds it.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = out.resolve()
    if folder in _claimed:
        yield
        return
    try:
        lock = FileLock(folder / LOCK_FILE)
    except BlockingIOError as error:
        raise TrainingError(f"another process is training in {out}: wait for it, or choose another folder") from error
    except OSError:  # a file system without locks: better to train than not
        yield
        return
    _claimed.add(folder)
    try:
        yield
    finally:
        _claimed.remove(folder)
        lock.release()
