"""Training checkpoints: everything that a resumed run needs, whole or not there at all."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from accelerate import Accelerator
from safetensors import SafetensorError

PROGRESS_FILE = "progress.json"


class TrainingError(RuntimeError):
    """Training cannot start, go on or be resumed; the message says why."""


@dataclass
class Progress:
    """How far a run is, in updates."""

    total: int
    update: int = 0


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
    except (OSError, SafetensorError, RuntimeError) as error:  # the last is what `torch.save` raises on a full disk
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(f"the checkpoint {final} cannot be written: {error}") from error


def load_checkpoint(accelerator: Accelerator, out: Path, progress: Progress) -> None:
    """Go back to the newest whole checkpoint in `out`; without one, start at the beginning.

    Raises:
        TrainingError: the checkpoint is of another network or run.
    """
    checkpoints = whole_checkpoints(out)
    if not checkpoints:
        return
    try:
        accelerator.load_state(str(checkpoints[-1]))
        progress.update = json.loads((checkpoints[-1] / PROGRESS_FILE).read_text())["update"]
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise TrainingError(f"the checkpoint {checkpoints[-1]} cannot be resumed: {error}") from error


def whole_checkpoints(out: Path) -> list[Path]:
    """The checkpoints in `out`, oldest first; a `.partial` one, which a kill left behind, is none."""
    return sorted((out / "checkpoints").glob("[0-9]*[0-9]"))


def check_unused(out: Path) -> None:
    """TrainingError if `out` holds the checkpoints of a run, which a new one would mix with its own."""
    if whole_checkpoints(out):
        raise TrainingError(f"{out} holds checkpoints of an earlier run: resume that, or choose another folder")
