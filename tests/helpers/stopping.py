"""A run that is stopped after some updates, as by Ctrl-C or a job scheduler."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from dgrl.training.checkpoints import Progress
from dgrl.training.watching import Files, Update


@contextmanager
def stopped_after(updates: int) -> Iterator[None]:
    """End runs within this context after so many updates (at least 2), with a checkpoint to resume from."""
    write = Files.update

    def stop(files: Files, progress: Progress, numbers: Update) -> None:
        write(files, progress, numbers)
        if progress.update == updates - 1:  # the update in hand is finished
            signal.raise_signal(signal.SIGTERM)

    with patch.object(Files, "update", stop):
        yield
