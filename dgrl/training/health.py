"""Detect that a run has gone wrong: a loss that diverges, pictures that can no longer be read."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dgrl.data.pairs import DataError
from dgrl.images import ImageError
from dgrl.training.checkpoints import Progress, TrainingError, whole_checkpoints

FIRST, WINDOW, TIMES = 5, 5, 20.0
"""How many of the first and of the last losses are compared, and by what factor the loss may grow."""
LEAST = 0.5
"""Smallest first loss used in the comparison if losses are means over pixels: a trained network starts near 0."""


class DivergenceError(TrainingError):
    """The loss is not finite, or has grown out of all proportion."""


class ReadingError(TrainingError):
    """A picture cannot be read, or a process that reads them has ended."""


def check_loss(value: float, progress: Progress, least: float) -> None:
    """Note the loss of the update to come.

    Args:
        value: the loss, of the weights before the update.
        progress: the run's; it keeps the first and the last few losses.
        least: see `LEAST`.

    Raises:
        DivergenceError: the loss is not finite, or has grown to `TIMES` what it was.
    """
    if not math.isfinite(value):
        raise DivergenceError(f"the loss is {value} at update {progress.update}; lower learning_rate")
    if len(progress.first) < FIRST:
        progress.first = [*progress.first, value]
    progress.recent = [*progress.recent, value][-WINDOW:]
    first_loss = max(least, progress.first[0])
    recent_mean = sum(progress.recent) / len(progress.recent)
    if recent_mean > TIMES * first_loss:
        raise DivergenceError(
            f"the loss has grown from {progress.first[0]:.3g} to {value:.3g} at update {progress.update}: training "
            "diverges; lower learning_rate (`dgrl train --find-rate` tries rates)"
        )


def drop_unproven(out: Path, progress: Progress) -> str:
    """Delete the checkpoint whose weights gave the bad loss; describe what is left."""
    checkpoints = whole_checkpoints(out)
    for checkpoint in checkpoints:
        if int(checkpoint.name) >= progress.update:
            shutil.rmtree(checkpoint)
    checkpoints = whole_checkpoints(out)
    if not checkpoints:
        return "there is no checkpoint from before"
    return f"the checkpoint of update {int(checkpoints[-1].name)} stays"


def reading(loader: Any) -> Iterator[Any]:
    """Yield the batches of a loader.

    Raises:
        ReadingError: a picture or mask cannot be read, or a worker has ended; in one sentence.
    """
    iterator = iter(loader)
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except (ImageError, DataError, OSError, RuntimeError) as error:
            raise ReadingError(_sentence(error)) from error
        yield batch


def _sentence(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if isinstance(error, RuntimeError) and "worker" in lines[0] and "Traceback" not in str(error):
        return f"a process that reads pictures has ended ({lines[0]}): fewer --workers need less memory, 0 needs none"
    # Of an error in a worker process the text is a traceback, whose last line is the error.
    last = lines[-1].strip()
    kind, separator, message = last.partition(": ")
    return message if len(lines) > 1 and separator and kind.replace(".", "").isidentifier() else last
