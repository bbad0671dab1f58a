r"""Bounds on the error of an approximate kernel, relative to the largest received value.

All lengths here are in units of the kernel's sigma; `g` is the kernel, `m >= 0` the values at the cells, `R = g * m`.

**Maximum principle.** At any point x of the plane `R(x) <= 6 max R(cells)`: cut the plane into six cones of 60 degrees
with apex x and take in each the cell y nearest to x. Every other cell z of that cone is at least as near to y as to x,
and g falls with distance, so the cone's share of R(x) is at most R(y). Space is covered by 28 such cones (the points of
a Fibonacci sphere come within 30 degrees of every direction).

**Cover.** If the error of the kernel is below a sum of shifted kernels, `|e(d)| <= sum_k c_k g(d - s_k)`, then the
error at any cell is at most `6 sum_k c_k` times the largest received value, however large the tissue is.

**Slabs.** Without the kernel along one axis of a tissue of length Z, a sum is larger by at most `k exp((Z / k)^2 / 2)`
for any k: cut the tissue into k slabs, and two cells of one slab weigh at least `exp(-(Z / k)^2 / 2)` along the axis.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import i0e

from spacetravlr.signaling._weights import Floats

_CONES = {2: 6.0, 3: 28.0}
# the approximate methods are not asked for more digits than their sums can hold
FINEST_TOLERANCE = 1e-11
# side of the boxes in which the mass of the values is counted
_BOX_SIDES = (1.0, 0.75, 0.5)
# boxes that are marked in a table; more are sorted
_MOST_BOXES = 1 << 24


def cones(dimensions: int) -> float:
    """Return how many cones of 60 degrees cover the plane or space."""
    return _CONES[dimensions]


def tail(distance: float, dimensions: int = 2) -> float:
    """Return the relative error of leaving out every pair farther apart than a distance.

    Cover with kernels on the circle of that radius: their mean at distance d is exp(-(d^2 + D^2) / 2) I0(d D); on the
    sphere it is exp(-(d^2 + D^2) / 2) sinh(d D) / (d D).
    """
    squared = distance * distance
    if dimensions == 2:
        return cones(2) * math.exp(-0.5 * squared) / float(i0e(squared))
    shell = 2.0 * squared / -math.expm1(-2.0 * squared) if squared else 1.0
    return cones(3) * math.exp(-0.5 * squared) * shell


def reach_for(tol: float, dimensions: int = 2) -> float:
    """Return the smallest distance whose tail is within a tolerance (0 < tol < 1)."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if tail(middle, dimensions) > tol else (low, middle)
    return high


def without_axis(length: float) -> float:
    """Return how much larger a sum gets at most when the kernel along an axis of this length is left out."""
    return min(k * math.exp(0.5 * (length / k) ** 2) for k in range(1, math.ceil(length) + 2))


def spread_of_mass(*axes: Floats) -> float:
    """Return c such that `sum(m) <= c max R` for any non-negative values at these positions.

    Count the occupied boxes of side b: the fullest holds at least its share of the mass, and two cells of one box
    weigh at least exp(-b^2 / 2) to each other for every axis.
    """
    best = math.inf
    for side in _BOX_SIDES:
        place = np.zeros(len(axes[0]), dtype=np.int64)
        boxes = 1
        for axis in axes:
            along = ((axis - axis.min()) / side).astype(np.int64)
            count = int(along.max()) + 1
            place = place * count + along
            boxes *= count
        occupied = _distinct(place, boxes)
        best = min(best, occupied * math.exp(0.5 * len(axes) * side * side))
    return best


def _distinct(place: npt.NDArray[np.int64], boxes: int) -> float:
    if boxes > _MOST_BOXES:
        return float(len(np.unique(place)))
    marked = np.zeros(boxes, dtype=bool)
    marked[place] = True
    return float(np.count_nonzero(marked))
