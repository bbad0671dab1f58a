"""Compiled loops of the gridded and neighbour methods.

The channels of one cell are contiguous, so the inner loops run along memory; cells come in tile order and in small
groups, gathered first, so that the patch of the grid they touch stays in the cache. What costs time is loading and
storing that patch: hence cells with the same patch are added together, and grid rows are read four at a time.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_GROUP = 128
_TOGETHER = 4
_CHANNELS = 64


@numba.njit(inline="always")
def _add_one(target: Floats, weight: float, source: Floats) -> None:
    for index in range(target.shape[0]):
        target[index] += weight * source[index]


@numba.njit(inline="always")
def _add_two(target: Floats, weight: float, source: Floats, weight_2: float, source_2: Floats) -> None:
    for index in range(target.shape[0]):
        target[index] += weight * source[index] + weight_2 * source_2[index]


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


@numba.njit(inline="always")
def _same_patch(corner: Integers, cell: int, end: int) -> int:
    """Return 4, 2 or 1: how many cells from this one on are added together."""
    together = 1
    while together < _TOGETHER and cell + together < end and corner[cell + together] == corner[cell]:
        together += 1
    return 2 if together == 3 else together


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def spread(
    values: Floats,
    first: int,
    count: int,
    lanes: int,
    order: Integers,
    corner: Integers,
    x_weights: Floats,
    y_weights: Floats,
    row: int,
    grid: Floats,
) -> None:
    """Add channels `first ... first + count` of all cells to a flat grid.

    The grid has rows of `row` points of `lanes >= count` numbers, the last of them zero.
    """
    width = x_weights.shape[1]
    length = width * lanes
    step = row * lanes
    gathered = np.zeros((_GROUP, lanes))
    strips = np.empty(_TOGETHER * length)
    strip_1, strip_2 = strips[:length], strips[length : 2 * length]
    strip_3, strip_4 = strips[2 * length : 3 * length], strips[3 * length :]
    for begin in range(0, order.shape[0], _GROUP):
        end = min(begin + _GROUP, order.shape[0])
        for cell in range(begin, end):
            mine = gathered[cell - begin]
            place = order[cell]
            for lane in range(count):
                mine[lane] = values[place, first + lane]
        cell = begin
        while cell < end:
            together = _same_patch(corner, cell, end)
            for j in range(together):
                mine = gathered[cell - begin + j]
                for b in range(width):
                    weight = y_weights[cell + j, b]
                    offset = j * length + b * lanes
                    for lane in range(lanes):
                        strips[offset + lane] = weight * mine[lane]
            at = corner[cell] * lanes
            for a in range(width):
                target = grid[at : at + length]
                weight = x_weights[cell, a]
                if together == 1:
                    _add_one(target, weight, strip_1)
                elif together == 2:
                    _add_two(target, weight, strip_1, x_weights[cell + 1, a], strip_2)
                else:
                    weight_2, weight_3, weight_4 = (
                        x_weights[cell + 1, a],
                        x_weights[cell + 2, a],
                        x_weights[cell + 3, a],
                    )
                    _add_four(target, weight, strip_1, weight_2, strip_2, weight_3, strip_3, weight_4, strip_4)
                at += step
            cell += together


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def interpolate(
    grid: Floats,
    row: int,
    order: Integers,
    corner: Integers,
    x_weights: Floats,
    y_weights: Floats,
    first: int,
    count: int,
    lanes: int,
    received: Floats,
) -> None:
    """Read channels `first ... first + count` of all cells off a flat grid; the transpose of `spread`."""
    width = x_weights.shape[1]
    length = width * lanes
    step = row * lanes
    strip = np.empty(length)
    found = np.empty((_GROUP, lanes))
    for begin in range(0, order.shape[0], _GROUP):
        end = min(begin + _GROUP, order.shape[0])
        for cell in range(begin, end):
            at = corner[cell] * lanes
            strip[:] = 0.0
            a = 0
            while a + 4 <= width:
                _add_four(
                    strip,
                    x_weights[cell, a],
                    grid[at : at + length],
                    x_weights[cell, a + 1],
                    grid[at + step : at + step + length],
                    x_weights[cell, a + 2],
                    grid[at + 2 * step : at + 2 * step + length],
                    x_weights[cell, a + 3],
                    grid[at + 3 * step : at + 3 * step + length],
                )
                at += 4 * step
                a += 4
            while a < width:
                _add_one(strip, x_weights[cell, a], grid[at : at + length])
                at += step
                a += 1
            mine = found[cell - begin]
            mine[:] = 0.0
            for b in range(width):
                _add_one(mine, y_weights[cell, b], strip[b * lanes : (b + 1) * lanes])
        for cell in range(begin, end):
            mine = found[cell - begin]
            place = order[cell]
            for lane in range(count):
                received[place, first + lane] = mine[lane]


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def sum_neighbours(
    values: Floats,
    starts: Integers,
    senders: npt.NDArray[np.int32],
    weights: Floats,
    begin: int,
    end: int,
    order: Integers,
    received: Floats,
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
            received[order[row], first:stop] = mine
