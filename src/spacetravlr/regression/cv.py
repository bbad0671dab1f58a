"""One penalty per target by held-out regions, and the fits at that penalty, from moments alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spacetravlr.regression.penalty import Path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.regression.gram import ClusterGram, Responses
    from spacetravlr.regression.judged import Judged

Rule = Literal["1se", "near", "min"]

GAP = 1e-2
"""Duality gap of cross-validation fits relative to the variance: half a standard error of the error is 1.2e-2."""
SGL_SLACK = 0.03
"""Optimality violation of cross-validation fits with groups, relative to the penalties."""
KKT = 5e-7
"""Optimality violation of final fits, standardised units."""
MIN_CELLS = 30
"""Clusters with fewer cells take no part in the choice of the penalty and get no held-out R2."""
GIVEN_UP = 0.2
"""Share of the variance explained by the best penalty that rule `near` may give up for a stronger one."""


@dataclass(frozen=True)
class ColumnSets:
    """Which catalogue columns each target may use in one cluster, grouped."""

    pointers: NDArray[np.int64]
    """(T + 1,)."""
    columns: NDArray[np.int64]
    bounds: NDArray[np.int64]
    """(T, n_groups + 1), first column of each group within the target."""
    group_sizes: NDArray[np.float64]
    """(T, n_groups), size used in the penalty (masked columns count)."""

    @classmethod
    def build(
        cls,
        columns: Sequence[NDArray[np.int64]],
        groups: Sequence[NDArray[np.integer]],
        n_groups: int,
        keep: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> ColumnSets:
        """Lay out the columns of each target.

        Parameters
        ----------
        columns, groups
            Per target: catalogue columns and group numbers (ascending), both (p,).
        n_groups
            Number of groups that may occur.
        keep
            Per target: (p,) mask of the columns usable in this cluster, or None for all.
        """
        sizes = np.array([np.bincount(g, minlength=n_groups) for g in groups], dtype=np.float64).reshape(-1, n_groups)
        used, bounds = [], []
        for position, (own, group) in enumerate(zip(columns, groups, strict=True)):
            mask = None if keep is None else keep[position]
            used.append(own if mask is None else own[mask])
            kept = group if mask is None else group[mask]
            bounds.append(np.searchsorted(kept, np.arange(n_groups + 1)))
        pointers = np.concatenate([[0], np.cumsum([len(own) for own in used])]).astype(np.int64)
        flat = np.concatenate(used).astype(np.int64) if used else np.zeros(0, dtype=np.int64)
        return cls(pointers, flat, np.array(bounds, dtype=np.int64).reshape(-1, n_groups + 1), sizes)

    @property
    def width(self) -> int:
        """Largest number of columns of a target."""
        return int(np.diff(self.pointers).max(initial=0))

    def strengths(self, lam: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (T, n_groups) group penalties ``lambda sqrt(size)`` for the strength (T,) of each target."""
        return np.asarray(lam[:, None] * np.sqrt(self.group_sizes))


@dataclass(frozen=True)
class Choice:
    """Result of cross-validation for some targets."""

    index: NDArray[np.int64]
    """(T,), position of the chosen penalty in the grid; -1 where no cluster could be evaluated."""
    lambdas: NDArray[np.float64]
    curve: NDArray[np.float64]
    """(n_lambdas, T), mean squared error of the rows held out, in units of the variance; NaN where the path stopped."""
    spread: NDArray[np.float64]
    """(n_lambdas, T), its standard error over folds."""
    r2_out: NDArray[np.float64]
    """(C, T), held-out R2 at the chosen penalty; NaN where it was not evaluated."""
    r2_pooled: NDArray[np.float64]
    """(T,), over all evaluated clusters together."""
    error: NDArray[np.float64]
    """(C, n_folds, T), summed squared error of the rows held out at the chosen penalty, in units of the cluster's
    variance; NaN where it was not evaluated."""

    @property
    def chosen(self) -> NDArray[np.float64]:
        """(T,), the penalties; NaN where there is no choice."""
        return np.where(self.index >= 0, self.lambdas[np.maximum(self.index, 0)], np.nan)


@dataclass
class _Progress:
    error: NDArray[np.float64]
    total: NDArray[np.float64]
    cells: NDArray[np.float64]
    live: NDArray[np.bool_]
    rises: NDArray[np.int64]
    states: dict[tuple[int, int], NDArray[np.float64]] = field(default_factory=dict)


