"""The field's metrics of saliency maps (pysodmetrics): of one map, and means over a data set."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dgrl.extras import load_pysodmetrics

Map = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Curve = NDArray[np.float64]

METRICS = ("MAE", "maxF", "meanF", "adaptiveF", "weightedF", "S", "E", "boundaryF")
CURVES = ("precision", "recall", "F")
THRESHOLDS = 256
BETA = 0.3  # β² of the F-measure
BAND = 3  # pixels on either side of the true contour


@dataclass
class Measured:
    """Metrics of one map against its mask, or their sums over maps.

    Attributes:
        count: number of maps.
        mae, adaptive, weighted, structure: MAE, adaptive F-measure, weighted F-measure and S-measure.
        precision, recall, f, enhanced: precision, recall, F-measure and E-measure (256,), by thresholds 255 … 0.
        contours: number of masks that have a contour.
        boundary: F-measure in a band of `BAND` pixels around the contour, mean over thresholds.
    """

    count: int
    mae: float
    adaptive: float
    weighted: float
    structure: float
    precision: Curve
    recall: Curve
    f: Curve
    enhanced: Curve
    contours: int
    boundary: float

    def results(self) -> dict[str, float]:
        """Return means over the maps, by the names in `METRICS`; boundaryF is over the masks with a contour."""
        f, n = self.f / self.count, self.count
        values = {
            "MAE": self.mae / n,
            "maxF": f.max(),
            "meanF": f.mean(),
            "adaptiveF": self.adaptive / n,
            "weightedF": self.weighted / n,
            "S": self.structure / n,
            "E": self.enhanced.mean() / n,
            "boundaryF": self.boundary / max(self.contours, 1),
        }
        return {name: float(value) for name, value in values.items()}

    def curves(self) -> dict[str, Curve]:
        """Return the mean `CURVES` (256,) over the maps, by thresholds 255 … 0."""
        return {"precision": self.precision / self.count, "recall": self.recall / self.count, "F": self.f / self.count}

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(**{name: value + getattr(other, name) for name, value in vars(self).items()})


def measure(saliency: Bytes, mask: Mask, stretch: bool = True) -> Measured:
    """Compute the metrics of one map.

    Args:
        saliency: (H, W) uint8, the map as a saved PNG has it.
        mask: (H, W) of 0 and 1.
        stretch: stretch the map to [0, 1] by its minimum and maximum first, as pysodmetrics and the authors do; a flat
            map stays as it is.
    """
    py_sod_metrics = load_pysodmetrics()
    truth = mask.astype(bool)
    prediction = unit(saliency, stretch)
    f = py_sod_metrics.FmeasureV2(
        {
            "F": py_sod_metrics.FmeasureHandler(with_dynamic=True, with_adaptive=True, beta=BETA),
            "precision": py_sod_metrics.PrecisionHandler(with_dynamic=True, with_adaptive=False),
            "recall": py_sod_metrics.RecallHandler(with_dynamic=True, with_adaptive=False),
        }
    )
    error, weighted = py_sod_metrics.MAE(), py_sod_metrics.WeightedFmeasure()
    structure, enhanced = py_sod_metrics.Smeasure(), py_sod_metrics.Emeasure()
    for metric in (f, error, weighted, structure, enhanced):
        metric.step(prediction, truth, normalize=False)
    of_f = f.get_results()
    band = contour_band(mask)
    return Measured(
        count=1,
        mae=error.get_results()["mae"],
        adaptive=of_f["F"]["adaptive"],
        weighted=weighted.get_results()["wfm"],
        structure=structure.get_results()["sm"],
        precision=of_f["precision"]["dynamic"],
        recall=of_f["recall"]["dynamic"],
        f=of_f["F"]["dynamic"],
        enhanced=enhanced.get_results()["em"]["curve"],
        contours=int(band.any()),
        boundary=mean_f(prediction[band], truth[band]) if band.any() else 0.0,
    )


def unit(saliency: Bytes, stretch: bool) -> Curve:
    """Convert a saved map (H, W) to float64 in [0, 1], optionally stretched by its minimum and maximum."""
    values: Curve = saliency / 255
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if stretch and high > low else values


def mean_f(prediction: Curve, truth: NDArray[np.bool_]) -> float:
    """Return the F-measure of pixels (N,), mean over 256 thresholds."""
    py_sod_metrics = load_pysodmetrics()
    f = py_sod_metrics.FmeasureV2({"F": py_sod_metrics.FmeasureHandler(with_dynamic=True, with_adaptive=False)})
    f.step(prediction, truth, normalize=False)
    return float(f.get_results()["F"]["dynamic"].mean())


def contour_band(mask: Mask, width: int = BAND) -> NDArray[np.bool_]:
    """Return the pixels within `width` pixels of the mask's contour, diagonals counting as one."""
    found: NDArray[np.bool_] = near_contour(torch.from_numpy(mask)[None, None].float(), width)[0, 0].numpy()
    return found


def near_contour(masks: Tensor, width: int) -> Tensor:
    """Compute `contour_band` of masks (B, 1, H, W) of 0 and 1; the result is bool, of the same shape."""
    brightest, darkest = (sign * F.max_pool2d(sign * masks, 2 * width + 1, 1, width) for sign in (1, -1))
    return brightest != darkest


def as_bytes(saliency: Map) -> Bytes:
    """Round a map in [0, 1] to 8 bits, as in a PNG."""
    return np.rint(saliency * 255).astype(np.uint8)


class Scores:
    """Metrics of one kind of map over a data set.

    MAE; F-measure with β² = 0.3 (maximum and mean over 256 thresholds of the mean over pictures, and adaptive);
    weighted F; S-measure; mean E-measure; mean F-measure near the true contour.
    """

    def __init__(self) -> None:
        self.sum: Measured | None = None

    def add(self, saliency: Map, mask: Mask) -> None:
        """Add one picture: its map (H, W) in [0, 1], which is rounded to 8 bits, and its mask of 0 and 1."""
        self.include(measure(as_bytes(saliency), mask, stretch=False))

    def include(self, measured: Measured) -> None:
        """Add what was measured elsewhere."""
        self.sum = measured if self.sum is None else self.sum + measured

    def results(self) -> dict[str, float]:
        """Return the metrics by the names in `METRICS`; raise ValueError if nothing was added."""
        if self.sum is None:
            raise ValueError("nothing was measured")
        return self.sum.results()
