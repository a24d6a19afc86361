"""Convert the authors' weights from two `.caffemodel` files to a checkpoint folder."""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from dgrl.caffe.format import Blob, CaffeError, read_layers
from dgrl.checkpoint import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from dgrl.files import digest
from dgrl.model import DGRL
from dgrl.network.caffe_resnet import UNITS
from dgrl.network.config import DGRLConfig

__all__ = ["CaffeError", "brn_layers", "import_caffe", "read_brn", "read_rln", "rln_layers"]

# Caffe layer → names of our tensors, one for each of the layer's blobs in order.
Layers = dict[str, tuple[str, ...]]

# Caffe has no loops. The file contains the network three times, once per time step, with these suffixes.
COPIES = ("", "-net2", "-net3")
# Batch-norm's third blob: divisor of mean and variance (a divisor of 0 makes them 0).
FACTOR = "factor"
# Fixed layers of BRN. `propagate` has them built in, so the import only checks them.
FIXED: dict[str, tuple[NDArray[np.float32], ...]] = {
    "data_transpose": (np.eye(25, dtype=np.float32).reshape(25, 1, 5, 5),),
    "conv3-prod_sal_sum": (np.ones((1, 25, 1, 1), np.float32), np.zeros(1, np.float32)),
    "conv3-prod_back_sum": (np.ones((1, 25, 1, 1), np.float32), np.zeros(1, np.float32)),
}


def import_caffe(rln: str | Path, brn: str | Path, out: str | Path) -> DGRL:
    """Write a checkpoint folder from the authors' two models, in the configuration `DGRLConfig.published()`.

    Args:
        rln: the model of stage one (the authors' README calls it GLN).
        brn: the model of stage two.
        out: the folder; files of the same names in it are replaced.

    Returns:
        The network, loaded from that folder.

    Raises:
        CaffeError: a file cannot be read, or a layer is missing, left over, misshapen, not finite, or differs between
            copies.
        OSError: the folder cannot be written.

    After an error the folder is unchanged.
    """
    rln, brn, out = Path(rln), Path(brn), Path(out)
    with torch.device("meta"):  # names and shapes; the numbers come from the files
        model = DGRL(DGRLConfig.published())
    tensors = read_rln(rln, model) | read_brn(brn, model)
    model.load_state_dict(tensors, strict=True, assign=True)
    _write(model, _card(rln, brn), out)
    del tensors, model
    return DGRL.from_pretrained(out)


def read_rln(path: Path, model: DGRL) -> dict[str, Tensor]:
    """Read RLN's tensors by their names in `model`; see `import_caffe` for errors."""
    tensors = _read(path, rln_layers(), _shapes(model))
    # Caffe's pictures are BGR and ours RGB, so the channels of the first layers are reversed.
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensors[f"rln.backbone.conv1.data_norm.{name}"] = tensors[f"rln.backbone.conv1.data_norm.{name}"].flip(0)
    tensors["rln.backbone.conv1.conv.weight"] = tensors["rln.backbone.conv1.conv.weight"].flip(1)
    # PyTorch's batch-norm has a counter of batches, which frozen statistics do not use.
    counters = {name for name in model.state_dict() if name.startswith("rln.") and name.endswith("num_batches_tracked")}
    return tensors | {name: torch.tensor(0) for name in counters}


def read_brn(path: Path, model: DGRL) -> dict[str, Tensor]:
    """Read BRN's tensors by their names in `model`; see `import_caffe` for errors."""
    shapes = {f"{layer}.{i}": value.shape for layer, values in FIXED.items() for i, value in enumerate(values)}
    tensors = _read(path, brn_layers(), _shapes(model) | shapes)
    for layer, values in FIXED.items():
        for i, value in enumerate(values):
            if not np.array_equal(tensors.pop(f"{layer}.{i}"), value):
                raise CaffeError(f"{path}: layer {layer} is not the fixed one of the published BRN")
    tensors["brn.layers.0.weight"] = tensors["brn.layers.0.weight"][:, [2, 1, 0, 3]]
    return tensors


