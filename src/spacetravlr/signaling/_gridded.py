"""Spread to a fine grid, convolve there, interpolate back: the idea of the non-uniform FFT, without the FFT.

The kernel is short-ranged, so the convolution along an axis is a banded matrix product; its cost grows with the area
of the tissue and not with its square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spacetravlr.signaling._plan import NOMINAL_CALLS, NOMINAL_CHANNELS, MethodName, Parameters
from spacetravlr.signaling._weights import Floats
from spacetravlr.signaling._window import Window, windows_for
from spacetravlr.threads import for_each_block

Integers = npt.NDArray[np.int64]

_LANES = 32
# numbers: rows of whole cache lines are faster than they are longer
_CACHE_LINE = 8
_TILE = 4
# rows of the grid convolved by one matrix product
_BAND = 32
# numbers in one grid: 128 MB, of which every thread needs two
_GRID_NUMBERS = 1 << 24
# ns: touching one grid point of one cell twice; reading and writing a cell; a grid point, and each tap of it
_TOUCH_COST = 0.17
_CELL_COST = 4.0
_POINT_COST = 1.5
_TAP_COST = 0.07
_WEIGHT_COST = 30.0


@dataclass(frozen=True)
class Layout:
    """A window and the grid it needs for given cells."""

    window: Window
    nx: int
    ny: int

    @classmethod
    def fit(cls, u: Floats, v: Floats, window: Window) -> Layout:
        """Return the grid for positions that start at 0, in sigmas."""
        first = window.first_point(np.zeros(1))[0]
        nx, ny = (int(window.first_point(axis.max(keepdims=True))[0] - first) + window.width for axis in (u, v))
        return cls(window, nx, ny)

    @property
    def lanes(self) -> int:
        """Number of channels that share one pass over the grid; 0 if the grid is too large for any."""
        return min(_LANES, _GRID_NUMBERS // (self.nx * self.ny))

    def cost(self, n_cells: int) -> float:
        """Estimated time, ns per cell and channel on one core."""
        if self.lanes == 0:
            return math.inf
        width, taps = self.window.width, len(self.window.taps)
        density = self.nx * self.ny / n_cells
        once = 2.0 * width * _WEIGHT_COST / (NOMINAL_CHANNELS * NOMINAL_CALLS)
        thin = math.sqrt(_LANES / self.lanes)
        convolution = density * (_POINT_COST + _TAP_COST * (2 * taps + _BAND))
        return _CELL_COST + thin * (_TOUCH_COST * width**2 + convolution) + once


def best_layout(u: Floats, v: Floats, tol: float) -> Layout | None:
    """Return the cheapest grid whose error is within a tolerance, or None if there is none."""
    layouts = [Layout.fit(u, v, window) for window in windows_for(tol)]
    fitting = [layout for layout in layouts if layout.lanes > 0]
    return min(fitting, key=lambda layout: layout.cost(len(u)), default=None)


@dataclass(frozen=True)
class GriddedPlan:
    """Cells in tile order with their window weights, and the band matrix of the convolution."""

    layout: Layout
    order: Integers
    corner: Integers
    x_weights: Floats
    y_weights: Floats
    band: Floats
    error: float

    @classmethod
    def build(cls, u: Floats, v: Floats, layout: Layout, error: float) -> GriddedPlan:
        """Prepare spreading for positions that start at 0, in sigmas."""
        window = layout.window
        origin = window.first_point(np.zeros(1))[0]
        column = (window.first_point(u) - origin).astype(np.int64)
        row = (window.first_point(v) - origin).astype(np.int64)
        order = np.lexsort((row, column, row // _TILE, column // _TILE))
        return cls(
            layout,
            order,
            (column * layout.ny + row)[order],
            window.weights(u[order]),
            window.weights(v[order]),
            _band_matrix(window.taps),
            error,
        )

    @property
    def method(self) -> MethodName:
        """Name of the method."""
        return "gridded"

    @property
    def cost(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return self.layout.cost(len(self.order))

    def apply(self, values: Floats) -> Floats:
        """Return K @ values."""
        from spacetravlr.signaling import _kernels

        received = np.empty_like(values)
        n_channels = values.shape[1]
        most, nx, ny = self.layout.lanes, self.layout.nx, self.layout.ny
        parts = max(1, n_channels // most)

        def receive(part: int) -> None:
            first = part * most
            # the last part takes the rest along: a pass over few channels costs as much as one over many
            count = n_channels - first if part == parts - 1 else most
            lanes = count if count < _CACHE_LINE else -(-count // _CACHE_LINE) * _CACHE_LINE
            grid = _aligned_zeros(nx * ny * lanes)
            where = (self.order, self.corner, self.x_weights, self.y_weights)
            _kernels.spread(values, first, count, lanes, *where, ny, grid)
            self._convolve(grid.reshape(nx, ny, lanes))
            _kernels.interpolate(grid, ny, *where, first, count, lanes, received)

        for_each_block(receive, parts)
        return received

    def _convolve(self, grid: Floats) -> None:
        """Convolve with the taps along both axes, in place."""
        nx, ny, lanes = grid.shape
        along_x = np.empty_like(grid)
        for rows, reach, band in self._bands(nx):
            np.matmul(band, grid.reshape(nx, -1)[reach], out=along_x.reshape(nx, -1)[rows])
        for rows, reach, band in self._bands(ny):
            if lanes == 1:
                np.matmul(along_x[:, reach, 0], band.T, out=grid[:, rows, 0])
            else:
                np.matmul(band, along_x[:, reach], out=grid[:, rows])

    def _bands(self, count: int) -> list[tuple[slice, slice, Floats]]:
        """Return for each run of output points the input points within reach, and the matrix between."""
        taps = len(self.layout.window.taps) - 1
        bands = []
        for start in range(0, count, _BAND):
            stop = min(start + _BAND, count)
            low, high = max(0, start - taps), min(count, stop + taps)
            shift = taps - start
            bands.append((slice(start, stop), slice(low, high), self.band[: stop - start, low + shift : high + shift]))
        return bands

    def parameters(self) -> Parameters:
        """Return the window and the size of the grid."""
        layout = self.layout
        return {
            "width": layout.window.width,
            "spacing": layout.window.spacing,
            "taps": 2 * len(layout.window.taps) - 1,
            "nx": layout.nx,
            "ny": layout.ny,
        }


def _aligned_zeros(count: int) -> Floats:
    """Return zeros that start on a cache line, so that full rows of lanes never straddle two."""
    room = np.zeros(count + 8)
    start = (-room.ctypes.data % 64) // 8
    return room[start : start + count]


def _band_matrix(taps: Floats) -> Floats:
    """Return the Toeplitz block that maps _BAND + 2 m neighbouring points to the _BAND in the middle."""
    last = len(taps) - 1
    lag = np.abs(np.arange(_BAND + 2 * last)[None, :] - last - np.arange(_BAND)[:, None])
    return np.where(lag <= last, taps[np.minimum(lag, last)], 0.0)
