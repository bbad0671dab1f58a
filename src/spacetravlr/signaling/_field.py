"""SignalField: the linear operator from a ligand expressed to a ligand received."""

from __future__ import annotations

import logging
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spacetravlr.errors import InputError, nearest
from spacetravlr.signaling._bounds import FINEST_TOLERANCE
from spacetravlr.signaling._choose import Chooser
from spacetravlr.signaling._plan import METHODS, MethodName, Plan
from spacetravlr.signaling._weights import Floats, KernelName, Weights

Description = dict[str, int | float | str | None]
_LOG = logging.getLogger("spacetravlr")
_ROWS = 1024


class SignalField:
    r"""The linear operator "ligand expressed -> ligand received" of one tissue, radius and kernel.

    .. math:: \mathrm{received}_i = \frac{\mathrm{scale}}{n} \sum_j K_{ij}\, \mathrm{values}_j,
              \qquad K_{ij} = \exp(-d_{ij}^2 / 2\sigma^2)

    The sum runs over all n cells, the cell itself included. Everything that depends on the coordinates is computed
    once, here, and reused by every call of `apply`; nothing of size cells x cells is held. A field does not change
    after that (`apply` may be called from several threads), and the same input gives the same bits on any number
    of threads.

    Parameters
    ----------
    xy
        (n_cells, 2) positions, coordinate units. A cell without finite coordinates neither sends nor receives: its rows
        of the result are exactly 0, and it still counts in n.
    radius
        Reach of the signal, coordinate units.
    kernel
        `gaussian`: sigma = radius, no end. `truncated`: the kernel of the original Python package,
        sigma = radius / sqrt(-2 ln 0.001), zero for d > radius.
    method
        How the sum is evaluated; `auto` takes the cheapest that meets `tol` by a fixed cost model (never by a
        measured time), and always `exact` up to 1000 cells. A method that cannot meet `tol` for these cells gives
        way to one that can, with the reason in `describe()`.

        * `exact`: every pair, in blocks; n^2 weights, in float64.
        * `neighbours`: sparse sums over the cells within reach. Exact for kernels that end, otherwise within `tol`.
        * `spectral`: low-rank factors along both axes, for tissues of a few radii.
        * `gridded`: spread to a fine grid, convolve, interpolate back; cost proportional to cells and area.
        * `grid`: the coarse bilinear grid of the compiled edition, spacing `radius * grid_factor`. It promises no
          error (about 3 % at 0.5, 1 % at 0.3); where it would not have fewer points than there are cells, and with a
          cut-off, it is the exact sum.
    tol
        Error allowed, relative to the largest received value (see Notes); 0 asks for the exact sum.
    cutoff
        Senders farther than this contribute nothing, coordinate units; None for no cut-off.
    scale
        Factor on everything received (`weighted_ligand_scale_factor`).
    grid_factor
        Spacing of the bilinear grid in radii. Given a value, `auto` means `grid`; 0 or less means the exact sum.
        `grid` without a value takes 0.5.

    Raises
    ------
    InputError
        If an argument is not as described.

    Notes
    -----
    Guarantee of `neighbours`, `spectral` and `gridded`: for a column of values of one sign, no received value is wrong
    by more than `tol` times the largest absolute received value of that column. For columns of mixed signs the error is
    at most `tol` times the largest absolute received value of the whole call: it is bounded after the fact, through the
    same sum of absolute values, and where cancellation breaks the bound the columns are computed again
    with a finer plan, at the end exactly. Both hold up to rounding (about 1e-14).
    """

    def __init__(
        self,
        xy: npt.ArrayLike,
        radius: float,
        *,
        kernel: KernelName = "gaussian",
        method: Literal["auto"] | MethodName = "auto",
        tol: float = 1e-6,
        cutoff: float | None = None,
        scale: float = 1.0,
        grid_factor: float | None = None,
    ) -> None:
        positions = _checked_positions(xy)
        _check_options(method, tol, scale, grid_factor)
        self.radius = float(radius)
        self.kernel = kernel
        self.tol = float(tol)
        self.scale = float(scale)
        self.requested = method
        self.n_cells = len(positions)
        self._weights = Weights.make(kernel, self.radius, cutoff)
        finite = np.isfinite(positions).all(axis=1)
        self._cells = None if finite.all() else np.flatnonzero(finite)
        self._xy = positions if self._cells is None else positions[self._cells]
        self._grid_factor = grid_factor
        self._finer: dict[float, Plan] = {}
        self._plan: Plan | None = None
        self.reason = "no cells"
        if len(self._xy):
            self._plan, self.reason = self._chooser(self.tol).choose(method)
        if method not in {"auto", "grid", self.method}:
            _LOG.warning("signal field: %s", self.reason)

    @property
    def method(self) -> MethodName:
        """The method in use."""
        return "exact" if self._plan is None else self._plan.method

    @property
    def error_bound(self) -> float | None:
        """Bound on the error over the largest received value; 0 = exact up to rounding, None = no promise (`grid`)."""
        return 0.0 if self._plan is None else self._plan.error

    def apply(self, values: npt.ArrayLike) -> Floats:
        """Return what every cell receives.

        Parameters
        ----------
        values
            (n_cells,) or (n_cells, n_channels) expression, finite, any real type and memory order. Columns that are
            zero everywhere cost nothing.

        Returns
        -------
        Array of the same shape, float64, expression units.

        Raises
        ------
        InputError
            If the shape does not fit the cells, or a value of a located cell is not finite.
        """
        given = np.asarray(values)
        if given.dtype.kind not in "fiub" or given.ndim not in {1, 2} or len(given) != self.n_cells:
            raise InputError(
                f"`values` (shape {given.shape}, {given.dtype}) must be a dense real array with one row for each "
                f"of the {self.n_cells} cells of the field"
            )
        table = given[:, None] if given.ndim == 1 else given
        received = np.zeros(table.shape)
        located = table if self._cells is None else table[self._cells]
        if self._plan is not None and located.size:
            low, high = _extremes(located)
            _check_finite(low, high)
            active = np.flatnonzero((low != 0) | (high != 0))
            whole = len(active) == table.shape[1]
            sums = self._sum(
                np.ascontiguousarray(located if whole else located[:, active], dtype=np.float64),
                np.flatnonzero(((low < 0) & (high > 0))[active]),
            )
            sums *= self.scale / self.n_cells
            if whole and self._cells is None:
                received = sums
            else:
                received[np.arange(self.n_cells)[:, None] if self._cells is None else self._cells[:, None], active] = (
                    sums
                )
        return received.reshape(given.shape)

    def describe(self) -> Description:
        """Return the method, the reason for it, its parameters, error bound and estimated cost."""
        plan = self._plan
        facts: Description = {
            "method": self.method,
            "requested": self.requested,
            "reason": self.reason,
            "kernel": self.kernel,
            "radius": self.radius,
            "cutoff": self._weights.cutoff if math.isfinite(self._weights.cutoff) else None,
            "tol": self.tol,
            "error_bound": self.error_bound,
            "n_cells": self.n_cells,
            "n_located": len(self._xy),
        }
        if plan is not None:
            facts["ns_per_value"] = plan.cost
            facts.update(plan.parameters())
        return facts

    def __repr__(self) -> str:
        return (
            f"SignalField({self.n_cells} cells, radius={self.radius:g}, {self.kernel}, {self.method}, tol={self.tol:g})"
        )

    def _chooser(self, tol: float) -> Chooser:
        return Chooser(self._xy, self._weights, tol, self.n_cells, self._grid_factor)

    def _sum(self, values: Floats, mixed: npt.NDArray[np.int64]) -> Floats:
        """Return K @ values; `mixed` are the columns with both signs, whose bound must be checked."""
        plan = self._plan
        if plan is None or not values.shape[1]:
            return np.zeros_like(values)
        sums = plan.apply(values)
        if not plan.error or not len(mixed):
            return sums
        sizes = plan.apply(np.abs(values[:, mixed])).max(axis=0) / (1.0 - plan.error)
        errors = np.full(len(mixed), plan.error)
        while True:
            largest = float(np.abs(sums).max())
            # the largest value itself may be wrong by as much as any
            failed = errors * sizes * (1.0 + self.tol) > self.tol * largest
            if not failed.any():
                return sums
            needed = 0.5 * self.tol * largest / float(sizes[failed].max())
            finer = self._finer_plan(min(needed, 0.1 * float(errors[failed].max())))
            sums[:, mixed[failed]] = finer.apply(np.ascontiguousarray(values[:, mixed[failed]]))
            errors[failed] = finer.error

    def _finer_plan(self, tol: float) -> Plan:
        exact = tol < FINEST_TOLERANCE
        # one plan per digit serves many calls
        key = 0.0 if exact else 10.0 ** math.floor(math.log10(tol))
        if key not in self._finer:
            self._finer[key] = self._chooser(key).choose("exact" if exact else self.method)[0]
        return self._finer[key]


