"""How BRN made one pixel, in close-ups, numbers and words, as the Refine tab shows it."""

import dataclasses
from typing import Any

import numpy as np

from dgrl.figures import embedded, number, pixel_tables, png_file
from dgrl.figures.kernels import surroundings
from dgrl.templates import render
from dgrl.trace import PixelTrace, Trace

RESULT = 3


def explanation(trace: Trace, pixel: PixelTrace) -> str:
    """The pixel close up, its window as four tables of numbers, and the arithmetic of its refined value, as HTML."""
    around = surroundings(trace, pixel)
    close_ups = [
        ("photo, made square", embedded(png_file(around.photo), "Close-up of the photo around the pixel")),
        ("before BRN", embedded(png_file(around.prior), "Close-up of the map before BRN around the pixel")),
        ("after BRN", embedded(png_file(around.refined), "Close-up of the map after BRN around the pixel")),
    ]
    lines, n, tables = in_words(pixel), trace.kernel_size, pixel_tables(pixel)
    return render("one_pixel", pixel=pixel, close_ups=close_ups, n=n, tables=tables, lines=lines, result=RESULT)


def in_words(pixel: PixelTrace) -> list[str]:
    """How the refined value comes about, in words and symbols, a line each; that of the result is number `RESULT`."""
    evidence = pixel.foreground - pixel.background
    votes = pixel.foreground_products - pixel.background_products
    n = len(votes)
    row, column = divmod(int(abs(votes).argmax()), n)
    change = "raised" if pixel.refined > pixel.prior else "lowered"
    return [
        f"The {n * n} products with s, added up: foreground = Σ v·s = {number(pixel.foreground, 4)}",
        f"The {n * n} products with 1 − s, added up: background = Σ v·(1 − s) = {number(pixel.background, 4)}",
        f"The evidence: foreground − background = {number(evidence, 4)}",
        f"As a probability: refined = sigmoid({number(evidence, 4)}) = {number(pixel.refined, 4)}",
        f"Before BRN the pixel was {number(pixel.prior, 4)}: BRN {change} it by "
        f"{number(abs(pixel.refined - pixel.prior), 4)}.",
        f"The strongest vote, v·(2s − 1) = {number(votes[row, column], 4)}, comes from {place(row, column, n)}.",
    ]


def place(row: int, column: int, n: int) -> str:
    """A place of the n×n window in words."""
    down, right = row - n // 2, column - n // 2
    ways = [f"{abs(right)} to the {'right' if right > 0 else 'left'}"] if right else []
    ways += [f"{abs(down)} {'down' if down > 0 else 'up'}"] if down else []
    return f"the neighbour {' and '.join(ways)}" if ways else "the pixel itself"


def numbers(pixel: PixelTrace) -> dict[str, Any]:
    """The pixel's trace as JSON: arrays become lists of rows."""
    fields = dataclasses.asdict(pixel)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}
