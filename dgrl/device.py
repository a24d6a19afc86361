"""Where a network runs, and in which precision. Programs choose; model code never does."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch

from dgrl.folding import folded

if TYPE_CHECKING:
    from dgrl.model import DGRL

Precision = Literal["fp32", "bf16", "fp16"]

VISIBLE = 0.02
"""By how much, in saliency, half precision may move a map: about 5 of 255 grey levels."""
PROBE_SIDE = 128

_MALLOC_SETTINGS = {-3: 2**30, -1: 2**31 - 1, -8: 1}
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h, in bytes, and M_ARENA_MAX: other arenas cannot grow beyond 64 MB,
so that threads with one of their own would fetch each large piece anew."""
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


def place(model: "DGRL", device: torch.device) -> None:
    """Move the network to `device` and make it ready for inference there; it cannot be saved afterwards.

    Its convolutions get the memory layout that devices are fastest with, and take in the batch-norms after them. On a
    CPU the whole process keeps freed memory from then on (`keep_freed_memory`).
    """
    if device.type == "cpu":
        keep_freed_memory()
    model.to(device=device)
    model.rln.backbone = folded(model.rln.backbone)
    model.to(memory_format=torch.channels_last)


def keep_freed_memory() -> None:
    """Let the C library keep what tensors free for the next ones (glibc; elsewhere nothing changes).

    By default it returns large pieces to the kernel, and a CPU then spends up to a third of its time on fetching them
    anew, page by page. The process goes on holding the most that it has needed, and its threads share it, until
    `return_freed_memory`.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        for setting, value in _MALLOC_SETTINGS.items():
            mallopt(setting, value)


def return_freed_memory() -> None:
    """Give the kernel once what `keep_freed_memory` holds for later, gaps between what is in use included."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(function: str) -> Callable[..., int] | None:
    """A function of the C library; None where it has none of that name."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None


def settle_precision(model: "DGRL", name: str) -> tuple[Precision, float]:
    """The precision called `name` for a network on its device, and how far its maps are from float32's there.

    That is measured on a small probe, at every time step and after BRN. With "auto", a network that half precision
    moves by more than `VISIBLE` runs in float32.

    Raises:
        DeviceError: there is no such precision.
    """
    precision = choose_precision(name, model.device)
    difference = _difference(model, precision) if precision != "fp32" else 0.0
    if name == "auto" and difference > VISIBLE:
        return "fp32", 0.0
    return precision, difference


def _difference(model: "DGRL", precision: Precision) -> float:
    """The largest difference between the maps of a bright disc on a slope, in `precision` and in float32."""
    across = torch.linspace(-1, 1, PROBE_SIDE, device=model.device)
    disc = (across[:, None] ** 2 + across**2 < 0.3).float()
    shades = torch.tensor([0.3, 0.4, 0.6], device=model.device).view(1, 3, 1, 1)
    probe = (shades + 0.1 * across + 0.4 * disc).clamp(0, 1)  # (1, 3, 128, 128)
    maps = []
    kinds: tuple[Precision, ...] = ("fp32", precision)
    for kind in kinds:
        with inference(model.device, kind):
            localised = model.rln(probe)
            steps = [step.saliency for step in localised.steps]
            maps.append(torch.cat([*steps, model.brn(probe, steps[-1]).refined]))
    return float((maps[0] - maps[1]).abs().max())


@contextmanager
def inference(device: torch.device, precision: Precision) -> Iterator[None]:
    """Within this context networks compute without gradients, and convolutions that bear it in `precision` (autocast).

    Those are BRN's, and RLN's side outputs and feedback (`dgrl.rln.exactly`).
    """
    with torch.inference_mode(), torch.autocast(device.type, _DTYPES[precision], enabled=precision != "fp32"):
        yield


def in_use(device: torch.device, precision: Precision, difference: float = 0.0) -> str:
    """What is in use, and what the precision changes, for people: "cpu, bf16 (maps within 0.005 of fp32's)"."""
    gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    visible = ", a visible change" if difference > VISIBLE else ""
    change = f" (maps within {difference:.3f} of fp32's{visible})" if difference else ""
    return f"{device}{gpu}, {precision}{change}"


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # PyTorch has no public question for this in all of its versions from 2.8 on; oneDNN emulates bf16, slowly, on CPUs
    # that have neither AVX512-BF16 nor AMX.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
