"""Positions: an order that keeps neighbours together, how crowded they are, and empty stretches no signal crosses."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._weights import Floats

Integers = npt.NDArray[np.int64]

# share of an axis of three boxes that counts: pi / 9 of a square of nine, 4 pi / 81 of a cube of 27
_BALL_SHARE = {2: math.sqrt(math.pi / 9.0), 3: (4.0 * math.pi / 81.0) ** (1.0 / 3.0)}


def compact_order(xy: Floats, size: int) -> Integers:
    """Return an order of the cells in which runs of about `size` cells cover compact patches."""
    n_cells, dimensions = xy.shape
    order = np.argsort(xy[:, 0], kind="stable")
    strip = np.zeros(n_cells, dtype=np.int64)
    for axis in range(1, dimensions):
        # strips, then bars of them, so that runs are about as long along every axis
        per_strip = max(size, math.ceil(n_cells ** (1.0 - axis / dimensions) * size ** (axis / dimensions)))
        of_place = np.empty(n_cells, dtype=np.int64)
        of_place[order] = np.arange(n_cells)
        starts = np.flatnonzero(np.concatenate([[True], strip[order][1:] != strip[order][:-1]]))
        first = np.empty(int(strip.max()) + 1, dtype=np.int64)
        first[strip[order][starts]] = starts
        within = (of_place - first[strip]) // per_strip
        strip = strip * (int(within.max()) + 1) + within
        strip = np.unique(strip, return_inverse=True)[1].astype(np.int64)
        order = np.lexsort((xy[:, axis], strip))
    return order


def count_neighbours(xy: Floats, reach: float) -> float:
    """Return about how many pairs of cells are within reach, from counts in boxes of that side."""
    extent = xy.max(axis=0) - xy.min(axis=0)
    if math.hypot(*extent) <= reach:
        return float(len(xy)) ** 2
    box = np.floor((xy - xy.min(axis=0)) / reach)
    if np.prod(box.max(axis=0) + 3.0) > 1e18:
        return math.inf
    place, steps, share = np.zeros(len(xy), dtype=np.int64), np.zeros(1, dtype=np.int64), 1.0
    for axis in range(xy.shape[1]):
        stride = int(box[:, axis].max()) + 3
        place = place * stride + box[:, axis].astype(np.int64)
        steps = np.add.outer(steps * stride, np.arange(-1, 2)).ravel()
        # along an axis that is short, all of it is within reach, not a ball of it
        share *= _BALL_SHARE[xy.shape[1]] if stride > 3 else 1.0
    occupied, count = np.unique(place, return_counts=True)
    pairs = 0.0
    for step in steps:
        found = np.minimum(np.searchsorted(occupied, occupied + step), len(occupied) - 1)
        pairs += float(count @ np.where(occupied[found] == occupied + step, count[found], 0))
    return pairs * share


def close_gaps(positions: Floats, sigma: float, reach: float) -> Floats:
    """Return positions in units of sigma, starting at 0, with every empty stretch shortened to `reach`.

    Cells on the two sides of a stretch stay at least `reach` sigmas apart, where the kernel is negligible, so sections
    or islands far apart cost what they cover and not what lies between. Within a stretch-free group distances
    are kept, computed from the group's own start so that no digits are lost to a large offset.

    Parameters
    ----------
    positions
        (n_cells,) one coordinate, coordinate units.
    sigma
        Standard deviation of the kernel, coordinate units.
    reach
        Shortest distance that may stand for any longer one, in sigmas.
    """
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    opens = np.concatenate([[True], np.diff(ordered) > reach * sigma])
    group = np.cumsum(opens) - 1
    starts = ordered[opens]
    widths = (np.concatenate([ordered[:-1][opens[1:]], ordered[-1:]]) - starts) / sigma
    offsets = np.concatenate([[0.0], np.cumsum(widths[:-1] + reach)])
    closed = np.empty_like(ordered)
    closed[order] = (ordered - starts[group]) / sigma + offsets[group]
    return closed
