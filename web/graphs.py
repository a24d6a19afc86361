"""Export the network as graphs that the page runs one after the other, with one shared file of weights.

RLN is cut between time steps, so that the page can run any number of steps, and can start a changed pass at the first
step that differs. The graphs are `step0`, `step1` … with each step's heads (the last graph serves all later steps), and
`brn`. All inputs for edits (`dgrl.export.inputs`) must be given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import external_data_helper, numpy_helper
from torch import Tensor

from dgrl.export.graph import Alterations, halved, session, to_onnx
from dgrl.export.inputs import as_json
from dgrl.export.write import BRN_IMAGE, HALF_TOLERANCE, RLN_IMAGE, TOLERANCE, pictures, ready
from dgrl.model import DGRL
from dgrl.taps import BLOCKS, REFINED, logits_name
from dgrl.trace import Array

WEIGHTS = "weights.bin"
STEM, SALIENCY = "stem", "saliency"
SHARED_FROM = 1024
"""Smallest size in bytes of constants that all graphs share; smaller ones stay in their graph."""


@dataclass(frozen=True)
class FirstStep:
    """Time step 0: its taps, conv1's output, and the inputs of the next step."""

    network: DGRL

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Run the step on `images` (B, 3, S, S)."""
        stem = self.network.rln.stem(images)
        _, features = self.network.rln.step(stem, {}, images.shape[-2:], 0)
        return {STEM: stem, **features}


@dataclass(frozen=True)
class LaterStep:
    """Time step t: its taps, and the inputs of the next step."""

    network: DGRL
    t: int

    def __call__(self, stem: Tensor, *previous: Tensor) -> Mapping[str, Tensor]:
        """Run the step on conv1's output and the previous step's outputs."""
        side = self.network.config.rln_size
        features = dict(zip(BLOCKS, previous, strict=True))
        # Outputs must not have the same names as inputs.
        later = self.network.rln.step(stem, features, (side, side), self.t)[1]
        return {f"{block}.next": values for block, values in later.items()}


@dataclass(frozen=True)
class Refinement:
    """BRN on its square of the photo and RLN's last map."""

    network: DGRL

    def __call__(self, images: Tensor, saliency: Tensor) -> Mapping[str, Tensor]:
        """Run BRN and return its taps."""
        self.network.refine(images, saliency)
        return {}


def make_graphs(network: DGRL) -> dict[str, Alterations]:
    """Return the graphs by name, in the order in which they run."""
    picture = pictures(network)[0]
    first = Alterations(network, FirstStep(network), {RLN_IMAGE: picture[RLN_IMAGE]})
    graphs = {"step0": first}
    tensors = dict(zip(first.outputs, first(*first.inputs.values(), *first.defaults.values()), strict=True))
    inputs = {name: tensors[name] for name in (STEM, *BLOCKS)}
    for t in range(1, max(network.config.steps, 1) + 1):
        graphs[f"step{t}"] = Alterations(network, LaterStep(network, t), inputs)
    saliency = network.rln(picture[RLN_IMAGE], 0).saliency
    graphs["brn"] = Alterations(network, Refinement(network), {BRN_IMAGE: picture[BRN_IMAGE], SALIENCY: saliency})
    return graphs


def write_graphs(model: DGRL, folder: Path, half: bool) -> dict[str, Any]:
    """Write `NAME.onnx` for each graph and `weights.bin`; return their description for the page."""
    shared = bytearray()
    offsets: dict[bytes, int] = {}
    manifest: dict[str, Any] = {}
    for name, module in make_graphs(ready(model, fold=not half)).items():
        proto = to_onnx(module, batch=False)
        if half:
            proto = halved(proto)
        for tensor in proto.graph.initializer:
            share(tensor, shared, offsets)
        (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())
        manifest[name] = {
            "inputs": {key: list(value.shape) for key, value in (module.inputs | module.defaults).items()},
            "defaults": as_json(module.defaults),
            "outputs": module.outputs,
        }
    (folder / WEIGHTS).write_bytes(shared)
    error = largest_error(ready(model), folder, manifest)
    if not error <= (HALF_TOLERANCE if half else TOLERANCE):
        raise SystemExit(f"the graphs' maps are up to {error:.2g} from the network's; python -m web.build --exact?")
    return manifest


def largest_error(network: DGRL, folder: Path, manifest: Mapping[str, Any]) -> float:
    """Return the largest difference of the graphs' predictions and refined map from the network's, in onnxruntime."""
    picture = pictures(network)[0]
    with torch.inference_mode():
        steps = network.rln(picture[RLN_IMAGE], max(network.config.steps, 1)).steps
        refined = network.refine(picture[BRN_IMAGE], steps[-1].saliency).refined.numpy()

    def run(name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        description = manifest[name]
        defaults = {
            key: np.broadcast_to(np.array(value, np.float32), description["inputs"][key])
            for key, value in description["defaults"].items()
        }
        values = session(str(folder / f"{name}.onnx")).run(None, {**defaults, **inputs})
        return dict(zip(description["outputs"], values, strict=True))

    errors = []
    outputs = run("step0", {RLN_IMAGE: picture[RLN_IMAGE].numpy()})
    step_inputs = {name: outputs[name] for name in (STEM, *BLOCKS)}
    for t, step in enumerate(steps):
        if t:
            outputs = run(f"step{t}", step_inputs)
            step_inputs |= {block: outputs[f"{block}.next"] for block in BLOCKS}
        logits = outputs[logits_name(t)]
        errors.append(np.abs(1 / (1 + np.exp(logits[:, :1] - logits[:, 1:])) - step.saliency.numpy()).max())
    outputs = run("brn", {BRN_IMAGE: picture[BRN_IMAGE].numpy(), SALIENCY: steps[-1].saliency.numpy()})
    return float(max(*errors, np.abs(outputs[REFINED] - refined).max()))


def share(tensor: onnx.TensorProto, shared: bytearray, offsets: dict[bytes, int]) -> None:
    """Move a constant's bytes to the shared file, once for all graphs."""
    data = numpy_helper.to_array(tensor).tobytes()
    if len(data) < SHARED_FROM:
        return
    if data not in offsets:
        shared.extend(bytes(-len(shared) % 16))
        offsets[data] = len(shared)
        shared.extend(data)
    tensor.raw_data = b""
    tensor.ClearField("float_data")
    external_data_helper.set_external_data(tensor, WEIGHTS, offsets[data], len(data))
    tensor.ClearField("raw_data")


def config_for_page(model: DGRL) -> dict[str, Any]:
    """Return the network's configuration for the page; SystemExit if the page cannot run it."""
    config = model.config
    if config.sizing != "smooth":
        raise SystemExit("the page can only resize photos as the library does, not as published (config.sizing)")
    return {
        "steps": config.steps,
        "context": config.context,
        "kernel_size": config.kernel_size,
        "propagations": config.propagations,
        "prior": config.prior,
        "rln_size": config.rln_size,
        "brn_size": config.brn_size,
    }


def write_manifest(manifest: Mapping[str, Any], path: Path) -> None:
    """Write the page's manifest."""
    path.write_text(json.dumps(manifest, indent=1, allow_nan=False), encoding="utf-8")
