"""Watching a training run: on a terminal, in its folder, in TensorBoard, live in a notebook."""

import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from matplotlib.figure import Figure
from PIL import Image

from dgrl import figures
from dgrl.data.pairs import Pair
from dgrl.evaluation.evaluate import run
from dgrl.figures.training import loss_curve, rows_of_pictures, seen
from dgrl.images import RGB, read_image
from dgrl.model import DGRL
from dgrl.running.progress import bar
from dgrl.training.checkpoints import Progress, TrainingError
from dgrl.words import speed

LOG_FILE = "log.jsonl"
LOOKED_AT = 3
NOTEBOOK_INTERVAL = EARLY_INTERVAL = 2.0
EARLY_SECONDS = 60


@dataclass(frozen=True)
class Update:
    """Numbers of one update.

    Attributes:
        loss: its batch's, before the update.
        learning_rate: the largest of all parameters.
        gradient_norm: before it is clipped.
        pictures_per_second: over all processes.
    """

    loss: float
    learning_rate: float
    gradient_norm: float
    pictures_per_second: float


class Watcher:
    """Receives the events of a run."""

    def update(self, progress: Progress, numbers: Update) -> None:
        """Receive the numbers of an update."""

    def validated(self, progress: Progress, scores: dict[str, Any], best: bool) -> None:
        """Receive the hold-out scores (`Scores.as_json`), and whether they are the best so far."""

    def look(self, progress: Progress, figure: Figure) -> None:
        """Receive the figure of the fixed pictures with the network's present maps."""

    def close(self) -> None:
        """Note that the run has ended, for any reason."""


class Files(Watcher):
    """`log.jsonl`, a line per update, and `pictures/`, a PNG per look.

    Args:
        out: the run's folder.
        progress: where the run begins; lines beyond it, which a killed run wrote after its last checkpoint, go.
    """

    def __init__(self, out: Path, progress: Progress) -> None:
        self._pictures = out / "pictures"
        path = out / LOG_FILE
        kept = [line for line in whole_lines(path) if json.loads(line)["update"] <= progress.update]
        path.write_text("".join(kept), encoding="utf-8")
        self._log = path.open("a", encoding="utf-8")

    def update(self, progress: Progress, numbers: Update) -> None:
        """See `Watcher`."""
        self._write(
            {
                "update": progress.update,
                "loss": round(numbers.loss, 5),
                "learning_rate": float(f"{numbers.learning_rate:.4g}"),
                "gradient_norm": float(f"{numbers.gradient_norm:.4g}"),
                "pictures_per_second": round(numbers.pictures_per_second, 2),
            }
        )

    def validated(self, progress: Progress, scores: dict[str, Any], best: bool) -> None:
        """See `Watcher`."""
        self._write({"update": progress.update, "validation": scores, "best": best})

    def _write(self, line: dict[str, Any]) -> None:
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()

    def look(self, progress: Progress, figure: Figure) -> None:
        """See `Watcher`."""
        self._pictures.mkdir(exist_ok=True)
        (self._pictures / f"{progress.update:08d}.png").write_bytes(figures.png(figure, dpi=100))

    def close(self) -> None:
        """See `Watcher`."""
        self._log.close()


class Bar(Watcher):
    """A progress bar with loss, speed and time left; on a terminal a bar, elsewhere a line now and then.

    Elsewhere is a line every two seconds in the first minute, and in a notebook, and every half minute later on.
    """

    def __init__(self, progress: Progress) -> None:
        self._bar = bar(total=progress.total, initial=progress.update, unit="update", miniters=1)
        self._later = self._bar.mininterval
        self._begun = time.monotonic()
        self._bar.mininterval = min(EARLY_INTERVAL, self._later)

    def update(self, progress: Progress, numbers: Update) -> None:
        """See `Watcher`."""
        self._bar.set_postfix_str(f"loss {numbers.loss:.3f}, {speed(numbers.pictures_per_second)}", refresh=False)
        if not in_notebook() and time.monotonic() - self._begun > EARLY_SECONDS:
            self._bar.mininterval = self._later
        self._bar.update(progress.update - self._bar.n)

    def close(self) -> None:
        """See `Watcher`."""
        self._bar.close()


