"""Cells on a grid of characters: where they fall, and which colour a character takes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BRAILLE = 0x2800
# bit of each dot of a braille character: rows from above, left and right
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)
_CROWDED = 4.0
"""Cells per occupied half of a character from which two colours tell more than eight dots."""
_MOST = 250_000
"""Cells that are drawn; more would fall on the same dots."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells fall on a canvas."""

    width: int
    height: int
    """Characters."""
    pixel: NDArray[np.int64]
    """(n_shown,) pixel of each shown cell, counted by rows."""
    shown: NDArray[np.int64]
    """(n_shown,) rows of the cells that have a position."""
    masks: NDArray[np.uint8] | None
    """(height, width) braille dots; None where a character is two pixels, one above the other."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of pixels: one per character with braille dots, two otherwise."""
        return (self.height * (1 if self.masks is not None else 2), self.width)


def place(xy: NDArray[np.float64], width: int, height: int) -> Grid:
    """Place cells on a canvas, as large as it allows without distortion, y pointing down as in an image.

    Parameters
    ----------
    xy
        (n, 2) positions; cells without a finite one are left out.
    width, height
        Characters of the canvas; a character is taken to be twice as high as wide.

    Notes
    -----
    Braille dots where cells are sparse; half blocks, which have twice the colours, where they are crowded. One pass
    over at most 250,000 cells, evenly taken: about 40 ms.
    """
    finite = np.isfinite(xy).all(axis=1)
    shown = np.flatnonzero(finite)
    shown = shown[:: -(-shown.size // _MOST)] if shown.size > _MOST else shown
    points = xy[shown]
    if not shown.size or width < 1 or height < 1:
        none = np.zeros(0, dtype=np.int64)
        return Grid(max(width, 1), max(height, 1), none, none, np.zeros((max(height, 1), max(width, 1)), np.uint8))
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.maximum(high - low, 1e-12)
    # dots are square: two per character across, four down
    scale = min((2 * width - 1) / span[0], (4 * height - 1) / span[1])
    margin = (np.array([2 * width - 1, 4 * height - 1]) - span * scale) / 2
    column = np.rint((points[:, 0] - low[0]) * scale + margin[0]).astype(np.int64)
    row = np.rint((points[:, 1] - low[1]) * scale + margin[1]).astype(np.int64)
    half = (row >> 1) * width + (column >> 1)
    occupied = np.count_nonzero(np.bincount(half, minlength=2 * width * height))
    if shown.size / occupied >= _CROWDED:
        return Grid(width, height, half, shown, None)
    masks = np.zeros((height, width), dtype=np.uint8)
    np.bitwise_or.at(masks, (row >> 2, column >> 1), _BITS[row & 3, column & 1])
    return Grid(width, height, (row >> 2) * width + (column >> 1), shown, masks)


def commonest(grid: Grid, codes: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the most frequent category of each pixel; -1 where there is no cell.

    Parameters
    ----------
    grid
        Where the cells are.
    codes
        (n_cells,) categories; negative ones are left out.
    n
        Number of categories.
    """
    rows, columns = grid.shape
    own = codes[grid.shown]
    known = own >= 0
    pixel, own = (grid.pixel, own) if known.all() else (grid.pixel[known], own[known])
    counts = np.bincount(pixel * max(n, 1) + own, minlength=rows * columns * max(n, 1))
    by_pixel = counts.reshape(rows * columns, max(n, 1))
    out = np.where(by_pixel.any(axis=1), by_pixel.argmax(axis=1), -1)
    return out.reshape(rows, columns)


def mean(grid: Grid, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean value of each pixel over the cells whose value is known; NaN where there is none."""
    rows, columns = grid.shape
    own = values[grid.shown]
    known = np.isfinite(own)
    pixel, own = (grid.pixel, own) if known.all() else (grid.pixel[known], own[known])
    total = np.bincount(pixel, weights=own, minlength=rows * columns)
    number = np.bincount(pixel, minlength=rows * columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total / number).reshape(rows, columns)


def steps(values: NDArray[np.float64], low: float, high: float, n: int) -> NDArray[np.int64]:
    """Return the step of a ramp for each value; -1 where it is NaN."""
    span = high - low if high > low else 1.0
    with np.errstate(invalid="ignore"):
        found = np.clip(np.floor((values - low) / span * n), 0, n - 1)
    return np.where(np.isnan(found), -1, found).astype(np.int64)


def characters(grid: Grid, colours: NDArray[np.int64], occupied: NDArray[np.bool_]) -> list[list[tuple[str, int, int]]]:
    """Return the lines of the picture as runs of characters of the same colours.

    Parameters
    ----------
    grid
        Where the cells are.
    colours
        Of each pixel, -1 for the colour of what is not known.
    occupied
        Pixels that have a cell.

    Returns
    -------
    Per line, text with the numbers of its foreground and background; -2 is the background of the screen.
    """
    if grid.masks is not None:
        text = np.where(grid.masks > 0, grid.masks.astype(np.int64) + _BRAILLE, ord(" "))
        front = np.where(grid.masks > 0, colours, -2)
        back = np.full_like(front, -2)
    else:
        above, below = occupied[0::2], occupied[1::2]
        first, second = colours[0::2], colours[1::2]
        same = above & below & (first == second)
        text = np.select([same, above, below], [ord("█"), ord("▀"), ord("▄")], ord(" "))
        front = np.select([above, below], [first, second], -2)
        back = np.where(above & below & ~same, second, -2)
    return [_runs(*line) for line in zip(text, front, back, strict=True)]


def _runs(text: NDArray[np.int64], front: NDArray[np.int64], back: NDArray[np.int64]) -> list[tuple[str, int, int]]:
    cut = np.flatnonzero((np.diff(front) != 0) | (np.diff(back) != 0)) + 1
    bounds = [0, *cut.tolist(), text.size]
    return [
        ("".join(map(chr, text[begin:end].tolist())), int(front[begin]), int(back[begin]))
        for begin, end in pairwise(bounds)
    ]
