"""Choose the device. Programs call this; model code never chooses a device."""

from typing import TYPE_CHECKING

import torch

from dgrl.running.folding import folded
from dgrl.running.inference import InferenceCopy

if TYPE_CHECKING:
    from dgrl.model import DGRL


class DeviceError(ValueError):
    """A device or precision is not available; the message says which, and what is available."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest one available.

    Raises:
        DeviceError: this machine or this PyTorch build does not have it.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise DeviceError(f"device {name!r} is not available here; choose from {', '.join(available)}, auto")
    return torch.device(name)


def rewrite_for_inference(model: "DGRL", device: torch.device) -> None:
    """Rewrite the network for inference in place and move it to `device`; it cannot be saved afterwards.

    Convolutions become channels-last, and batch-norms after them are folded in. On a GPU convolutions then use float32:
    PyTorch's default, TF32, has 10 bits of precision, which moves the edges of maps.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    # Fold before moving: the CUDA device may only be emulated (ZeroGPU, `dgrl.app.zero_gpu`).
    model.rln.backbone = folded(model.rln.backbone)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]  # PyTorch 2.11's types
    model.to(device)
    model.inference = InferenceCopy(rewritten=True)
