"""One picture through one network: the maps and numbers of its pass, and what each part of the network does."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from dgrl.evaluation.metrics import Bytes, Mask, measure
from dgrl.evaluation.survey.columns import REFINED, attention_key, present_levels
from dgrl.evaluation.survey.numbers import attention_numbers, lean, moved, object_numbers
from dgrl.evaluation.survey.reason import least_focus
from dgrl.images import RGB, to_tensor
from dgrl.model import DGRL
from dgrl.network.brn import BRNOutput
from dgrl.network.rln import RLNOutput
from dgrl.taps import EVERY, Edit, Recorder, flatten_map, listening, mean_kernels, scale_feedback
from dgrl.trace import found_in

THUMBNAIL = 160
TILE = 64
Values = dict[str, float | None]


@dataclass
class Pass:
    """One pass over one picture, until its row is written.

    Attributes:
        photo: (H, W, 3).
        truth: (H, W) of 0 and 1, or None.
        maps: (H, W) uint8 by kind: "t0", "t1", … and `REFINED`.
        values: the numbers that came with the pass.
        tiles: the maps on the page, as small squares side by side: the looks, the final map, then the attention maps by
            level, from fine to coarse, and by look.
    """

    photo: RGB
    truth: Mask | None
    maps: dict[str, Bytes]
    tiles: Bytes
    values: Values = field(default_factory=dict)

    def finish(self) -> Values:
        """Add what needs the masks alone: the field's scores of each map."""
        if self.truth is not None:
            for kind, saliency in self.maps.items():
                scores = measure(saliency, self.truth, stretch=False).results()
                self.values |= {f"{metric}_{kind}": value for metric, value in scores.items()}
        return self.values


@torch.inference_mode()
def run_pass(model: DGRL, photo: RGB, truth: Mask | None, steps: int, parts: bool) -> Pass:
    """Run a network over one picture and read its maps.

    Raises:
        FloatingPointError: the network gave NaN or infinite values.
    """
    images = to_tensor(photo)
    localised = model.localise(images, steps)
    refined = model.refine(images, localised.saliency)
    height, width = photo.shape[:2]
    sized = model.sizing.localised
    maps = {f"t{t}": sized(step.saliency, height, width) for t, step in enumerate(localised.steps)}
    maps[REFINED] = model.sizing.refined(refined.refined, height, width)
    if not all(torch.isfinite(saliency).all() for saliency in maps.values()):
        raise FloatingPointError("the network gave NaN or infinite values; its weights are at fault")
    final = maps[REFINED][0, 0].float().cpu().numpy()
    found_object = found_in(final)
    inside = found_object if truth is None else truth.astype(bool)
    values: Values = object_numbers(photo, inside) | {"found_share": float(found_object.mean())}
    values["lean"] = _lean(refined, localised.saliency)
    for t, step in enumerate(localised.steps):
        for level in present_levels(list(step.weight_maps)):
            for number, value in attention_numbers(step.weight_maps[level], inside).items():
                values[attention_key(number, level, t)] = value
    levels = present_levels(list(localised.steps[0].weight_maps))
    if levels:
        values["focus"] = least_focus(values, len(localised.steps) - 1, levels)
    values |= _changes(localised, refined)
    if parts:
        values |= _parts(model, images, localised, final, truth)
    saved = {kind: _bytes(saliency) for kind, saliency in maps.items()}
    return Pass(photo, truth, saved, _tiles(localised, refined), values)


def _lean(refined: BRNOutput, saliency: Tensor) -> float | None:
    size = refined.coefficients.shape[-2:]
    return lean(refined.coefficients, F.interpolate(saliency, size, mode="bilinear"))


def _changes(localised: RLNOutput, refined: BRNOutput) -> Values:
    values: Values = {}
    for t, (before, after) in enumerate(pairwise(localised.steps), start=1):
        values[f"change_t{t}"] = float((after.saliency - before.saliency).abs().mean())
        for level, weights in after.weight_maps.items():
            values[attention_key("moved", level, t)] = moved(before.weight_maps[level], weights)
    values[f"change_{REFINED}"] = float((refined.refined - refined.prior).abs().mean())
    return values


def _parts(model: DGRL, images: Tensor, localised: RLNOutput, final: "np.ndarray", truth: Mask | None) -> Values:
    """Return the effect of removing each part on the final map (H, W): on its error, or its mean change."""
    original_error = None if truth is None else float(np.abs(final - truth).mean())

    def effect(saliency: Tensor, edits: Sequence[Edit] = ()) -> float:
        with listening(Recorder(edits)):
            refined = model.refine(images, saliency).refined
        changed = model.sizing.refined(refined, *final.shape)[0, 0].float().cpu().numpy()
        if original_error is None:
            return float(np.abs(changed - final).mean())
        return float(np.abs(changed - truth).mean()) - original_error

    def localise(edit: Edit) -> Tensor:
        with listening(Recorder([edit])):
            return model.localise(images, len(localised.steps) - 1).saliency

    values: Values = {"without_kernel": effect(localised.saliency, [mean_kernels()])}
    values["without_memory"] = effect(localise(scale_feedback(EVERY, 0))) if len(localised.steps) > 1 else 0.0
    if localised.steps[0].weight_maps:
        values["without_flat"] = effect(localise(flatten_map(EVERY)))
    return values


def disagreement(first: Pass, second: Pass) -> float:
    """Return the mean absolute difference of two final maps of the same picture, 0 to 1."""
    return float(np.abs(first.maps[REFINED].astype(np.int16) - second.maps[REFINED]).mean() / 255)


def _bytes(saliency: Tensor) -> Bytes:
    saved: Bytes = (saliency[0, 0] * 255).round().byte().cpu().numpy()
    return saved


def _tiles(localised: RLNOutput, refined: BRNOutput) -> Bytes:
    """Return all maps side by side: (`TILE`, count · `TILE`) uint8; a level's largest weight is white."""
    tiles = [*(step.saliency for step in localised.steps), refined.refined]
    for level in present_levels(list(localised.steps[0].weight_maps)):
        maps = [step.weight_maps[level].float() for step in localised.steps]
        largest = torch.stack([weights.max() for weights in maps]).max()
        tiles += [weights / largest for weights in maps]
    small = [F.interpolate(tile.float(), (TILE, TILE), mode="bilinear", antialias=True).clamp(0, 1) for tile in tiles]
    return _bytes(torch.cat(small, 3))


def tile_keys(steps: int, levels: Sequence[str]) -> list[str]:
    """Return the keys of the tiles in `Pass.tiles`, from left to right."""
    looks = [f"t{t}" for t in range(steps + 1)]
    return [*looks, REFINED, *(f"{level}_{look}" for level in present_levels(levels) for look in looks)]


def jpeg(picture: "np.ndarray", longest: int | None = None) -> str:
    """Return a picture (H, W) or (H, W, 3) uint8 as the `data:` URL of a JPEG, shrunk to `longest` pixels."""
    image = Image.fromarray(picture)
    if longest is not None:
        image.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "jpeg", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
