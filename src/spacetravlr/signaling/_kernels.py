"""Compiled search for neighbours, and sums over them.

The channels of one cell are contiguous, so the inner loops of the sums run along memory.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_CHANNELS = 64


@numba.njit(inline="always")
def _add_one(target: Floats, weight: float, source: Floats) -> None:
    for index in range(target.shape[0]):
        target[index] += weight * source[index]


@numba.njit(inline="always")
def _add_four(
    target: Floats,
    weight: float,
    source: Floats,
    weight_2: float,
    source_2: Floats,
    weight_3: float,
    source_3: Floats,
    weight_4: float,
    source_4: Floats,
) -> None:
    for index in range(target.shape[0]):
        target[index] += (
            weight * source[index]
            + weight_2 * source_2[index]
            + weight_3 * source_3[index]
            + weight_4 * source_4[index]
        )


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def sum_neighbours(
    values: Floats,
    starts: Integers,
    senders: npt.NDArray[np.int32],
    weights: Floats,
    begin: int,
    end: int,
    order: Integers,
    factor: float,
    received: npt.NDArray[Any],
) -> None:
    """Add up the weighted neighbours of rows `begin ... end` of a sparse matrix, some channels at a time."""
    n_channels = values.shape[1]
    total = np.empty(_CHANNELS)
    for first in range(0, n_channels, _CHANNELS):
        stop = min(first + _CHANNELS, n_channels)
        mine = total[: stop - first]
        for row in range(begin, end):
            mine[:] = 0.0
            k = starts[row]
            while k + 4 <= starts[row + 1]:
                _add_four(
                    mine,
                    weights[k],
                    values[senders[k], first:stop],
                    weights[k + 1],
                    values[senders[k + 1], first:stop],
                    weights[k + 2],
                    values[senders[k + 2], first:stop],
                    weights[k + 3],
                    values[senders[k + 3], first:stop],
                )
                k += 4
            while k < starts[row + 1]:
                _add_one(mine, weights[k], values[senders[k], first:stop])
                k += 1
            theirs = received[order[row], first:stop]
            for index in range(theirs.shape[0]):
                theirs[index] = mine[index] * factor


@numba.njit(cache=True, nogil=True)
def find_neighbours(
    xy: Floats,
    cells: Integers,
    boxes: Integers,
    bounds: Integers,
    runs: Integers,
    largest: float,
    starts: Integers,
    senders: npt.NDArray[np.int32],
    squared: Floats,
) -> None:
    """Write the cells within reach of every cell and their squared distances, from `starts` on; or only count them.

    `cells` are sorted by box, `boxes` the distinct boxes, `bounds` the first cell of each. `runs` are the differences
    to the boxes that begin a run of three next to each other. Without room in `senders`, `starts[cell + 1]` becomes the
    number of neighbours of a cell.
    """
    counting = senders.shape[0] == 0
    dimensions = xy.shape[1]
    for box in range(boxes.shape[0]):
        for k in range(bounds[box], bounds[box + 1]):
            if counting:
                starts[cells[k] + 1] = 0
        for run in runs:
            begin = bounds[np.searchsorted(boxes, boxes[box] + run)]
            end = bounds[np.searchsorted(boxes, boxes[box] + run + 3)]
            for k in range(bounds[box], bounds[box + 1]):
                cell = cells[k]
                place = starts[cell + 1] if counting else starts[cell]
                for other in range(begin, end):
                    sender = cells[other]
                    distance = 0.0
                    for axis in range(dimensions):
                        apart = xy[cell, axis] - xy[sender, axis]
                        distance += apart * apart
                    if distance <= largest:
                        if not counting:
                            senders[place] = sender
                            squared[place] = distance
                        place += 1
                if counting:
                    starts[cell + 1] = place
                else:
                    starts[cell] = place
