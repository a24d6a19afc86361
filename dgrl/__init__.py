"""DGRL: saliency detection that shows its work. Wang et al., "Detect Globally, Refine Locally", CVPR 2018."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgrl.checkpoint import CheckpointError
    from dgrl.data.pairs import find_pairs
    from dgrl.evaluation.evaluate import evaluate
    from dgrl.images import ImageError
    from dgrl.model import DGRL, DGRLOutput
    from dgrl.network.brn import propagate
    from dgrl.network.config import DGRLConfig
    from dgrl.taps import Edit, tap_names
    from dgrl.trace import PixelTrace, Trace
    from dgrl.training.config import TrainingConfig
    from dgrl.training.loop import train

__all__ = [
    "DGRL",
    "CheckpointError",
    "DGRLConfig",
    "DGRLOutput",
    "Edit",
    "ImageError",
    "PixelTrace",
    "Trace",
    "TrainingConfig",
    "evaluate",
    "find_pairs",
    "propagate",
    "tap_names",
    "train",
]
__version__ = "3.0.0"

_HOMES = {
    "DGRL": "model",
    "CheckpointError": "checkpoint",
    "DGRLConfig": "network.config",
    "DGRLOutput": "model",
    "Edit": "taps",
    "ImageError": "images",
    "PixelTrace": "trace",
    "Trace": "trace",
    "TrainingConfig": "training.config",
    "evaluate": "evaluation.evaluate",
    "find_pairs": "data.pairs",
    "propagate": "network.brn",
    "tap_names": "taps",
    "train": "training.loop",
}


def __getattr__(name: str) -> object:
    """Import a name on its first use: `dgrl --help` answers at once, without PyTorch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dgrl' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dgrl.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
