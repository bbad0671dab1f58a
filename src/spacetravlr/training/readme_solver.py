"""`solver = "fista"`: the README's early-stopped steps on raw columns, many targets at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression import MIN_CELLS, choose_gram, units
from spacetravlr.regression.device_products import cross, self_cross
from spacetravlr.regression.fista import FistaBatch, fista_batch, fista_batch_rows, prefers_rows, r2_from_mse
from spacetravlr.training.fits import TargetFit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.device import Accelerator
    from spacetravlr.training.plan import Plan

GRAM_BUDGET = 2 << 30
"""Bytes that the Gram matrices of all clusters may take together."""
FOLD_BUDGET = 2 << 30
"""Bytes that the designs without a fold may take together."""


@dataclass(frozen=True)
class _Design:
    """The raw columns of some cells, with their Gram matrix where that pays."""

    rows: NDArray[np.float64]
    means: NDArray[np.float64]
    gram: NDArray[np.float64] | None

    @property
    def size(self) -> int:
        return self.rows.nbytes + (0 if self.gram is None else self.gram.nbytes)

    @classmethod
    def build(cls, rows: NDArray[np.float64], accelerator: Accelerator | None, *, use_gram: bool) -> _Design:
        means = rows.mean(axis=0)
        if not use_gram:
            return cls(rows, means, None)
        return cls(rows, means, self_cross(rows - means, accelerator) / len(rows))


class ReadmeSolver:
    """Fits blocks of targets as the compiled edition does.

    Parameters
    ----------
    plan
        The shared part; raw designs and their Gram matrices are built here, once.
    accelerator
        Device for products and for all steps of a block; None for the CPU.
    """

    def __init__(self, plan: Plan, accelerator: Accelerator | None = None) -> None:
        self.plan = plan
        self.accelerator = accelerator
        sizes = [len(rows) for rows in plan.rows]
        use = choose_gram(sizes, len(plan.inputs.catalogue), 0, GRAM_BUDGET)
        self.designs = [_Design.build(plan.design(c), accelerator, use_gram=use[c]) for c in range(len(plan.rows))]
        self._fold_designs: dict[tuple[int, int], _Design] = {}
        self._room = FOLD_BUDGET
        self._lock = threading.Lock()
        self.shared = np.flatnonzero(["$" in name for name in plan.inputs.catalogue.names])

    def fit(self, targets: Sequence[str], wanted: Sequence[bool]) -> list[TargetFit | None]:
        """Fit the wanted targets of a block in all clusters."""
        plan = self.plan
        n_clusters = len(plan.rows)
        out = [
            TargetFit.empty(plan.inputs.modulators[t], n_clusters) if w else None
            for t, w in zip(targets, wanted, strict=True)
        ]
        live = [t for t, want in enumerate(wanted) if want]
        for c in range(n_clusters):
            Y = plan.responses(targets, c)
            fits = self._solve(self.designs[c], Y, targets, live, c)
            variance = Y.var(axis=0)
            for t in live:
                fit, own = out[t], fits[t]
                if fit is None:
                    continue
                fit.coef[c], fit.intercept[c] = own.coef, own.intercept
                fit.n_iter[c], fit.converged[c], fit.train_mse[c] = own.n_iter, own.converged, own.mse
                fit.r2_in[c] = float(r2_from_mse(own.mse, float(variance[t])))
        if plan.config.training.held_out:
            self._measure_held_out(targets, live, out)
        return out

    def _solve(
        self, design: _Design, Y: NDArray[np.float64], targets: Sequence[str], live: Sequence[int], c: int
    ) -> dict[int, _Solution]:
        """Solve some targets in one set of cells; by rows where there are fewer cells than half the columns."""
        plan = self.plan
        by_rows: list[int] = []
        by_gram: list[int] = []
        for t in live:
            width = len(plan.inputs.modulators[targets[t]].names)
            (by_rows if design.gram is None or prefers_rows(len(Y), width) else by_gram).append(t)
        found: dict[int, _Solution] = {}
        lasso = plan.config.lasso
        y_mean = Y.mean(axis=0)
        # over the whole block, so that the bits do not depend on which of its targets are wanted; the centred response
        # makes the means of the columns drop out
        products = np.zeros((0, 0))
        if by_gram:
            products = cross(Y - y_mean, design.rows, 0, len(Y), self.accelerator) / len(Y)
        for members, rows in ((by_rows, True), (by_gram, False)):
            if not members:
                continue
            indices, groups, active = self._layout([targets[t] for t in members], c)
            own = Y[:, members]
            if rows:
                batch = fista_batch_rows(
                    design.rows, np.ascontiguousarray(own.T), indices, groups=groups, active=active, shared=self.shared,
                    group_reg=lasso.group_reg, l1_reg=lasso.l1_reg, n_iter=lasso.n_iter, tol=lasso.tol,
                    accelerator=self.accelerator,
                )  # fmt: skip
            else:
                assert design.gram is not None
                batch = fista_batch(
                    design.gram, products[members], indices, groups=groups, means=design.means, n=len(own),
                    y_mean=y_mean[members], yy_mean=(own**2).mean(axis=0), active=active, shared=self.shared,
                    group_reg=lasso.group_reg, l1_reg=lasso.l1_reg, n_iter=lasso.n_iter, tol=lasso.tol,
                    accelerator=self.accelerator,
                )  # fmt: skip
            for k, t in enumerate(members):
                found[t] = _Solution.pick(batch, k, len(plan.inputs.modulators[targets[t]].names))
        return found

    def _layout(
        self, targets: Sequence[str], c: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_] | None]:
        plan = self.plan
        modulators = [plan.inputs.modulators[target] for target in targets]
        width = max(1, *(len(one.names) for one in modulators))
        indices = np.full((len(targets), width), -1, dtype=np.int64)
        groups = np.zeros((len(targets), width), dtype=np.int64)
        active = np.ones((len(targets), width), dtype=np.bool_)
        masked = False
        for row, one in enumerate(modulators):
            p = len(one.names)
            indices[row, :p], groups[row, :p] = plan.inputs.catalogue.positions(one.names), one.groups
            mask = plan.mask(one.target, c)
            if mask is not None:
                active[row, :p], masked = mask, True
        return indices, groups, active if masked else None

    def _training_design(self, c: int, fold: int, held: NDArray[np.bool_]) -> _Design:
        """Return the design without a fold; kept while there is room, because every block of targets needs it."""
        with self._lock:
            design = self._fold_designs.get((c, fold))
        if design is None:
            use_gram = self.designs[c].gram is not None
            design = _Design.build(self.designs[c].rows[~held], self.accelerator, use_gram=use_gram)
            with self._lock:
                if self._room >= design.size:
                    self._room -= design.size
                    self._fold_designs[c, fold] = design
        return design

    def _units(self, targets: Sequence[str]) -> NDArray[np.float64]:
        """Return (T,) units of what judges held-out cells, ones where that is the response itself."""
        plan, clusters = self.plan, range(len(self.plan.rows))
        if not plan.judges:
            return np.ones(len(targets))
        fitted = [plan.responses(targets, c) for c in clusters]
        return units(fitted, [plan.measured(targets, c) for c in clusters])

    def _measure_held_out(self, targets: Sequence[str], live: Sequence[int], out: list[TargetFit | None]) -> None:
        """Refit without each fold and measure the squared error on it, in units of each cluster's variance."""
        plan = self.plan
        error = np.zeros((len(plan.rows), len(targets)))
        total = np.zeros_like(error)
        unit = self._units(targets)
        for c, rows in enumerate(plan.rows):
            if len(rows) < MIN_CELLS:
                continue
            Y = plan.responses(targets, c)
            Z = plan.measured(targets, c) / unit if plan.judges else Y
            folds = plan.folds[rows]
            variance = Z.var(axis=0)
            scale = np.where(variance > 0.0, variance, np.inf)
            for fold in np.unique(folds):
                held = folds == fold
                if held.all():
                    continue
                design = self._training_design(c, int(fold), held)
                fits = self._solve(design, Y[~held], targets, live, c)
                for t in live:
                    at = plan.inputs.catalogue.positions(plan.inputs.modulators[targets[t]].names)
                    predicted = self.designs[c].rows[np.ix_(held, at)] @ fits[t].coef + fits[t].intercept
                    if plan.judges:
                        predicted += Z[~held, t].mean() - Y[~held, t].mean()
                    error[c, t] += float(((Z[held, t] - predicted) ** 2).sum() / scale[t])
                    total[c, t] += float(((Z[held, t] - Z[~held, t].mean()) ** 2).sum() / scale[t])
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = np.where(total > 0.0, 1.0 - error / total, np.nan)
            pooled = np.where(total.sum(axis=0) > 0.0, 1.0 - error.sum(axis=0) / total.sum(axis=0), np.nan)
        for t in live:
            fit = out[t]
            if fit is not None:
                fit.r2_out, fit.r2_pooled = r2[:, t], float(pooled[t])


@dataclass(frozen=True)
class _Solution:
    coef: NDArray[np.float64]
    intercept: float
    n_iter: int
    converged: bool
    mse: float

    @classmethod
    def pick(cls, batch: FistaBatch, k: int, p: int) -> _Solution:
        return cls(
            batch.coef[k, :p],
            float(batch.intercept[k]),
            int(batch.n_iter[k]),
            bool(batch.converged[k]),
            float(batch.mse[k]),
        )
