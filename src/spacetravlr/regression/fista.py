"""The compiled edition's sparse group lasso: accelerated proximal gradient on raw columns, stopped early.

    minimise  (1/2n) ||y - b - Xc w||^2 + sum_g lambda_g ||w_g||_2 + l1_reg ||w||_1,   lambda_g = group_reg sqrt(size_g)

`Xc` is the design of one cluster less its column means. Iterates, restart test, doubling of the Lipschitz constant,
its start and the stop test are those of the compiled edition, so an early-stopped result is reproduced to rounding.
Everything comes from centred moments (or, for few cells, from the rows): an iteration costs one product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.errors import InputError
from spacetravlr.regression._fista_batch import ROUND, Columns, ScaleGroup, Settings, Solution, solve
from spacetravlr.regression._fista_device import GramMoments, RowMoments
from spacetravlr.regression._fista_either import solve_anywhere
from spacetravlr.regression._fista_products import GramSource, RowSource

if TYPE_CHECKING:
    from spacetravlr.device import Accelerator

_Real = NDArray[np.float64]
_Index = NDArray[np.int64]
# Below this share of the mean square, a variance computed from moments is rounding.
_VARIANCE_FLOOR = 1e-14


@dataclass(frozen=True)
class FistaFit:
    """One target in one cluster."""

    coef: _Real
    """Shape (p,), response units per modulator unit."""
    intercept: float
    """Of the raw, uncentred columns."""
    n_iter: int
    converged: bool
    lipschitz: float
    mse: float
    """Mean squared residual on the cells of the fit."""


@dataclass(frozen=True)
class FistaBatch:
    """Many targets in one cluster; arrays have one row per target."""

    coef: _Real
    """Shape (targets, width), in the order of the index lists; zero beyond a target's last column."""
    intercept: _Real
    n_iter: _Index
    converged: NDArray[np.bool_]
    lipschitz: _Real
    mse: _Real
    """Mean squared residual on the cells of the fit."""

    def __len__(self) -> int:
        return len(self.intercept)

    def __getitem__(self, target: int) -> FistaFit:
        return FistaFit(
            self.coef[target],
            float(self.intercept[target]),
            int(self.n_iter[target]),
            bool(self.converged[target]),
            float(self.lipschitz[target]),
            float(self.mse[target]),
        )


def prefers_rows(n: int, p: int) -> bool:
    """Say whether products with the rows of the design are cheaper than with its Gram matrix (n < p / 2)."""
    return 2 * n < p


def fista_fit(
    X: ArrayLike,
    y: ArrayLike,
    groups: ArrayLike,
    *,
    group_reg: float,
    l1_reg: float,
    n_iter: int,
    tol: float,
    scale_group: ScaleGroup = "sqrt",
) -> FistaFit:
    """Fit one target in one cluster from its rows.

    Parameters
    ----------
    X
        Shape (n, p), raw modulator columns of the cluster's cells; a masked modulator is a column of zeros.
    y
        Shape (n,), response.
    groups
        Shape (p,), non-negative group ids.
    group_reg, l1_reg
        Penalty strengths in raw units.
    n_iter, tol
        Largest number of iterations, and relative step that stops them.
    scale_group
        Group penalty is `group_reg` times the square root of the group's size ("sqrt") or divided by it
        ("inverse_sqrt", as the original Python package).

    Returns
    -------
    Coefficients in raw units. Cost n p^2 + n_iter p^2, or n_iter n p where `prefers_rows`.

    Raises
    ------
    InputError
        If the shapes do not agree or there is no cell.
    """
    design, response, ids = np.asarray(X, np.float64), np.asarray(y, np.float64), np.asarray(groups, np.int64)
    if design.ndim != 2 or response.shape != design.shape[:1] or ids.shape != design.shape[1:] or not len(design):
        raise InputError(
            f"X {design.shape}, y {response.shape} and groups {ids.shape} must be (n, p), (n,) and (p,) with n >= 1"
        )
    n, p = design.shape
    if prefers_rows(n, p):
        columns = Columns(np.arange(p)[None, :], ids[None, :])
        settings = Settings(group_reg, l1_reg, n_iter, tol, scale_group)
        return _batch_rows(design, response[None, :], columns, settings)[0]
    means, y_mean = design.mean(axis=0), float(response.mean())
    centred, residual = design - means, response - y_mean
    return fista_from_gram(
        centred.T @ centred / n,
        residual @ centred / n,
        ids,
        y_mean=y_mean,
        yy_mean=float(residual @ residual) / n + y_mean**2,
        n=n,
        column_means=means,
        group_reg=group_reg,
        l1_reg=l1_reg,
        n_iter=n_iter,
        tol=tol,
        scale_group=scale_group,
    )


