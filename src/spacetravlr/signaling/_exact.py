"""The sum over all senders, pair by pair, without ever holding all pairs."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._geometry import Integers, compact_order, count_neighbours
from spacetravlr.signaling._plan import NOMINAL_CHANNELS, MethodName, Parameters, Reals
from spacetravlr.signaling._weights import Floats, Weights
from spacetravlr.threads import for_each_block

# 256 x 1024 weights and their scratch take 4 MB: they stay in the cache while BLAS reads them
RECEIVERS = 256
SENDERS = 1024
# ns: forming one weight, and multiplying it with one channel
_PAIR_COST = 2.4
_PRODUCT_COST = 0.035


def pairwise_cost(xy: Floats, reach: float) -> float:
    """Estimated time, ns per cell and channel on one core, from the crowding alone."""
    n_cells = len(xy)
    # a patch of receivers meets every patch of senders that its surroundings touch
    root = 1.0 / xy.shape[1]
    side = 1.13 * (count_neighbours(xy, reach) / n_cells) ** root + RECEIVERS**root + 1.5 * SENDERS**root
    return min(float(n_cells), math.pow(side, xy.shape[1])) * (_PAIR_COST / NOMINAL_CHANNELS + _PRODUCT_COST)


def _boxes(xy: Floats, size: int) -> tuple[Floats, Floats]:
    """Return the lower and upper corners of consecutive runs of cells."""
    starts = np.arange(0, len(xy), size)
    return np.minimum.reduceat(xy, starts), np.maximum.reduceat(xy, starts)


def _near(xy: Floats, reach: float) -> npt.NDArray[np.bool_]:
    """Return which run of senders has a cell within reach of which run of receivers."""
    low, high = _boxes(xy, RECEIVERS)
    other_low, other_high = _boxes(xy, SENDERS)
    near = np.empty((len(low), len(other_low)), dtype=bool)
    for row in range(len(low)):
        apart = np.maximum(np.maximum(other_low - high[row], low[row] - other_high), 0.0)
        near[row] = functools.reduce(np.hypot, apart.T) <= reach * (1.0 + 1e-9)
    return near


@dataclass(frozen=True)
class PairwisePlan:
    """Dense blocks of weights, receivers x senders, skipping blocks that are out of reach as a whole."""

    weights: Weights
    xy: Floats
    order: Integers
    near: npt.NDArray[np.bool_]
    method: MethodName
    error: float
    reach: float

    @classmethod
    def build(
        cls, xy: Floats, weights: Weights, *, method: MethodName = "exact", reach: float = math.inf, error: float = 0.0
    ) -> PairwisePlan:
        """Prepare the sum; a `reach` shorter than the weights' own leaves out senders beyond it, at that error."""
        order = compact_order(xy, RECEIVERS)
        ordered = np.ascontiguousarray(xy[order])
        shortest = min(reach, weights.reach)
        return cls(weights, ordered, order, _near(ordered, shortest), method, error, shortest)

    @property
    def pairs(self) -> int:
        """Number of weights formed by one call."""
        n_cells = len(self.xy)
        rows = np.minimum(RECEIVERS, n_cells - np.arange(self.near.shape[0]) * RECEIVERS)
        columns = np.minimum(SENDERS, n_cells - np.arange(self.near.shape[1]) * SENDERS)
        return int(rows @ self.near.astype(np.int64) @ columns)

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return self.pairs / len(self.xy) * (_PAIR_COST / NOMINAL_CHANNELS + _PRODUCT_COST)

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return factor * K @ values."""
        ordered = values[self.order].astype(np.float64, copy=False)
        received = np.empty(values.shape, dtype)

        def receive(block: int) -> None:
            rows = slice(block * RECEIVERS, (block + 1) * RECEIVERS)
            total = np.zeros((len(self.xy[rows]), values.shape[1]))
            for index in np.flatnonzero(self.near[block]):
                columns = slice(index * SENDERS, (index + 1) * SENDERS)
                total += self._block(rows, columns) @ ordered[columns]
            total *= factor
            received[self.order[rows]] = total

        for_each_block(receive, self.near.shape[0])
        return received

    def _block(self, rows: slice, columns: slice) -> Floats:
        receivers, senders = self.xy[rows], self.xy[columns]
        squared: Floats = np.subtract.outer(receivers[:, 0], senders[:, 0])
        # an infinite distance has weight 0, as it should
        with np.errstate(over="ignore"):
            squared *= squared
            for axis in range(1, receivers.shape[1]):
                other = np.subtract.outer(receivers[:, axis], senders[:, axis])
                other *= other
                squared += other
            self.weights.replace(squared)
        return squared

    def parameters(self) -> Parameters:
        """Return the number of weights formed by one call."""
        return {"pairs": self.pairs, "reach": self.reach}
