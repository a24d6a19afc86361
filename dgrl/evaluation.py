"""How good the maps are: the field's metrics (pysodmetrics) for every time step and after BRN."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import py_sod_metrics
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dgrl import sizing
from dgrl.data import Pair
from dgrl.images import read_image, read_mask, to_tensor
from dgrl.model import DGRL
from dgrl.rln import LEVELS, RLNOutput

Map = NDArray[np.float32]
Mask = NDArray[np.uint8]

METRICS = ("MAE", "maxF", "meanF", "adaptiveF", "weightedF", "S", "E")
REFINED = "refined"


class Scores:
    """Metrics of one kind of map over a data set.

    MAE; F-measure with β² = 0.3 (maximum and mean over 256 thresholds of the mean over pictures, and adaptive);
    weighted F; S-measure; mean E-measure.
    """

    def __init__(self) -> None:
        self._mae = py_sod_metrics.MAE()
        self._f = py_sod_metrics.FmeasureV2(
            {"F": py_sod_metrics.FmeasureHandler(with_dynamic=True, with_adaptive=True, beta=0.3)}
        )
        self._weighted = py_sod_metrics.WeightedFmeasure()
        self._structure = py_sod_metrics.Smeasure()
        self._enhanced = py_sod_metrics.Emeasure()

    def add(self, saliency: Map, mask: Mask) -> None:
        """One picture: the map (H, W) in [0, 1], rounded to 8 bits as a saved map would be, and its mask of 0 and 1."""
        prediction = np.rint(saliency * 255) / 255
        truth = mask.astype(bool)
        for metric in (self._mae, self._f, self._weighted, self._structure, self._enhanced):
            metric.step(prediction.astype(np.float64), truth, normalize=False)

    def results(self) -> dict[str, float]:
        """The metrics by the names in `METRICS`."""
        f = self._f.get_results()["F"]
        values = {
            "MAE": self._mae.get_results()["mae"],
            "maxF": f["dynamic"].max(),
            "meanF": f["dynamic"].mean(),
            "adaptiveF": f["adaptive"],
            "weightedF": self._weighted.get_results()["wfm"],
            "S": self._structure.get_results()["sm"],
            "E": self._enhanced.get_results()["em"]["curve"].mean(),
        }
        return {name: float(value) for name, value in values.items()}


@dataclass
class Evaluation:
    """What `evaluate` found.

    Attributes:
        pictures: how many were evaluated.
        stretch: whether maps were stretched to [0, 1] first.
        scores: metrics by kind of map: "t0", "t1", … for RLN's time steps, "refined" after BRN.
        attention: by "t0 conv3" and so on: the share of a weight map's mass inside the mask, over the mask's share of
            the picture, mean over pictures; 1 is chance.
    """

    pictures: int
    stretch: bool
    scores: dict[str, dict[str, float]]
    attention: dict[str, float] = field(default_factory=dict)

    def table(self) -> str:
        """As a Markdown table, a row per kind of map, and one of attention."""
        rows = table_rows("map", METRICS, self.scores, ".4f")
        if self.attention:
            by_step: dict[str, dict[str, float]] = {}
            for name, value in self.attention.items():
                t, level = name.split()
                by_step.setdefault(t, {})[level] = value
            rows += ["", *table_rows("map mass on the object, times chance", LEVELS, by_step, ".2f")]
        protocol = "maps stretched to [0, 1] by minimum and maximum" if self.stretch else "maps as computed"
        return "\n".join([*rows, "", f"{self.pictures} pictures; {protocol}, 8 bits; β² = 0.3; pysodmetrics"])


def table_rows(
    title: str, columns: Sequence[str], values: Mapping[str, Mapping[str, float]], number_format: str
) -> list[str]:
    """The lines of a Markdown table: a column per name in `columns`, a row per key of `values`."""
    rows = [f"| {title} | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, row in values.items():
        numbers = (format(row[column], number_format) for column in columns)
        rows.append(f"| {name} | {' | '.join(numbers)} |")
    return rows


def evaluate(
    model: DGRL, pairs: Iterable[Pair], steps: int | None = None, stretch: bool = True, refine: bool = True
) -> Evaluation:
    """Run the network over pictures with masks and measure every map it makes.

    Args:
        model: the network, on the device that is to run it.
        pairs: pictures and masks.
        steps: T; by default the number trained.
        stretch: stretch each map to [0, 1] first (the published protocol).
        refine: run BRN too; without it only RLN's time steps are measured.

    Raises:
        ImageError: a picture or mask cannot be read.
    """
    scores: dict[str, Scores] = {}
    attention: dict[str, list[float]] = {}
    count = 0
    for pair in pairs:
        mask = read_mask(pair.mask)
        localised, maps = run(model, pair, steps, refine)
        for kind, saliency in maps.items():
            # Bicubic sizing, the published one, overshoots a little.
            unit = sizing.stretch(saliency) if stretch else saliency.clamp(0, 1)
            scores.setdefault(kind, Scores()).add(unit[0, 0].cpu().numpy(), mask)
        for t, step in enumerate(localised.steps):
            for level, weights in step.weight_maps.items():
                attention.setdefault(f"t{t} {level}", []).append(concentration(weights, mask))
        count += 1
    means = {name: float(np.mean(values)) for name, values in attention.items()}
    return Evaluation(count, stretch, {kind: score.results() for kind, score in scores.items()}, means)


@torch.inference_mode()
def run(model: DGRL, pair: Pair, steps: int | None, refine: bool) -> tuple[RLNOutput, dict[str, Tensor]]:
    """One picture: RLN's output, and every map (1, 1, H, W) float32 in the picture's size, by kind."""
    photo = read_image(pair.image)
    images = to_tensor(photo).to(model.device)
    localised = model.localise(images, steps)
    height, width = photo.shape[:2]
    maps = {f"t{t}": model.sizing.localised(step.saliency, height, width) for t, step in enumerate(localised.steps)}
    if refine:
        refined = model.refine(images, localised.saliency).refined
        maps[REFINED] = model.sizing.refined(refined, height, width)
    return localised, {kind: values.float() for kind, values in maps.items()}


def concentration(weights: Tensor, mask: Mask) -> float:
    """Share of a weight map's mass inside the mask, over the mask's share of the picture; 1 is chance.

    `weights` is (1, 1, h, w), positive; the mask is averaged over each of its cells. 1 for an empty mask.
    """
    height, width = weights.shape[-2:]
    inside = F.adaptive_avg_pool2d(torch.from_numpy(mask)[None, None].to(weights), (height, width))
    if not inside.any():
        return 1.0
    return float((weights * inside).sum() / weights.sum() / inside.mean())
