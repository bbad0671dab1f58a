"""The grid of the gridded method for given cells: windows or functions along each axis, tiles, precision, cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from spacetravlr.signaling._axes import functions_needed, per_axis
from spacetravlr.signaling._plan import NOMINAL_CALLS, NOMINAL_CHANNELS
from spacetravlr.signaling._weights import Floats
from spacetravlr.signaling._window import Window, windows_for

# channels that share one pass over the cells
MOST_LANES = 512
# fewer than this make rows too short to be fast
_ENOUGH_LANES = 64
# numbers in one grid: 128 MB in double precision, and about as much again for the runs it is summed from
_GRID_NUMBERS = 1 << 24
_LARGEST_TILE = 4
# ns on one core: reading and writing a cell; a patch point of a cell, twice, by bytes of a number; the same of a tile
_CELL_COST = 1.3
_POINT_COST = {4: 0.036, 8: 0.05}
_TILE_COST = {4: 0.14, 8: 0.3}
# a grid point, and each number multiplied into it by the convolution
_GRID_COST = {4: 1.6, 8: 1.6}
_TAP_COST = {4: 0.025, 8: 0.05}
_WEIGHT_COST = 30.0


@dataclass(frozen=True)
class Layout:
    """A window and the grid it needs.

    `functions` says how many functions stand in for the window along each axis (0 where none do), `lengths` how long
    the axes are in sigmas, `tile` how many grid points a tile takes along each axis, `itemsize` the bytes of a number.
    """

    window: Window
    functions: tuple[int, ...]
    lengths: tuple[float, ...]
    tile: int
    itemsize: int

    @cached_property
    def points(self) -> tuple[int, ...]:
        """Number of grid points along each axis."""
        counts = []
        for length, functions in zip(self.lengths, self.functions, strict=True):
            steps = math.floor(length / self.window.spacing) + 2
            counts.append(functions or -(-steps // self.tile) * self.tile + self.window.width - 1)
        return tuple(counts)

    @property
    def patch(self) -> int:
        """Number of grid points that a tile sees."""
        return math.prod(functions or self.window.width + self.tile - 1 for functions in self.functions)

    @property
    def lanes(self) -> int:
        """Number of channels that share one pass over the grid; 0 if the grid is too large for any."""
        return min(MOST_LANES, _GRID_NUMBERS // math.prod(self.points))

    def cost(self, n_cells: int) -> float:
        """Estimated time, ns per cell and channel on one core."""
        if self.lanes == 0:
            return math.inf
        size, width = self.itemsize, self.window.width
        grid = math.prod(self.points)
        steps = math.prod(1 if f else p - width + 1 for p, f in zip(self.points, self.functions, strict=True))
        tiles = max(1.0, steps / self.tile ** sum(f == 0 for f in self.functions))
        occupied = tiles * -math.expm1(-n_cells / tiles)
        # rows are multiplied four by four
        rows = (n_cells + 1.5 * occupied) / n_cells
        taps = 2 * len(self.window.taps) + 4
        convolution = (
            grid
            / n_cells
            * sum(_GRID_COST[size] + _TAP_COST[size] * taps for functions in self.functions if not functions)
        )
        passes = (
            rows * _POINT_COST[size] * self.patch + occupied / n_cells * _TILE_COST[size] * self.patch + convolution
        )
        once = 2.0 * width * _WEIGHT_COST / (NOMINAL_CHANNELS * NOMINAL_CALLS)
        thin = math.sqrt(max(1.0, _ENOUGH_LANES / self.lanes))
        return float(_CELL_COST + thin * passes + once)


def layouts(axes: tuple[Floats, ...], tol: float, itemsize: int) -> list[Layout]:
    """Return grids whose error is within a tolerance, the cheapest first; none if all would be too large."""
    cover = per_axis(tol, len(axes))
    lengths = tuple(float(axis.max()) for axis in axes)
    needed = [functions_needed(length, cover) for length in lengths]
    found: list[Layout] = []
    for window in windows_for(cover):
        functions = tuple(int(count) if count <= window.width else 0 for count in needed)
        found += [Layout(window, functions, lengths, tile, itemsize) for tile in range(1, _LARGEST_TILE + 1)]
    fitting = [layout for layout in found if layout.lanes > 0]
    return sorted(fitting, key=lambda layout: layout.cost(len(axes[0])))
