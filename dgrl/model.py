"""DGRL: detect globally, refine locally."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from dgrl.checkpoint import CONFIG_FILE, CheckpointError, checkpoint_folder, load_weights, read_config, save_weights
from dgrl.images import Picture, read_image, read_photo, to_tensor
from dgrl.images.matting import matted
from dgrl.network.brn import BRN, BRNOutput
from dgrl.network.config import BRN_SETTINGS, DGRLConfig
from dgrl.network.mirrored import localise_twice
from dgrl.network.rln import RLN, RLNOutput
from dgrl.network.sizing import SIZINGS
from dgrl.prompts import Box, Point, prompt_edits
from dgrl.running.inference import InferenceCopy
from dgrl.taps import Change, Edit, Recorder, as_edits, check_edits, listening, tap_names
from dgrl.trace import Array, Trace

Edits = Sequence[Edit | tuple[str, Change]] | Mapping[str, Change]
"""Changes made at taps: `Edit`s, (tap, change) pairs, or a mapping of taps to changes."""

Quality = Literal["normal", "high"]
"""Ways to compute RLN's map: by one pass, or as the average over the photo and its mirror image."""


@dataclass
class DGRLOutput:
    """The result of one forward pass.

    Attributes:
        saliency: (B, 1, H, W) in [0, 1], the refined map at the images' size.
        localised: RLN's output at every time step (384×384).
        refined: BRN's output (480×480).
    """

    saliency: Tensor
    localised: RLNOutput
    refined: BRNOutput


