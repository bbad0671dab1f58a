"""Sparse sums over the cells within reach: for kernels that end, and for tissues of few cells per radius."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._geometry import Integers, compact_order
from spacetravlr.signaling._plan import NOMINAL_CALLS, NOMINAL_CHANNELS, MethodName, Parameters
from spacetravlr.signaling._weights import Floats, Weights
from spacetravlr.threads import for_each_block

# neighbours that are stored, at 12 bytes each
MOST_STORED = 48_000_000
_ROWS = 1024
# cells of one sorted patch: a patch and its surroundings stay in the cache
_PATCH = 64
_SEARCH_ROWS = 8192
# ns: one neighbour and channel, finding a neighbour once, writing one number
_PRODUCT_COST = 0.13
_SEARCH_COST = 70.0
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
        from scipy.spatial import cKDTree

        order = compact_order(xy, _PATCH)
        ordered = np.ascontiguousarray(xy[order])
        tree = cKDTree(ordered)
        counts, senders, values = [np.zeros(1, dtype=np.int64)], [], []
        for start in range(0, len(xy), _SEARCH_ROWS):
            block = ordered[start : start + _SEARCH_ROWS]
            # a little farther than asked: the weights decide at the edge, not the tree's rounding
            found = cKDTree(block).sparse_distance_matrix(tree, reach * (1.0 + 1e-9), output_type="coo_matrix")
            by_row = found.tocsr()
            per_row, column = np.diff(by_row.indptr), by_row.indices
            apart = np.repeat(block, per_row, axis=0) - ordered[column]
            squared: Floats = apart[:, 0] ** 2 + apart[:, 1] ** 2
            weights.replace(squared)
            counts.append(per_row)
            senders.append(column.astype(np.int32))
            values.append(squared)
        starts = np.cumsum(np.concatenate(counts))
        return cls(order, starts, np.concatenate(senders), np.concatenate(values), reach, error)

    @property
    def method(self) -> MethodName:
        """Name of the method."""
        return "neighbours"

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return neighbour_cost(len(self.senders) / len(self.order))

    def apply(self, values: Floats) -> Floats:
        """Return K @ values."""
        from spacetravlr.signaling import _kernels

        ordered = values[self.order]
        received = np.empty_like(values)
        n_cells = len(self.order)

        def receive(block: int) -> None:
            begin = block * _ROWS
            end = min(begin + _ROWS, n_cells)
            matrix = (self.starts, self.senders, self.weights)
            _kernels.sum_neighbours(ordered, *matrix, begin, end, self.order, received)

        for_each_block(receive, math.ceil(n_cells / _ROWS))
        return received

    def parameters(self) -> Parameters:
        """Return the reach and the number of pairs."""
        return {"reach": self.reach, "pairs": len(self.senders)}
