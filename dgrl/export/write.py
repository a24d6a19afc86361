"""The whole pass as one ONNX file, and the check that the file computes what the network does."""

import copy
import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dgrl import __version__
from dgrl.export.inputs import DEFAULTS, Inputs, as_inputs, as_json, defaults
from dgrl.extras import require
from dgrl.files import replacing
from dgrl.model import DGRL
from dgrl.network.config import DGRLConfig
from dgrl.running.folding import folded
from dgrl.taps import (
    BLOCKS,
    LEVELS,
    PRIOR,
    REFINED,
    Edit,
    Recorder,
    flatten_map,
    listening,
    mean_kernels,
    paint_map,
    scale_feedback,
)
from dgrl.trace import Array

RLN_IMAGE, BRN_IMAGE = "rln.image", "brn.image"
TOLERANCE = 1e-4
"""Largest difference that is accepted, as a share of the tap's largest value, or of 1 if that is larger."""
ROUNDING = 1e-5
"""Difference of probabilities that resizing may cause."""
HALF_TOLERANCE = 0.01
"""Largest difference of maps in [0, 1] that is accepted if weights are stored in half precision."""


class ExportError(RuntimeError):
    """The file does not compute what the network does; the message says which and where."""


@dataclass(frozen=True)
class Exported:
    """The written file.

    Attributes:
        path: the file.
        opset: the version of ONNX's operators.
        inputs, outputs: shapes by name, in the file's order; a batch of any size is "batch".
        altering: the names of the inputs that stand for edits; `dgrl.export.defaults` gives what changes nothing.
        difference: the largest difference from the network's own taps, measured as in `TOLERANCE`.
        megabytes: size of the file.
    """

    path: Path
    opset: int
    inputs: Mapping[str, list[int | str]]
    outputs: Mapping[str, list[int | str]]
    altering: list[str]
    difference: float
    megabytes: float


def export(model: DGRL, path: str | Path, steps: int | None = None, half: bool = False, edits: bool = True) -> Exported:
    """Write RLN and BRN as one ONNX file and check it by onnxruntime, unaltered and altered.

    The file takes `rln.image` (B, 3, S, S), the picture as `model.sizing.for_rln` gives it (float32, RGB, [0, 1]), and
    `brn.image` (B, 3, S', S'), as `for_brn` does. It gives every tap of `dgrl.tap_names(steps)` by its name, with an
    axis for the batch; what alters them is in `dgrl.export.inputs`. The file says all this itself: in the
    documentation of its inputs and outputs, and in its metadata as JSON (`dgrl.preprocessing`, `dgrl.defaults`), which
    is also written beside it, as `NAME.json`.

    Between the halves RLN's map is resized to BRN's size at once, as the library does it. Only the published sizing
    first resizes it to the photo's size. For that sizing, give the map as `brn.prior.given` and set `brn.prior.own` to
    0, unless the photo has BRN's size.

    Args:
        model: the network; it stays as it is.
        path: the file; it is never half of one.
        steps: T, fixed in the file; by default the number trained.
        half: store the weights in half precision (see `dgrl.export.graph.halved`).
        edits: False leaves out the inputs that stand for edits.

    Raises:
        ExportError: the file does not compute what the network does.
        MissingExtraError: a package is missing.
    """
    require("export")
    from dgrl.export import graph

    network = ready(model, fold=not half)
    steps = model.config.steps if steps is None else steps
    module = graph.Alterations(network, Whole(network, steps), squares(network), edits)
    proto = graph.to_onnx(module)
    properties = {
        "dgrl.config": dataclasses.asdict(model.config),
        "dgrl.steps": steps,
        "dgrl.preprocessing": preprocessing(model.config),
        DEFAULTS: as_json(module.defaults),
    }
    about = f"DGRL {__version__}: saliency of photos. {REFINED} is the map; feed {RLN_IMAGE} and {BRN_IMAGE}."
    graph.describe(
        proto, about, ports(model.config, module.defaults), {k: json.dumps(v) for k, v in properties.items()}
    )
    if half:
        proto = graph.halved(proto)
    path = Path(path)
    with replacing(path) as partial:
        partial.write_bytes(proto.SerializeToString())
        difference = check(str(partial), network, steps, half)
    session = graph.session(str(path))
    written = Exported(
        path=path,
        opset=next(one.version for one in proto.opset_import if not one.domain),
        inputs={value.name: value.shape for value in session.get_inputs()},
        outputs={value.name: value.shape for value in session.get_outputs()},
        altering=list(module.defaults),
        difference=difference,
        megabytes=path.stat().st_size / 1e6,
    )
    beside: dict[str, Any] = {name.removeprefix("dgrl."): value for name, value in properties.items()}
    beside.update(inputs=written.inputs, outputs=written.outputs)
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(beside, indent=2) + "\n")
    return written