def fista_from_gram(
    gram: _Real,
    xy: _Real,
    groups: _Index,
    *,
    y_mean: float,
    yy_mean: float,
    n: int,
    column_means: _Real,
    group_reg: float,
    l1_reg: float,
    n_iter: int,
    tol: float,
    scale_group: ScaleGroup = "sqrt",
) -> FistaFit:
    """Fit one target in one cluster from its moments.

    Parameters
    ----------
    gram
        Shape (p, p): Xc'Xc / n.
    xy
        Shape (p,): Xc'y / n.
    groups
        Shape (p,), non-negative group ids.
    y_mean, yy_mean
        Mean of the response and of its square.
    n
        Number of cells.
    column_means
        Shape (p,), means of the raw columns.
    group_reg, l1_reg, n_iter, tol, scale_group
        As in `fista_fit`.

    Returns
    -------
    Coefficients in raw units; cost n_iter p^2. With fewer than p / 2 cells use `fista_fit`: the restart test reads
    a loss near zero there, which moments give only to rounding.
    """
    columns, y_var = Columns(np.arange(len(xy))[None, :], groups[None, :]), _variance(y_mean, yy_mean)
    solution = solve(
        lambda layout: GramSource(gram, y_var, layout),
        columns,
        xy=xy[None, :],
        y_mean=np.array([y_mean]),
        n=n,
        settings=Settings(group_reg, l1_reg, n_iter, tol, scale_group),
    )
    return _uncentred(solution, columns.indices, column_means)[0]


def fista_batch(
    gram: _Real,
    xy: _Real,
    indices: _Index,
    *,
    groups: _Index,
    means: _Real,
    n: int,
    y_mean: _Real,
    yy_mean: _Real,
    group_reg: float,
    l1_reg: float,
    n_iter: int,
    tol: float,
    scale_group: ScaleGroup = "sqrt",
    active: NDArray[np.bool_] | None = None,
    shared: _Index | None = None,
    accelerator: Accelerator | None = None,
) -> FistaBatch:
    """Fit many targets in one cluster from moments of the catalogue that they share.

    Parameters
    ----------
    gram
        Shape (P, P): Xc'Xc / n of all catalogue columns, finite.
    xy
        Shape (targets, P): mean products of centred columns and response.
    indices
        Shape (targets, width): catalogue columns of each target in design order, without repeats, then -1.
    groups
        Shape (targets, width): group ids, non-negative where `indices` is.
    means
        Shape (P,), means of the raw columns.
    n
        Number of cells.
    y_mean, yy_mean
        Shape (targets,): mean of the response and of its square.
    group_reg, l1_reg, n_iter, tol, scale_group
        As in `fista_fit`.
    active
        Shape (targets, width); False marks a masked modulator: its coefficient is zero, but it counts in the size
        of its group and keeps its place in the start vector. Default: all active.
    shared
        Columns multiplied for all targets at once; by default those that half of the targets use. Give a fixed list
        (the ligand-receptor block of the catalogue) to get the same bits however targets are split into batches;
        matrix products then always have 72 rows, so batches should not be much smaller.
    accelerator
        Device for the whole solution, where that pays; `gram` is then kept there as long as it lives.

    Returns
    -------
    Coefficients in raw units. Cost per target about n_iter (S + W)^2 where S columns are shared and W are the
    target's own; memory 8 bytes times targets x (P + 3 width), plus copies of the Gram blocks used.
    Single-threaded apart from the matrix product; safe to call from several threads.
    """
    y_var = _variance(y_mean, yy_mean)
    solution = solve_anywhere(
        lambda layout: GramSource(gram, y_var, layout),
        GramMoments(gram, y_var),
        Columns(indices, groups, active, shared),
        xy=xy,
        y_mean=y_mean,
        n=n,
        settings=Settings(group_reg, l1_reg, n_iter, tol, scale_group),
        accelerator=accelerator,
    )
    return _uncentred(solution, indices, means)


