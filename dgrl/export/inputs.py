"""Edits as inputs of an ONNX graph: extra inputs change the values at the taps.

| inputs of a tap | replacement of the tap's value m | default |
|---|---|---|
| `….weight_map.factor`, `….weight_map.given`, both (1, 1, h, w) | factor · m, with a mean of 1 again, + given | 1, 0 |
| `….feedback.scale` (1) | scale · m | 1 |
| `brn.prior.own` (1), `brn.prior.given` (1, 1, H, W) | own · m + given | 1, 0 |
| `brn.coefficients.mix` (3) | mix₀ · m + mix₁ · the mean kernel + mix₂ · the kernel of 1 at the centre | 1, 0, 0 |
| `brn.refined.share` (1) | share · m + (1 − share) · the value of `brn.prior` | 1 |

The defaults change nothing. To paint a map, set its factor; to replace it, set the factor to 0 and give a new map. The
defaults are in the file's metadata (`defaults`), not initialisers of the same names: onnxruntime warns of those, and
onnxruntime-web rejects them.
"""

import fnmatch
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dgrl.prompts import BoxPrompt, MaskPrompt
from dgrl.taps import COEFFICIENTS, PRIOR, REFINED, Edit, GivenMap, Identity, Mean, Paint, Passed, Recorded, Scale

SMALLEST = 1e-12
"""Smallest divisor: a weight map with factor 0 has mean 0."""
Inputs = dict[str, NDArray[np.float32]]
DEFAULTS = "dgrl.defaults"
"""The entry of the file's metadata that holds the defaults, as JSON."""


class Alterable:
    """A listener that changes the values at the taps by its inputs, and records them.

    Args:
        inputs: values by the names in the table above; a missing one has its default.
        edits: whether to change values; if not, they are only recorded.

    Attributes:
        defaults: the default of each input of the recorded taps.
        values: the changed value of each tap, by the tap's name.
    """

    def __init__(self, inputs: Mapping[str, Tensor] | None = None, edits: bool = True) -> None:
        self.inputs = inputs or {}
        self.edits = edits
        self.defaults: dict[str, Tensor] = {}
        self.values: dict[str, Tensor] = {}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """Return the replacement of `value` at tap `name`."""
        self.values[name] = value = self._altered(name, value) if self.edits else value
        return value

    def _altered(self, name: str, value: Tensor) -> Tensor:
        if name.endswith(".weight_map"):
            weights = value * self._input(name, "factor", torch.ones_like(value[:1]))
            mean = weights.mean((-2, -1), keepdim=True).clamp(min=SMALLEST)
            return weights / mean + self._input(name, "given", torch.zeros_like(value[:1]))
        if name.endswith(".feedback"):
            return value * self._input(name, "scale", value.new_ones(1))
        if name == PRIOR:
            own, given = value.new_ones(1), torch.zeros_like(value[:1])
            return value * self._input(name, "own", own) + self._input(name, "given", given)
        if name == COEFFICIENTS:
            own, mean, identity = self._input(name, "mix", value.new_tensor([1.0, 0.0, 0.0]))
            kernel = torch.zeros_like(value[:1, :, :1, :1])
            kernel[:, value.shape[1] // 2] = 1
            return own * value + mean * value.mean((-2, -1), keepdim=True) + identity * kernel
        if name == REFINED:
            share = self._input(name, "share", value.new_ones(1))
            return share * value + (1 - share) * self.values[PRIOR]
        return value

    def _input(self, tap: str, part: str, default: Tensor) -> Tensor:
        name = f"{tap}.{part}"
        self.defaults[name] = default
        return self.inputs.get(name, default)


def defaults(session: Any) -> Inputs:
    """Return the value of each edit's input that changes nothing, by name, for an onnxruntime session of a file."""
    values = json.loads(session.get_modelmeta().custom_metadata_map[DEFAULTS])
    shapes = {value.name: value.shape for value in session.get_inputs()}
    return {name: np.broadcast_to(np.float32(value), shapes[name]) for name, value in values.items()}


def as_json(values: Mapping[str, Tensor]) -> dict[str, float | list[float]]:
    """Return defaults as JSON has them: one number where all are alike, else the list."""
    return {
        name: float(value.flatten()[0]) if bool((value == value.flatten()[0]).all()) else value.flatten().tolist()
        for name, value in values.items()
    }


def as_inputs(edits: Sequence[Edit], defaults: Mapping[str, NDArray[np.float32]]) -> Inputs:
    """Convert edits of `dgrl.taps` to values of inputs; inputs that keep their default are omitted.

    Args:
        edits: `flatten_map`, `paint_map`, `scale_feedback`, `identity_kernels`, `mean_kernels`, `before_refinement`,
            prompts (`dgrl.prompts`), and `give_map`, `patch`, a number or an array in place of a weight map or of the
            prior.
        defaults: the default of each input by its name, from the file.

    Raises:
        ValueError: these inputs cannot express an edit, or this pass lacks its tap.
    """
    taps = {name.rpartition(".")[0] for name in defaults}
    inputs: Inputs = {}
    for edit in edits:
        names = fnmatch.filter(sorted(taps), edit.tap)
        if not names:
            raise ValueError(f"no tap named {edit.tap!r} can be changed here; choose from {', '.join(sorted(taps))}")
        for name in names:
            parts = {key: value for key, value in {**defaults, **inputs}.items() if key.startswith(f"{name}.")}
            inputs |= _changed(name, parts, edit)
    return inputs


def _changed(tap: str, parts: Inputs, edit: Edit) -> Inputs:
    """Return the inputs of one tap after an edit; `parts` are those before it."""

    def of(**values: object) -> Inputs:
        shaped = {f"{tap}.{part}": (parts[f"{tap}.{part}"].shape, value) for part, value in values.items()}
        return {key: np.broadcast_to(np.asarray(value, np.float32), shape) for key, (shape, value) in shaped.items()}

    change = edit.change
    if tap.endswith(".weight_map") and isinstance(change, Paint):
        factor, given_map = parts[f"{tap}.factor"], parts[f"{tap}.given"]
        painting = change.factor(factor.shape[-2], factor.shape[-1]).numpy()
        if not given_map.any():
            return of(factor=factor * painting)
        return of(given=given_map * painting / (given_map * painting).mean())
    if tap.endswith(".weight_map") and isinstance(change, BoxPrompt | MaskPrompt):
        height, width = parts[f"{tap}.given"].shape[-2:]
        return of(factor=0, given=change.weights(height, width).numpy())
    if tap.endswith(".feedback") and isinstance(change, Scale):
        return of(scale=parts[f"{tap}.scale"] * change.factor)
    if tap == COEFFICIENTS and isinstance(change, Mean | Identity):
        return of(mix=[0, 1, 0] if isinstance(change, Mean) else [0, 0, 1])
    if tap == REFINED and change == Passed(PRIOR):
        return of(share=0)
    if isinstance(change, GivenMap | Recorded) and f"{tap}.given" in parts:
        change = change(torch.from_numpy(parts[f"{tap}.given"])).numpy()
    if not callable(change) and not isinstance(change, Passed):
        if tap.endswith(".weight_map"):
            return of(factor=0, given=change)
        if tap == PRIOR:
            return of(own=0, given=change)
    raise ValueError(f"{edit} cannot be expressed by inputs of an ONNX file")
