"""DGRL: saliency detection that shows its work. Wang et al., "Detect Globally, Refine Locally", CVPR 2018."""

from dgrl.brn import propagate
from dgrl.config import DGRLConfig
from dgrl.images import ImageError
from dgrl.model import DGRL, CheckpointError, DGRLOutput
from dgrl.taps import Edit, tap_names
from dgrl.trace import PixelTrace, Trace

__all__ = [
    "DGRL",
    "CheckpointError",
    "DGRLConfig",
    "DGRLOutput",
    "Edit",
    "ImageError",
    "PixelTrace",
    "Trace",
    "propagate",
    "tap_names",
]
__version__ = "0.1.0"
