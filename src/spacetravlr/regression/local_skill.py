"""Held-out skill beyond a smooth trend: how well fits predict in what a cell differs from the cells beside it.

What varies smoothly over a tissue is alike in neighbouring cells, so it cancels in the difference between a cell and
its nearest neighbours, whatever its shape. Columns that merely vary smoothly too, as received ligands do, cannot
predict such differences; regulators that act within cells can. The fits are those of cross-validation, made without
the cells that are looked at, neighbours included: a neighbour that the fit has seen would agree with it by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression.bootstrap import RIDGE_TOL, TOL
from spacetravlr.regression.cv import ColumnSets, FitRecord, run_final
from spacetravlr.regression.penalty import ENET_RIDGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.regression.gram import ClusterGram, Responses


@dataclass(frozen=True)
class LocalSkill:
    """Sums over the cells of each fold, (n_folds, T), in units of the variance of what is observed."""

    gain: NDArray[np.float64]
    """By how much predictions lower the squared differences between a cell and the mean of its neighbours."""
    local: NDArray[np.float64]
    """These squared differences; 0 where no cell of the fold has a neighbour in it."""
    error: NDArray[np.float64]
    """Squared errors of the predictions."""
    total: NDArray[np.float64]
    """Squared deviations from the mean of the cells that train."""


def fit_without_folds(
    gram: ClusterGram,
    responses: Responses,
    sets: ColumnSets,
    *,
    l1: NDArray[np.float64],
    strengths: NDArray[np.float64] | None,
    ridge: float,
    live: NDArray[np.bool_],
) -> list[NDArray[np.float64]]:
    """Fit targets of a cluster on the training rows of each fold, at the penalty of each target.

    Parameters
    ----------
    gram, responses, sets
        The cluster.
    l1, strengths, ridge, live
        As for `fit_cluster`.

    Returns
    -------
    Per fold (T, p_max), standardised units; zeros for targets that are not wanted.
    """
    tol = RIDGE_TOL if ridge >= ENET_RIDGE else TOL
    out = []
    for f, fold in enumerate(gram.folds):
        W = np.zeros((len(sets.group_sizes), sets.width))
        rows = np.zeros((0, gram.n_columns))
        if not fold.gram.size:
            rows = np.delete(gram.design, np.s_[fold.start : fold.stop], axis=0)
            rows -= fold.means
            rows /= np.sqrt(fold.n_train)
        moments = (
            fold.gram, rows, 1.0, sets.pointers, sets.columns, responses.fold_c[f], responses.fold_yy[f], live,
        )  # fmt: skip
        run_final(moments, W, sets, FitRecord.empty(len(live)), l1=l1, strengths=strengths, ridge=ridge, tol=tol)
        out.append(W)
    return out


def local_skill(
    gram: ClusterGram,
    weights: list[NDArray[np.float64]],
    sets: ColumnSets,
    *,
    observed: NDArray[np.float64],
    near: NDArray[np.int64],
    most: int,
    live: NDArray[np.bool_],
) -> LocalSkill:
    """Measure fits that were made without each fold on the cells of that fold.

    Parameters
    ----------
    gram, sets
        The cluster.
    weights
        Of `fit_without_folds`.
    observed
        (n, T), what is predicted, in units of the response, rows in the order given to `ClusterGram`.
    near
        (n, k), cells beside each cell, nearest first, -1 for none; rows and entries in that order too.
    most
        How many of them are its neighbours: the first ones in the same fold.
    live
        (T,), which targets are wanted.

    Notes
    -----
    Cost O(n s) for a target with s coefficients other than 0, besides the differences, O(n k).
    """
    from spacetravlr.regression._local_kernels import measure_fold

    place = np.empty(gram.n + 1, dtype=np.int64)
    place[gram.order], place[-1] = np.arange(gram.n), -1
    beside = place[near[gram.order]]
    for fold in gram.folds:
        own = beside[fold.start : fold.stop]
        apart = (own < fold.start) | (own >= fold.stop)
        own[apart | (np.cumsum(~apart, axis=1) > most)] = -1
    values = observed[gram.order]
    variance = values.var(axis=0)
    values = np.ascontiguousarray((values - values.mean(axis=0)).T)
    n_targets = len(live)
    sums = np.zeros((4, len(gram.folds), n_targets))
    for f, fold in enumerate(gram.folds):
        level = -values[:, fold.start : fold.stop].sum(axis=1) / fold.n_train
        measure_fold(
            gram.design, fold.start, fold.stop, beside, sets.pointers, sets.columns, weights[f], fold.means, values,
            level, live, *sums[:, f],
        )  # fmt: skip
    return LocalSkill(*(sums / np.where(variance > 1e-12, variance, np.inf)))