def choose_penalty(
    grams: Sequence[ClusterGram],
    responses: Sequence[Responses],
    sets: Sequence[ColumnSets],
    *,
    path: Path,
    rule: Rule = "1se",
    min_cells: int = MIN_CELLS,
    gap: float = GAP,
    live: NDArray[np.bool_] | None = None,
    judged: Sequence[Judged] | None = None,
) -> Choice:
    """Choose one penalty for each target over all clusters together.

    The path goes from strong to weak; each (target, cluster, fold) starts from its own previous solution, and a
    target stops when its error is a standard error above its minimum or has risen twice.

    Parameters
    ----------
    grams, responses, sets
        One per cluster.
    path
        The family of penalties.
    rule
        `1se`: the strongest penalty within one standard error of the best; `near`: the same, but it explains at least
        four fifths of the variance that the best does; `min`: the best.
    min_cells
        Clusters with fewer cells are left out.
    gap
        Duality gap relative to the variance at which a fit is good enough.
    live
        (T,), which targets are wanted; None for all.
    judged
        One per cluster, where held-out cells are judged by another measurement; errors are in units of its variance.

    Returns
    -------
    The choice with its error curve and the held-out R2 of every cluster.
    """
    from spacetravlr.regression._path_kernels import enet_step, sgl_step

    used = [c for c, gram in enumerate(grams) if gram.n >= min_cells and len(gram.folds) > 1]
    n_targets = len(sets[0].group_sizes)
    grid = path.grid
    n_folds = max((fold.label + 1 for c in used for fold in grams[c].folds), default=0)
    state = _Progress(
        error=np.full((len(grid), len(grams), n_folds, n_targets), np.nan),
        total=np.zeros((len(grams), n_folds, n_targets)),
        cells=np.zeros((len(grams), n_folds, n_targets)),
        live=np.ones(n_targets, dtype=np.bool_) if live is None else live.copy(),
        rises=np.zeros(n_targets, dtype=np.int64),
    )
    for c in used:
        for f, fold in enumerate(grams[c].folds):
            state.states[c, f] = np.zeros((n_targets, sets[c].width))
            yy = responses[c].yy
            held = grams[c].n * (yy + responses[c].fold_mean[f] ** 2) - fold.n_train * responses[c].fold_yy[f]
            state.total[c, fold.label] = np.maximum(held, 0.0)
            state.cells[c, fold.label] = np.where(yy > 1e-12, fold.stop - fold.start, 0)
            if judged is not None:
                state.total[c, fold.label] = judged[c].total[f]
                state.cells[c, fold.label] *= judged[c].varies
    for step, lam in enumerate(grid):
        for c in used:
            one, own = responses[c], sets[c]
            for f, fold in enumerate(grams[c].folds):
                error = np.zeros(n_targets)
                shared = (
                    fold.gram, grams[c].design, fold.held, float(fold.n_train), fold.means, grams[c].gram,
                    float(grams[c].n), own.pointers, own.columns, one.fold_c[f], one.fold_yy[f], one.fold_mean[f],
                    one.c, one.yy, state.live, state.states[c, f],
                )  # fmt: skip
                l1 = float(lam * path.l1_factor)
                if path.grouped:
                    strengths = own.strengths(np.full(n_targets, lam * path.group_factor))
                    sgl_step(*shared, own.bounds, l1, strengths, path.ridge_part, SGL_SLACK * gap / GAP, error)
                else:
                    enet_step(*shared, l1, path.ridge_part, gap, error)
                if judged is not None:
                    error = judged[c].error(f, error, state.states[c, f], own)
                state.error[step, c, fold.label, state.live] = error[state.live]
        _stop_risen(state, step)
        if not state.live.any():
            break
    return _decide(state, grid, used, rule)


