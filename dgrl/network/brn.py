"""The Boundary Refinement Network (BRN), section 4 of the paper: each pixel is recomputed from its neighbours."""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dgrl.network.config import DGRLConfig
from dgrl.network.layers import fill_gaussian
from dgrl.taps import Tap, name_taps


@dataclass
class BRNOutput:
    """The result of BRN.

    Attributes:
        prior: (B, 1, H, W) in [0, 1], the map that was refined.
        coefficients: (B, n², H, W), signed, not normalised: coefficient d of a pixel weighs its neighbour in row
            d // n, column d % n of the n×n window around it.
        evidence: (B, 1, H, W), foreground minus background of `propagate`; float64 where the device has it.
        refined: (B, 1, H, W) in [0, 1].
    """

    prior: Tensor
    coefficients: Tensor
    evidence: Tensor
    refined: Tensor


def propagate(saliency: Tensor, coefficients: Tensor) -> Tensor:
    """Recompute every pixel from its n×n neighbours (paper, section 4; code: layers data_transpose to prob).

    With s_d the map at neighbour d (0 outside the image) and v_d its coefficient:

        foreground = Σ_d v_d · s_d,  background = Σ_d v_d · (1 − s_d),
        refined = softmax(background, foreground)[1] = sigmoid(Σ_d v_d · (2 s_d − 1)).

    Args:
        saliency: (B, 1, H, W) or (H, W), in [0, 1].
        coefficients: (B, n², H, W) or (n², H, W), signed, not normalised.

    Returns:
        The refined map, of `saliency`'s shape, in [0, 1].

    Raises:
        ValueError: the number of coefficients is not the square of an odd number, or the shapes do not match.
    """
    return weigh(saliency, coefficients).sigmoid().to(torch.result_type(saliency, coefficients))


