"""Computes on a CUDA device that is none: `SPACES_ZERO_GPU=true … python -m tests.helpers.emulated_gpu`.

The package `spaces` emulates CUDA for Hugging Face's ZeroGPU: tensors say that they are on "cuda", the CPU computes
with them, and to mix devices is an error, as on a real GPU. This finds tensors that were not moved,
and new ones that are created on the wrong device. It does not emulate autocast, speed or rounding.
"""

import dataclasses

import numpy as np
import spaces.zero.torch  # noqa: F401 (emulates CUDA from here on)
import torch

from dgrl import DGRL
from dgrl.attribution.attribute import attribute
from dgrl.attribution.question import CellTarget, PixelTarget
from dgrl.data.batch import Batch
from dgrl.running.device import choose_device, rewrite_for_inference
from dgrl.training.config import TrainingConfig
from dgrl.training.stages import make_stage
from tests.gpu.test_inference import EDITS
from tests.helpers.networks import TRAINED, draw_photo, filled

SETTINGS = {
    "published": {},
    "attended, binary, several propagations": {"feedback": "attended", "prior": "binary", "propagations": 2},
    "MATLAB's sizes": {"sizing": "published"},
}
STAGES = {
    "rln": {"step_growth": 1.5, "attention_narrowing": 0.5},
    "rln, named": {"stage": "rln", "named_share": 0.5},
    "brn": {"stage": "brn", "lean_weight": 0.2, "absolute_weight": 1.0},
    "joint": {"stage": "joint"},
}


def network(**settings):
    return filled(DGRL(dataclasses.replace(TRAINED, **settings)))


def main() -> None:
    torch.set_num_threads(1)
    device = choose_device("auto")
    assert device.type == "cuda", "nothing is emulated"
    photo = draw_photo()[0]
    for name, settings in SETTINGS.items():
        here, there = network(**settings), network(**settings)
        rewrite_for_inference(there, device)
        assert there.device.type == "cuda"
        for edit, edits in EDITS.items():
            found, expected = there.trace(photo, edits=edits), here.trace(photo, edits=edits)
            np.testing.assert_allclose(found.saliency, expected.saliency, atol=1e-3, err_msg=f"{name}, {edit}")
        np.testing.assert_allclose(there.detect(photo), here.detect(photo), atol=1e-3)
        print("detect, trace and edits:", name, flush=True)
    for target in (PixelTarget(60, 45), PixelTarget(60, 45, refined=True), CellTarget("conv4", 1, 1)):
        # Other methods need gradients, which the emulation does not carry.
        found, expected = (attribute(model, photo, target, "occlusion").square for model in (there, here))
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
        print("attribution:", type(target).__name__, flush=True)

    torch.manual_seed(0)
    images, masks = torch.rand(2, 3, 64, 64), (torch.rand(2, 1, 64, 64) > 0.7).float()
    corners = torch.tensor([[[0, 0], [20, 32]], [[32, 32], [5, 7]]])
    for name, settings in STAGES.items():
        config = TrainingConfig(size=64, crop=32, crops_per_picture=2, **settings)
        more = {"rln": {}, "rln, named": {"given": torch.tensor([0, 2])}}.get(name, {"corners": corners})
        batch = Batch(images, masks, **more)
        losses = []
        for where in ("cpu", "cuda"):
            stage = make_stage(network().to(where), config)
            with torch.no_grad():
                losses.append(float(stage(batch.to(where))))
        assert abs(losses[0] - losses[1]) < 1e-3, (name, losses)
        print("loss:", name, flush=True)


if __name__ == "__main__":
    main()
