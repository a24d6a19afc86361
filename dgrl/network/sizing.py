"""From a photo to the squares that the networks read, and back: our way, and that of the authors' test scripts."""

import math

import torch
from torch import Tensor

from dgrl.images import as_float, square, to_size


class Sizing:
    """How pictures and maps change their size: bilinear throughout, anti-aliased where something shrinks (the default).

    Maps (B, 1, H, W) are in [0, 1], images (B, 3, H, W) too, or uint8.
    """

    def for_rln(self, images: Tensor, size: int) -> Tensor:
        """The images as RLN's square input."""
        return square(images, size)

    def for_brn(self, images: Tensor, saliency: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """The images and RLN's map as BRN's square inputs."""
        return square(images, size), to_size(saliency, size, size)

    def localised(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """RLN's map, of any time step, at the photo's size: in [0, 1], as it is or stretched (see `stretch`)."""
        return _unit(to_size(saliency, height, width), stretched)

    def refined(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """BRN's map likewise."""
        return _unit(to_size(saliency, height, width), stretched)


class PublishedSizing(Sizing):
    """As the authors' MATLAB test scripts do it (stage1/test/test.m and stage2/test/test.m).

    The first makes the photo a square with `imresize` (bicubic), brings RLN's map back to the photo's size likewise,
    stretches it to [0, 1] and saves it as a PNG. The second reads photo and PNG, makes both squares with
    `imresize(…, 'nearest')`, and brings BRN's map back with the same.
    """

    def for_rln(self, images: Tensor, size: int) -> Tensor:
        """See `Sizing`; like any bicubic, it may overshoot [0, 1] a little."""
        return imresize_bicubic(as_float(images), size, size)

    def for_brn(self, images: Tensor, saliency: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """See `Sizing`; the map takes the way over the photo's size, where it is stretched."""
        height, width = images.shape[-2:]
        saliency = self.localised(saliency, height, width, stretched=True)
        return as_float(imresize_nearest(images, size, size)), imresize_nearest(saliency, size, size)

    def localised(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """See `Sizing`."""
        return _unit(imresize_bicubic(saliency, height, width), stretched)

    def refined(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """See `Sizing`."""
        return _unit(imresize_nearest(saliency, height, width), stretched)


SIZINGS = {"smooth": Sizing, "published": PublishedSizing}


def _unit(maps: Tensor, stretched: bool) -> Tensor:
    """Maps in [0, 1]; a bicubic resizing overshoots a little."""
    return stretch(maps) if stretched else maps.clamp(0, 1)


def stretch(maps: Tensor) -> Tensor:
    """Each map (B, 1, H, W) stretched to [0, 1] by its minimum and maximum; a flat map stays as it is."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), maps)


def imresize_nearest(maps: Tensor, height: int, width: int) -> Tensor:
    """(…, H, W) to (…, height, width) as MATLAB's `imresize(…, 'nearest')`: the pixel under each new pixel's centre."""
    rows = (_positions(maps.shape[-2], height) + 0.5).floor().long().clamp(0, maps.shape[-2] - 1)
    columns = (_positions(maps.shape[-1], width) + 0.5).floor().long().clamp(0, maps.shape[-1] - 1)
    return maps[..., rows.to(maps.device), :][..., columns.to(maps.device)]


def imresize_bicubic(maps: Tensor, height: int, width: int) -> Tensor:
    """(…, H, W) to (…, height, width) as MATLAB's `imresize`: bicubic, anti-aliased when it shrinks, mirrored edges."""
    rows = _bicubic_weights(maps.shape[-2], height).to(maps.device, maps.dtype)
    columns = _bicubic_weights(maps.shape[-1], width).to(maps.device, maps.dtype)
    with torch.autocast(maps.device.type, enabled=False):
        return rows @ maps @ columns.T


def _positions(inputs: int, outputs: int) -> Tensor:
    """Where the centres of `outputs` pixels lie on a row of `inputs` pixels, in pixels from the first one's centre."""
    scale = outputs / inputs
    return torch.arange(1, outputs + 1, dtype=torch.float64) / scale + 0.5 * (1 - 1 / scale) - 1


def _bicubic_weights(inputs: int, outputs: int) -> Tensor:
    """(outputs, inputs): how much each new pixel of a row takes from each old one."""
    shrink = min(outputs / inputs, 1.0)  # the kernel grows as the row shrinks
    positions = _positions(inputs, outputs)[:, None]
    taps = torch.arange(math.ceil(4 / shrink) + 2)
    sources = (positions - 2 / shrink).floor() + taps
    weights = _cubic((positions - sources) * shrink)
    weights = weights / weights.sum(1, keepdim=True)
    mirrored = sources.long() % (2 * inputs)
    mirrored = torch.where(mirrored < inputs, mirrored, 2 * inputs - 1 - mirrored)
    return torch.zeros(outputs, inputs, dtype=torch.float64).scatter_add_(1, mirrored, weights)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = −½."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))
