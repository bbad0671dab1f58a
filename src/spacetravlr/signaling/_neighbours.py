"""Sparse sums over the cells within reach: for kernels that end, and for tissues of few cells per radius."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._geometry import Integers, compact_order
from spacetravlr.signaling._plan import NOMINAL_CALLS, NOMINAL_CHANNELS, MethodName, Parameters, Reals
from spacetravlr.signaling._weights import Floats, Weights
from spacetravlr.threads import for_each_block

# neighbours that are stored, at 12 bytes each
MOST_STORED = 48_000_000
_ROWS = 1024
# cells of one sorted patch: a patch and its surroundings stay in the cache
_PATCH = 64
# ns: one neighbour and channel, finding a neighbour once, writing one number
_PRODUCT_COST = 0.13
_SEARCH_COST = 30.0
_CELL_COST = 3.0


def neighbour_cost(per_cell: float) -> float:
    """Estimated time, ns per cell and channel on one core, for that many neighbours of a cell."""
    return _CELL_COST + per_cell * (_PRODUCT_COST + _SEARCH_COST / (NOMINAL_CHANNELS * NOMINAL_CALLS))


@dataclass(frozen=True)
class NeighbourPlan:
    """A sparse matrix of weights, receivers and senders in the order of compact patches."""

    order: Integers
    starts: Integers
    senders: npt.NDArray[np.int32]
    weights: Floats
    reach: float
    error: float

    @classmethod
    def build(cls, xy: Floats, weights: Weights, *, reach: float, error: float) -> NeighbourPlan:
        """Find all pairs within reach; leaving out the others costs `error`."""
        order = compact_order(xy, _PATCH)
        starts, senders, squared = _pairs(np.ascontiguousarray(xy[order]), reach)
        weights.replace(squared)
        return cls(order, starts, senders, squared, reach, error)

    @property
    def method(self) -> MethodName:
        """Name of the method."""
        return "neighbours"

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return neighbour_cost(len(self.senders) / len(self.order))

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return factor * K @ values."""
        from spacetravlr.signaling import _kernels

        ordered = values[self.order].astype(np.float64, copy=False)
        received = np.empty(values.shape, dtype)
        n_cells = len(self.order)

        def receive(block: int) -> None:
            begin = block * _ROWS
            end = min(begin + _ROWS, n_cells)
            matrix = (self.starts, self.senders, self.weights)
            _kernels.sum_neighbours(ordered, *matrix, begin, end, self.order, factor, received)

        for_each_block(receive, math.ceil(n_cells / _ROWS))
        return received

    def parameters(self) -> Parameters:
        """Return the reach and the number of pairs."""
        return {"reach": self.reach, "pairs": len(self.senders)}


def _pairs(xy: Floats, reach: float) -> tuple[Integers, npt.NDArray[np.int32], Floats]:
    """Return for every cell where its neighbours start, who they are, and their squared distances."""
    from spacetravlr.signaling import _kernels

    n_cells, dimensions = xy.shape
    # a little farther than asked: the weights decide at the edge, not the rounding of a square
    reach *= 1.0 + 1e-9
    place, runs = np.zeros(n_cells, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for axis in range(dimensions):
        box = np.floor((xy[:, axis] - xy[:, axis].min()) / reach).astype(np.int64) + 1
        stride = int(box.max()) + 2
        place = place * stride + box
        # boxes before, beside and behind; along the last axis they follow each other
        runs = np.add.outer(runs * stride, np.arange(-1, 2 if axis < dimensions - 1 else 0)).ravel()
    cells = np.argsort(place, kind="stable")
    boxes, first = np.unique(place[cells], return_index=True)
    bounds = np.append(first, n_cells).astype(np.int64)
    none, empty = np.empty(0, dtype=np.int32), np.empty(0)
    starts = np.zeros(n_cells + 1, dtype=np.int64)
    _kernels.find_neighbours(xy, cells, boxes, bounds, runs, reach * reach, starts, none, empty)
    starts = np.cumsum(starts)
    senders, squared = np.empty(starts[-1], dtype=np.int32), np.empty(starts[-1])
    _kernels.find_neighbours(xy, cells, boxes, bounds, runs, reach * reach, starts[:-1].copy(), senders, squared)
    return starts, senders, squared
