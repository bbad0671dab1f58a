"""Block bootstraps of the fits of one cluster: how far a coefficient, and its sign, can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression.cv import ClusterFits, ColumnSets, FitRecord, run_final

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.regression.gram import ClusterGram

TOL = 1e-4
"""Optimality violation of bootstrap fits; looser fits stay near the start and overstate stability."""


@dataclass(frozen=True)
class Bootstraps:
    """Statistics over the bootstraps, per target (p,) in standardised units."""

    mean: list[NDArray[np.float64]]
    sd: list[NDArray[np.float64]]
    stability: list[NDArray[np.float64]]
    """Fraction of bootstraps in which the coefficient has the sign of the fit (0 where the fit is 0)."""


def block_weights(blocks: NDArray[np.integer], n_bootstraps: int, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (n_bootstraps, n) how often each cell is drawn when blocks are drawn with replacement.

    Parameters
    ----------
    blocks
        (n,) block of each cell.
    n_bootstraps
        Number of draws.
    seed
        Seed words; the same words give the same draws.
    """
    names, inverse = np.unique(blocks, return_inverse=True)
    rng = np.random.default_rng(np.random.SeedSequence(seed[0], spawn_key=seed[1:]))
    draws = rng.integers(0, len(names), size=(n_bootstraps, len(names)))
    counts = np.array([np.bincount(draw, minlength=len(names)) for draw in draws], dtype=np.float64)
    return counts[:, inverse.ravel()].reshape(n_bootstraps, len(blocks))


def bootstrap_cluster(
    gram: ClusterGram,
    Y: NDArray[np.float64],
    sets: ColumnSets,
    fits: ClusterFits,
    weights: NDArray[np.float64],
    *,
    l1: NDArray[np.float64],
    strengths: NDArray[np.float64] | None,
    ridge: float,
    live: NDArray[np.bool_],
) -> Bootstraps:
    """Refit all targets of a cluster on weighted cells, each from its own fit.

    Parameters
    ----------
    gram, sets, fits
        The cluster, its columns and its fits.
    Y
        (n, T) responses, raw units, rows in the order given to `ClusterGram`.
    weights
        (n_bootstraps, n), rows in the same order.
    l1, strengths, ridge, live
        As for `fit_cluster`.

    Notes
    -----
    One weighted Gram matrix per bootstrap for all targets: O(n P^2); columns and responses keep the scale of the
    whole cluster.
    """
    n_targets = len(sets.group_sizes)
    sizes = np.diff(sets.pointers)
    start = np.zeros((n_targets, sets.width))
    for t in range(n_targets):
        start[t, : sizes[t]] = fits.weights[t]
    sums, squares, same = np.zeros_like(start), np.zeros_like(start), np.zeros_like(start)
    y = Y[gram.order]
    centred = y - y.mean(axis=0)
    deviation = centred.std(axis=0)
    y = np.where(deviation > 0.0, centred / np.where(deviation > 0.0, deviation, 1.0), 0.0)
    for weight in weights[:, gram.order]:
        drawn = np.flatnonzero(weight)
        v = weight[drawn] / weight.sum()
        X = gram.design[drawn]
        X = X - v @ X
        own = y[drawn] - v @ y[drawn]
        scaled = X * np.sqrt(v)[:, None]
        W = start.copy()
        moments = (
            scaled.T @ scaled, scaled, 1.0, sets.pointers, sets.columns, np.ascontiguousarray((own * v[:, None]).T @ X),
            np.einsum("i,ij,ij->j", v, own, own), live,
        )  # fmt: skip
        run_final(moments, W, sets, FitRecord.empty(n_targets), l1=l1, strengths=strengths, ridge=ridge, tol=TOL)
        sums += W
        squares += W * W
        same += (np.sign(W) == np.sign(start)) & (start != 0.0)
    n = len(weights)
    mean = sums / n
    sd = np.sqrt(np.maximum(squares / n - mean * mean, 0.0) * (n / max(n - 1, 1)))
    return Bootstraps(
        [mean[t, : sizes[t]] for t in range(n_targets)],
        [sd[t, : sizes[t]] for t in range(n_targets)],
        [same[t, : sizes[t]] / n for t in range(n_targets)],
    )