def _checked_positions(xy: npt.ArrayLike) -> Floats:
    positions = np.asarray(xy)
    if positions.ndim != 2 or positions.shape[1] != 2 or positions.dtype.kind not in "fiu":
        raise InputError(
            f"`xy` (shape {positions.shape}, {positions.dtype}) must be a numeric array of shape (n_cells, 2)"
        )
    return np.array(positions, dtype=np.float64)


def _check_options(method: str, tol: float, scale: float, grid_factor: float | None) -> None:
    if method != "auto" and method not in METHODS:
        guess = nearest(method, METHODS)
        hint = f"; did you mean {guess}?" if guess else ""
        raise InputError(f"`method` (={method!r}) must be auto or one of {', '.join(METHODS)}{hint}")
    if not (math.isfinite(tol) and 0 <= tol < 1):
        raise InputError(f"`tol` (={tol!r}) must be at least 0 and below 1")
    if not math.isfinite(scale):
        raise InputError(f"`scale` (={scale!r}) must be finite")
    if grid_factor is not None:
        if not math.isfinite(grid_factor):
            raise InputError(f"`grid_factor` (={grid_factor!r}) must be finite; leave it out for no bilinear grid")
        if method not in {"auto", "grid"}:
            raise InputError(f"`grid_factor` (={grid_factor!r}) belongs to method grid, not to {method}")


def _extremes(table: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the smallest and largest value of every column, reading the table once."""
    low, high = table[0], table[0]
    for start in range(0, len(table), _ROWS):
        block = table[start : start + _ROWS]
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    return low, high


def _check_finite(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> None:
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if len(bad):
        raise InputError(f"`values` has a number that is not finite in column {bad[0]} ({len(bad)} such columns)")
