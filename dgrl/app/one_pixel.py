"""How BRN made one pixel, in close-ups, numbers and words, as the Refine tab shows it."""

import dataclasses
from typing import Any

import numpy as np

from dgrl.figures import embedded, number, pixel_tables, png_file
from dgrl.figures.kernels import surroundings
from dgrl.images import RGB
from dgrl.trace import PixelTrace, Trace


def explanation(trace: Trace, pixel: PixelTrace) -> str:
    """The pixel close up, its window as four tables of numbers, and the arithmetic of its refined value, as HTML."""
    around = surroundings(trace, pixel)
    close = [
        close_up(around.photo, "photo, made square", "Close-up of the photo around the pixel"),
        close_up(around.prior, "before BRN", "Close-up of the map before BRN around the pixel"),
        close_up(around.refined, "after BRN", "Close-up of the map after BRN around the pixel"),
    ]
    n = trace.kernel_size
    return (
        f"<p>Column {pixel.x}, row {pixel.y} of the photo is column {pixel.column}, row {pixel.row} of BRN's map.</p>"
        f'<div class="tables">{"".join(close)}</div>'
        f"<div>The outlined {n}×{n} pixels of BRN's map are the pixel's window; here they are in numbers.</div>"
        f"{pixel_tables(pixel)}"
        f'<div class="arithmetic">{"<br>".join(in_words(pixel))}</div>'
    )


def in_words(pixel: PixelTrace) -> list[str]:
    """How the refined value comes about, in words and symbols, a line of HTML each."""
    evidence = pixel.foreground - pixel.background
    votes = pixel.foreground_products - pixel.background_products
    n = len(votes)
    row, column = divmod(int(abs(votes).argmax()), n)
    change = "raised" if pixel.refined > pixel.prior else "lowered"
    return [
        f"The {n * n} products with s, added up: foreground = Σ v·s = {number(pixel.foreground, 4)}",
        f"The {n * n} products with 1 − s, added up: background = Σ v·(1 − s) = {number(pixel.background, 4)}",
        f"The evidence: foreground − background = {number(evidence, 4)}",
        f"<strong>As a probability: refined = sigmoid({number(evidence, 4)}) = {number(pixel.refined, 4)}</strong>",
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


def close_up(picture: RGB, caption: str, alternative: str) -> str:
    """A small picture with its caption, as HTML."""
    image = embedded(png_file(picture), alternative, 'style="width: 100%"')
    style = "margin: 0; flex: 1 1 80px; max-width: 200px"
    return f'<figure style="{style}">{image}<figcaption>{caption}</figcaption></figure>'


def numbers(pixel: PixelTrace) -> dict[str, Any]:
    """The pixel's trace as JSON: arrays become lists of rows."""
    fields = dataclasses.asdict(pixel)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in fields.items()}