def preprocessing(config: DGRLConfig) -> dict[str, Any]:
    """Describe for programs how a photo becomes the file's inputs: the file's property `dgrl.preprocessing`."""
    resize = "bilinear, anti-aliased" if config.sizing == "smooth" else "bicubic, MATLAB's imresize"
    second = "bilinear, anti-aliased" if config.sizing == "smooth" else "nearest, MATLAB's imresize"
    common = {"colours": "sRGB", "layout": "NCHW", "type": "float32", "range": [0, 1], "keep_aspect_ratio": False}
    return {
        RLN_IMAGE: {"size": config.rln_size, "resize": resize} | common,
        BRN_IMAGE: {"size": config.brn_size, "resize": second} | common,
        "output": REFINED,
    }


def ports(config: DGRLConfig, altering: Iterable[str]) -> dict[str, str]:
    """Describe each input and output in a sentence, for the file's documentation."""
    said = {
        name: f"The whole photo, RGB, 0 to 1 (bytes / 255), resized to {side}×{side} without keeping its aspect ratio."
        for name, side in ((RLN_IMAGE, config.rln_size), (BRN_IMAGE, config.brn_size))
    }
    said |= dict.fromkeys(altering, f"An edit's input; it changes nothing if it is as in the property {DEFAULTS}.")
    return said | {REFINED: "The saliency map, 0 to 1: resize it to the photo's size."}


def ready(model: DGRL, fold: bool = True) -> DGRL:
    """Return a copy on the CPU, in float32, with folded batch norms.

    Not where weights are then stored in half precision: checkpoints hold them so, and once folded they are others,
    which would be rounded again. onnxruntime folds them itself when it loads the file.
    """
    network = copy.deepcopy(model).cpu().float().eval()
    if fold:
        network.rln.backbone = folded(network.rln.backbone, padding=False)  # ONNX has such padding
    for module in list(network.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.ReLU6):
                setattr(module, name, _Clipped())
    return network.requires_grad_(False)


class _Clipped(nn.Module):
    """ReLU6 in the operator that ONNX has: the exporter takes ReLU6's own apart, which takes longer than all else."""

    def forward(self, values: Tensor) -> Tensor:
        return values.clamp(0, 6)


def squares(model: DGRL) -> dict[str, Tensor]:
    """Return two pictures to test the file with: a bright disc on a varying background, and noise."""
    made = {}
    for name, side in ((RLN_IMAGE, model.config.rln_size), (BRN_IMAGE, model.config.brn_size)):
        y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
        ground = torch.stack([0.3 + 0.2 * x, 0.4 - 0.1 * y, 0.3 + 0.2 * x * y])
        disc = torch.tensor([0.9, 0.6, 0.2]).view(3, 1, 1) + 0.1 * torch.sin(20 * x)
        noise = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
        made[name] = torch.stack([torch.where((x - 0.2) ** 2 + y**2 < 0.2, disc, ground).clamp(0, 1), noise])
    return made


def pictures(model: DGRL) -> list[dict[str, Tensor]]:
    """Yield the two pictures one by one."""
    both = squares(model)
    return [{name: batch[i : i + 1] for name, batch in both.items()} for i in range(2)]


@dataclass(frozen=True)
class Whole:
    """A pass over squares: what the file computes."""

    network: DGRL
    steps: int

    def __call__(self, rln_image: Tensor, brn_image: Tensor) -> dict[str, Tensor]:
        """Return all outputs, each of which is a tap."""
        localised = self.network.rln(rln_image, self.steps)
        self.network.refine(brn_image, localised.saliency)
        return {}


