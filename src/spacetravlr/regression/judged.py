"""Held-out cells judged by another measurement of the response than the one that is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression.device_products import cross

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from spacetravlr.regression.cv import ColumnSets
    from spacetravlr.regression.gram import ClusterGram, Responses


@dataclass(frozen=True)
class Judged:
    """What turns errors of the fitted responses into errors of the measured ones, for one cluster.

    With y fitted and z measured (both in units of y, centred on the training cells) and a prediction p, the sum of
    (z - p)^2 over held-out cells is that of (y - p)^2 plus ``sum z^2 - sum y^2 - 2 sum (z - y) p``: the last part is
    linear in the coefficients, so that moments suffice again.
    """

    total: NDArray[np.float64]
    """(n_folds, T), sum of squares of what is measured in the cells held out, in units of its variance."""
    varies: NDArray[np.bool_]
    """(T,), whether what is measured varies at all."""
    extra: NDArray[np.float64]
    """(n_folds, T), the part that does not depend on coefficients, in units of the response."""
    slope: list[NDArray[np.float64]]
    """Per fold (T, P), the linear part, in units of the response."""
    variance: NDArray[np.float64]
    """(T,), of what is measured, in units of the response; 1 where it does not vary."""

    def error(
        self, f: int, fitted: NDArray[np.float64], W: NDArray[np.float64], sets: ColumnSets
    ) -> NDArray[np.float64]:
        """Return (T,) squared errors of what is measured, from those of what is fitted.

        Parameters
        ----------
        f
            Number of the fold within the cluster.
        fitted
            (T,), squared errors of the fitted response in the cells held out.
        W
            (T, p_max), standardised coefficients.
        sets
            Columns of the targets.
        """
        linear = np.zeros_like(fitted)
        for t in np.flatnonzero(W.any(axis=1)):
            own = sets.columns[sets.pointers[t] : sets.pointers[t + 1]]
            linear[t] = W[t, : len(own)] @ self.slope[f][t, own]
        return np.asarray(np.maximum(fitted + self.extra[f] - 2.0 * linear, 0.0) / self.variance)


def judge(
    gram: ClusterGram,
    responses: Responses,
    fitted: NDArray[np.float64],
    measured: NDArray[np.float64],
    unit: NDArray[np.float64],
) -> Judged:
    """Compute what `choose_penalty` needs to judge held-out cells by what was measured there.

    Parameters
    ----------
    gram, responses
        The cluster, and the moments of what is fitted.
    fitted, measured
        (n, T), raw units, rows in the order given to `ClusterGram`.
    unit
        (T,), how many units of what is measured one unit of what is fitted stands for; see `units`.

    Notes
    -----
    Cost O(n P T), as for the moments of the responses.
    """
    y = (fitted[gram.order] - responses.mean) / responses.scale
    z = measured[gram.order]
    deviation = z.std(axis=0)
    varies = deviation > 1e-12 * np.abs(z.mean(axis=0))
    z = (z - z.mean(axis=0)) / (unit * responses.scale)
    variance = np.where(varies, z.var(axis=0), 1.0)
    total, extra, slope = [], [], []
    for fold in gram.folds:
        held = slice(fold.start, fold.stop)
        y_held = y[held] + y[held].sum(axis=0) / fold.n_train
        z_held = z[held] + z[held].sum(axis=0) / fold.n_train
        squares = np.einsum("ij,ij->j", z_held, z_held)
        total.append(np.where(varies, squares / variance, 0.0))
        extra.append(squares - np.einsum("ij,ij->j", y_held, y_held))
        apart = np.zeros_like(y)
        apart[held] = z_held - y_held
        product = cross(apart, gram.design, fold.start, fold.stop, gram.accelerator)
        slope.append(product - apart[held].sum(axis=0)[:, None] * fold.means)
    return Judged(np.array(total), varies, np.array(extra), slope, variance)


def units(fitted: Sequence[NDArray[np.float64]], measured: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return how many units of what is measured one unit of what is fitted stands for.

    The slope of the former on the latter over all cells, both centred within clusters: 1 for a calibrated imputation
    in the same units, more where smoothing has flattened the differences. 1 where there is none above zero.

    Parameters
    ----------
    fitted, measured
        Per cluster (n, T).
    """
    both, own = np.zeros(fitted[0].shape[1]), np.zeros(fitted[0].shape[1])
    for y, z in zip(fitted, measured, strict=True):
        if len(y):
            centred = y - y.mean(axis=0)
            both += np.einsum("ij,ij->j", centred, z - z.mean(axis=0))
            own += np.einsum("ij,ij->j", centred, centred)
    usable = (own > 0.0) & (both > 1e-9 * own)
    return np.where(usable, both / np.where(usable, own, 1.0), 1.0)
