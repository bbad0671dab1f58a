"""Simple methods on the same columns: least squares, ridge, one column at a time, and the true edges alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.bench._truth_arms import Method
from spacetravlr.bench._truth_fitted import Estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.training import Plan

    Array = NDArray[np.float64]

_PENALTIES = np.geomspace(1e-3, 10.0, 9)
_SMALLEST = 1e-10
"""Directions of a Gram matrix with a smaller share of the largest eigenvalue are left out."""


def estimate(plan: Plan, method: Method, active: Mapping[str, Mapping[str, NDArray[np.int64]]]) -> Estimate:
    """Estimate the coefficients of all targets in all clusters.

    Parameters
    ----------
    plan
        Columns, clusters and held-out regions, as training would use them.
    method
        What is done with them.
    active
        Target -> cluster label -> positions of its true modulators; used by the method on true edges.

    Returns
    -------
    Coefficients in original units; R2 within and held out, the mean over clusters for each target.
    """
    targets = plan.inputs.targets
    labels = plan.tissue.clusters.labels
    own = {target: plan.inputs.catalogue.positions(plan.inputs.modulators[target].names) for target in targets}
    coefficients = {target: np.zeros((len(labels), len(own[target]))) for target in targets}
    intercepts = {target: np.zeros(len(labels)) for target in targets}
    r2_in, r2_out = (np.full((len(targets), len(labels)), np.nan) for _ in range(2))
    for c, label in enumerate(labels):
        cluster = _Cluster(plan, c)
        for t, target in enumerate(targets):
            chosen = active[target].get(label, np.zeros(0, dtype=np.int64)) if method == "true edges" else None
            weights, r2_in[t, c], r2_out[t, c] = cluster.fit(t, own[target], method, chosen)
            slope = weights * cluster.y_scale[t] / cluster.scale[own[target]]
            coefficients[target][c] = slope
            intercepts[target][c] = cluster.y_mean[t] - slope @ cluster.mean[own[target]]
    return Estimate.of(plan, coefficients, intercepts, r2_in=r2_in, r2_out=r2_out)


class _Cluster:
    """Standardised columns and responses of one cluster, with the moments of every fold."""

    def __init__(self, plan: Plan, c: int) -> None:
        X, Y = plan.design(c), plan.responses(plan.inputs.targets, c)
        self.mean, self.scale = _standards(X)
        self.y_mean, self.y_scale = _standards(Y)
        self.X, self.Y = (X - self.mean) / self.scale, (Y - self.y_mean) / self.y_scale
        folds = plan.folds[plan.rows[c]]
        self.held = [folds == fold for fold in np.unique(folds)] if len(np.unique(folds)) > 1 else []
        self.whole = _Moments(self.X, self.Y)
        self.train = [_Moments(self.X[~held], self.Y[~held]) for held in self.held]

    def fit(
        self, t: int, columns: NDArray[np.int64], method: Method, chosen: NDArray[np.int64] | None
    ) -> tuple[Array, float, float]:
        """Return standardised coefficients of one target, and its R2 within and held out."""
        use = columns if chosen is None else columns[chosen]
        per_fold = [_solve(moments, t, use, method) for moments in self.train]
        errors = np.zeros(len(per_fold[0]) if per_fold else 1)
        total = 0.0
        for held, moments, options in zip(self.held, self.train, per_fold, strict=True):
            y = self.Y[held, t] - moments.y_mean[t]
            predicted = (self.X[np.ix_(held, use)] - moments.mean[use]) @ options.T
            errors += ((y[:, None] - predicted) ** 2).sum(axis=0)
            total += float(y @ y)
        best = int(errors.argmin())
        found = _solve(self.whole, t, use, method)[best]
        residual = self.Y[:, t] - self.X[:, use] @ found
        within = 1.0 - float(residual @ residual) / max(float(self.Y[:, t] @ self.Y[:, t]), 1e-300)
        weights = np.zeros(len(columns))
        weights[np.arange(len(columns)) if chosen is None else chosen] = found
        return weights, within, 1.0 - float(errors[best]) / total if total > 0.0 else float("nan")


class _Moments:
    def __init__(self, X: Array, Y: Array) -> None:
        self.mean, self.y_mean = X.mean(axis=0), Y.mean(axis=0)
        centred = X - self.mean
        self.gram = centred.T @ centred / len(X)
        self.cross = centred.T @ (Y - self.y_mean) / len(X)


def _solve(moments: _Moments, t: int, use: NDArray[np.int64], method: Method) -> Array:
    """Return (n_options, n_columns) solutions; ridge has one for every penalty."""
    G, c = moments.gram[np.ix_(use, use)], moments.cross[use, t]
    if not len(use):
        return np.zeros((1, 0))
    if method == "correlation":
        slopes = c / np.where(np.diag(G) > 0.0, np.diag(G), np.inf)
        size = float(slopes @ G @ slopes)
        scaled: Array = slopes[None] * (float(slopes @ c) / size if size > 0.0 else 0.0)
        return scaled
    values, vectors = np.linalg.eigh(G)
    along = vectors.T @ c
    if method == "ridge":
        found: Array = (along / (np.maximum(values, 0.0) + _PENALTIES[:, None])) @ vectors.T
        return found
    usable = values > _SMALLEST * values[-1]
    exact: Array = vectors[:, usable] @ (along[usable] / values[usable])
    return exact[None]


def _standards(values: Array) -> tuple[Array, Array]:
    sd = values.std(axis=0)
    return values.mean(axis=0), np.where(sd > 0.0, sd, 1.0)
