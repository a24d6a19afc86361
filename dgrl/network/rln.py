"""The Recurrent Localization Network (RLN): a backbone run over time steps with feedback, section 3 of the paper."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dgrl.network.backbone import Backbone
from dgrl.network.config import DGRLConfig
from dgrl.network.context import ContextualWeighting
from dgrl.network.layers import fill_gaussian, resize
from dgrl.taps import LEVELS, Tap, name_taps


@dataclass
class RLNStep:
    """RLN's prediction at one time step.

    Attributes:
        logits: (B, 2, H, W), background and object, at the input's size.
        saliency: (B, 1, H, W) in [0, 1], the softmax of `logits` for the object.
        weight_maps: CWM's map at each level, (B, 1, h, w), positive, mean 1; empty without CWM.
    """

    logits: Tensor
    saliency: Tensor
    weight_maps: dict[str, Tensor]


@dataclass
class RLNOutput:
    """All time steps of one pass, first to last.

    Attributes:
        steps: one `RLNStep` per time step t = 0 … T; all of them are supervised in training.
    """

    steps: list[RLNStep]

    @property
    def saliency(self) -> Tensor:
        """(B, 1, H, W) in [0, 1]: the last time step's prediction, which BRN refines."""
        return self.steps[-1].saliency


class RecurrentStep(nn.Module):
    """One time step of the backbone, with feedback from the step before (recurrent module, section 3.3).

    For t ≥ 1 the input of block k is f_{k−1}(t) + up(w_k * f_k(t−1)), k = 2 … 5. All t ≥ 1 share the w_k.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        inputs, outputs = backbone.channels[:-1], backbone.channels[1:]
        self.feedback = nn.ModuleDict()
        self.taps = nn.ModuleDict()
        for k, (to_channels, from_channels) in enumerate(zip(inputs, outputs, strict=True), start=2):
            convolution = nn.Conv2d(from_channels, to_channels, 3, padding=1, bias=False)  # no bias (code)
            nn.init.kaiming_normal_(convolution.weight)  # Caffe's "msra" (code)
            self.feedback[f"conv{k}"] = convolution
            # The tap is before the up-sampling, where the map is small. Up-sampling is linear, so scaling commutes.
            self.taps[f"conv{k}"] = Tap("feedback")

    def forward(self, backbone: Backbone, stem: Tensor, previous: dict[str, Tensor], t: int) -> dict[str, Tensor]:
        """Compute f_2 … f_5 of step `t` by block name, from conv1's output and the features of step t − 1."""
        features: dict[str, Tensor] = {}
        below = stem  # (B, 64, 192, 192)
        for name, convolution in self.feedback.items():
            if t > 0:
                feedback = self.taps[name](convolution(previous[name]), t)
                below = below + resize(feedback, below.shape[-2:])
            below = features[name] = backbone.get_submodule(name)(below)
        return features


class Head(nn.Module):
    """Predict one time step from three side outputs: weight each by its map, add, classify.

    Args:
        channels: channels of f_3, f_4 and f_5.
        config: widths, and whether the side outputs are weighted.
    """

    def __init__(self, channels: list[int], config: DGRLConfig) -> None:
        super().__init__()
        width = config.side_channels
        self.side = nn.ModuleDict()
        self.context = nn.ModuleDict()
        for level, level_channels in zip(LEVELS, channels, strict=True):
            self.side[level] = nn.Conv2d(level_channels, width, 3, padding=1, bias=False)
            if config.context:
                self.context[level] = ContextualWeighting(level_channels, config.context_channels)
        self.fuse = nn.Conv2d(width, width, 1)
        self.classify = nn.Conv2d(width, 2, 1)
        self.tap = Tap("logits")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fill_gaussian(module, std=0.01)  # (code)

    def forward(self, features: dict[str, Tensor], size: torch.Size, t: int) -> RLNStep:
        """Predict time step `t` at the input's (H, W) `size`, from features f_3, f_4, f_5 by block name."""
        weight_maps = self.weight_maps(features, t)
        outputs: list[Tensor] = []
        for level, side in self.side.items():
            output = side(features[level])  # (B, 128, h, w)
            if level in weight_maps:
                output = output * resize(weight_maps[level], output.shape[-2:])
            outputs.append(resize(output, features["conv3"].shape[-2:]))  # (B, 128, 48, 48)
        conv3, conv4, conv5 = outputs
        logits = self.classify(self.fuse(conv3 + conv4 + conv5))  # (B, 2, 48, 48); no ReLU between (code)
        logits = self.tap(resize(logits.float().contiguous(), size), t)  # (B, 2, 384, 384)
        return RLNStep(logits, logits.softmax(1)[:, 1:], weight_maps)

    def weight_maps(self, features: dict[str, Tensor], t: int) -> dict[str, Tensor]:
        """Return the weight maps alone, by level."""
        return {level: context(features[level], t) for level, context in self.context.items()}


