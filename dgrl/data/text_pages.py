"""Drawn pages of text: pictures without a salient object, which the paper's training set does not have."""

from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic", "STIXGeneral")


def draw_page(size: int) -> Tensor:
    """Draw a scanned or photographed page of random words (3, H, W) uint8, with PyTorch's current random state.

    Its sides are from `size` to 1.5 times `size`. Face, letters' height, margins, ink, paper and shading vary; one in
    six is light on dark.
    """
    width, height = (size + whole(0, size // 2) for _ in range(2))
    letters = whole(max(6, size // 40), max(8, size // 12))
    paper, ink = whole(190, 255), whole(0, 90)
    if torch.rand(()) < 1 / 6:
        paper, ink = ink, paper
    page = Image.new("L", (width, height), paper)
    pencil = ImageDraw.Draw(page)
    font = ImageFont.truetype(str(FONTS / f"{FACES[whole(0, len(FACES) - 1)]}.ttf"), letters)
    left, right, top, bottom = (whole(0, size // 8) for _ in range(4))
    spacing = letters * (1.1 + 0.8 * float(torch.rand(())))
    y = float(top)
    while y < height - bottom:
        line = ""
        while pencil.textlength(line, font) < width - left - right:
            line += word() + " "
        pencil.text((left, y), line.rsplit(" ", 2)[0], ink, font)
        y += spacing * (2 if torch.rand(()) < 0.1 else 1)  # the end of a paragraph
    return shaded(torch.frombuffer(bytearray(page.tobytes()), dtype=torch.uint8).view(1, height, width))


def shaded(page: Tensor) -> Tensor:
    """Colour a page (1, H, W) uint8 as (3, H, W): tinted, and darker towards one side, like paper in a room."""
    _, height, width = page.shape
    slope_x, slope_y = torch.rand(2) - 0.5
    x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)[:, None]
    light = 1 + slope_x * x + slope_y * y
    tint = 1 - 0.15 * torch.rand(3, 1, 1)
    return (page * tint * light / light.max()).round().to(torch.uint8)


def word() -> str:
    """Return one to ten random letters."""
    return "".join(chr(ord("a") + whole(0, 25)) for _ in range(whole(1, 10)))


def whole(low: int, high: int) -> int:
    """Return a random whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, ()))
