"""Compiled loops of the gridded method: cells and the patch of the grid they see, as small dense products.

Cells come in chunks that see the same patch of the grid, so spreading and interpolating a chunk are products of a small
matrix of weights (cells x points of the patch) with the channels, which are contiguous. Everything a chunk needs stays
in the cache. Four rows by four rows are multiplied at a time: 16 products for every 8 numbers loaded.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

CHUNK = 64
# numbers of a row that are worked on at a time
BLOCK = 128
_CACHE_LINE = 64


@numba.njit(inline="always")
def _whole(count: int) -> int:
    return (count + 3) // 4 * 4


@numba.njit(inline="always")
def _part(lanes: int) -> int:
    """Return the number of lanes worked on at a time: equal parts of whole cache lines."""
    equal = -(-lanes // -(-lanes // BLOCK))
    return min(lanes, -(-equal // 16) * 16)


@numba.njit(inline="always")
def _aligned_zeros(rows: int, lanes: int, like: Reals) -> Reals:
    """Return zeros that start on a cache line, so that rows of whole lines never straddle two."""
    flat = np.zeros(rows * lanes + _CACHE_LINE // like.itemsize, like.dtype)
    start = -flat.ctypes.data % _CACHE_LINE // like.itemsize
    return flat[start : start + rows * lanes].reshape((rows, lanes))


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _multiply(weights: Reals, source: Reals, target: Reals, n_target: int, n_source: int) -> None:
    """Add weights (target x source) times the source; both counts are multiples of four."""
    lanes = source.shape[1]
    for i in range(0, n_target, 4):
        for j in range(0, n_source, 4):
            a0, a1, a2, a3 = weights[i, j], weights[i, j + 1], weights[i, j + 2], weights[i, j + 3]
            b0, b1, b2, b3 = weights[i + 1, j], weights[i + 1, j + 1], weights[i + 1, j + 2], weights[i + 1, j + 3]
            c0, c1, c2, c3 = weights[i + 2, j], weights[i + 2, j + 1], weights[i + 2, j + 2], weights[i + 2, j + 3]
            d0, d1, d2, d3 = weights[i + 3, j], weights[i + 3, j + 1], weights[i + 3, j + 2], weights[i + 3, j + 3]
            for lane in range(lanes):
                s0, s1, s2, s3 = source[j, lane], source[j + 1, lane], source[j + 2, lane], source[j + 3, lane]
                target[i, lane] += a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3
                target[i + 1, lane] += b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3
                target[i + 2, lane] += c0 * s0 + c1 * s1 + c2 * s2 + c3 * s3
                target[i + 3, lane] += d0 * s0 + d1 * s1 + d2 * s2 + d3 * s3


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _form(
    weights: Reals,
    begin: int,
    end: int,
    offsets: Integers,
    z_weights: Reals,
    x_weights: Reals,
    y_weights: Reals,
    x_points: int,
    y_points: int,
) -> None:
    """Write the weights of cells `begin ... end`, one row each: products of one factor per axis."""
    weights[: _whole(end - begin)] = 0
    for cell in range(begin, end):
        mine = weights[cell - begin]
        ys = y_weights[cell]
        for c in range(z_weights.shape[1]):
            for a in range(x_weights.shape[1]):
                factor = z_weights[cell, c] * x_weights[cell, a]
                at = offsets[cell] + (c * x_points + a) * y_points
                part = mine[at : at + ys.shape[0]]
                for b in range(ys.shape[0]):
                    part[b] = factor * ys[b]


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def spread(
    values: Reals,
    first: int,
    count: int,
    order: Integers,
    starts: Integers,
    corners: Integers,
    offsets: Integers,
    z_weights: Reals,
    x_weights: Reals,
    y_weights: Reals,
    patch: tuple[int, int, int],
    begin_chunk: int,
    end_chunk: int,
    left: int,
    grid: Reals,
) -> None:
    """Add channels `first ... first + count` of some chunks to a grid.

    The grid is (z, x, y, lanes) with `lanes >= count`; its x starts at point `left`; it may be of higher precision than
    the weights, in which a chunk is summed. `starts` are the first cells of
    chunks, `corners` (n_chunks, 3) their patch's first point along z, x, y.
    """
    z_points, x_points, y_points = patch
    lanes = grid.shape[3]
    n_points = z_points * x_points * y_points
    block = _part(lanes)
    gathered = _aligned_zeros(CHUNK, block, y_weights)
    weights = _aligned_zeros(CHUNK, _whole(n_points), y_weights)
    sums = _aligned_zeros(_whole(n_points), block, y_weights)
    for chunk in range(begin_chunk, end_chunk):
        begin, end = starts[chunk], starts[chunk + 1]
        _form(weights, begin, end, offsets, z_weights, x_weights, y_weights, x_points, y_points)
        for lane_0 in range(0, lanes, block):
            lane_1 = min(lane_0 + block, count)
            for cell in range(begin, end):
                mine, theirs = gathered[cell - begin], values[order[cell], first + lane_0 : first + lane_1]
                for lane in range(theirs.shape[0]):
                    mine[lane] = theirs[lane]
            sums[:] = 0
            _multiply(weights.T, gathered, sums, _whole(n_points), _whole(end - begin))
            point = 0
            for c in range(z_points):
                for a in range(x_points):
                    row = grid[corners[chunk, 0] + c, corners[chunk, 1] - left + a]
                    for b in range(y_points):
                        source, target = sums[point], row[corners[chunk, 2] + b, lane_0 : lane_0 + block]
                        for lane in range(target.shape[0]):
                            target[lane] += source[lane]
                        point += 1


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def interpolate(
    grid: Reals,
    order: Integers,
    starts: Integers,
    corners: Integers,
    offsets: Integers,
    z_weights: Reals,
    x_weights: Reals,
    y_weights: Reals,
    patch: tuple[int, int, int],
    begin_chunk: int,
    end_chunk: int,
    first: int,
    count: int,
    factor: float,
    received: Reals,
) -> None:
    """Read channels `first ... first + count` of some chunks off a grid; the transpose of `spread`, times a factor."""
    z_points, x_points, y_points = patch
    lanes = grid.shape[3]
    n_points = z_points * x_points * y_points
    block = _part(lanes)
    found = _aligned_zeros(CHUNK, block, grid)
    weights = _aligned_zeros(CHUNK, _whole(n_points), grid)
    seen = _aligned_zeros(_whole(n_points), block, grid)
    for chunk in range(begin_chunk, end_chunk):
        begin, end = starts[chunk], starts[chunk + 1]
        _form(weights, begin, end, offsets, z_weights, x_weights, y_weights, x_points, y_points)
        for lane_0 in range(0, lanes, block):
            lane_1 = min(lane_0 + block, count)
            point = 0
            for c in range(z_points):
                for a in range(x_points):
                    row = grid[corners[chunk, 0] + c, corners[chunk, 1] + a]
                    for b in range(y_points):
                        source, target = row[corners[chunk, 2] + b, lane_0 : lane_0 + block], seen[point]
                        for lane in range(source.shape[0]):
                            target[lane] = source[lane]
                        point += 1
            found[: _whole(end - begin)] = 0
            _multiply(weights, seen, found, _whole(end - begin), _whole(n_points))
            for cell in range(begin, end):
                mine, theirs = found[cell - begin], received[order[cell], first + lane_0 : first + lane_1]
                for lane in range(theirs.shape[0]):
                    theirs[lane] = mine[lane] * factor


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def convolve(flat: Reals, band: Reals, begin: int, end: int) -> None:
    """Convolve a grid (before, points, after) along its points, in place; the points are a multiple of four.

    `band` (4, 2 m + 4) holds the taps between four points and themselves with m neighbours on both sides. The work is
    columns of up to `BLOCK` numbers of `after`, counted through for every `before`; columns `begin ... end` are done.
    """
    points, after = flat.shape[1:]
    per_row = -(-after // BLOCK)
    reach = (band.shape[1] - 4) // 2
    block = min(after, BLOCK)
    seen = _aligned_zeros(points, block, flat)
    sums = _aligned_zeros(4, block, flat)
    for column in range(begin, end):
        layer, first = flat[column // per_row], column % per_row * BLOCK
        for point in range(points):
            theirs, mine = layer[point, first : first + block], seen[point]
            for lane in range(theirs.shape[0]):
                mine[lane] = theirs[lane]
        for point in range(0, points, 4):
            low, high = max(0, point - reach), min(points, point + 4 + reach)
            sums[:] = 0
            skipped = low - point + reach
            _multiply(band[:, skipped : skipped + high - low], seen[low:high], sums, 4, high - low)
            for k in range(4):
                theirs, mine = layer[point + k, first : first + block], sums[k]
                for lane in range(theirs.shape[0]):
                    theirs[lane] = mine[lane]


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def extremes(table: Reals, low: Reals, high: Reals, other: Reals) -> None:
    """Reduce every column to its smallest and largest value; `other` becomes nan where a number is not finite."""
    low[:], high[:], other[:] = table[0], table[0], 0
    for row in range(table.shape[0]):
        mine = table[row]
        for column in range(mine.shape[0]):
            value = mine[column]
            low[column] = value if value < low[column] else low[column]
            high[column] = value if value > high[column] else high[column]
            other[column] += value * 0
