"""Which points lie in a polygon: the even-odd rule, edges included."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Ring = FloatArray
"""``(k, 2)`` vertices, the last one equal to the first."""

# a point this near to an edge (share of the polygon's extent) lies on it: rounding of coordinates is far smaller
_ON_EDGE = 1e-9


def in_polygon(xy: FloatArray, rings: Sequence[Ring]) -> NDArray[np.bool_]:
    """Return which points lie inside a polygon or on one of its edges.

    A point is inside if a ray from it crosses the edges of all rings an odd number of times: inside the outer ring and
    outside the holes. A point on an edge, also on that of a hole, belongs to the polygon.

    Parameters
    ----------
    xy
        ``(n, 2)`` points; those that are not finite are outside.
    rings
        The outer ring and the holes, closed.

    Returns
    -------
    ``(n,)`` truth values. Cost: sorting, and each edge looks only at the points of its own height.
    """
    vertices = np.concatenate(rings)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    tol = _ON_EDGE * float((high - low).max()) + 4 * np.finfo(np.float64).eps * float(np.abs(vertices).max())
    near = np.flatnonzero(((xy >= low - tol) & (xy <= high + tol)).all(axis=1))
    near = near[np.argsort(xy[near, 1], kind="stable")]
    x, y = np.ascontiguousarray(xy[near].T)
    odd, edge = np.zeros(len(near), dtype=bool), np.zeros(len(near), dtype=bool)
    for ring in rings:
        for start, end in pairwise(ring):
            heights = sorted((start[1], end[1]))
            first, last = np.searchsorted(y, [heights[0] - tol, heights[1] + tol])
            here = slice(int(first), int(last))
            crossed, on = _cross(x[here], y[here], start, end, tol)
            odd[here] ^= crossed
            edge[here] |= on
    inside = np.zeros(len(xy), dtype=bool)
    inside[near] = odd | edge
    return inside


def _cross(
    x: FloatArray, y: FloatArray, start: FloatArray, end: FloatArray, tol: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which points see an edge on their right, and which lie on it."""
    dx, dy = end - start
    from_x, from_y = x - start[0], y - start[1]
    side = dx * from_y - from_x * dy
    # half-open in height, so that a vertex between two edges counts once
    spans = (y < start[1]) != (y < end[1])
    crossed = spans & ((side > 0) if dy > 0 else (side < 0))
    along = np.clip((from_x * dx + from_y * dy) / max(dx * dx + dy * dy, np.finfo(np.float64).tiny), 0.0, 1.0)
    on: NDArray[np.bool_] = np.hypot(from_x - along * dx, from_y - along * dy) <= tol
    return crossed, on