def weigh(saliency: Tensor, coefficients: Tensor) -> Tensor:
    """Compute the evidence of `propagate`: Σ_d v_d · (2 s_d − 1), foreground minus background, in `saliency`'s shape.

    The result is float64 where the device supports it: terms of large coefficients nearly cancel, and float32 would
    have errors of 1e-5.
    """
    n = round(coefficients.shape[-3] ** 0.5)
    if n * n != coefficients.shape[-3] or n % 2 == 0:
        raise ValueError(f"{coefficients.shape[-3]} coefficients per pixel are not the square of an odd number")
    if saliency.shape[-2:] != coefficients.shape[-2:]:
        raise ValueError(f"map {tuple(saliency.shape)} and coefficients {tuple(coefficients.shape)} differ in size")
    batched = saliency.dim() == coefficients.dim()
    if batched and (saliency.shape[-3] != 1 or saliency.shape[:-3] != coefficients.shape[:-3]):
        raise ValueError(f"map {tuple(saliency.shape)} and coefficients {tuple(coefficients.shape)} do not match")
    # ONNX runtimes support float64 on some devices only.
    single = saliency.device.type == "mps" or torch.compiler.is_exporting()
    precise = torch.float32 if single else torch.float64
    signed = 2 * (saliency.squeeze(-3) if batched else saliency).to(precise) - 1  # (B, H, W)
    height, width = signed.shape[-2:]
    signed = F.pad(signed, [n // 2] * 4, value=-1.0)  # outside the image the map is 0
    evidence = torch.zeros((), device=signed.device, dtype=precise)
    for d, coefficient in enumerate(coefficients.unbind(-3)):
        row, column = divmod(d, n)
        evidence = evidence + coefficient * signed[..., row : row + height, column : column + width]
    return evidence.unsqueeze(-3) if batched else evidence


def folded_inwards(coefficients: Tensor) -> Tensor:
    """Move each coefficient (B, n², H, W) for a neighbour outside the image to the nearest neighbour inside.

    `propagate` then computes what it would if the map were padded with its border values. Only the outermost n // 2
    pixels change.
    """
    n = round(coefficients.shape[1] ** 0.5)
    kernels = coefficients.reshape(coefficients.shape[0], n, n, *coefficients.shape[2:])  # (B, rows, columns, H, W)
    for kernel_axis, axis in ((2, 4), (1, 3)):
        length, radius = kernels.shape[axis], n // 2
        start = min(radius, length)
        end = max(start, length - radius)
        strips = {place: _folded_strip(kernels, kernel_axis, axis, place) for place in range(length)[:start]}
        strips |= {place: _folded_strip(kernels, kernel_axis, axis, place) for place in range(end, length)}
        if torch.compiler.is_exporting() or kernels.requires_grad:
            first, last = ([strips[place] for place in places] for places in (range(start), range(end, length)))
            kernels = torch.cat([*first, kernels.narrow(axis, start, end - start), *last], axis)
        else:
            # `weigh` reads one coefficient of all pixels after the other, so the copy has them in that order.
            kernels = kernels.clone(memory_format=torch.contiguous_format) if kernel_axis == 2 else kernels
            for place, strip in strips.items():
                kernels.narrow(axis, place, 1).copy_(strip)
    return kernels.flatten(1, 2)


def _folded_strip(kernels: Tensor, kernel_axis: int, axis: int, place: int) -> Tensor:
    """Fold the kernels of the pixels at `place` along one axis; see `folded_inwards`."""
    n, length = kernels.shape[kernel_axis], kernels.shape[axis]
    strip = kernels.narrow(axis, place, 1)
    # First and last row (or column) of the kernel inside the image.
    first, last = max(0, n // 2 - place), min(n - 1, length - 1 - place + n // 2)
    if first == last:
        inside = [strip.sum(kernel_axis, keepdim=True)]
    else:
        inside = [
            strip.narrow(kernel_axis, 0, first + 1).sum(kernel_axis, keepdim=True),
            strip.narrow(kernel_axis, first + 1, last - first - 1),
            strip.narrow(kernel_axis, last, n - last).sum(kernel_axis, keepdim=True),
        ]
    outside = [torch.zeros_like(strip.narrow(kernel_axis, 0, count)) for count in (first, n - 1 - last)]
    return torch.cat([outside[0], *inside, outside[1]], kernel_axis)


class BRN(nn.Module):
    """Predict n² coefficients per pixel with seven 3×3 convolutions of image and map, then propagate. No pooling.

    `propagations` is how many times the map is recomputed with the same coefficients. All results but the last have
    the taps `brn.propagated1`, `brn.propagated2` …

    An untrained BRN returns about sigmoid(2s − 1), because the last layer's bias is 1 at the centre coefficient.

    Args:
        config: kernel size n, channels, initial weights, kind of prior, normalisation of images.

    Attributes:
        precision: of the convolutions in inference; None is that of the weights (see `dgrl.running.precision`).
        reach: largest distance in pixels at which an input can influence a pixel's refined value.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: DGRLConfig) -> None:
        super().__init__()
        self.kernel_size = config.kernel_size
        self.propagations = config.propagations
        self.prior: Literal["soft", "binary"] = config.prior
        self.padding: Literal["zeros", "replicate"] = config.refinement_padding
        self.sees: Literal["prior", "map"] = config.refinement_sees
        widths = [4, *config.refinement_channels, config.kernel_size**2]
        layers: list[nn.Module] = []
        dilations = config.refinement_dilations or (1,) * (len(widths) - 1)
        for (inputs, outputs), dilation in zip(pairwise(widths), dilations, strict=True):
            convolution = nn.Conv2d(
                inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode=config.refinement_padding
            )
            if config.refinement_std is None:
                nn.init.kaiming_normal_(convolution.weight)
                nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            else:
                fill_gaussian(convolution, std=config.refinement_std)
            layers += [convolution, nn.ReLU(inplace=True)]
        if config.refinement_std is None:
            nn.init.zeros_(convolution.weight)
        # A kernel reads map values `radius` away; each further propagation reads pixels with kernels of their own.
        radius = config.kernel_size // 2
        self.reach = max(sum(dilations) + (config.propagations - 1) * radius, config.propagations * radius)
        identity = torch.zeros(config.kernel_size**2)
        identity[config.kernel_size**2 // 2] = config.refinement_gain
        convolution.bias = nn.Parameter(identity)
        self.precision: torch.dtype | None = None
        self.layers = nn.Sequential(*layers[:-1])  # coefficients are signed: no ReLU after the last
        self.prior_tap = Tap("prior")
        self.coefficients_tap = Tap("coefficients")
        self.propagated_tap = Tap("propagated{t}")
        self.refined_tap = Tap("refined")
        name_taps(self, "brn")
        self.register_buffer("mean", torch.tensor(config.brn_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.brn_std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, saliency: Tensor) -> BRNOutput:
        """Refine `saliency` (B, 1, H, W) in [0, 1], guided by `images` (B, 3, H, W) in [0, 1], RGB."""
        prior = self.prior_tap(saliency.round() if self.prior == "binary" else saliency)
        guide = prior if self.sees == "prior" else saliency
        images = (images - self.mean) / self.std
        with torch.autocast(images.device.type, self.precision) if self.precision else nullcontext():
            coefficients = self.layers(torch.cat([images, guide], 1)).float()  # (B, 25, 480, 480)
        coefficients = folded_inwards(coefficients) if self.padding == "replicate" else coefficients.contiguous()
        coefficients = self.coefficients_tap(coefficients)
        evidence = weigh(prior, coefficients)  # (B, 1, 480, 480)
        for number in range(1, self.propagations):  # departure: the published network propagates once
            propagated = self.propagated_tap(evidence.sigmoid().float(), number)
            evidence = weigh(propagated, coefficients)
        refined = self.refined_tap(evidence.sigmoid().float())
        return BRNOutput(prior, coefficients, evidence, refined)