class DGRL(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="dgrl",
    license="apache-2.0",
    pipeline_tag="image-segmentation",
    tags=["salient-object-detection"],
):
    """Localise the salient object with RLN, refine its boundary with BRN (Wang et al., CVPR 2018).

    Nothing else runs a pass than its two halves, `localise` and `refine`: `forward`, `detect` and `trace` are built of
    them.

    Args:
        config: what to build; by default the published network.
        pretrained_backbone: fetch the backbone's ImageNet weights, to train from them.
    """

    def __init__(self, config: DGRLConfig | None = None, pretrained_backbone: bool = False) -> None:
        super().__init__()
        self.config = config or DGRLConfig()
        self._hub_mixin_config = self.config  # what `save_pretrained` writes; the mixin misses it when none was passed
        self.rln = RLN(self.config, pretrained_backbone)
        self.brn = BRN(self.config)
        self.sizing = SIZINGS[self.config.sizing]()
        self.inference = InferenceCopy()

    def forward(self, images: Tensor, steps: int | None = None, quality: Quality = "normal") -> DGRLOutput:
        """Compute the saliency of a batch of images (B, 3, H, W), RGB, any size; `steps` is T for this pass.

        The images are float in [0, 1], or uint8 in [0, 255] (see `square`). They may be on another device than the
        network: a GPU rounds bytes that it resizes differently, which moves edges, so photos are resized on the CPU.
        """
        network = self._runs()
        localised = network.localise(images, steps, quality)
        refined = network.refine(images, localised.saliency)
        saliency = self.sizing.refined(refined.refined, *images.shape[-2:])
        return DGRLOutput(saliency, localised, refined)

    def localise(self, images: Tensor, steps: int | None = None, quality: Quality = "normal") -> RLNOutput:
        """Run stage one: RLN on the images (B, 3, H, W), resized to `config.rln_size`.

        `quality="high"` averages over the images and their mirror images, in two passes of RLN. In inference mode a
        faster copy of the network runs, which computes the same within rounding.

        Raises:
            ValueError: `quality` is unknown.
        """
        if quality not in get_args(Quality):
            raise ValueError(f"quality {quality!r} is unknown; there is {' and '.join(get_args(Quality))}")
        squares = self.sizing.for_rln(images, self.config.rln_size).to(self.device)
        if quality == "high":
            return localise_twice(self._runs().rln, squares, steps)
        output: RLNOutput = self._runs().rln(squares, steps)
        return output

    def refine(self, images: Tensor, saliency: Tensor) -> BRNOutput:
        """Run stage two: BRN on images (B, 3, H, W) and map (B, 1, h, w), both resized to `config.brn_size`."""
        squares = self.sizing.for_brn(images, saliency, self.config.brn_size)
        output: BRNOutput = self._runs().brn(*(square.to(self.device) for square in squares))
        return output

    def _runs(self) -> "DGRL":
        """Return the network to run: for inference a faster copy (see `InferenceCopy`), otherwise this one."""
        return self.inference.of(self) if torch.is_inference_mode_enabled() else self

    @torch.inference_mode()
    def detect(
        self,
        picture: Picture,
        steps: int | None = None,
        *,
        box: Box | None = None,
        point: Point | None = None,
        prompt: Picture | None = None,
        quality: Quality = "normal",
        matting: bool = False,
    ) -> NDArray[np.float32]:
        """Compute the saliency map of one picture; with a prompt, of the prompted object.

        Args:
            picture: a path, PIL image, array or tensor (see `read_image`).
            steps: T for this pass; by default the number trained.
            box: (left, top, right, bottom) around the object, in the picture's pixels.
            point: (column, row) of a pixel of the object.
            prompt: a mask of the object (see `dgrl.prompts.mask_prompt`).
            quality: "high" averages RLN's maps over the picture and its mirror image before BRN: more accurate, and
                twice RLN's time.
            matting: solve for edges as fine as the picture's own (see `dgrl.images.matting`); takes seconds more.

        Returns:
            (H, W) float32 in [0, 1], the picture's own size; the probability that a pixel is salient.

        Raises:
            ImageError: the picture cannot be used.
            ValueError: `quality` is unknown; the prompt lies outside the picture or has no area, or more than one is
                given.
            FloatingPointError: the network gave NaN or infinite values.
        """
        photo = read_image(picture)
        edits = prompt_edits(self, photo, box, point, prompt, steps)
        with listening(Recorder(edits)) if edits else nullcontext():
            output = self(to_tensor(photo), steps, quality)
        saliency = _finite(output.saliency[0, 0])
        return matted(photo, saliency) if matting else saliency

    def cut_out(
        self,
        picture: Picture,
        steps: int | None = None,
        *,
        box: Box | None = None,
        point: Point | None = None,
        prompt: Picture | None = None,
        quality: Quality = "normal",
        matting: bool = False,
    ) -> Image.Image:
        """Cut out the object of one picture: return an RGBA image of the picture's size.

        Arguments and errors are those of `detect`.
        """
        from dgrl.images.cutouts import cut_out  # imports torchvision, which takes seconds

        photo = read_photo(picture)
        saliency = self.detect(photo.seen, steps, box=box, point=point, prompt=prompt, quality=quality, matting=matting)
        return cut_out(photo, saliency)

    def trace(
        self,
        picture: Picture,
        steps: int | None = None,
        edits: Edits = (),
        *,
        box: Box | None = None,
        point: Point | None = None,
        prompt: Picture | None = None,
    ) -> Trace:
        """Run one picture and return everything that the pass computed, as arrays.

        Args:
            picture: a path, PIL image, array or tensor (see `read_image`).
            steps: T for this pass; by default the number trained.
            edits: applied during the pass (see `Edits`).
            box, point, prompt: which object is meant (see `detect`).

        Raises:
            ImageError: the picture cannot be used.
            ValueError: an edit names no tap of this pass, or does not fit; or see `detect`.
            FloatingPointError: the network gave NaN or infinite values.
        """
        photo, listed_edits = read_image(picture), as_edits(edits)
        all_edits = [*prompt_edits(self, photo, box, point, prompt, steps, listed_edits), *listed_edits]
        return self.trace_refined(self.trace_localised(photo, steps, all_edits), all_edits)

    @torch.inference_mode()
    def trace_localised(self, picture: Picture, steps: int | None = None, edits: Edits = ()) -> Trace:
        """Run only RLN, the first half of `trace`. `saliency` is its last prediction; edits are those of `trace`."""
        photo = read_image(picture)
        recorder = Recorder(as_edits(edits))
        config = self.config
        names = tap_names(config.steps if steps is None else steps, config.context, config.propagations)
        check_edits(recorder.edits, names)
        with listening(recorder):
            localised = self.localise(to_tensor(photo), steps)
        saliency = self.sizing.localised(localised.saliency, *photo.shape[:2])
        return Trace(photo, _finite(saliency[0]), _arrays(recorder), self.config.prior, self.config.sizing)

    @torch.inference_mode()
    def trace_refined(self, localised: Trace, edits: Edits = ()) -> Trace:
        """Run the second half of `trace`: add BRN's taps and the refined map to the result of `trace_localised`."""
        recorder = Recorder(as_edits(edits))
        images = to_tensor(localised.photo)
        logits = torch.from_numpy(localised.steps[-1].logits)[None].to(self.device)
        with listening(recorder):
            refined = self.refine(images, logits.softmax(1)[:, 1:]).refined
        saliency = self.sizing.refined(refined, *localised.photo.shape[:2])
        taps = {**localised.taps, **_arrays(recorder)}
        return dataclasses.replace(localised, saliency=_finite(saliency[0]), taps=taps)

    @property
    def device(self) -> torch.device:
        """The device of the network; `.to(device)` moves it."""
        return self.rln.mean.device

    def with_steps(self, steps: int) -> "DGRL":
        """Return a copy with heads for `steps` time steps; new heads are copies of the last one.

        The feedback convolutions of a network trained with a single pass have never been used. They start at 0, so that
        step t = 1 begins as t = 0 and learns from there. (Departure: the published network starts them at random.)
        """
        grown = DGRL(dataclasses.replace(self.config, steps=steps))
        state = self.state_dict()
        last = len(self.rln.heads) - 1
        for name in grown.state_dict():
            if name not in state:
                _, _, index, tail = name.split(".", 3)
                state[name] = state[f"rln.heads.{min(int(index), last)}.{tail}"]
            elif self.config.steps == 0 and name.startswith("rln.recurrent_step.feedback"):
                state[name] = torch.zeros_like(state[name])
        used = {name: state[name] for name in grown.state_dict()}
        grown.load_state_dict(used)
        return grown

    def with_new_brn(self, **settings: Any) -> "DGRL":
        """Return a copy with an untrained BRN; `settings` of `DGRLConfig` (kernel size, prior …) change it.

        Raises:
            ValueError: a setting is RLN's.
        """
        if unknown := settings.keys() - set(BRN_SETTINGS):
            raise ValueError(f"no settings of BRN: {', '.join(sorted(unknown))}")
        renewed = DGRL(dataclasses.replace(self.config, **settings))
        renewed.rln.load_state_dict(self.rln.state_dict())
        return renewed

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path | None = None, **hub_settings: Any) -> "DGRL":
        """Load a checkpoint strictly.

        Args:
            pretrained_model_name_or_path: a folder with `config.json` and `model.safetensors`, the name of a checkpoint
                that ships with the package ("dgrl-lite"), or a Hub id. By default the checkpoint that ships.
            hub_settings: `revision`, `cache_dir`, `token`, `local_files_only`, `force_download` for the Hub.

        Returns:
            The network in evaluation mode, float32, on the CPU.

        Raises:
            CheckpointError: there is no such checkpoint, a tensor is missing, left over or misshapen, or a setting is
                unknown or out of range. A setting that is not there has its default.
        """
        folder = checkpoint_folder(pretrained_model_name_or_path, hub_settings)
        config = read_config(folder)
        try:
            model = cls(config)
        except (TypeError, ValueError) as error:  # a backbone that timm does not know, say
            raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error
        load_weights(model, folder)
        return model.eval()

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self, save_directory)


def _arrays(recorder: Recorder) -> dict[str, Array]:
    return {name: _finite(value[0]) for name, value in recorder.values.items()}


def _finite(values: Tensor) -> NDArray[np.float32]:
    """Remove the channel axis of 1 and return float32; FloatingPointError if not all values are finite."""
    if not torch.isfinite(values).all():
        raise FloatingPointError("the network gave NaN or infinite values; its weights or an edit are at fault")
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array[0] if array.ndim == 3 and array.shape[0] == 1 else array
