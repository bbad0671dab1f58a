"""The bilinear grid of the compiled edition: exact at anchors, interpolated at the cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._plan import NOMINAL_CHANNELS, MethodName, Parameters, Reals
from spacetravlr.signaling._weights import Floats
from spacetravlr.threads import for_each_block

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_ANCHORS = 2048
_SENDERS = 512
_PRODUCT_COST = 0.035
_WEIGHT_COST = 0.5


@dataclass(frozen=True)
class Anchors:
    """A regular grid around the cells with spacing sigma * factor."""

    left: float
    bottom: float
    step: float
    nx: int
    ny: int

    @classmethod
    def around(cls, xy: Floats, sigma: float, factor: float) -> Anchors:
        """Return the grid over the cells' bounding box, padded by one step on every side."""
        step = sigma * factor
        low, high = xy.min(axis=0) - step, xy.max(axis=0) + step
        nx, ny = (math.ceil((end - start) / step) + 1 for start, end in zip(low, high, strict=True))
        return cls(float(low[0]), float(low[1]), step, nx, ny)

    @property
    def count(self) -> int:
        """Number of anchors."""
        return self.nx * self.ny


def _axis(positions: Floats, start: float, step: float, count: int) -> tuple[Floats, Floats, Floats]:
    """Return lower anchor, upper anchor (clamped to the last) and the share of the upper one."""
    place = (positions - start) / step
    lower = np.minimum(np.floor(place), count - 1)
    return lower, np.minimum(lower + 1, count - 1), place - lower


@dataclass(frozen=True)
class BilinearPlan:
    """Exact sums at `anchors`, then the mean of the four around each cell."""

    xy: Floats
    sigma: float
    anchors: Anchors
    interpolation: csr_array
    factor: float

    @classmethod
    def build(cls, xy: Floats, sigma: float, factor: float) -> BilinearPlan:
        """Prepare the anchors and the four weights of every cell."""
        from scipy.sparse import csr_array

        anchors = Anchors.around(xy, sigma, factor)
        x_low, x_high, x_share = _axis(xy[:, 0], anchors.left, anchors.step, anchors.nx)
        y_low, y_high, y_share = _axis(xy[:, 1], anchors.bottom, anchors.step, anchors.ny)
        corners = np.stack([x * anchors.ny + y for x in (x_low, x_high) for y in (y_low, y_high)], axis=1)
        shares = np.stack([x * y for x in (1 - x_share, x_share) for y in (1 - y_share, y_share)], axis=1)
        bounds = np.arange(0, 4 * len(xy) + 1, 4)
        table = csr_array((shares.ravel(), corners.astype(np.int64).ravel(), bounds), shape=(len(xy), anchors.count))
        return cls(xy, sigma, anchors, table, factor)

    @property
    def method(self) -> MethodName:
        """Name of the method."""
        return "grid"

    @property
    def error(self) -> None:
        """The bilinear grid promises no error."""

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return 4.0 + self.anchors.count * (_PRODUCT_COST + _WEIGHT_COST / NOMINAL_CHANNELS)

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return the interpolated factor * K @ values."""
        received: Floats = self.interpolation @ self.at_anchors(values.astype(np.float64, copy=False))
        received *= factor
        return received.astype(dtype, copy=False)

    def at_anchors(self, values: Floats) -> Floats:
        """Return the exact sums at the anchors, (nx * ny, n_channels), y fastest.

        Anchors share their coordinates along both axes, so a weight is the product of one factor per axis.
        """
        grid = self.anchors
        x_anchors: Floats = grid.left + np.arange(grid.nx, dtype=np.float64) * grid.step
        y_anchors: Floats = grid.bottom + np.arange(grid.ny, dtype=np.float64) * grid.step
        sums = np.zeros((grid.nx, grid.ny, values.shape[1]))
        per_block = max(1, _ANCHORS // grid.ny)

        def sum_block(block: int) -> None:
            rows = slice(block * per_block, (block + 1) * per_block)
            total = sums[rows].reshape(-1, values.shape[1])
            for start in range(0, len(self.xy), _SENDERS):
                cells = slice(start, start + _SENDERS)
                x_factor = self._factor(x_anchors[rows], self.xy[cells, 0])
                y_factor = self._factor(y_anchors, self.xy[cells, 1])
                weights = x_factor[:, None, :] * y_factor[None, :, :]
                total += weights.reshape(len(total), -1) @ values[cells]

        for_each_block(sum_block, math.ceil(grid.nx / per_block))
        return sums.reshape(grid.count, -1)

    def _factor(self, anchors: Floats, cells: Floats) -> Floats:
        factor: Floats = np.exp(np.subtract.outer(anchors, cells) ** 2 * (-0.5 / (self.sigma * self.sigma)))
        return factor

    def parameters(self) -> Parameters:
        """Return the spacing and size of the grid."""
        grid = self.anchors
        return {"grid_factor": self.factor, "spacing": grid.step, "nx": grid.nx, "ny": grid.ny}
