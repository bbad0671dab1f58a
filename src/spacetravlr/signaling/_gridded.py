"""Spread to a fine grid, convolve there, interpolate back: the idea of the non-uniform FFT, without the FFT.

The kernel is short-ranged, so the convolution along an axis is a banded matrix product; its cost grows with the area
of the tissue and not with its square. Along an axis on which the tissue is thin, a few functions take the place of
grid and window. Cells are sorted by tiles of the grid; see `_tile_kernels` for what happens in one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._axes import GridAxis, per_axis, product_error
from spacetravlr.signaling._geometry import Integers
from spacetravlr.signaling._layout import Layout
from spacetravlr.signaling._plan import MethodName, Parameters
from spacetravlr.signaling._weights import Floats
from spacetravlr.threads import for_each_block

Reals = npt.NDArray[Any]
Shape = tuple[int, int, int]
Repeat = Callable[[Callable[[int], None], int], None]

_CHUNK = 64
_CACHE_LINE = 64
# neighbouring columns of tiles are walked together: their patches stay in the cache
_COLUMNS = 4
# more chunks on one point than this are added up in double precision
_LONG_SUM = 256
# with less work than that, threads take half of the channels each; with little work there are none
_SOME_WORK = 1 << 18
_LEAST_LANES = 32
# where one pass over the channels is much work, cells are cut into so many runs, and the convolution into so many tasks
_RUNS = 8
_TASKS = 16
# numbers from which adding up and convolving are worth the start of threads
_LARGE_GRID = 1 << 19
_MUCH_WORK = 1 << 22
# magnitudes that neither overflow nor vanish in single precision, sums and weights included
SINGLE_RANGE = (1e-20, 1e25)


@dataclass(frozen=True)
class GriddedPlan:
    """Cells in tile order, in chunks that see the same patch of the grid; axes are z, x, y, some of them trivial.

    `starts` (n_chunks + 1,) are the first cells of the chunks, `corners` (n_chunks, 3) the first point of their patch,
    `offsets` (n_cells,) where in the patch the window of a cell begins, `weights` one array (n_cells, width) per axis.
    Chunks are added up in double precision if `wide`; `rounding` bounds what rounding costs over the largest result.
    """

    layout: Layout
    order: Integers
    starts: Integers
    corners: Integers
    offsets: Integers
    weights: tuple[Reals, Reals, Reals]
    taps: tuple[Floats | None, ...]
    shape: Shape
    patch: Shape
    wide: bool
    error: float
    rounding: float

    @classmethod
    def build(cls, positions: tuple[Floats, ...], layout: Layout, tol: float, other: float = 0.0) -> GriddedPlan | None:
        """Prepare spreading for positions that start at 0, in sigmas; None if functions do not reach the tolerance.

        `other` errors are added to the bound.
        """
        cover = per_axis(tol, len(positions))
        axes: list[GridAxis] = [GridAxis.trivial(len(positions[0]))] if len(positions) == 2 else []
        for along, functions in zip(positions, layout.functions, strict=True):
            axis = GridAxis.of_functions(along, cover) if functions else GridAxis.of_window(along, layout.window)
            if axis is None:
                return None
            axes.append(axis)
        tiles = [layout.tile if axis.taps is not None else 1 for axis in axes]
        patch = tuple(axis.width + tile - 1 for axis, tile in zip(axes, tiles, strict=True))
        order, starts, corners, offsets, most = _chunks([axis.first for axis in axes], tiles, patch)
        # whole fours of points where they are convolved
        ends = (corners.max(axis=0) + patch).tolist()
        shape = [end if axis.taps is None else -(-end // 4) * 4 for end, axis in zip(ends, axes, strict=True)]
        kind = np.float32 if layout.itemsize == 4 else np.float64
        weights = tuple(np.ascontiguousarray(axis.weights[order], dtype=kind) for axis in axes)
        dimensions = len(positions)
        magnitude = 1.0 + product_error([axis.excess for axis in axes], dimensions)
        on_a_point = most * math.prod(-(-points // size) for points, size in zip(patch, tiles, strict=True))
        wide = on_a_point > _LONG_SUM
        steps = _roundings(0 if wide else min(on_a_point, len(corners)), patch, axes)
        rounding = magnitude * steps * float(np.finfo(kind).eps) / 2.0
        error = product_error([axis.bound for axis in axes], dimensions) + other
        return cls(
            layout, order, starts, corners, offsets, (weights[0], weights[1], weights[2]),
            tuple(axis.taps for axis in axes), (shape[0], shape[1], shape[2]), (patch[0], patch[1], patch[2]),
            wide, error + (rounding if layout.itemsize == 4 else 0.0), rounding,
        )  # fmt: skip

    @property
    def method(self) -> MethodName:
        """Name of the method."""
        return "gridded"

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return self.layout.cost(len(self.order))

    def apply(self, values: Reals, *, factor: float = 1.0, dtype: npt.DTypeLike = np.float64) -> Reals:
        """Return factor * K @ values."""
        received = np.empty(values.shape, dtype)
        n_channels = values.shape[1]
        parts = math.ceil(n_channels / max(1, self.layout.lanes))
        # the parts of a sum depend on its size alone, never on the number of threads
        work = values.size // parts
        halves = _SOME_WORK <= work < _MUCH_WORK and n_channels >= _LEAST_LANES
        size = math.ceil(n_channels / (max(parts, 2) if halves else parts))

        def receive(part: int) -> None:
            channels = slice(part * size, min((part + 1) * size, n_channels))
            repeat = for_each_block if work >= _MUCH_WORK else _one_by_one
            self._pass(values, channels, factor, received, repeat=repeat)

        (for_each_block if halves else _one_by_one)(receive, math.ceil(n_channels / size))
        return received

    def _pass(self, values: Reals, channels: slice, factor: float, received: Reals, *, repeat: Repeat) -> None:
        """Do some channels; `repeat` calls a function for 0, 1, ..., at once or one after the other."""
        from spacetravlr.signaling import _tile_kernels as _tiles

        first, count = channels.start, channels.stop - channels.start
        lanes = self._lanes(count)
        runs = self._runs(1 if repeat is _one_by_one else _RUNS)
        cells = (self.order, self.starts, self.corners, self.offsets, *self.weights, self.patch)
        kind = self.weights[0].dtype
        slabs: list[Reals] = [np.empty(0)] * len(runs)

        def spread(run: int) -> None:
            begin, end, left, right = runs[run]
            shape = (self.shape[0], right - left, self.shape[2], lanes)
            slabs[run] = self._zeros(shape, np.dtype(np.float64) if self.wide else kind)
            _tiles.spread(values, first, count, *cells, begin, end, left, slabs[run])

        repeat(spread, len(runs))
        if len(runs) == 1 and slabs[0].shape[1] == self.shape[1] and slabs[0].dtype == kind:
            grid = slabs.pop()
        else:
            grid = self._zeros((*self.shape, lanes), kind)
            columns = np.linspace(0, self.shape[1], _TASKS + 1).astype(int).tolist()

            def add_up(task: int) -> None:
                for (_, _, left, right), slab in zip(runs, slabs, strict=True):
                    low, high = max(left, columns[task]), min(right, columns[task + 1])
                    if low < high:
                        grid[:, low:high] += slab[:, low - left : high - left]

            (repeat if grid.size >= _LARGE_GRID else _one_by_one)(add_up, _TASKS)
            slabs.clear()
        self._convolve(grid, repeat)

        def interpolate(run: int) -> None:
            begin, end, _, _ = runs[run]
            _tiles.interpolate(grid, *cells, begin, end, first, count, factor, received)

        repeat(interpolate, len(runs))

    def _runs(self, count: int) -> list[tuple[int, int, int, int]]:
        """Return runs of chunks of about as many cells: first chunk, end, and the x points they touch."""
        cuts = np.searchsorted(self.starts, np.linspace(0, len(self.order), count + 1))
        runs = []
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            if end > begin:
                columns = self.corners[begin:end, 1]
                runs.append((begin, end, int(columns.min()), int(columns.max()) + self.patch[1]))
        return runs

    def _lanes(self, count: int) -> int:
        """Return the length of the rows for some channels: whole vectors, but for a few channels."""
        whole = _CACHE_LINE // self.layout.itemsize
        if count < whole // 2:
            return count
        return -(-count // (whole // 2)) * (whole // 2) if count < whole else -(-count // whole) * whole

    @staticmethod
    def _zeros(shape: tuple[int, ...], kind: np.dtype[Any]) -> Reals:
        """Return zeros that start on a cache line, so that full rows of lanes never straddle two."""
        room = np.zeros(math.prod(shape) + _CACHE_LINE // kind.itemsize, kind)
        start = (-room.ctypes.data % _CACHE_LINE) // kind.itemsize
        return room[start : start + math.prod(shape)].reshape(shape)

    def _convolve(self, grid: Reals, repeat: Repeat) -> None:
        """Convolve with the taps along every axis that has them, in place."""
        from spacetravlr.signaling import _tile_kernels as _tiles

        for axis, taps in enumerate(self.taps):
            if taps is None:
                continue
            flat = grid.reshape(math.prod(grid.shape[:axis]), grid.shape[axis], -1)
            band = _band(taps).astype(grid.dtype)
            columns = len(flat) * -(-flat.shape[2] // _tiles.BLOCK)
            cuts = np.linspace(0, columns, min(_TASKS, columns) + 1).astype(int).tolist()

            def convolve(task: int, flat: Reals = flat, band: Reals = band, cuts: list[int] = cuts) -> None:
                _tiles.convolve(flat, band, cuts[task], cuts[task + 1])

            (repeat if grid.size >= _LARGE_GRID else _one_by_one)(convolve, len(cuts) - 1)

    def parameters(self) -> Parameters:
        """Return the window and the size of the grid."""
        window = self.layout.window
        return {
            "width": window.width,
            "spacing": window.spacing,
            "taps": 2 * len(window.taps) - 1,
            **dict(zip(("nz", "nx", "ny"), self.shape, strict=True)),
            "tile": self.layout.tile,
            "functions": ",".join(str(count) for count in self.layout.functions),
            "precision": "single" if self.layout.itemsize == 4 else "double",
        }


def _one_by_one(work: Callable[[int], None], count: int) -> None:
    for block in range(count):
        work(block)


def _chunks(
    first: list[Integers], tiles: list[int], patch: tuple[int, ...]
) -> tuple[Integers, Integers, Integers, Integers, int]:
    """Return the order of cells by tile, starts and corners of chunks, offsets in the patch, most chunks of a tile."""
    tile = [axis // size for axis, size in zip(first, tiles, strict=True)]
    z, x, y = tile
    walk = ((x // _COLUMNS * (int(y.max()) + 1) + y) * (int(z.max()) + 1) + z) * _COLUMNS + x % _COLUMNS
    order = np.argsort(walk, kind="stable")
    walk = walk[order]
    new = np.flatnonzero(np.concatenate([[True], walk[1:] != walk[:-1], [True]]))
    per_tile = -(-np.diff(new) // _CHUNK)
    within = np.arange(per_tile.sum()) - np.repeat(np.cumsum(per_tile) - per_tile, per_tile)
    starts = np.repeat(new[:-1], per_tile) + within * _CHUNK
    corners = np.stack([axis[order[starts]] * size for axis, size in zip(tile, tiles, strict=True)], axis=1)
    offset = np.zeros(len(order), dtype=np.int64)
    for axis, size, points in zip(first, tiles, patch, strict=True):
        offset = offset * points + axis[order] % size
    return order, np.append(starts, len(order)), np.ascontiguousarray(corners), offset, int(per_tile.max())


def _roundings(chunks: int, patch: tuple[int, ...], axes: list[GridAxis]) -> float:
    """Return the most roundings that any product goes through from a value to what is received.

    `chunks` is how many are added up on one grid point in the precision of the weights.
    """
    weights, converting = 2 * 5, 4
    adding = _CHUNK // 4 + 4 + chunks + _RUNS
    convolving = sum(2 * len(axis.taps) + 8 for axis in axes if axis.taps is not None)
    return converting + weights + adding + convolving + math.prod(patch) / 4.0 + 4.0


def _band(taps: Floats) -> Floats:
    """Return the taps between four points and themselves with their neighbours, (4, 2 m + 4) with m a multiple of 4."""
    last = len(taps) - 1
    reach = -(-last // 4) * 4
    lag = np.abs(np.arange(2 * reach + 4)[None, :] - reach - np.arange(4)[:, None])
    return np.where(lag <= last, taps[np.minimum(lag, last)], 0.0)
