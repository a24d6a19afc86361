"""One pass in two halves, so that RLN's maps can be looked at while BRN computes. Together they are `DGRL.trace`."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dgrl.images import RGB, to_tensor
from dgrl.model import DGRL
from dgrl.taps import Edit, Recorder, listening
from dgrl.trace import Array, Trace


@torch.inference_mode()
def localise(model: DGRL, photo: RGB, steps: int | None = None, edits: Sequence[Edit] = ()) -> Trace:
    """The first half: a trace with RLN's taps alone, whose `saliency` is RLN's last prediction.

    Args:
        model: the network.
        photo: (H, W, 3) uint8.
        steps: T for this pass; by default the number trained.
        edits: of the whole pass; those of BRN's taps wait for the second half.

    Raises:
        ValueError: an edit names no tap of this pass, or does not fit.
        FloatingPointError: the network gave NaN or infinite values.
    """
    recorder = Recorder([edit for edit in edits if not edit.is_of_brn])
    with listening(recorder):
        localised = model.localise(to_tensor(photo).to(model.device), steps)
    recorder.check_all_used()
    saliency = model.sizing.localised(localised.saliency, *photo.shape[:2]).clamp(0, 1)
    return Trace(photo, _array(saliency), _arrays(recorder), model.config.prior)


@torch.inference_mode()
def refine(model: DGRL, localised: Trace, edits: Sequence[Edit] = ()) -> Trace:
    """The second half: what `localise` gave, with BRN's taps and the refined map.

    Raises:
        ValueError: an edit names no tap of this pass, or does not fit.
        FloatingPointError: the network gave NaN or infinite values.
    """
    recorder = Recorder([edit for edit in edits if edit.is_of_brn])
    images = to_tensor(localised.photo).to(model.device)
    logits = torch.from_numpy(localised.steps[-1].logits)[None].to(model.device)
    with listening(recorder):
        refined = model.refine(images, logits.softmax(1)[:, 1:]).refined
    recorder.check_all_used()
    saliency = model.sizing.refined(refined, *localised.photo.shape[:2])
    return Trace(localised.photo, _array(saliency), {**localised.taps, **_arrays(recorder)}, localised.prior_kind)


def _arrays(recorder: Recorder) -> dict[str, Array]:
    return {name: _array(value) for name, value in recorder.values.items()}


def _array(value: Tensor) -> Array:
    """The only one of a batch as float32, a single channel without its axis; FloatingPointError if not finite."""
    if not torch.isfinite(value).all():
        raise FloatingPointError("the network gave NaN or infinite values; its weights or an edit are at fault")
    array: Array = value[0].float().cpu().numpy()
    return np.squeeze(array, 0) if len(array) == 1 else array
