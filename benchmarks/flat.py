"""Measure what is found where there is no salient object: `python -m benchmarks.flat [WEIGHTS]`, a Markdown table.

Plain colours, gradients, noise and skies are made here. So are pages of text, with other typefaces, words and layouts
than the ones that training draws (`dgrl.data.text_pages`). Textures and two scanned pages come from scikit-image.
"""

import argparse
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from benchmarks.timing import table
from dgrl.commands.common import load_model
from dgrl.data.text_pages import FONTS
from dgrl.images import RGB
from dgrl.trace import found_in

HEIGHT, WIDTH = 240, 320
COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128), "red": (200, 30, 30)}
SLOPES = {"noon": ((70, 120, 210), (190, 210, 240)), "dusk": ((250, 180, 120), (90, 60, 110))}
"""Colours at the top and at the bottom of each gradient."""
SKY = ((90, 140, 220), (255, 255, 255))
PHOTOS = ("page", "text", "brick", "grass", "gravel")
FACES = {"sans": None, "roman": "cmr10.ttf", "typewriter": "cmtt10.ttf"}
"""Files in `FONTS`; None is Pillow's default typeface."""
TEXT = (
    "We hold that a picture is looked at twice. First the eye finds what stands out, in any place; then it runs "
    "along the edge of what it has found, and only there asks which side a point belongs to. A page has no such thing: "
    "each line is as good as the next, and a reader has to begin somewhere. "
)


def flat_pictures() -> Iterator[tuple[str, RGB]]:
    """Yield (kind, picture); the pictures are the same in every run."""
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        yield f"plain {name}", np.full((HEIGHT, WIDTH, 3), colour, np.uint8)
    for name, (top, bottom) in SLOPES.items():
        yield f"gradient, {name}", blend(top, bottom, np.linspace(0, 1, HEIGHT)[:, None] + np.zeros(WIDTH))
    yield "noise, every pixel a colour", random.integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    yield "noise, grey", blend((0, 0, 0), (255, 255, 255), random.normal(0.5, 0.12, (HEIGHT, WIDTH)).clip(0, 1))
    for number in (1, 2, 3):
        yield f"sky {number}", blend(*SKY, clouds(random))
    for face in FACES:
        yield f"page, one column, {face}", page(face, 16, 500, 700, columns=1, paper=255, ink=0)
        yield f"page, two columns, {face}", page(face, 14, 600, 800, columns=2, paper=245, ink=30)
    yield "page, large letters", page("sans", 28, 600, 800, columns=1, paper=255, ink=0)
    yield "page, light on dark", page("typewriter", 18, 800, 500, columns=1, paper=30, ink=220)
    for name in PHOTOS:
        grey = getattr(data, name)()
        yield f"`skimage.data.{name}`", np.repeat(grey[..., None], 3, axis=2)


def blend(first: tuple[int, int, int], last: tuple[int, int, int], share: NDArray[np.float64]) -> RGB:
    """Blend from the `first` colour to the `last` as `share` (H, W) goes from 0 to 1."""
    return (np.array(first) * (1 - share[..., None]) + np.array(last) * share[..., None]).round().astype(np.uint8)


def clouds(random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise (H, W) from 0 to 1; its amplitude falls with frequency to the power of 1.5, like that of clouds."""
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH))
    frequency[0, 0] = 1
    cloudy = np.fft.ifft2(np.fft.fft2(random.normal(size=(HEIGHT, WIDTH))) / frequency**1.5).real
    return (cloudy - cloudy.min()) / np.ptp(cloudy)


def page(face: str, letters: int, width: int, height: int, columns: int, paper: int, ink: int) -> RGB:
    """Draw a page of text in `columns`, ragged at the right; every tenth line ends a paragraph."""
    file = FACES[face]
    font = ImageFont.truetype(str(FONTS / file), letters) if file else ImageFont.load_default(letters)
    sheet = Image.new("RGB", (width, height), (paper,) * 3)
    pencil = ImageDraw.Draw(sheet)
    words = itertools.cycle(TEXT.split())
    margin, word = 2 * letters, next(words)
    column_width = (width - margin) / columns - margin
    for column in range(columns):
        left = margin + column * (column_width + margin)
        for line, y in enumerate(range(margin, height - 2 * margin, round(1.4 * letters))):
            text = ""
            while pencil.textlength(text + word, font) < column_width:
                text, word = f"{text}{word} ", next(words)
            pencil.text((left, y), text[: len(text) // 2] if line % 10 == 9 else text, (ink,) * 3, font)
    return np.asarray(sheet)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help="folder of weights; default: shipped")
    model, _ = load_model(parser.parse_args().weights)
    rows = []
    for kind, picture in flat_pictures():
        saliency = model.detect(picture)
        rows.append([kind, f"{saliency.mean():.3f}", f"{saliency.max():.2f}", f"{found_in(saliency).mean():.1%}"])
    print()  # end the line that names the device
    print(table(["picture", "mean of the map", "its largest value", "share found salient"], rows))


if __name__ == "__main__":
    main()
