"""Where a network runs. Programs choose; model code never does."""

from typing import TYPE_CHECKING

import torch

from dgrl.running.folding import folded
from dgrl.running.inference import InferenceCopy

if TYPE_CHECKING:
    from dgrl.model import DGRL


class DeviceError(ValueError):
    """A device or precision cannot be had; the message says which and what can."""


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name`: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest one there is.

    Raises:
        DeviceError: this machine, or this PyTorch, does not have it.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise DeviceError(f"device {name!r} is not available here; there is {', '.join(available)} (or auto)")
    return torch.device(name)


def rewrite_for_inference(model: "DGRL", device: torch.device) -> None:
    """Make the network ready for inference where it is, then move it to `device`; it cannot be saved afterwards.

    Its convolutions get the memory layout that devices are fastest with, and take in the batch-norms after them. A GPU
    computes them in float32 from then on: PyTorch's own choice is TF32, whose 10 bits move the edges of maps.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    # Computing comes first: a CUDA device may be one that ZeroGPU only emulates (`dgrl.app.zero_gpu`).
    model.rln.backbone = folded(model.rln.backbone)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # PyTorch 2.11's types
    model.to(device)
    model.inference = InferenceCopy(rewritten=True)
