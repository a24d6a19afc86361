"""Settings of the network, in one frozen dataclass."""

import math
import re
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# The published Caffe network takes pictures in [0, 255]. RLN's first batch-norm normalises its input. For BRN the
# script stage2/test/test.m subtracts this mean (there in BGR order), and layer data_norm multiplies by 0.00392157.
CAFFE_MEAN = (122.67892, 116.66877, 104.00699)
CAFFE_SCALE = 0.00392157
# Limits far above any useful value: a checkpoint may come from an untrusted source, and each of these settings
# allocates memory before the first weight is read.
MOST_STEPS, MOST_CHANNELS, LARGEST_KERNEL, MOST_DILATION, LARGEST_SIZE = 16, 1024, 31, 64, 4096
BRN_SETTINGS = (
    *("kernel_size", "refinement_channels", "refinement_dilations", "propagations", "refinement_std"),
    *("refinement_gain", "refinement_sees", "refinement_padding", "prior", "brn_size", "brn_mean", "brn_std"),
)


@dataclass(frozen=True)
class DGRLConfig:
    """Settings of RLN and BRN. The defaults are the published values.

    "Paper" is Wang et al., "Detect Globally, Refine Locally", CVPR 2018; "code" is the authors' Caffe network.

    Attributes:
        backbone: any timm network with feature boundaries at strides 2, 4, 8, 16 and 32 (paper: ResNet-50).
        steps: T, the last recurrent time step; the backbone runs T + 1 times (paper: 2).
        context: whether the contextual weighting module weights the side outputs; `False` is the paper's ablation.
        share_heads: whether all time steps share one set of context modules and heads (code: one set per step).
        context_channels: channels of each of the three context filters (code: 32).
        side_channels: channels of each side output (code: 128).
        feedback: what f_3 to f_5 feed back: the features unchanged ("plain", code), or multiplied by the weight maps of
            their step ("attended"), so that later steps continue from what attention selected.
        kernel_size: n, the side of BRN's propagation kernel; odd, 3 or more (code: 5).
        refinement_channels: output channels of BRN's convolutions before the last (paper: 64, 64, 64, 128, 128, 128).
        refinement_dilations: dilations of BRN's convolutions, the last one's too; empty for 1 everywhere (paper, code).
        refinement_padding: padding around BRN's input: zeros ("zeros", paper, code) or copies of the border pixels
            ("replicate"). The latter also moves kernel weights that fall outside to the nearest pixel inside.
        propagations: number of times the map is recomputed with the same coefficients (paper, code: 1).
        refinement_std: standard deviation of BRN's initial weights (code: 0.01; the paper's text: 0.1). None selects
            He initialisation for the hidden layers, which keeps the signal's scale, and 0 for the last.
        refinement_gain: initial bias of the centre coefficient, so that an untrained BRN returns about
            sigmoid(gain · (2s − 1)) (paper, code: 1).
        prior: what BRN refines: the RLN map unchanged ("soft"), or rounded to 0 and 1 ("binary", code).
        refinement_sees: the map that BRN's convolutions read beside the image: the prior ("prior", paper, code), or the
            RLN map before rounding ("map").
        rln_size: side of RLN's square input in pixels (paper: 384).
        brn_size: side of BRN's square input in pixels (paper: 480).
        mean: RGB mean that RLN subtracts from images in [0, 1].
        std: RGB standard deviation that RLN divides by.
        brn_mean: RGB mean that BRN subtracts from images in [0, 1].
        brn_std: RGB standard deviation that BRN divides by.
        sizing: how images and maps are resized: bilinear ("smooth"), or bicubic for RLN and nearest for BRN as in the
            authors' test scripts ("published"). See `dgrl.network.sizing`.

    Raises:
        ValueError: a setting is outside its range; the message names it.
    """

    backbone: str = "resnet50"
    steps: int = 2
    context: bool = True
    share_heads: bool = False
    context_channels: int = 32
    side_channels: int = 128
    # Departure: with "attended", later steps know where earlier ones looked; the published network's do not.
    feedback: Literal["plain", "attended"] = "plain"
    kernel_size: int = 5
    refinement_channels: tuple[int, ...] = (64, 64, 64, 128, 128, 128)
    # Departure: dilations give the same number of layers a larger receptive field.
    refinement_dilations: tuple[int, ...] = ()
    # Departure: with zeros, an object cut by the image border fades there.
    refinement_padding: Literal["zeros", "replicate"] = "zeros"
    propagations: int = 1
    refinement_std: float | None = 0.01
    refinement_gain: float = 1.0
    # Departure: the authors' script feeds BRN a rounded map. A soft map keeps RLN's uncertainty.
    prior: Literal["soft", "binary"] = "soft"
    # Departure: with a binary prior, "map" still lets the convolutions see RLN's uncertainty.
    refinement_sees: Literal["prior", "map"] = "prior"
    rln_size: int = 384
    brn_size: int = 480
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    brn_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    brn_std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    # Departure: the authors' script resizes BRN's input by nearest neighbour. Bilinear does not shift edges.
    sizing: Literal["smooth", "published"] = "smooth"

    def __post_init__(self) -> None:
        # JSON has no tuples. Lists from config.json become tuples again, so that equal settings compare equal.
        for name, value in vars(self).copy().items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        check_kinds(self)
        heads, hidden = (self.context_channels, self.side_channels), self.refinement_channels or (1,)
        kernel, bound = self.kernel_size, f"and at most {MOST_CHANNELS}"
        checks = {
            "backbone must be the plain name of a network of timm's": re.fullmatch(r"[\w.]{1,100}", self.backbone),
            f"steps must be 0 or more, and at most {MOST_STEPS}": 0 <= self.steps <= MOST_STEPS,
            f"context_channels and side_channels must be positive, {bound}": within(heads, 1, MOST_CHANNELS),
            f"kernel_size must be odd and at least 3, and at most {LARGEST_KERNEL}": 3 <= kernel <= LARGEST_KERNEL
            and kernel % 2 == 1,
            "refinement_std must be positive": self.refinement_std is None or self.refinement_std > 0,
            f"rln_size must be a positive multiple of 32, and at most {LARGEST_SIZE}": self.rln_size % 32 == 0
            and within((self.rln_size,), 1, LARGEST_SIZE),
            f"brn_size must be positive, and at most {LARGEST_SIZE}": within((self.brn_size,), 1, LARGEST_SIZE),
            "refinement_channels must name at least one convolution, and at most 32": 0
            < len(self.refinement_channels)
            <= 32,
            f"refinement_channels must be positive, {bound}": within(hidden, 1, MOST_CHANNELS),
            "refinement_dilations must be one for each of BRN's convolutions": len(self.refinement_dilations)
            in (0, len(self.refinement_channels) + 1),
            f"refinement_dilations must be positive, and at most {MOST_DILATION}": within(
                self.refinement_dilations or (1,), 1, MOST_DILATION
            ),
            f"propagations must be 1 or more, and at most {MOST_STEPS}": 1 <= self.propagations <= MOST_STEPS,
            "mean and std must have three values": len(self.mean) == len(self.std) == 3,
            "brn_mean and brn_std must have three values": len(self.brn_mean) == len(self.brn_std) == 3,
            "std and brn_std must be positive": min(*self.std, *self.brn_std) > 0,
        }
        for message, holds in checks.items():
            if not holds:
                raise ValueError(f"{message} (in {self})")

    @classmethod
    def published(cls, **settings: object) -> "DGRLConfig":
        """Return the settings of the authors' Caffe network and test scripts, for their weights (`dgrl.caffe`)."""
        published_settings: dict[str, object] = {
            "backbone": "caffe_resnet50",
            "prior": "binary",
            "mean": (0.0, 0.0, 0.0),
            "std": (1 / 255,) * 3,
            "brn_mean": tuple(mean / 255 for mean in CAFFE_MEAN),
            "brn_std": (1 / (255 * CAFFE_SCALE),) * 3,
            "sizing": "published",
        }
        return cls(**(published_settings | settings))  # type: ignore[arg-type]

    @classmethod
    def for_backbone(cls, backbone: str, **settings: object) -> "DGRLConfig":
        """Return the published settings with another backbone and the normalisation it was pre-trained with."""
        import timm

        pretrained = timm.get_pretrained_cfg(backbone)
        if backbone == "caffe_resnet50":  # its input is in [0, 255], and its first layer normalises
            settings = {"mean": (0.0,) * 3, "std": (1 / 255,) * 3} | settings
        elif pretrained is not None:
            settings = {"mean": pretrained.mean, "std": pretrained.std} | settings
        return cls(backbone=backbone, **settings)  # type: ignore[arg-type]


