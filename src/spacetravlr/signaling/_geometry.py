"""Positions: an order that keeps neighbours together, how crowded they are, and empty stretches no signal crosses."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._weights import Floats

Integers = npt.NDArray[np.int64]


def compact_order(xy: Floats, size: int) -> Integers:
    """Return an order of the cells in which runs of about `size` cells cover compact patches."""
    n_cells = len(xy)
    per_strip = max(size, math.ceil(math.sqrt(n_cells * size)))
    strip = np.empty(n_cells, dtype=np.int64)
    strip[np.argsort(xy[:, 0], kind="stable")] = np.arange(n_cells) // per_strip
    return np.lexsort((xy[:, 1], strip))


def count_neighbours(xy: Floats, reach: float) -> float:
    """Return about how many pairs of cells are within reach, from counts in boxes of that side."""
    extent = xy.max(axis=0) - xy.min(axis=0)
    if np.hypot(*extent) <= reach:
        return float(len(xy)) ** 2
    box = np.floor((xy - xy.min(axis=0)) / reach)
    if box.max() > 1e9:
        return math.inf
    stride = int(box[:, 1].max()) + 3
    occupied, count = np.unique(box[:, 0].astype(np.int64) * stride + box[:, 1].astype(np.int64), return_counts=True)
    pairs = 0.0
    for step in (-stride - 1, -stride, -stride + 1, -1, 0, 1, stride - 1, stride, stride + 1):
        place = np.minimum(np.searchsorted(occupied, occupied + step), len(occupied) - 1)
        pairs += float(count @ np.where(occupied[place] == occupied + step, count[place], 0))
    return pairs * math.pi / 9.0


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
