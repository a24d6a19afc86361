"""Colour profiles: from whatever a camera or a printer meant by its numbers to sRGB, as networks see it."""

import io

import numpy as np
from PIL import Image, ImageCms

_SPACE_OF_MODE = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_PROBE_LEVELS = np.linspace(0, 255, 6).astype(np.uint8)
_SAME = 1  # of 255: what rounding does to the colours of a profile that is sRGB's


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a picture without transparency to RGB in sRGB.

    Colours that sRGB lacks become the nearest it has. A profile that is damaged, or that is for another kind of picture
    (a printer's on RGB, say), counts for nothing. What the profile calls itself does not count either: its effect on a
    few colours tells whether it is sRGB under any name, and pixels then stay as they are.

    Args:
        image: of any mode that Pillow converts to RGB.
        profile: an ICC profile.
    """
    if profile and image.mode in ("1", "L", "P", "RGB", "RGBX", "CMYK"):
        image = image.convert({"1": "L", "P": "RGB", "RGBX": "RGB"}.get(image.mode, image.mode))
        try:
            converted = _converted(image, profile)
        # Little CMS, and Pillow's reading of profiles, raise errors of many kinds on damaged ones.
        except Exception:
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert the colours to sRGB; return None if the profile is for another mode or changes nothing."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if image.mode == "L" and space == "RGB":  # a grey picture of a camera that is set to a colour space
        image = image.convert("RGB")
    if _SPACE_OF_MODE[image.mode] != space:
        return None
    transform = ImageCms.buildTransform(
        source, ImageCms.createProfile("sRGB"), image.mode, "RGB", ImageCms.Intent.PERCEPTUAL
    )
    if image.mode != "CMYK":
        probe = _probe(image.mode)
        after = np.asarray(ImageCms.applyTransform(probe, transform), np.int16)
        if np.abs(after - np.asarray(probe.convert("RGB"), np.int16)).max() <= _SAME:
            return None
    return ImageCms.applyTransform(image, transform)


def _probe(mode: str) -> Image.Image:
    """Return a picture of a few evenly spaced colours."""
    if mode == "L":
        return Image.fromarray(np.arange(0, 256, 5, dtype=np.uint8)[None])
    colours = np.stack(np.meshgrid(_PROBE_LEVELS, _PROBE_LEVELS, _PROBE_LEVELS), -1)  # (6, 6, 6, 3)
    return Image.fromarray(colours.reshape(6, 36, 3))
