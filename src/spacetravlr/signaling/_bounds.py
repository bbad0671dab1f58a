r"""Bounds on the error of an approximate kernel, relative to the largest received value.

All lengths here are in units of the kernel's sigma; `g` is the kernel, `m >= 0` the values at the cells, `R = g * m`.

**Maximum principle.** At any point x of the plane `R(x) <= 6 max R(cells)`: cut the plane into six cones of 60 degrees
with apex x and take in each the cell y nearest to x. Every other cell z of that cone is at least as near to y as to x,
and g falls with distance, so the cone's share of R(x) is at most R(y).

**Cover.** If the error of the kernel is below a sum of shifted kernels, `|e(d)| <= sum_k c_k g(d - s_k)`, then the
error at any cell is at most `6 sum_k c_k` times the largest received value, however large the tissue is.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import i0e

from spacetravlr.signaling._weights import Floats

CONES = 6.0
# the approximate methods are not asked for more digits than their sums can hold
FINEST_TOLERANCE = 1e-11
# side of the boxes in which the mass of the values is counted
_BOX_SIDES = (1.0, 0.75, 0.5)


def tail(distance: float) -> float:
    """Return the relative error of leaving out every pair farther apart than a distance.

    Cover with kernels on the circle of that radius: their mean at distance d is exp(-(d^2 + D^2) / 2) I0(d D).
    """
    return CONES * math.exp(-0.5 * distance * distance) / float(i0e(distance * distance))


def reach_for(tol: float) -> float:
    """Return the smallest distance whose tail is within a tolerance (0 < tol < 1)."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if tail(middle) > tol else (low, middle)
    return high


def spread_of_mass(u: Floats, v: Floats) -> float:
    """Return c such that `sum(m) <= c max R` for any non-negative values at these positions.

    Count the occupied boxes of side b: the fullest holds at least its share of the mass, and two cells of one box
    weigh at least exp(-b^2) to each other.
    """
    best = math.inf
    for side in _BOX_SIDES:
        column = ((u - u.min()) / side).astype(np.int64)
        row = ((v - v.min()) / side).astype(np.int64)
        occupied = np.zeros((int(column.max()) + 1, int(row.max()) + 1), dtype=bool)
        occupied[column, row] = True
        best = min(best, float(occupied.sum()) * math.exp(side * side))
    return best
