"""Choose the precision of BRN's convolutions, once, when the network is placed on a device.

RLN computes in float32: half precision in it visibly moves the edges of its maps (bf16: by up to 0.8) and gains nothing
on a CPU. In BRN's convolutions bf16 changes the refined map by at most 0.03 and takes a third to a half of the time. In
training such noise averages out, and Accelerate's autocast applies to all layers.
"""

from typing import TYPE_CHECKING, Literal, get_args

import torch

from dgrl.running.device import DeviceError

if TYPE_CHECKING:
    from dgrl.model import DGRL

Precision = Literal["fp32", "bf16", "fp16"]

_HALVES: dict[Precision, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(name: str) -> Precision:
    """Return the precision called `name`: "fp32", "bf16", "fp16" or "auto".

    "auto" is fp32, so that command, app and library give the same numbers on every machine.

    Raises:
        DeviceError: there is no such precision.
    """
    if name == "auto":
        return "fp32"
    if name in get_args(Precision):
        return name  # type: ignore[return-value]
    raise DeviceError(f"precision {name!r} is unknown; choose from {', '.join(get_args(Precision))}, auto")


def set_precision(model: "DGRL", name: str) -> Precision:
    """Set the precision of BRN's convolutions by `name` and return it (see `choose_precision`).

    Raises:
        DeviceError: there is no such precision.
    """
    precision = choose_precision(name)
    model.brn.precision = _HALVES.get(precision)
    return precision


def in_use(device: torch.device, precision: Precision) -> str:
    """Describe device and precision in words, for example "cpu, bf16"."""
    gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return f"{device}{gpu}, {precision}"