def _curve(state: _Progress, step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean held-out error per cell and its standard error over folds, (T,) each."""
    by_fold = np.nansum(state.error[step], axis=0)
    cells = state.cells.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = by_fold.sum(axis=0) / cells.sum(axis=0)
        each = np.where(cells > 0, by_fold / cells, np.nan)
    folds = np.maximum((cells > 0).sum(axis=0), 1)
    deviation = np.where(cells > 0, each - mean, 0.0)
    return mean, np.sqrt((deviation**2).sum(axis=0) / np.maximum(folds - 1, 1) / folds)


def _stop_risen(state: _Progress, step: int) -> None:
    if step == 0:
        state.live &= state.cells.sum(axis=(0, 1)) > 0
        return
    curves = np.array([_curve(state, s)[0] for s in range(step + 1)])
    best = np.argmin(curves, axis=0)
    spread = np.array([_curve(state, s)[1] for s in range(step + 1)])[best, np.arange(curves.shape[1])]
    state.rises = np.where(curves[step] > curves[step - 1], state.rises + 1, 0)
    risen = (curves[step] > curves.min(axis=0) + spread) | (state.rises >= 2)
    state.live &= ~risen


def _decide(state: _Progress, grid: NDArray[np.float64], used: list[int], rule: Rule) -> Choice:
    n_targets = state.live.size
    curve = np.full((len(grid), n_targets), np.nan)
    spread = np.full((len(grid), n_targets), np.nan)
    for step in range(len(grid)):
        ran = ~np.isnan(state.error[step]).all(axis=(0, 1)) if state.error.size else np.zeros(n_targets, dtype=bool)
        mean, error = _curve(state, step)
        curve[step, ran], spread[step, ran] = mean[ran], error[ran]
    index = np.full(n_targets, -1, dtype=np.int64)
    r2_out = np.full((state.error.shape[1], n_targets), np.nan)
    pooled = np.full(n_targets, np.nan)
    held_out = np.full(state.error.shape[1:], np.nan)
    cells = state.cells.sum(axis=(0, 1))
    # of the mean of the cells that train, which explains nothing
    nothing = state.total.sum(axis=(0, 1)) / np.where(cells > 0, cells, np.inf)
    for t in range(n_targets):
        if not np.isfinite(curve[:, t]).any():
            continue
        best = int(np.nanargmin(curve[:, t]))
        slack = _slack(rule, spread[best, t], nothing[t] - curve[best, t])
        index[t] = int(np.flatnonzero(curve[:, t] <= curve[best, t] + slack)[0])
        held_out[:, :, t] = state.error[index[t], :, :, t]
        error = np.nansum(held_out[:, :, t], axis=1)
        total = state.total[:, :, t].sum(axis=1)
        for c in used:
            if total[c] > 1e-12 and state.cells[c, :, t].sum() > 0:
                r2_out[c, t] = 1.0 - error[c] / total[c]
        pooled[t] = 1.0 - error[used].sum() / total[used].sum() if total[used].sum() > 1e-12 else np.nan
    return Choice(index, grid, curve, spread, r2_out, pooled, held_out)


def _slack(rule: Rule, spread: float, explained: float) -> float:
    """Return by how much the error may exceed that of the best penalty.

    The standard error is that of errors of regions, most of which no penalty explains. Where there is little to explain
    it exceeds most of that, so that penalties count as near enough which leave much of it unexplained.
    """
    if rule == "min":
        return 0.0
    return spread if rule == "1se" else min(spread, GIVEN_UP * max(explained, 0.0))


@dataclass(frozen=True)
class ClusterFits:
    """Coefficients of some targets in one cluster."""

    weights: list[NDArray[np.float64]]
    """Per target, (p,) in standardised units, in the order of its own columns in this cluster."""
    r2_in: NDArray[np.float64]
    sweeps: NDArray[np.int64]
    violation: NDArray[np.float64]


def fit_cluster(
    gram: ClusterGram,
    responses: Responses,
    sets: ColumnSets,
    *,
    l1: NDArray[np.float64],
    strengths: NDArray[np.float64] | None = None,
    ridge: float = 0.0,
    live: NDArray[np.bool_] | None = None,
    tol: float = KKT,
) -> ClusterFits:
    """Fit all targets of a cluster to the optimum.

    Parameters
    ----------
    gram, responses, sets
        The cluster.
    l1
        (T,) penalty of each target.
    strengths
        (T, n_groups) group penalties; None without.
    ridge
        Ridge penalty.
    live
        (T,) which targets to fit; the others get zeros.
    tol
        Bound on the optimality violation, standardised units.
    """
    n_targets = len(sets.group_sizes)
    W = np.zeros((n_targets, sets.width))
    record = FitRecord.empty(n_targets)
    wanted = np.ones(n_targets, dtype=np.bool_) if live is None else live
    moments = (gram.gram, gram.design, float(gram.n), sets.pointers, sets.columns, responses.c, responses.yy, wanted)
    run_final(moments, W, sets, record, l1=l1, strengths=strengths, ridge=ridge, tol=tol)
    sizes = np.diff(sets.pointers)
    return ClusterFits([W[t, : sizes[t]] for t in range(n_targets)], record.r2, record.sweeps, record.violation)


@dataclass(frozen=True)
class FitRecord:
    """What final fits report, (T,) each."""

    sweeps: NDArray[np.int64]
    violation: NDArray[np.float64]
    r2: NDArray[np.float64]

    @classmethod
    def empty(cls, n_targets: int) -> FitRecord:
        """Return a record of nothing yet."""
        return cls(np.zeros(n_targets, dtype=np.int64), np.zeros(n_targets), np.zeros(n_targets))


def run_final(
    moments: tuple[Any, ...],
    W: NDArray[np.float64],
    sets: ColumnSets,
    record: FitRecord,
    *,
    l1: NDArray[np.float64],
    strengths: NDArray[np.float64] | None,
    ridge: float,
    tol: float,
) -> None:
    """Run the compiled final fits on some moments; `W` (T, p_max) holds start and result."""
    from spacetravlr.regression import _path_kernels as kernels

    enet_final: Any = kernels.enet_final
    sgl_final: Any = kernels.sgl_final
    single = np.asarray(l1, dtype=np.float64)
    if strengths is None:
        enet_final(*moments, W, single, ridge, tol, record.sweeps, record.violation, record.r2)
    else:
        sgl_final(*moments, W, sets.bounds, single, strengths, ridge, tol, record.sweeps, record.violation, record.r2)
