"""The learning-rate range test: a few updates at rising rates, and the learning rate that they suggest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.utils import set_seed
from matplotlib.figure import Figure

from dgrl import figures
from dgrl.data.pairs import Pair
from dgrl.evaluation.tables import as_csv
from dgrl.files import replacing
from dgrl.model import DGRL
from dgrl.running.progress import bar
from dgrl.training.checkpoints import TrainingError
from dgrl.training.config import TrainingConfig
from dgrl.training.kept_out import weights_of
from dgrl.training.loop import Shuffle, fastest, make_accelerator, make_loader, make_optimiser, piece_size
from dgrl.training.stages import make_stage

UPDATES = 60
LOWEST, HIGHEST = 1e-4, 1e2
"""Times the recipe's rates."""
SMOOTHING = 0.8
STOP_AT = 4.0
"""The test ends where the smoothed loss is so many times its lowest."""


@dataclass(frozen=True)
class RateTest:
    """The result of `find_rate`.

    Attributes:
        rates: the learning rate of each update.
        losses: the loss before it.
        smoothed: their moving average.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]

    @property
    def suggested(self) -> float:
        """The rate at which the smoothed loss falls most steeply per factor; Smith, WACV 2017."""
        slopes = np.gradient(np.array(self.smoothed), np.log(np.array(self.rates)))
        return self.rates[int(slopes[: int(np.argmin(self.smoothed)) + 1].argmin())]

    def sentence(self) -> str:
        """Describe the result in a sentence."""
        lowest = self.rates[int(np.argmin(self.smoothed))]
        return f"the loss falls fastest at learning_rate {self.suggested:.2g} and is lowest at {lowest:.2g}"

    def figure(self) -> Figure:
        """Plot the loss by learning rate."""
        figure = Figure(figsize=(6, 3), layout="constrained")
        ax = figure.subplots()
        ax.plot(self.rates, self.losses, linewidth=0.6, alpha=0.5, label="loss")
        ax.plot(self.rates, self.smoothed, linewidth=2, label="moving average")
        ax.axvline(self.suggested, linestyle=":", color="0.3", label=f"suggested: {self.suggested:.2g}")
        ax.set(xscale="log", xlabel="learning rate of new layers", ylabel="loss", title="Learning-rate range test")
        ax.legend()
        return figure


def find_rate(model: DGRL, pairs: Sequence[Pair], config: TrainingConfig, updates: int = UPDATES) -> RateTest:
    """Train for a few updates at rates that rise exponentially; the network is afterwards as it was.

    Args:
        model: the network.
        pairs: pictures and masks.
        config: the recipe; all its rates are multiplied alike.
        updates: how many updates.

    Raises:
        TrainingError: the recipe does not fit the number of pictures, or the first loss is not finite.
    """
    set_seed(config.seed)
    accelerator = make_accelerator(config)
    model.to(accelerator.device)
    before = weights_of(model)
    stage: Any = make_stage(model, config)
    data = stage.make_data(pairs)
    order = Shuffle(len(data), config.seed)
    size = piece_size(config, len(data), accelerator.num_processes)
    loader: Any = make_loader(data, order, size, config.workers, accelerator.device)
    optimiser: Any = make_optimiser(stage, config)
    stage, optimiser, loader = accelerator.prepare(stage, optimiser, loader)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    stage.train()
    with fastest(accelerator.device), bar(total=updates, unit="update") as progress:
        while len(rates) < updates:
            for batch in loader:
                factor = LOWEST * (HIGHEST / LOWEST) ** (len(rates) / max(1, updates - 1))
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * factor
                with accelerator.autocast():
                    loss = stage(batch)
                value = float(accelerator.reduce(loss.detach(), "mean"))
                if not math.isfinite(value):
                    break
                mean = SMOOTHING * mean + (1 - SMOOTHING) * value
                rates.append(config.learning_rate * factor)
                losses.append(value)
                smoothed.append(mean / (1 - SMOOTHING ** len(rates)))
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(stage.parameters(), math.inf if config.clip is None else config.clip)
                optimiser.step()
                optimiser.zero_grad()
                progress.update()
                if len(rates) == updates or smoothed[-1] > STOP_AT * min(smoothed):
                    break
            data.epoch = order.epoch = data.epoch + 1
            if not rates or not math.isfinite(value) or smoothed[-1] > STOP_AT * min(smoothed):
                break
    model.load_state_dict(before)
    model.eval()
    if len(rates) < 3:
        raise TrainingError("the loss is not finite even at the lowest rates: nothing can be said about them")
    return RateTest(rates, losses, smoothed)


def save_rates(test: RateTest, out: Path) -> None:
    """Write `rates.csv` and `rates.png` to a folder."""
    rows = [list(row) for row in zip(test.rates, test.losses, test.smoothed, strict=True)]
    with replacing(out / "rates.csv") as partial:
        partial.write_text(as_csv(["learning_rate", "loss", "smoothed"], rows), encoding="utf-8")
    with replacing(out / "rates.png") as partial:
        partial.write_bytes(figures.png(test.figure(), dpi=110))
