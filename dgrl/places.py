"""Convert positions between grids of different size that show the same scene: photo, RLN's map, BRN's map, a figure.

A grid is given by its shape (height, width, …). Pixel (x, y), column and row, is the square around (x + ½, y + ½).
"""

Shape = tuple[int, ...]


def carried(x: float, y: float, source: Shape, target: Shape) -> tuple[int, int]:
    """Return the pixel of the grid `target` that covers the centre of pixel (x, y) of the grid `source`."""
    return int((x + 0.5) * target[1] / source[1]), int((y + 0.5) * target[0] / source[0])


def shares(x: float, y: float, shape: Shape) -> tuple[float, float]:
    """Return the position of a pixel's centre as shares of width and height."""
    return (x + 0.5) / shape[1], (y + 0.5) / shape[0]


def pixel_at(across: float, down: float, shape: Shape) -> tuple[int, int]:
    """Return the pixel at these shares of width and height, limited to the grid."""
    return inside(across * shape[1], down * shape[0], shape)


def inside(x: float, y: float, shape: Shape) -> tuple[int, int]:
    """Return the pixel of the grid nearest to (x, y)."""
    return min(max(int(x), 0), shape[1] - 1), min(max(int(y), 0), shape[0] - 1)


def contains(x: float, y: float, shape: Shape) -> bool:
    """Return whether (x, y) is a pixel of the grid."""
    return 0 <= x < shape[1] and 0 <= y < shape[0]


def cell_at(x: float, y: float, shape: Shape, cells: Shape) -> tuple[int, int]:
    """Return the cell (column, row) of a weight map whose centre is nearest to a pixel's centre.

    The corner cells' centres lie on the photo's corners, as in all resizing inside RLN (aligned corners).
    """
    across, down = shares(x, y, shape)
    return round(across * (cells[1] - 1)), round(down * (cells[0] - 1))