def attend(features: dict[str, Tensor], weight_maps: dict[str, Tensor]) -> dict[str, Tensor]:
    """Multiply the features of each level that has a weight map by that map, for attended feedback.

    The next step then receives mostly what this step's attention selected.
    """
    weighted = {level: features[level] * resize(m, features[level].shape[-2:]) for level, m in weight_maps.items()}
    return features | weighted


class RLN(nn.Module):
    """Recurrent Localization Network (the authors' README calls it GLN).

    Args:
        config: backbone, number of steps, heads.
        pretrained: load the backbone's ImageNet weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: DGRLConfig, pretrained: bool = False) -> None:
        super().__init__()
        self.steps = config.steps
        self.attended = config.feedback == "attended"
        self.backbone = Backbone(config.backbone, pretrained)
        self.recurrent_step = RecurrentStep(self.backbone)
        head_count = 1 if config.share_heads else config.steps + 1
        self.heads = nn.ModuleList(Head(self.backbone.channels[2:], config) for _ in range(head_count))
        name_taps(self, "rln.t{t}")
        self.register_buffer("mean", torch.tensor(config.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, steps: int | None = None) -> RLNOutput:
        """Predict time steps 0 … `steps`.

        Args:
            images: (B, 3, H, W) in [0, 1], RGB; H and W multiples of 32 (paper: 384).
            steps: T for this pass; the default is `config.steps`. Further steps reuse the last trained step's head.

        Raises:
            ValueError: `steps` is negative.
        """
        steps = self.steps if steps is None else steps
        if steps < 0:
            raise ValueError(f"steps must be 0 or more, not {steps}")
        stem = self.stem(images)  # (B, 64, 192, 192)
        features: dict[str, Tensor] = {}
        outputs: list[RLNStep] = []
        for t in range(steps + 1):
            output, features = self.step(stem, features, images.shape[-2:], t)
            outputs.append(output)
        return RLNOutput(outputs)

    def last(self, images: Tensor, steps: int) -> RLNStep:
        """Return the last step's prediction. Heads of earlier steps are skipped where possible."""
        stem = self.stem(images)
        features: dict[str, Tensor] = {}
        for t in range(steps):
            features = self.recurrent_step(self.backbone, stem, features, t)
            if self.attended:
                features = attend(features, self._head(t).weight_maps(features, t))
        return self.step(stem, features, images.shape[-2:], steps)[0]

    def _head(self, t: int) -> Head:
        head = self.heads[min(t, len(self.heads) - 1)]
        assert isinstance(head, Head)
        return head

    def stem(self, images: Tensor) -> Tensor:
        """Compute conv1 of the normalised images. No feedback enters it, so it is the same at every step."""
        stem: Tensor = self.backbone.conv1((images - self.mean) / self.std)
        return stem

    def step(
        self, stem: Tensor, previous: dict[str, Tensor], size: torch.Size, t: int
    ) -> tuple[RLNStep, dict[str, Tensor]]:
        """Run time step `t`: return its prediction at (H, W) `size`, and the features for the next step.

        Args:
            stem: conv1's output.
            previous: the features of the step before, by block name; empty at t = 0.
            size: the input's (H, W).
            t: the time step.
        """
        features = self.recurrent_step(self.backbone, stem, previous, t)
        output: RLNStep = self._head(t)(features, size, t)
        if self.attended:  # departure: the published network feeds back unweighted features
            features = attend(features, output.weight_maps)
        return output, features