def fista_batch_rows(
    X: _Real,
    Y: _Real,
    indices: _Index,
    *,
    groups: _Index,
    group_reg: float,
    l1_reg: float,
    n_iter: int,
    tol: float,
    scale_group: ScaleGroup = "sqrt",
    active: NDArray[np.bool_] | None = None,
    shared: _Index | None = None,
    accelerator: Accelerator | None = None,
) -> FistaBatch:
    """Fit many targets in one cluster of few cells (`prefers_rows`), from the rows.

    Parameters
    ----------
    X
        Shape (n, P), raw catalogue columns of the cluster's cells.
    Y
        Shape (targets, n), responses.
    indices, groups, group_reg, l1_reg, n_iter, tol, scale_group, active, shared, accelerator
        As in `fista_batch`.

    Returns
    -------
    Coefficients in raw units. Cost per target about 2 n_iter n width.
    """
    settings = Settings(group_reg, l1_reg, n_iter, tol, scale_group)
    return _batch_rows(X, Y, Columns(indices, groups, active, shared), settings, accelerator)


def r2_from_mse(mse: float | _Real, y_var: float | _Real) -> _Real:
    """Return 1 - mse / y_var; 0 where the response does not vary or the result is not finite, never clamped."""
    mse, y_var = np.broadcast_arrays(np.asarray(mse, np.float64), np.asarray(y_var, np.float64))
    varies = y_var > 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        r2 = np.where(varies, 1.0 - mse / np.where(varies, y_var, 1.0), 0.0)
    return np.where(np.isfinite(r2), r2, 0.0)


def _variance(y_mean: float | _Real, yy_mean: float | _Real) -> _Real:
    variance = np.atleast_1d(np.asarray(yy_mean - np.square(y_mean), np.float64))
    return np.where(variance <= _VARIANCE_FLOOR * yy_mean, 0.0, variance)


def _batch_rows(
    X: _Real, Y: _Real, columns: Columns, settings: Settings, accelerator: Accelerator | None = None
) -> FistaBatch:
    means, y_mean = X.mean(axis=0), Y.mean(axis=1)
    centred, response = np.ascontiguousarray((X - means).T), Y - y_mean[:, None]
    solution = solve_anywhere(
        lambda layout: RowSource(centred, response, layout),
        RowMoments(centred, response),
        columns,
        xy=_row_moments(centred, response),
        y_mean=y_mean,
        n=len(X),
        settings=settings,
        accelerator=accelerator,
    )
    return _uncentred(solution, columns.indices, means)


def _row_moments(centred: _Real, response: _Real) -> _Real:
    """Return (targets, P) mean products, in products of one shape so that bits do not depend on the batch."""
    n_targets, n = response.shape
    padded = np.zeros((-(-n_targets // ROUND), ROUND, n))
    padded.reshape(-1, n)[:n_targets] = response
    moments: _Real = np.matmul(padded, centred.T).reshape(-1, len(centred))[:n_targets] / n
    return moments


def _uncentred(solution: Solution, indices: _Index, means: _Real) -> FistaBatch:
    offset = np.einsum("ij,ij->i", solution.coef, means[np.maximum(indices, 0)])
    return FistaBatch(
        solution.coef,
        solution.intercept - offset,
        solution.n_iter,
        solution.converged,
        solution.lipschitz,
        solution.mse,
    )
