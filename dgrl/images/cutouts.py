"""Cut-outs: the object on transparency, on a colour, on another picture, or on its own photo, blurred."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps
from torchvision.transforms.v2.functional import gaussian_blur

from dgrl.images import ImageError, Photo, as_float, read_photo, to_grey, to_tensor
from dgrl.images.foreground import foreground
from dgrl.trace import FOUND

BLUR = "blur"
_BLUR_SHARE = 0.02  # standard deviation, of the photo's longer side
_BLUR_LENGTH = 200  # pixels of the longer side at which it is blurred
_PARTS_LENGTH = 512  # longer side, in pixels, at which parts are separated
_VISIBLE = 13  # of 255, a twentieth: saliency maps are rarely exactly 0


def cut_out(photo: Photo, saliency: NDArray[np.float32]) -> Image.Image:
    """Cut the object out: return the photo as an RGBA image with its saliency map as alpha channel.

    Colours at the object's edge lose what shone through of the old background (see `dgrl.images.foreground`). A photo
    that is transparent itself stays so, and keeps its colours.

    Args:
        photo: (H, W) pixels.
        saliency: (H, W) in [0, 1].
    """
    alpha = np.asarray(to_grey(saliency))
    if photo.alpha is not None:
        return Image.fromarray(np.dstack([photo.colours, np.minimum(alpha, photo.alpha)]))
    return Image.fromarray(np.dstack([foreground(photo.colours, alpha), alpha]))


def binary(saliency: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Return 1 where a map is above the threshold, else 0."""
    return (saliency > threshold).astype(np.float32)


@dataclass(frozen=True)
class Background:
    """The background of an object: a colour, a picture, or the blurred photo itself if there is neither.

    Attributes:
        colour: red, green, blue and opacity, of 255.
        picture: RGB; scaled and cropped, from its middle, to fill the photo's frame.
    """

    colour: tuple[int, int, int, int] | None = None
    picture: Image.Image | None = None

    @classmethod
    def named(cls, word: str) -> "Background":
        """Return a background by its word: "blur", a colour ("white", "#1e90ff", "rgb(0,0,0)"), or a picture's path.

        Raises:
            ImageError: it is none of them.
        """
        if word == BLUR:
            return cls()
        try:
            red, green, blue, *opacity = ImageColor.getrgb(word)
            return cls(colour=(red, green, blue, opacity[0] if opacity else 255))
        except ValueError:
            pass
        if not Path(word).exists():
            raise ImageError(f"{word}: this is neither a colour, nor a picture's file, nor {BLUR!r}")
        return cls(picture=Image.fromarray(read_photo(word).seen))

    def under(self, cut: Image.Image, photo: Photo) -> Image.Image:
        """Lay a cut-out (RGBA) on the background: return RGB, or RGBA if part of it stays transparent.

        A transparent photo shows the colour or the picture where it is transparent; blurred it stays as transparent.
        """
        if self.colour is not None:
            ground = Image.new("RGBA", cut.size, self.colour)
        elif self.picture is not None:
            ground = ImageOps.fit(self.picture, cut.size, Image.Resampling.LANCZOS).convert("RGBA")
        else:
            ground = _blurred(cut, photo)
        composite = Image.alpha_composite(ground, cut)
        if self.colour is None and self.picture is None and photo.alpha is not None:
            composite.putalpha(Image.fromarray(photo.alpha))
        return composite if composite.getchannel("A").getextrema() != (255, 255) else composite.convert("RGB")


def trimmed(picture: Image.Image, cut: Image.Image, margin: int = 0) -> Image.Image | None:
    """Crop `picture` to the visible part of a cut-out (RGBA) of the same size; None if nothing is visible.

    `margin` pixels more are left on each side, as far as the picture goes.
    """
    box = cut.getchannel("A").point(lambda alpha: 255 * (alpha >= _VISIBLE)).getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    wider = max(left - margin, 0), max(top - margin, 0), right + margin, bottom + margin
    return picture.crop((*wider[:2], min(wider[2], picture.width), min(wider[3], picture.height)))


def largest_part(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove from a map (H, W) what is nearer to another part above one half than to the largest one."""
    from scipy import ndimage

    scale = min(1.0, _PARTS_LENGTH / max(saliency.shape))
    size = max(round(saliency.shape[1] * scale), 1), max(round(saliency.shape[0] * scale), 1)
    small = np.asarray(Image.fromarray(saliency).resize(size, Image.Resampling.BOX))
    parts, count = ndimage.label(small > FOUND)
    if count < 2:
        return saliency
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    rows, columns = ndimage.distance_transform_edt(parts == 0, return_distances=False, return_indices=True)
    part_mask = Image.fromarray(parts[rows, columns] == largest).resize(saliency.shape[::-1], Image.Resampling.NEAREST)
    return np.where(np.asarray(part_mask), saliency, np.float32(0))


def _blurred(cut: Image.Image, photo: Photo) -> Image.Image:
    """Return the photo blurred and without its object, which is filled from its surroundings."""
    longest = max(cut.size)
    # The blur is computed at reduced size and enlarged: with a radius of a hundred pixels this makes no visible
    # difference.
    factor = max(longest // _BLUR_LENGTH, 1)
    colours = to_tensor(np.array(Image.fromarray(photo.seen).reduce(factor))).float()
    # The small constant keeps weights above 0, so that a photo that is all object is blurred too.
    weight = 1.001 - as_float(to_tensor(np.array(cut.getchannel("A").reduce(factor))[:, :, None]))
    sigma = _BLUR_SHARE * longest / factor
    radius = min(3 * round(sigma), *(side - 1 for side in weight.shape[2:]))
    if radius > 0:
        blurred = gaussian_blur(
            torch.cat([colours * weight, weight], 1), [2 * radius + 1, 2 * radius + 1], [sigma, sigma]
        )
        colours = blurred[:, :3] / blurred[:, 3:]
    ground = colours[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
    return Image.fromarray(ground).resize(cut.size, Image.Resampling.BICUBIC).convert("RGBA")
