"""Settings of the network, in one frozen dataclass."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from dgrl.settings import Setting, check

Colour = tuple[float, float, float]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# The published Caffe network takes pictures in [0, 255]. RLN's first batch-norm normalises its input. For BRN the
# script stage2/test/test.m subtracts this mean (there in BGR order), and layer data_norm multiplies by 0.00392157.
CAFFE_MEAN = (122.67892, 116.66877, 104.00699)
CAFFE_SCALE = 0.00392157
# Limits far above any useful value: a checkpoint may come from an untrusted source, and each of these settings
# allocates memory before the first weight is read.
MOST_STEPS, MOST_CHANNELS, LARGEST_KERNEL, MOST_DILATION, LARGEST_SIZE = 16, 1024, 31, 64, 4096
RLN_OPTIONS = ("context", "share_heads", "rln_size", "feedback")
BRN_OPTIONS = (
    *("kernel_size", "refinement_channels", "refinement_dilations", "propagations"),
    *("prior", "refinement_sees", "refinement_padding"),
)
"""Settings that `dgrl train` has as options, for a new network and for a new BRN."""
BRN_SETTINGS = (*BRN_OPTIONS, "refinement_std", "refinement_gain", "brn_size", "brn_mean", "brn_std")


@dataclass(frozen=True)
class DGRLConfig:
    """Settings of RLN and BRN. The defaults are the published values.

    "Paper" is Wang et al., "Detect Globally, Refine Locally", CVPR 2018; "code" is the authors' Caffe network. What a
    field means and may be is said once, beside it: the checks and the options of `dgrl train` are made of that.

    Raises:
        ValueError: a setting is outside its range; the message names it.
    """

    backbone: Annotated[
        str, Setting("any timm network with feature boundaries at strides 2, 4, 8, 16 and 32 (paper: ResNet-50)")
    ] = "resnet50"
    steps: Annotated[
        int, Setting("T, the last recurrent time step; the backbone runs T + 1 times (paper: 2)", 0, MOST_STEPS)
    ] = 2
    context: Annotated[
        bool, Setting("whether contextual weighting (CWM) weights the side outputs; False is the paper's ablation")
    ] = True
    share_heads: Annotated[
        bool, Setting("whether all time steps share one set of context modules and heads (code: one set per step)")
    ] = False
    context_channels: Annotated[
        int, Setting("channels of each of the three context filters (code: 32)", 1, MOST_CHANNELS)
    ] = 32
    side_channels: Annotated[int, Setting("channels of each side output (code: 128)", 1, MOST_CHANNELS)] = 128
    # Departure: with "attended", later steps know where earlier ones looked; the published network's do not.
    feedback: Annotated[
        Literal["plain", "attended"],
        Setting("what f_3 to f_5 feed back: the features unchanged (plain, code), or multiplied by their weight maps"),
    ] = "plain"
    kernel_size: Annotated[
        int, Setting("n, the side of BRN's propagation kernel: 3, 5, 7 … (code: 5)", 3, LARGEST_KERNEL)
    ] = 5
    refinement_channels: Annotated[
        tuple[int, ...],
        Setting("output channels of BRN's convolutions but the last (paper: 64,64,64,128,128,128)", 1, MOST_CHANNELS),
    ] = (64, 64, 64, 128, 128, 128)
    # Departure: dilations give the same number of layers a larger receptive field.
    refinement_dilations: Annotated[
        tuple[int, ...],
        Setting("dilations of BRN's convolutions, as 1,1,2,4,8,2,1; none for 1 everywhere (paper)", 1, MOST_DILATION),
    ] = ()
    # Departure: with zeros, an object cut by the image border fades there.
    refinement_padding: Annotated[
        Literal["zeros", "replicate"],
        Setting("padding of BRN's input: zeros (paper, code), or copies of the border pixels (replicate)"),
    ] = "zeros"
    """With "replicate", kernel weights that fall outside move to the nearest pixel inside."""
    propagations: Annotated[
        int, Setting("how often BRN recomputes the map with the same coefficients (paper, code: 1)", 1, MOST_STEPS)
    ] = 1
    refinement_std: Annotated[
        float | None,
        Setting("standard deviation of BRN's initial weights (code: 0.01; paper: 0.1)", above=0),
    ] = 0.01
    """None selects He initialisation for the hidden layers, which keeps the signal's scale, and 0 for the last."""
    refinement_gain: Annotated[float, Setting("initial bias of the centre coefficient (paper, code: 1)")] = 1.0
    """An untrained BRN returns about sigmoid(gain · (2s − 1))."""
    # Departure: the authors' script feeds BRN a rounded map. A soft map keeps RLN's uncertainty.
    prior: Annotated[
        Literal["soft", "binary"],
        Setting("what BRN refines: RLN's map unchanged (soft), or rounded to 0 and 1 (binary, code)"),
    ] = "soft"
    # Departure: with a binary prior, "map" still lets the convolutions see RLN's uncertainty.
    refinement_sees: Annotated[
        Literal["prior", "map"],
        Setting("what BRN's convolutions read beside the image: the prior (paper, code), or RLN's map before rounding"),
    ] = "prior"
    rln_size: Annotated[
        int, Setting("side of RLN's square input in pixels (paper: 384)", 32, LARGEST_SIZE, multiple_of=32)
    ] = 384
    brn_size: Annotated[int, Setting("side of BRN's square input in pixels (paper: 480)", 1, LARGEST_SIZE)] = 480
    mean: Annotated[Colour, Setting("RGB mean that RLN subtracts from images in [0, 1]")] = IMAGENET_MEAN
    std: Annotated[Colour, Setting("RGB standard deviation that RLN divides by", above=0)] = IMAGENET_STD
    brn_mean: Annotated[Colour, Setting("RGB mean that BRN subtracts from images in [0, 1]")] = (0.0, 0.0, 0.0)
    brn_std: Annotated[Colour, Setting("RGB standard deviation that BRN divides by", above=0)] = (1.0, 1.0, 1.0)
    # Departure: the authors' script resizes BRN's input by nearest neighbour. Bilinear does not shift edges.
    sizing: Annotated[
        Literal["smooth", "published"],
        Setting("how images and maps are resized: bilinear, or bicubic for RLN and nearest for BRN as the authors do"),
    ] = "smooth"
    """See `dgrl.network.sizing`."""

    def __post_init__(self) -> None:
        # JSON has no tuples. Lists from config.json become tuples again, so that equal settings compare equal.
        for name, value in vars(self).copy().items():
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        check(self)
        layers = len(self.refinement_channels)
        checks = {
            "backbone must be the plain name of a network of timm's": re.fullmatch(r"[\w.]{1,100}", self.backbone),
            "kernel_size must be odd": self.kernel_size % 2 == 1,
            "refinement_channels must name at least one convolution, and at most 32": 0 < layers <= 32,
            "refinement_dilations must be one for each of BRN's convolutions": len(self.refinement_dilations)
            in (0, layers + 1),
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