def within(values: tuple[int, ...], least: int, most: int) -> bool:
    """Return whether all values are between `least` and `most`, both included."""
    return least <= min(values) and max(values) <= most


KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def check_kinds(config: DGRLConfig) -> None:
    """Raise ValueError for a setting of another type than its annotation; JSON and dataclasses do not check types."""
    for name, hint in get_type_hints(DGRLConfig).items():
        value = getattr(config, name)
        expected = expected_type(value, hint)
        if expected is not None:
            raise ValueError(f"{name} must be {expected}, not {value!r:.60}")


def expected_type(value: object, hint: Any) -> str | None:
    """Describe the type that an annotation requires, if the value has another one."""
    if get_origin(hint) is Literal:
        return None if value in get_args(hint) else " or ".join(map(repr, get_args(hint)))
    if get_origin(hint) is UnionType:
        return None if value is None else expected_type(value, get_args(hint)[0])
    if get_origin(hint) is tuple:
        kind = get_args(hint)[0]
        fits = isinstance(value, tuple) and all(is_kind(item, kind) for item in value)
        return None if fits else f"a list of {'whole numbers' if kind is int else 'numbers'}"
    return None if is_kind(value, hint) else KINDS[hint]


def is_kind(value: object, kind: type) -> bool:
    """Say whether a value has a type; a bool is not a number, an integer is one, and numbers must be finite."""
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
