"""Choose the precision of a network's layers, once, when the network is placed on a device.

Half precision in the backbone, in CWM or in the classifier visibly moves the edges of RLN's maps (bf16: by up to 0.8).
In side outputs, feedback and BRN it does not (bf16: by 0.005), so only those layers can use it. In training such noise
averages out, and Accelerate's autocast applies to all layers.
"""

import copy
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from dgrl.running.device import DeviceError
from dgrl.taps import BLOCKS, LEVELS

if TYPE_CHECKING:
    from dgrl.model import DGRL

Precision = Literal["fp32", "bf16", "fp16"]

VISIBLE = 0.02
"""Largest change of saliency that half precision may cause: about 5 of 255 grey levels."""
PROBE_SIDE = 128
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class InPrecision(nn.Module):
    """A layer that computes in another precision than the layers around it.

    Attributes:
        exact: the original layer.
    """

    def __init__(self, exact: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.exact = exact
        self.lowered = copy.deepcopy(exact).to(dtype)
        self.dtype = dtype

    def forward(self, features: Tensor) -> Tensor:
        """Run the layer in its precision; return the result in the precision of `features`."""
        lowered: Tensor = self.lowered(features.to(self.dtype))
        return lowered.to(features.dtype)


def set_precision(model: "DGRL", precision: Precision) -> None:
    """Set the precision of the layers that tolerate half precision; "fp32" restores the original layers."""
    layers = [f"rln.heads.{number}.side.{level}" for number in range(len(model.rln.heads)) for level in LEVELS]
    layers += [f"rln.recurrent_step.feedback.{block}" for block in BLOCKS]
    for name in (*layers, "brn.layers"):
        layer = model.get_submodule(name)
        exact = layer.exact if isinstance(layer, InPrecision) else layer
        model.set_submodule(name, exact if precision == "fp32" else InPrecision(exact, _DTYPES[precision]))


def choose_precision(name: str, device: torch.device) -> Precision:
    """Return the precision called `name`: "fp32", "bf16", "fp16" or "auto".

    "auto" is bf16 where the hardware supports it, else fp32.

    Raises:
        DeviceError: there is no such precision.
    """
    if name == "auto":
        return "bf16" if _computes_in_bf16(device) else "fp32"
    if name in _DTYPES:
        return name  # type: ignore[return-value]
    raise DeviceError(f"precision {name!r} is unknown; choose from {', '.join(_DTYPES)}, auto")


def settle_precision(model: "DGRL", name: str) -> tuple[Precision, float]:
    """Set a network's precision by `name`; return it and the largest difference from the maps in float32.

    The difference is measured on a small synthetic image, at every time step and after BRN. With "auto", a network
    whose maps change by more than `VISIBLE` runs in float32.

    Raises:
        DeviceError: there is no such precision.
    """
    precision = choose_precision(name, model.device)
    difference = _difference(model, precision) if precision != "fp32" else 0.0
    if name == "auto" and difference > VISIBLE:
        precision, difference = "fp32", 0.0
    set_precision(model, precision)
    return precision, difference


@torch.inference_mode()
def _difference(model: "DGRL", precision: Precision) -> float:
    """Return the largest difference between maps in `precision` and in float32, of a bright disc on a gradient."""
    across = torch.linspace(-1, 1, PROBE_SIDE, device=model.device)
    disc = (across[:, None] ** 2 + across**2 < 0.3).float()
    shades = torch.tensor([0.3, 0.4, 0.6], device=model.device).view(1, 3, 1, 1)
    probe = (shades + 0.1 * across + 0.4 * disc).clamp(0, 1)  # (1, 3, 128, 128)
    maps = []
    kinds: tuple[Precision, ...] = ("fp32", precision)
    for kind in kinds:
        set_precision(model, kind)
        localised = model.rln(probe)
        steps = [step.saliency for step in localised.steps]
        maps.append(torch.cat([*steps, model.brn(probe, steps[-1]).refined]))
    return float((maps[0] - maps[1]).abs().max())


def in_use(device: torch.device, precision: Precision, difference: float = 0.0) -> str:
    """Describe device and precision in words, for example "cpu, bf16 (maps within 0.005 of fp32's)"."""
    gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    visible = ", a visible change" if difference > VISIBLE else ""
    change = f" (maps within {difference:.3f} of fp32's{visible})" if difference else ""
    return f"{device}{gpu}, {precision}{change}"


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # Not all PyTorch versions from 2.8 on have a public function for this. oneDNN emulates bf16, slowly, on CPUs with
    # neither AVX512-BF16 nor AMX.
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)