def rln_layers() -> Layers:
    """Return every layer of the published RLN with parameters: backbone and head three times, feedback twice."""
    layers: Layers = {}
    for t, copy in enumerate(COPIES):
        for name, tensors in (_backbone_layers() | _head_layers(t)).items():
            layers[name + copy] = tensors
        if t > 0:
            # Feedback into step t is named after step t − 1.
            sources = ("layer_128_1_bn1-c", "layer_256_1_bn1-c", "layer_512_1_bn1-c", "layer_512_3_sum-c")
            for k, source in enumerate(sources, start=2):
                layers[source + COPIES[t - 1]] = (f"rln.recurrent_step.feedback.conv{k}.weight",)
    return layers


def brn_layers() -> Layers:
    """Return every layer of the published BRN with parameters; `FIXED` layers keep their own names."""
    names = ("conv1_1", "conv1_2", "conv1_3", "conv2_1", "conv2_2", "conv2_3", "conv3")
    layers: Layers = {name: (f"brn.layers.{2 * i}.weight", f"brn.layers.{2 * i}.bias") for i, name in enumerate(names)}
    return layers | {layer: tuple(f"{layer}.{i}" for i in range(len(values))) for layer, values in FIXED.items()}


def _backbone_layers() -> Layers:
    conv1 = "rln.backbone.conv1"
    layers = _norm("data_bn", "data_scale", f"{conv1}.data_norm")
    layers["conv1"] = (f"{conv1}.conv.weight", f"{conv1}.conv.bias")
    layers |= _norm("conv1_bn", "conv1_scale", f"{conv1}.norm")
    for k, (width, units) in enumerate(zip((64, 128, 256, 512), UNITS, strict=True), start=2):
        for u in range(1, units + 1):
            caffe_name, own_name = f"layer_{width}_{u}", f"rln.backbone.conv{k}.unit{u}"
            # The first unit's batch-norm belongs to the block before.
            norms = (2, 3) if u == 1 else (1, 2, 3)
            for i in norms:
                layers |= _norm(f"{caffe_name}_bn{i}", f"{caffe_name}_scale{i}", f"{own_name}.norm{i}")
            for i in (1, 2, 3):
                layers[f"{caffe_name}_conv{i}"] = (f"{own_name}.conv{i}.weight",)
            if u == 1:
                layers[f"{caffe_name}_conv_expand"] = (f"{own_name}.expand.weight",)
        last = (
            ("last_bn", "last_scale") if width == 512 else (f"layer_{2 * width}_1_bn1", f"layer_{2 * width}_1_scale1")
        )
        layers |= _norm(*last, f"rln.backbone.conv{k}.norm")
    return layers


def _norm(batch_norm: str, scale: str, own_name: str) -> Layers:
    """Return a batch-norm's two Caffe layers; its scale and bias are in a Scale layer."""
    statistics = (f"{own_name}.running_mean", f"{own_name}.running_var", FACTOR)
    return {batch_norm: statistics, scale: (f"{own_name}.weight", f"{own_name}.bias")}


def _head_layers(t: int) -> Layers:
    head = f"rln.heads.{t}"
    layers: Layers = {}
    for level, ending in (("conv5", ""), ("conv4", "-c4"), ("conv3", "-c3")):
        layers[f"conv6{ending}"] = (f"{head}.side.{level}.weight",)
        context = f"{head}.context.{level}"
        for i in range(3):
            layers[f"spa.att_Conv_{i + 1}{ending}"] = (f"{context}.filters.{i}.weight",)
            layers[f"spa.att_Conv_{i + 1}-norm{ending}"] = (f"{context}.norms.{i}.scale",)
        layers[f"spa.att_all-norm_mask{ending}"] = (f"{context}.mask.weight",)
    layers["conv7"] = (f"{head}.fuse.weight", f"{head}.fuse.bias")
    layers["conv7-2"] = (f"{head}.classify.weight", f"{head}.classify.bias")
    return layers


def _shapes(model: DGRL) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