def check(path: str, network: DGRL, steps: int, half: bool) -> float:
    """Return the largest difference of the file's taps from the network's, also with edits; ExportError if large."""
    from dgrl.export import graph

    session = graph.session(path)
    unaltered = defaults(session)
    worst = 0.0
    for edits in ([], trial(network, steps)) if unaltered else ([],):
        for batch in pictures(network):
            feeds = {name: picture.numpy() for name, picture in batch.items()} | unaltered | as_inputs(edits, unaltered)
            ours, theirs, made = compared(network, steps, session, feeds, edits, batch)
            found = differences(ours, theirs, half)
            allowed = dict.fromkeys(found, HALF_TOLERANCE if half else TOLERANCE)
            if not half and max(found.values()) > TOLERANCE:
                # Steep kernels enlarge rounding errors, so the network's own rounding error is added to the tolerance,
                # at most doubling it.
                exact = recorded(copy.deepcopy(network).double(), steps, made, batch)
                allowed = {name: TOLERANCE + min(own, TOLERANCE) for name, own in differences(theirs, exact).items()}
            for name, off in found.items():
                if not off <= allowed[name]:
                    altered = ", altered" if edits else ""
                    raise ExportError(f"the file gives {name}{altered} with an error of {off:.2g}; it was not kept")
                worst = max(worst, off)
    return worst


def recorded(network: DGRL, steps: int, edits: list[Edit], batch: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return every tap of a pass over squares, in the network's precision."""
    recorder, dtype = Recorder(edits), next(network.parameters()).dtype
    with listening(recorder), torch.inference_mode():
        Whole(network, steps)(*(picture.to(dtype) for picture in batch.values()))
    return {name: value.numpy() for name, value in recorder.values.items()}


def compared(
    network: DGRL, steps: int, session: Any, feeds: Inputs, edits: list[Edit], batch: Mapping[str, Tensor]
) -> tuple[dict[str, Array], dict[str, Array], list[Edit]]:
    """Return the values at the file's taps and the network's for one picture, and the edits that were applied.

    A binary prior rounds a probability of one half up here and down there, whatever the precision. Where it did, no
    farther from one half than the maps before it differ, the network computes with the file's prior.
    """
    theirs = recorded(network, steps, edits, batch)
    names = list(theirs)
    ours: dict[str, Array] = dict(zip(names, session.run(names, feeds), strict=True))
    if only_rounded_otherwise(network, ours, theirs):
        edits = [*edits, Edit(PRIOR, ours[PRIOR])]
        theirs = recorded(network, steps, edits, batch)
    return ours, theirs, edits


def only_rounded_otherwise(network: DGRL, ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> bool:
    """Say whether two binary priors only differ where the maps before rounding are near one half."""
    flipped = ours[PRIOR] != theirs[PRIOR]
    if network.brn.prior == "soft" or not flipped.any():
        return False
    last = [name for name in theirs if name.endswith(".logits")][-1]
    images = torch.zeros(1, 3, *flipped.shape[-2:])
    soft = [torch.from_numpy(taps[last]).softmax(1)[:, 1:] for taps in (ours, theirs)]
    soft = [network.sizing.for_brn(images, saliency, network.config.brn_size)[1] for saliency in soft]
    doubtful = 2 * float((soft[0] - soft[1]).abs().max()) + ROUNDING
    return not (flipped & ((soft[1] - 0.5).abs() > doubtful).numpy()).any()


def differences(ours: Mapping[str, Array], theirs: Mapping[str, Array], half: bool = False) -> dict[str, float]:
    """Return each tap's difference from the network's, divided by the tap's largest value if that exceeds 1.

    With weights in half precision only maps in [0, 1] count.
    """
    found = {}
    for name, expected in theirs.items():
        given = ours[name]
        if half and name.endswith((".weight_map", ".feedback", ".coefficients")):
            continue
        if half and name.endswith(".logits"):
            given, expected = (1 / (1 + np.exp(logits[:, :1] - logits[:, 1:])) for logits in (given, expected))
        found[name] = float(np.abs(given - expected).max() / max(1.0, np.abs(expected).max()))
    return found


def trial(network: DGRL, steps: int) -> list[Edit]:
    """Return one edit of each kind for which the network has taps."""
    edits = [mean_kernels()]
    if network.config.context:
        painting = np.zeros((8, 8))
        painting[2:5, 3:7] = 1
        edits += [flatten_map(LEVELS[0], 0), paint_map(LEVELS[1], painting, 4.0), paint_map(LEVELS[2], painting, 0.5)]
    if steps > 0:
        edits += [scale_feedback(block, factor) for block, factor in zip(BLOCKS, (0.5, 0.0, 2.0, 1.5), strict=True)]
    return edits
