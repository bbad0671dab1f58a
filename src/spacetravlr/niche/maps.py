"""Spatial maps: for a cell, an image of its distances to the points of a grid over the tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MapStyle = Literal["readme", "python"]

_CLOSEST = 1e-6
_SMALLEST_RANGE = 1e-15


@dataclass(frozen=True)
class MapGrid:
    """The centres of the pixels of all maps of a tissue.

    Attributes
    ----------
    x
        (n_columns,) from left to right, coordinate units.
    y
        (n_rows,) from the top down.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @classmethod
    def over(cls, xy: NDArray[np.float64], side: int, n_columns: int | None = None) -> Self:
        """Lay a grid over the bounding box of the cells that have a position.

        Parameters
        ----------
        xy
            (n_cells, 2), coordinate units.
        side
            Number of rows, and of columns unless told otherwise.
        n_columns
            Number of columns.
        """
        finite = xy[np.isfinite(xy).all(axis=1)]
        low, high = (finite.min(axis=0), finite.max(axis=0)) if len(finite) else (np.zeros(2), np.zeros(2))
        return cls.of_box((float(low[0]), float(high[0]), float(low[1]), float(high[1])), side, n_columns)

    @classmethod
    def of_box(cls, box: tuple[float, float, float, float], side: int, n_columns: int | None = None) -> Self:
        """Lay a grid over the box (left, right, bottom, top); a box without extent gets one of 1e-6."""
        left, right, bottom, top = box
        n_columns = side if n_columns is None else n_columns
        dx = max(right - left, _CLOSEST) / n_columns
        dy = max(top - bottom, _CLOSEST) / side
        x = left + (np.arange(n_columns, dtype=np.float64) + 0.5) * dx
        y = top - (np.arange(side, dtype=np.float64) + 0.5) * dy
        return cls(np.asarray(x), np.asarray(y))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y), len(self.x)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The bounding box (left, right, bottom, top) that the grid covers."""
        dx = (self.x[-1] - self.x[0]) / max(len(self.x) - 1, 1)
        dy = (self.y[0] - self.y[-1]) / max(len(self.y) - 1, 1)
        return (
            float(self.x[0] - dx / 2),
            float(self.x[-1] + dx / 2),
            float(self.y[-1] - dy / 2),
            float(self.y[0] + dy / 2),
        )


def spatial_maps(grid: MapGrid, xy: NDArray[np.float64], *, style: MapStyle = "readme") -> NDArray[np.float32]:
    """Return the maps of a batch of cells.

    The map is a function of the cell's own position alone. Of the maps of all clusters that the README describes, only
    the one of the cell's own cluster is not zero, and only it reaches the network: so it is all that is made.

    Parameters
    ----------
    grid
        Where the pixels lie.
    xy
        (n, 2) positions of the batch, coordinate units.
    style
        `readme`: 1 / max(distance, 1e-6). `python`: the distance, scaled to 0..1 within the cell's map, as in the
        original Python package.

    Returns
    -------
    (n, rows, columns); zero for a cell without a position. Memory: 12 n rows columns bytes while it works.
    """
    squares = (grid.y[None, :, None] - xy[:, 1, None, None]) ** 2 + (grid.x[None, None, :] - xy[:, 0, None, None]) ** 2
    distance = np.sqrt(squares, out=squares)
    if style == "readme":
        image = np.divide(1.0, np.maximum(distance, _CLOSEST, out=distance), out=distance)
    else:
        low = distance.min(axis=(1, 2), keepdims=True)
        span = np.maximum(distance.max(axis=(1, 2), keepdims=True) - low, _SMALLEST_RANGE)
        image = np.divide(np.subtract(distance, low, out=distance), span, out=distance)
    out = image.astype(np.float32)
    out[~np.isfinite(xy).all(axis=1)] = 0.0
    return out
