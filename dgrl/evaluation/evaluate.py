"""Evaluate saliency maps: a network's, at every time step and after BRN, or a folder of saved maps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dgrl.data.masks import ALPHA, read_levels
from dgrl.data.pairs import DataError, Pair, file_of_stem
from dgrl.evaluation.metrics import METRICS, Bytes, Curve, Mask
from dgrl.evaluation.tally import Nested, Refuse, Row, Sample, Tally, Worst, measure_all
from dgrl.images import ImageError, read_image, to_tensor
from dgrl.model import DGRL, Quality
from dgrl.network.rln import RLNOutput
from dgrl.words import counted

REFINED = "refined"


@dataclass
class Evaluation:
    """The result of `evaluate` or `evaluate_maps`.

    Attributes:
        pictures: number of evaluated pictures.
        stretch: whether maps were stretched to [0, 1] first.
        scores: metrics by kind of map: "t0", "t1", … for RLN's time steps, "refined" after BRN, or the folder's name.
        attention: by time step and level ("t0", "conv3"): share of a weight map's mass inside the mask, divided by the
            mask's share of the picture; mean over pictures. 1 is chance.
        curves: precision, recall and F (256,) by kind of map, at the thresholds 255 … 0.
        rows: the metrics of every map of every picture.
        worst: the pictures whose last map has the largest MAE, the worst first.
        refused: number of pictures that could not be read.
        resized: number of maps that were resized to their mask's size.
        cutouts: number of maps that were read from an alpha channel.
    """

    pictures: int
    stretch: bool
    scores: Nested
    attention: Nested = field(default_factory=dict)
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    worst: list[Worst] = field(default_factory=list)
    refused: int = 0
    resized: int = 0
    cutouts: int = 0

    @property
    def protocol(self) -> str:
        """The evaluation protocol in one line."""
        stretched = (
            "published protocol: maps stretched to [0, 1] by minimum and maximum" if self.stretch else "not stretched"
        )
        resized = f"; {self.resized} maps resized to their mask's size, bilinear" if self.resized else ""
        cutouts = f"; the alpha channels of {self.cutouts} cut-outs taken for maps" if self.cutouts else ""
        return f"{counted(self.pictures, 'picture')}; {stretched}, 8 bits{resized}{cutouts}; β² = 0.3; pysodmetrics"

    def table(self) -> str:
        """Return a Markdown table of the scores, and one of attention."""
        rows = table_rows("map", METRICS, self.scores, ".4f")
        if self.attention:
            levels = list(next(iter(self.attention.values())))
            rows += ["", *table_rows("map mass on the object, times chance", levels, self.attention, ".2f")]
        return "\n".join([*rows, "", self.protocol])

    def summary(self) -> dict[str, Any]:
        """Return everything except curves, rows and worst pictures, ready for JSON."""
        names = ("pictures", "stretch", "protocol", "refused", "resized", "cutouts", "scores", "attention")
        return {name: getattr(self, name) for name in names}


def table_rows(
    title: str, columns: Sequence[str], values: Mapping[str, Mapping[str, float]], number_format: str
) -> list[str]:
    """Return the lines of a Markdown table with a column per name in `columns` and a row per key of `values`."""
    rows = [f"| {title} | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for name, row in values.items():
        numbers = (format(row[column], number_format) for column in columns)
        rows.append(f"| {name} | {' | '.join(numbers)} |")
    return rows


def evaluate(
    model: DGRL,
    pairs: Sequence[Pair],
    steps: int | None = None,
    stretch: bool = True,
    refine: bool = True,
    refuse: Refuse | None = None,
    quality: Quality = "normal",
    **settings: Any,
) -> Evaluation:
    """Run the network over pictures with masks and measure every map it makes.

    Args:
        model: the network, on the device to use.
        pairs: pictures and masks.
        steps: T; by default `config.steps`.
        stretch: stretch each map to [0, 1] first (the published protocol).
        refine: run BRN too; without it only RLN's time steps are measured.
        refuse: called with the error of a picture that cannot be read, which is then skipped; by default it is raised.
        quality: see `DGRL.detect`; "high" averages the maps of every time step.
        settings: see `measure_all`.

    Raises:
        ImageError: a picture or mask cannot be read.
        DataError: no picture can be read.
        FloatingPointError: the network returned NaN or infinite values.
    """

    def measure(pair: Pair) -> Sample:
        truth = pair.truth()
        localised, maps = run(model, pair, steps, refine, stretch, quality)
        if maps["t0"].shape[-2:] != truth.shape:
            raise ImageError(f"{pair.mask}: the mask's size differs from that of {pair.image.name}")
        attention = {
            f"t{t}": {level: concentration(weights, truth) for level, weights in step.weight_maps.items()}
            for t, step in enumerate(localised.steps)
            if step.weight_maps
        }
        return Sample(truth, {kind: _saved(values, pair) for kind, values in maps.items()}, attention)

    return _evaluation(measure_all(measure, pairs, stretch, refuse, **settings), stretch)


def evaluate_maps(
    folder: Path, pairs: Sequence[Pair], stretch: bool = True, refuse: Refuse | None = None, **settings: Any
) -> Evaluation:
    """Measure saved maps of any method, named by their pictures' stems. The pictures themselves are not read.

    Args:
        folder: the maps, in any format. Maps of another size than their mask are resized. If the alpha channel varies,
            as in a cut-out, it is the map.
        pairs: pictures and masks.
        stretch: see `evaluate`.
        refuse: see `evaluate`.
        settings: see `measure_all`.

    Raises:
        DataError: a picture has no map, or several, or pictures share a stem.
        ImageError: a map or mask cannot be read, or holds NaN.
    """
    files = file_of_stem(folder)
    twice = [stem for stem, count in Counter(pair.stem for pair in pairs).items() if count > 1]
    if twice:
        raise DataError(f"several pictures are called {twice[0]}: measure each data set by itself")
    missing = [pair.stem for pair in pairs if pair.stem not in files]
    if missing and refuse is None:
        raise DataError(f"{folder} has no map for {len(missing)} of {len(pairs)} pictures, e.g. {missing[0]}")
    kind = folder.resolve().name

    def measure(pair: Pair) -> Sample:
        if pair.stem not in files:
            raise ImageError(f"{folder}: there is no map for {pair.stem}")
        truth = pair.truth()
        levels = read_levels(files[pair.stem], classes=False)
        saliency = Image.fromarray(levels.values)
        size = truth.shape[1], truth.shape[0]
        resized = saliency.size != size
        if resized:
            saliency = saliency.resize(size, Image.Resampling.BILINEAR)
        maps = {kind: np.asarray(saliency)}
        return Sample(truth, maps, resized=resized, cutout=levels.meaning == ALPHA)

    return _evaluation(measure_all(measure, pairs, stretch, refuse, **settings), stretch)


def _evaluation(tally: Tally, stretch: bool) -> Evaluation:
    n = tally.pictures
    if n == 0:
        raise DataError("none of the pictures can be evaluated")
    return Evaluation(
        pictures=n,
        stretch=stretch,
        scores={kind: one.results() for kind, one in tally.scores.items()},
        attention={t: {level: value / n for level, value in row.items()} for t, row in tally.attention.items()},
        curves={kind: one.curves() for kind, one in tally.scores.items()},
        rows=sorted(tally.rows, key=lambda row: row.index),
        worst=tally.worst,
        refused=tally.refused,
        resized=tally.resized,
        cutouts=tally.cutouts,
    )


@torch.inference_mode()
def run(
    model: DGRL, pair: Pair, steps: int | None, refine: bool, stretch: bool = False, quality: Quality = "normal"
) -> tuple[RLNOutput, dict[str, Tensor]]:
    """Run one picture: return RLN's output, and every map (1, 1, H, W) float32 in the picture's size, by kind."""
    photo = read_image(pair.image)
    images = to_tensor(photo)
    localised = model.localise(images, steps, quality)
    height, width = photo.shape[:2]
    sized = model.sizing.localised
    maps = {f"t{t}": sized(step.saliency, height, width, stretch) for t, step in enumerate(localised.steps)}
    if refine:
        refined = model.refine(images, localised.saliency).refined
        maps[REFINED] = model.sizing.refined(refined, height, width, stretch)
    return localised, {kind: values.float() for kind, values in maps.items()}


def _saved(values: Tensor, pair: Pair) -> Bytes:
    """Round a map (1, 1, H, W) to 8 bits (H, W), as when it is saved as a PNG."""
    if not torch.isfinite(values).all():
        raise FloatingPointError(f"{pair.image}: the network returned NaN or infinite values, because of its weights")
    saved: Bytes = (values[0, 0] * 255).round().byte().cpu().numpy()
    return saved


def concentration(weights: Tensor, mask: Mask) -> float:
    """Return the share of a weight map's mass inside the mask, divided by the mask's share of the picture.

    1 is chance, and the result for an empty mask. `weights` is (1, 1, h, w), positive; the mask is averaged over each
    cell.
    """
    height, width = weights.shape[-2:]
    inside = F.adaptive_avg_pool2d(torch.from_numpy(mask)[None, None].to(weights), (height, width))
    if not inside.any():
        return 1.0
    return float((weights * inside).sum() / weights.sum() / inside.mean())
