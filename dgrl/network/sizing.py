"""Resize a photo to the networks' square inputs and maps back, our way or as the authors' test scripts do."""

import math

import torch
from torch import Tensor

from dgrl.images import as_float, square, to_size


class Sizing:
    """Resize images and maps bilinearly, with anti-aliasing when shrinking (the default).

    Maps (B, 1, H, W) are in [0, 1]. Images (B, 3, H, W) are in [0, 1] or uint8.
    """

    def for_rln(self, images: Tensor, size: int) -> Tensor:
        """Resize images to RLN's square input."""
        return square(images, size)

    def for_brn(self, images: Tensor, saliency: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Resize images and RLN's map to BRN's square inputs."""
        return square(images, size), to_size(saliency, size, size)

    def localised(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """Resize RLN's map of any time step to the photo's size, in [0, 1], optionally stretched (see `stretch`)."""
        return _in_unit_range(to_size(saliency, height, width), stretched)

    def refined(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """Resize BRN's map to the photo's size, in [0, 1], optionally stretched."""
        return _in_unit_range(to_size(saliency, height, width), stretched)


class PublishedSizing(Sizing):
    """Resize as the authors' MATLAB test scripts do (stage1/test/test.m and stage2/test/test.m).

    The first script resizes the photo to a square with `imresize` (bicubic) and RLN's map back to the photo's size. It
    stretches the map to [0, 1] and saves it as a PNG. The second script reads photo and PNG, resizes both to squares
    with `imresize(…, 'nearest')`, and resizes BRN's map back in the same way.
    """

    def for_rln(self, images: Tensor, size: int) -> Tensor:
        """See `Sizing`; bicubic resizing may overshoot [0, 1] slightly."""
        return imresize_bicubic(as_float(images), size, size)

    def for_brn(self, images: Tensor, saliency: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """See `Sizing`; the map is first resized to the photo's size and stretched there."""
        height, width = images.shape[-2:]
        saliency = self.localised(saliency, height, width, stretched=True)
        return as_float(imresize_nearest(images, size, size)), imresize_nearest(saliency, size, size)

    def localised(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """See `Sizing`."""
        return _in_unit_range(imresize_bicubic(saliency, height, width), stretched)

    def refined(self, saliency: Tensor, height: int, width: int, stretched: bool = False) -> Tensor:
        """See `Sizing`."""
        return _in_unit_range(imresize_nearest(saliency, height, width), stretched)


SIZINGS = {"smooth": Sizing, "published": PublishedSizing}


def _in_unit_range(maps: Tensor, stretched: bool) -> Tensor:
    """Limit maps to [0, 1], because bicubic resizing overshoots slightly; or stretch them."""
    return stretch(maps) if stretched else maps.clamp(0, 1)


def stretch(maps: Tensor) -> Tensor:
    """Stretch each map (B, 1, H, W) to [0, 1] by its minimum and maximum; a flat map stays unchanged."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), maps)


def imresize_nearest(maps: Tensor, height: int, width: int) -> Tensor:
    """Resize (…, H, W) to (…, height, width) like MATLAB's `imresize(…, 'nearest')`."""
    rows = (_positions(maps.shape[-2], height) + 0.5).floor().long().clamp(0, maps.shape[-2] - 1)
    columns = (_positions(maps.shape[-1], width) + 0.5).floor().long().clamp(0, maps.shape[-1] - 1)
    return maps[..., rows.to(maps.device), :][..., columns.to(maps.device)]


def imresize_bicubic(maps: Tensor, height: int, width: int) -> Tensor:
    """Resize (…, H, W) to (…, height, width) like MATLAB's `imresize`: bicubic, anti-aliased, with mirrored edges."""
    rows = _bicubic_weights(maps.shape[-2], height).to(maps.device, maps.dtype)
    columns = _bicubic_weights(maps.shape[-1], width).to(maps.device, maps.dtype)
    with torch.autocast(maps.device.type, enabled=False):
        return rows @ maps @ columns.T


def _positions(inputs: int, outputs: int) -> Tensor:
    """Return the positions of `outputs` pixel centres on a row of `inputs` pixels, counted from the first centre."""
    scale = outputs / inputs
    return torch.arange(1, outputs + 1, dtype=torch.float64) / scale + 0.5 * (1 - 1 / scale) - 1


def _bicubic_weights(inputs: int, outputs: int) -> Tensor:
    """Return the weight (outputs, inputs) of each old pixel of a row in each new one."""
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
    """Evaluate Keys' cubic kernel with a = −½."""
    x = x.abs()
    inner = (1.5 * x - 2.5) * x**2 + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, inner, torch.where(x <= 2, outer, torch.zeros_like(x)))