@dataclass
class _Contents:
    """The tensors read so far by our names, the Caffe layer of each, all layers of the file, and errors."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    layers: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def _read(path: Path, layers: Layers, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Read every tensor that `layers` names; raise CaffeError if the file's layers or shapes differ."""
    contents = _Contents()
    for name, blobs in read_layers(path):
        if name not in layers:
            contents.faults.append(f"layer {name} is left over")
        elif name in contents.layers:
            contents.faults.append(f"layer {name} occurs twice")
        elif len(blobs) != len(layers[name]):
            contents.faults.append(f"layer {name} has {len(blobs)} parameters instead of {len(layers[name])}")
        else:
            _take(contents, name, blobs, layers[name], shapes)
        contents.layers.add(name)
    contents.faults += [f"layer {name} is missing" for name in layers if name not in contents.layers]
    if contents.faults:
        remainder = f"; and {len(contents.faults) - 5} more" if len(contents.faults) > 5 else ""
        raise CaffeError(f"{path} does not fit the published network: {'; '.join(contents.faults[:5])}{remainder}")
    return contents.tensors


def _take(
    contents: _Contents, name: str, blobs: list[Blob], targets: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Check one layer's blobs and keep them, unless another copy of the layer has been kept."""
    for blob, target in zip(blobs, targets, strict=True):
        own_shape = (1,) if target == FACTOR else tuple(shapes[target])
        # Our shapes may have trailing ones to broadcast: (32, 1, 1). Older blobs have leading ones: (1, 1, 1, 32).
        expected = own_shape if len(own_shape) == 4 else (own_shape[0],)
        if blob.shape[: -len(expected)] + expected != blob.shape or max(blob.shape[: -len(expected)], default=1) != 1:
            contents.faults.append(f"layer {name} holds a parameter of shape {blob.shape} instead of {expected}")
            return
    factor = np.float32(1)
    if FACTOR in targets:
        divisor = blobs[targets.index(FACTOR)].values[0]
        factor = np.float32(0) if divisor == 0 else np.float32(1) / divisor
    for blob, target in zip(blobs, targets, strict=True):
        if target == FACTOR:
            continue
        values = torch.from_numpy(blob.values * factor).view(tuple(shapes[target]))
        if not torch.isfinite(values).all():
            contents.faults.append(f"layer {name} holds NaN or infinite numbers")
        elif target not in contents.tensors:
            contents.tensors[target], contents.origins[target] = values, name
        elif not torch.equal(values, contents.tensors[target]):
            contents.faults.append(f"layers {contents.origins[target]} and {name} share their parameters but differ")


def _write(model: DGRL, card: str, out: Path) -> None:
    """Write the checkpoint folder so that a partly written one never loads."""
    partial = out / ".import-caffe.partial"
    shutil.rmtree(partial, ignore_errors=True)  # left by an import that was killed
    try:
        partial.mkdir(parents=True)
        model.save_pretrained(partial)
        (partial / CARD_FILE).write_text(card, encoding="utf-8")
        (out / CONFIG_FILE).unlink(missing_ok=True)  # a folder without it is not a checkpoint
        for name in (WEIGHTS_FILE, CARD_FILE, CONFIG_FILE):
            (partial / name).replace(out / name)
    except SafetensorError as error:
        raise OSError(f"{out}: it cannot be written ({error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            out.rmdir()  # only if it is empty


CARD = """---
library_name: dgrl
pipeline_tag: image-segmentation
tags:
- salient-object-detection
license: other
license_name: authors-terms
---

# DGRL, the authors' weights

The network of Wang et al., "Detect Globally, Refine Locally: A Novel Approach to Saliency Detection" (CVPR 2018), with
the weights that its authors published, converted from Caffe with `dgrl import-caffe`.

| stage | file | bytes | SHA-256 |
|---|---|---|---|
{files}

Configuration: `DGRLConfig.published()`. Pictures and maps change their size as in the authors' test scripts, and BRN
refines a map rounded to 0 and 1.

- Data: trained by the authors on DUTS-TR, as their training configuration says.
- Licence: the weights are the authors'. This converter grants no rights to them; ask the authors.
- Metrics: none were measured in converting. `dgrl evaluate --weights FOLDER …` measures them.
"""


def _card(rln: Path, brn: Path) -> str:
    rows = []
    for stage, path in (("RLN", rln), ("BRN", brn)):
        rows.append(f"| {stage} | {path.name} | {path.stat().st_size} | {digest(path)} |")
    return CARD.format(files="\n".join(rows))
