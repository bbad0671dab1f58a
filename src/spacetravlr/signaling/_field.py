"""SignalField: the linear operator from a ligand expressed to a ligand received."""

from __future__ import annotations

import logging
import math
import time
from typing import Literal

import numpy as np
import numpy.typing as npt

from spacetravlr.errors import InputError
from spacetravlr.signaling._bounds import FINEST_TOLERANCE
from spacetravlr.signaling._checks import (
    ROUNDING_SINGLE,
    check_finite,
    check_options,
    checked_dtype,
    checked_positions,
    fits_single,
)
from spacetravlr.signaling._choose import Chooser
from spacetravlr.signaling._clock import Clock
from spacetravlr.signaling._columns import column_extremes
from spacetravlr.signaling._plan import MethodName, Parameters, Plan, Reals
from spacetravlr.signaling._samples import Rows, Samples, SamplesPlan
from spacetravlr.signaling._weights import KernelName, Weights
from spacetravlr.threads import one_blas_thread

Description = dict[str, int | float | str | list[Parameters] | None]
_LOG = logging.getLogger("spacetravlr")


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
        (n_cells, 2) or (n_cells, 3) positions, coordinate units. A cell without finite coordinates neither sends nor
        receives: its rows of the result are exactly 0, and it still counts in n.
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
        * `spectral`: low-rank factors along the axes, for tissues of a few radii.
        * `gridded`: spread to a fine grid, convolve, interpolate back; cost proportional to cells and area. Where `tol`
          leaves room for it, in single precision.
        * `grid`: the coarse bilinear grid of the compiled edition, spacing `radius * grid_factor`, for two coordinates.
          It promises no error (about 3 % at 0.5, 1 % at 0.3); where it would not have fewer points than there are
          cells, and with a cut-off, it is the exact sum.
    tol
        Error allowed, relative to the largest received value (see Notes); 0 asks for the exact sum.
    cutoff
        Senders farther than this contribute nothing, coordinate units; None for no cut-off.
    scale
        Factor on everything received (`weighted_ligand_scale_factor`).
    grid_factor
        Spacing of the bilinear grid in radii. Given a value, `auto` means `grid`; 0 or less means the exact sum.
        `grid` without a value takes 0.5.
    samples
        (n_cells,) label of the sample (slice, animal) each cell belongs to, whole numbers or texts: cells of different
        samples exchange nothing, whatever their coordinates. n stays the number of all cells. Each sample is summed by
        the method that suits it. None for one sample.
    dtype
        Type of the result, float64 or float32; float32 needs a `tol` of at least 1e-6, which then holds for the rounded
        result too.

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

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> field = stl.SignalField(rng.uniform(0, 2000, size=(3000, 2)), radius=100.0)
    >>> received = field.apply(rng.poisson(1.0, size=(3000, 4)))
    >>> received.shape, field.method, field.error_bound <= 1e-6
    ((3000, 4), 'gridded', True)
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
        samples: npt.ArrayLike | None = None,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        positions = checked_positions(xy)
        check_options(method, tol, scale, grid_factor)
        if positions.shape[1] == 3 and (method == "grid" or (grid_factor is not None and grid_factor > 0)):
            raise InputError("the bilinear grid (`method` grid, `grid_factor`) is for two coordinates, `xy` has three")
        self.dtype = checked_dtype(dtype, tol)
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
        self._samples = None if samples is None else Samples.read(samples, self.n_cells)
        self._finer: dict[tuple[float, bool], Plan] = {}
        self._clock = Clock()
        # what is left when the result has been rounded
        self._target = self.tol if self.dtype == np.float64 else self.tol - ROUNDING_SINGLE
        self._plan: Plan | None = None
        self.reason = "no cells"
        if len(self._xy):
            self._plan, self.reason = self._choose(self._target, method)
        if method not in {"auto", "grid"} and self._methods != {method}:
            _LOG.warning("signal field: %s", self.reason)

    @property
    def method(self) -> MethodName:
        """The method in use."""
        return "exact" if self._plan is None else self._plan.method

    @property
    def _methods(self) -> set[str]:
        return set(self._plan.methods) if isinstance(self._plan, SamplesPlan) else {self.method}

    @property
    def error_bound(self) -> float | None:
        """Bound on the error over the largest received value; 0 = exact up to rounding, None = no promise (`grid`)."""
        if self._plan is None:
            return 0.0
        error = self._plan.error
        return error if error is None or self.dtype == np.float64 else error + ROUNDING_SINGLE

    @property
    def expected_ns(self) -> float:
        """Estimated time, ns per cell and channel on one core."""
        return 0.0 if self._plan is None else self._plan.cost

    def apply(self, values: npt.ArrayLike) -> Reals:
        """Return what every cell receives.

        Parameters
        ----------
        values
            (n_cells,) or (n_cells, n_channels) expression, finite, any real type and memory order. Columns that are
            zero everywhere cost nothing.

        Returns
        -------
        Array of the same shape, of the field's `dtype`, expression units.

        Raises
        ------
        InputError
            If the shape does not fit the cells, or a value of a located cell is not finite.
        """
        began = time.perf_counter()
        given = np.asarray(values)
        if given.dtype.kind not in "fiub" or given.ndim not in {1, 2} or len(given) != self.n_cells:
            raise InputError(
                f"`values` (shape {given.shape}, {given.dtype}) must be a dense real array with one row for each "
                f"of the {self.n_cells} cells of the field"
            )
        table = given[:, None] if given.ndim == 1 else given
        if table.dtype not in (np.float32, np.float64):
            table = table.astype(np.float64)
        # once for all blocks of work: every release wakes the threads of BLAS
        with one_blas_thread():
            received = self._received(table)
        self._clock.add(time.perf_counter() - began, table.size)
        return received.reshape(given.shape)

    def _received(self, table: Reals) -> Reals:
        located = table if self._cells is None else table[self._cells]
        if self._plan is None or not located.size:
            return np.zeros(table.shape, self.dtype)
        low, high = column_extremes(located)
        check_finite(low, high)
        active = np.flatnonzero((low != 0) | (high != 0))
        whole = len(active) == table.shape[1]
        sums = self._sum(
            np.ascontiguousarray(located if whole else located[:, active]),
            np.flatnonzero(((low < 0) & (high > 0))[active]),
            single=fits_single(low[active], high[active]),
        )
        if whole and self._cells is None:
            return sums
        received = np.zeros(table.shape, self.dtype)
        cells = np.arange(self.n_cells) if self._cells is None else self._cells
        received[cells[:, None], active] = sums
        return received

    def describe(self) -> Description:
        """Return the method, the reason for it, its parameters, error bound and cost.

        `ns_per_value` is the estimate the choice rests on, ns per cell and channel on one core;
        `measured_ns_per_value` the wall time of all calls of `apply` so far (None before the first).
        With samples, `method` is the one most cells are summed by, `error_bound` holds for all, and `by_sample` is a
        list of summaries (sample, n_located, method, error_bound, ns_per_value), one per sample with located cells.
        """
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
            facts["measured_ns_per_value"] = self._clock.ns_per_value
            facts.update(plan.parameters())
        if isinstance(plan, SamplesPlan):
            facts["by_sample"] = [part.facts() for part in plan.parts]
        return facts

    def __str__(self) -> str:
        """Return one line: how it is evaluated and why, how good and how fast that is."""
        bound, measured = self.error_bound, self._clock.ns_per_value
        promise = "no bound on the error" if bound is None else f"error at most {bound:.1e} of the largest"
        took = "" if measured is None else f", {measured:.3g} measured"
        return (
            f"{self.method} for {self.n_cells} cells, radius {self.radius:g}: {promise} (tol {self.tol:g}); "
            f"{self.expected_ns:.3g} ns per cell and channel on one core estimated{took}; {self.reason}"
        )

    def __repr__(self) -> str:
        return (
            f"SignalField({self.n_cells} cells, radius={self.radius:g}, {self.kernel}, {self.method}, tol={self.tol:g})"
        )

    def _choose(self, tol: float, method: str, *, single: bool = True) -> tuple[Plan, str]:
        def choose(rows: Rows, n_cells: int) -> tuple[Plan, str]:
            return Chooser(self._xy[rows], self._weights, tol, n_cells, self._grid_factor, single).choose(method)

        samples = self._samples
        if samples is None or len(samples.labels) == 1:
            return choose(slice(None), self.n_cells)
        located = samples.codes if self._cells is None else samples.codes[self._cells]
        sizes = np.bincount(samples.codes)
        return SamplesPlan.build(Samples(located, samples.labels), sizes, choose)

    def _sum(self, values: Reals, mixed: npt.NDArray[np.int64], *, single: bool) -> Reals:
        """Return what is received; `mixed` are the columns with both signs, whose bound must be checked."""
        factor = self.scale / self.n_cells
        plan = self._plan
        if plan is None or not values.shape[1]:
            return np.zeros(values.shape, self.dtype)
        if not single:
            plan = self._finer_plan(self._target, single=False)
        sums = plan.apply(values, factor=factor, dtype=self.dtype)
        if not plan.error or not len(mixed) or not factor:
            return sums
        sizes = plan.apply(np.abs(values[:, mixed])).max(axis=0) / (1.0 - plan.error)
        errors = np.full(len(mixed), plan.error)
        while True:
            largest = float(np.abs(sums).max()) / abs(factor)
            # the largest value itself may be wrong by as much as any
            failed = errors * sizes * (1.0 + self.tol) > self._target * largest
            if not failed.any():
                return sums
            needed = 0.5 * self._target * largest / float(sizes[failed].max())
            finer = self._finer_plan(min(needed, 0.1 * float(errors[failed].max())), single=single)
            again = np.ascontiguousarray(values[:, mixed[failed]])
            sums[:, mixed[failed]] = finer.apply(again, factor=factor, dtype=self.dtype)
            errors[failed] = finer.error

    def _finer_plan(self, tol: float, *, single: bool) -> Plan:
        exact = tol < FINEST_TOLERANCE
        # one plan per digit serves many calls
        key = 0.0 if exact else 10.0 ** math.floor(math.log10(tol))
        if (key, single) not in self._finer:
            method = "exact" if exact else self.method
            self._finer[key, single] = self._choose(key, method, single=single)[0]
        return self._finer[key, single]
