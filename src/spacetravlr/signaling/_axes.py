"""One axis of the gridded method: grid points with a window, or a few functions where the tissue is thin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._bounds import cones, without_axis
from spacetravlr.signaling._functions import AxisFunctions, enough_nodes
from spacetravlr.signaling._weights import Floats
from spacetravlr.signaling._window import Window

Integers = npt.NDArray[np.int64]
# an axis longer than this takes more functions than a window has points
_LONGEST_OF_FUNCTIONS = 20.0


def per_axis(tol: float, dimensions: int) -> float:
    """Return the bound along each axis such that that of their product (see `product_error`) is a tolerance."""
    return math.expm1(math.log1p(tol / cones(dimensions)) / dimensions)


def product_error(bounds: list[float], dimensions: int) -> float:
    """Bound on the error of a product of kernels over the largest received value.

    Every combination of exact and wrong factors is at most a sum of shifted Gaussians, without the kernel along the
    axes of functions that are wrong (their bounds count that in).
    """
    return cones(dimensions) * math.expm1(sum(math.log1p(bound) for bound in bounds))


def functions_needed(length: float, cover: float) -> float:
    """Return how many functions an axis of this length takes within a bound; infinite if too many to be of use."""
    if length > _LONGEST_OF_FUNCTIONS:
        return math.inf
    count = 2 * enough_nodes(max(length, 1e-9), cover / without_axis(length))
    found = AxisFunctions.build(np.linspace(0.0, length, count), cover / without_axis(length))
    return math.inf if found is None else found.functions.shape[1]


@dataclass(frozen=True)
class GridAxis:
    """Weights of the cells along one axis (n, width), first grid point of each, number of points, and the taps between.

    Functions are weights on points that are not convolved: `taps` is None and every cell sees all of them.
    """

    weights: Floats
    first: Integers
    count: int
    taps: Floats | None
    bound: float
    excess: float

    @classmethod
    def trivial(cls, n_cells: int) -> GridAxis:
        """Return an axis that is not there."""
        return cls(np.ones((n_cells, 1)), np.zeros(n_cells, dtype=np.int64), 1, None, 0.0, 0.0)

    @classmethod
    def of_window(cls, positions: Floats, window: Window) -> GridAxis:
        """Return a grid that a window needs for positions that start at 0, in sigmas."""
        first = (window.first_point(positions) - window.first_point(np.zeros(1))[0]).astype(np.int64)
        count = int(first.max()) + window.width
        return cls(window.weights(positions), first, count, window.taps, window.cover, window.excess)

    @classmethod
    def of_functions(cls, positions: Floats, cover: float) -> GridAxis | None:
        """Return functions within a bound, or None if the axis is too long."""
        room = without_axis(float(positions.max()))
        found = AxisFunctions.build(positions, cover / room)
        if found is None:
            return None
        count = found.functions.shape[1]
        first = np.zeros(len(positions), dtype=np.int64)
        # products of absolute functions add up to at most 1, wherever the cells are along the axis
        return cls(found.functions, first, count, None, room * found.remainder, room)

    @property
    def width(self) -> int:
        """Number of points that a cell sees."""
        return int(self.weights.shape[1])
