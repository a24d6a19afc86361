"""The network cut into graphs that the page runs one after the other, and that share one file of weights.

RLN is cut between time steps, so that the page can take as many as it likes, and starts an altered pass at the first
step that differs: `step0`, `step1` … with the heads of that step (the last one goes on for all later ones), and `brn`.
All altering inputs (`dgrl.export.inputs`) must be given.
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
"""Bytes; smaller constants stay in their graph."""


@dataclass(frozen=True)
class FirstStep:
    """Time step 0: its taps, conv1's output, and what feeds the next step."""

    network: DGRL

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """`images` is (B, 3, S, S)."""
        stem = self.network.rln.stem(images)
        _, features = self.network.rln.step(stem, {}, images.shape[-2:], 0)
        return {STEM: stem, **features}


@dataclass(frozen=True)
class LaterStep:
    """Time step t: its taps, and what feeds the next one."""

    network: DGRL
    t: int

    def __call__(self, stem: Tensor, *previous: Tensor) -> Mapping[str, Tensor]:
        """What `FirstStep` or the step before gave."""
        side = self.network.config.rln_size
        features = dict(zip(BLOCKS, previous, strict=True))
        # Outputs must not have the names of inputs.
        later = self.network.rln.step(stem, features, (side, side), self.t)[1]
        return {f"{block}.next": values for block, values in later.items()}


@dataclass(frozen=True)
class Refinement:
    """BRN on its square of the photo and RLN's last map."""

    network: DGRL

    def __call__(self, images: Tensor, saliency: Tensor) -> Mapping[str, Tensor]:
        """All outputs are taps."""
        self.network.refine(images, saliency)
        return {}


def cut(network: DGRL) -> dict[str, Alterations]:
    """The graphs by name, in the order in which they run."""
    picture = pictures(network)[0]
    first = Alterations(network, FirstStep(network), {RLN_IMAGE: picture[RLN_IMAGE]})
    graphs = {"step0": first}
    carried = dict(zip(first.outputs, first(*first.inputs.values(), *first.defaults.values()), strict=True))
    inputs = {name: carried[name] for name in (STEM, *BLOCKS)}
    for t in range(1, max(network.config.steps, 1) + 1):
        graphs[f"step{t}"] = Alterations(network, LaterStep(network, t), inputs)
    saliency = network.rln(picture[RLN_IMAGE], 0).saliency
    graphs["brn"] = Alterations(network, Refinement(network), {BRN_IMAGE: picture[BRN_IMAGE], SALIENCY: saliency})
    return graphs


def write_graphs(model: DGRL, folder: Path, half: bool) -> dict[str, Any]:
    """Write `NAME.onnx` for each graph and `weights.bin`; returns what the page must know of them."""
    shared = bytearray()
    places: dict[bytes, int] = {}
    known: dict[str, Any] = {}
    for name, module in cut(ready(model, fold=not half)).items():
        proto = to_onnx(module, batch=False, fold=not half)
        if half:
            proto = halved(proto)
        for tensor in proto.graph.initializer:
            share(tensor, shared, places)
        (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())
        known[name] = {
            "inputs": {key: list(value.shape) for key, value in (module.inputs | module.defaults).items()},
            "defaults": as_json(module.defaults),
            "outputs": module.outputs,
        }
    (folder / WEIGHTS).write_bytes(shared)
    off = largest_error(ready(model), folder, known)
    if not off <= (HALF_TOLERANCE if half else TOLERANCE):
        raise SystemExit(f"the graphs' maps are up to {off:.2g} from the network's; python -m web.build --exact?")
    return known


def largest_error(network: DGRL, folder: Path, known: Mapping[str, Any]) -> float:
    """How far the graphs' predictions and refined map are from the network's on a picture, as onnxruntime runs them."""
    picture = pictures(network)[0]
    with torch.inference_mode():
        steps = network.rln(picture[RLN_IMAGE], max(network.config.steps, 1)).steps
        refined = network.refine(picture[BRN_IMAGE], steps[-1].saliency).refined.numpy()

    def run(name: str, given: Mapping[str, Array]) -> dict[str, Array]:
        about = known[name]
        defaults = {
            key: np.broadcast_to(np.array(value, np.float32), about["inputs"][key])
            for key, value in about["defaults"].items()
        }
        return dict(
            zip(about["outputs"], session(str(folder / f"{name}.onnx")).run(None, {**defaults, **given}), strict=True)
        )

    errors = []
    found = run("step0", {RLN_IMAGE: picture[RLN_IMAGE].numpy()})
    carried = {name: found[name] for name in (STEM, *BLOCKS)}
    for t, step in enumerate(steps):
        if t:
            found = run(f"step{t}", carried)
            carried |= {block: found[f"{block}.next"] for block in BLOCKS}
        logits = found[logits_name(t)]
        errors.append(np.abs(1 / (1 + np.exp(logits[:, :1] - logits[:, 1:])) - step.saliency.numpy()).max())
    found = run("brn", {BRN_IMAGE: picture[BRN_IMAGE].numpy(), SALIENCY: steps[-1].saliency.numpy()})
    return float(max(*errors, np.abs(found[REFINED] - refined).max()))


def share(tensor: onnx.TensorProto, shared: bytearray, places: dict[bytes, int]) -> None:
    """Move a constant's bytes to the shared file, once for all graphs."""
    data = numpy_helper.to_array(tensor).tobytes()
    if len(data) < SHARED_FROM:
        return
    if data not in places:
        shared.extend(bytes(-len(shared) % 16))
        places[data] = len(shared)
        shared.extend(data)
    tensor.raw_data = b""
    tensor.ClearField("float_data")
    external_data_helper.set_external_data(tensor, WEIGHTS, places[data], len(data))
    tensor.ClearField("raw_data")


def config_for_page(model: DGRL) -> dict[str, Any]:
    """What the page must know of the network besides its graphs; SystemExit if the page could not run it."""
    config = model.config
    if config.sizing != "smooth":
        raise SystemExit("the page resizes photos in the library's own way, not in the published one (config.sizing)")
    return {
        "steps": config.steps,
        "context": config.context,
        "kernel_size": config.kernel_size,
        "propagations": config.propagations,
        "prior": config.prior,
        "rln_size": config.rln_size,
        "brn_size": config.brn_size,
    }


def saved(manifest: Mapping[str, Any], path: Path) -> None:
    """Write the page's manifest."""
    path.write_text(json.dumps(manifest, indent=1, allow_nan=False), encoding="utf-8")
