"""Where a network runs, and in which precision. Programs choose; model code never does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

Precision = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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


def choose_precision(name: str, device: torch.device) -> Precision:
    """The precision called `name`: "fp32", "bf16", "fp16", or "auto".

    "auto" is bf16 where the hardware computes in it, else fp32.

    Raises:
        DeviceError: there is no such precision.
    """
    if name == "auto":
        return "bf16" if _computes_in_bf16(device) else "fp32"
    if name in _DTYPES:
        return name  # type: ignore[return-value]
    raise DeviceError(f"precision {name!r} is unknown; there is {', '.join(_DTYPES)} (or auto)")


def place(model: nn.Module, device: torch.device) -> None:
    """Move the network to `device`, its convolutions in the memory layout that devices are fastest with."""
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


@contextmanager
def inference(device: torch.device, precision: Precision) -> Iterator[None]:
    """Within this context networks compute without gradients, and BRN's convolutions in `precision` (autocast).

    RLN stays in float32 (`DGRL.localise`), so that maps differ from float32's by less than can be seen.
    """
    with torch.inference_mode(), torch.autocast(device.type, _DTYPES[precision], enabled=precision != "fp32"):
        yield


def in_use(device: torch.device, precision: Precision) -> str:
    """What is in use, for people: "cpu, bf16"."""
    gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return f"{device}{gpu}, {precision}"


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # PyTorch has no public question for this in all of its versions from 2.8 on; oneDNN emulates bf16, slowly, on CPUs
    # that have neither AVX512-BF16 nor AMX.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