class TensorBoard(Watcher):
    """Loss, speed and pictures as TensorBoard reads them, in the folder `tensorboard` of the run.

    Raises:
        TrainingError: the package `tensorboard` is not installed.
    """

    def __init__(self, out: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError("TensorBoard is not installed: pip install 'dgrl[train]'") from error
        self._writer = SummaryWriter(str(out / "tensorboard"))

    def update(self, progress: Progress, numbers: Update) -> None:
        """See `Watcher`."""
        for name, value in asdict(numbers).items():
            self._writer.add_scalar(name.replace("_", " "), value, progress.update)

    def validated(self, progress: Progress, scores: dict[str, Any], best: bool) -> None:  # noqa: ARG002
        """See `Watcher`."""
        for name, value in flat(scores).items():
            self._writer.add_scalar(f"validation/{name}", value, progress.update)

    def look(self, progress: Progress, figure: Figure) -> None:
        """See `Watcher`."""
        picture = np.asarray(Image.open(io.BytesIO(figures.png(figure, dpi=100))).convert("RGB"))
        self._writer.add_image("pictures", picture, progress.update, dataformats="HWC")

    def close(self) -> None:
        """See `Watcher`."""
        self._writer.close()


class Trackio(Watcher):
    """Everything in Trackio, on this machine: a project of the folder's parent, a run of the folder's name.

    Raises:
        TrainingError: the package `trackio` is not installed.
    """

    def __init__(self, out: Path) -> None:
        try:
            import trackio
        except ImportError as error:
            raise TrainingError("Trackio is not installed: pip install 'dgrl[tracking]'") from error
        folder = out.resolve()
        self._trackio = trackio
        trackio.init(project=folder.parent.name or "dgrl", name=folder.name, resume="allow")

    def update(self, progress: Progress, numbers: Update) -> None:
        """See `Watcher`."""
        self._trackio.log(asdict(numbers), step=progress.update)

    def validated(self, progress: Progress, scores: dict[str, Any], best: bool) -> None:  # noqa: ARG002
        """See `Watcher`."""
        self._trackio.log({f"validation/{name}": value for name, value in flat(scores).items()}, step=progress.update)

    def close(self) -> None:
        """See `Watcher`."""
        self._trackio.finish()  # type: ignore[no-untyped-call]


def flat(scores: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of `Scores.as_json` under names such as "MAE/t0"."""
    groups = {group: values for group, values in scores.items() if isinstance(values, dict)}
    return {f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()}


TRACKERS: dict[str, type[TensorBoard] | type[Trackio]] = {"tensorboard": TensorBoard, "trackio": Trackio}


class Notebook(Watcher):
    """A live curve of the loss and the latest pictures, in the output of the cell that trains."""

    def __init__(self, out: Path, progress: Progress) -> None:
        from IPython.display import display

        lines = [json.loads(line) for line in whole_lines(out / LOG_FILE)]
        kept = [line for line in lines if line["update"] <= progress.update and "loss" in line]
        self._losses = [(line["update"], line["loss"]) for line in kept]
        self._drawn = 0.0
        self._curve = display(self._draw(), display_id=True)  # type: ignore[no-untyped-call]
        self._pictures: Any = None

    def update(self, progress: Progress, numbers: Update) -> None:
        """See `Watcher`; the curve is drawn again every two seconds at most."""
        self._losses.append((progress.update, numbers.loss))
        if time.monotonic() - self._drawn > NOTEBOOK_INTERVAL:
            self._curve.update(self._draw())

    def look(self, progress: Progress, figure: Figure) -> None:
        """See `Watcher`."""
        from IPython.display import display

        from dgrl.figures.notebook import described

        picture = described(figure, f"The fixed pictures after {progress.update} updates")
        if self._pictures is None:
            self._pictures = display(picture, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._pictures.update(picture)

    def close(self) -> None:
        """See `Watcher`: the last state of the curve stays in the notebook."""
        self._curve.update(self._draw())

    def _draw(self) -> Any:
        self._drawn = time.monotonic()
        from dgrl.figures.notebook import described

        return described(loss_curve(self._losses), "The loss, update by update")


def watchers(accelerator: Accelerator, out: Path, progress: Progress, tracker: str | None) -> list[Watcher]:
    """Return the watchers for the place where the run was started; none except in the main process.

    Raises:
        TrainingError: there is no such tracker, or its package is not installed.
    """
    if tracker not in (None, *TRACKERS):
        raise TrainingError(f"tracker {tracker!r} is unknown; there is {' and '.join(TRACKERS)}")
    if not accelerator.is_main_process:
        return []
    tracked: list[Watcher] = [TRACKERS[tracker](out)] if tracker else []
    found: list[Watcher] = [Notebook(out, progress)] if in_notebook() else []
    return [*found, Files(out, progress), Bar(progress), *tracked]


def in_notebook() -> bool:
    """Say whether this process is the kernel of a notebook, which can show pictures."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def evenly_spaced(pairs: list[Pair], count: int = LOOKED_AT) -> list[Pair]:
    """Return a few evenly spaced pairs, the same ones every time."""
    return pairs[:: max(1, len(pairs) // count)][:count]


@contextmanager
def evaluating(model: DGRL) -> Iterator[None]:
    """Set the network to evaluation mode within this context, and restore its mode afterwards."""
    training = model.training, model.rln.training, model.brn.training
    model.eval()
    try:
        yield
    finally:
        for module, mode in zip((model, model.rln, model.brn), training, strict=True):
            module.train(mode)


@torch.inference_mode()
def looks(model: DGRL, pairs: list[Pair], refine: bool) -> Figure:
    """Return a row per picture: the photo, its mask, each time step's map, the refined one, and all weight maps.

    The network is left in the mode it was in.
    """
    with evaluating(model):
        return rows_of_pictures([_look(model, pair, refine) for pair in pairs])


def _look(model: DGRL, pair: Pair, refine: bool) -> dict[str, RGB]:
    localised, found = run(model, pair, None, refine)
    shown = {"mask": pair.truth().astype(np.float32)} | {kind: found[kind][0, 0].cpu().numpy() for kind in found}
    weights = {
        f"{level}, t{t}": maps[0, 0].float().cpu().numpy()
        for t, step in enumerate(localised.steps)
        for level, maps in step.weight_maps.items()
    }
    return seen(read_image(pair.image), shown, weights)


def whole_lines(path: Path) -> list[str]:
    """Return the complete lines of a text file, since a killed process may leave half of one; None without a file."""
    if not path.is_file():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
