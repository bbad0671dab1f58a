"""Moments of one cluster, shared by every target: standardised columns, Gram matrices, and those of each fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.regression.device_products import cross, self_cross

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.device import Accelerator

_NO_GRAM = np.zeros((0, 0))


@dataclass(frozen=True)
class Fold:
    """One fold of a cluster: the rows left out, and the moments of the rows that train."""

    label: int
    """Number of the fold, the same in every cluster."""
    start: int
    stop: int
    """Rows of `ClusterGram.design` that are held out."""
    n_train: int
    means: NDArray[np.float64]
    """(P,), means of the training rows in standardised units."""
    gram: NDArray[np.floating]
    """(P, P), centred on the training rows and divided by their number; empty when rows are used instead."""

    @property
    def held(self) -> NDArray[np.int64]:
        """First and one past the last row held out."""
        return np.array([self.start, self.stop], dtype=np.int64)


@dataclass(frozen=True)
class Responses:
    """Moments of some responses with the columns of one cluster; every array has one row per target."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    """Standard deviation in the cluster; 1 where the response is constant."""
    c: NDArray[np.float64]
    """(T, P), ``X'y/n`` in standardised units."""
    yy: NDArray[np.float64]
    """(T,), ``y'y/n``: 1, or 0 where the response is constant (standardised)."""
    fold_c: list[NDArray[np.float64]]
    fold_yy: list[NDArray[np.float64]]
    fold_mean: list[NDArray[np.float64]]


class ClusterGram:
    """Standardised design of one cluster with its Gram matrix and those of its folds.

    Columns are centred and divided by their standard deviation in the cluster (1 where it is 0). The folds keep this
    scale and are centred on their own training rows by rank-one corrections.

    Parameters
    ----------
    X
        (n, P), raw units.
    folds
        (n,) fold of each row, 0.. ; None for no folds. Folds without rows here are left out.
    standardize
        False keeps raw units (columns are still centred).
    use_gram
        False keeps the rows instead of P x P matrices: less memory when P is much larger than n.
    accelerator
        Device for the products; None for the CPU.
    whole
        False keeps the Gram matrices of the folds only.

    Notes
    -----
    Cost O(n P^2); memory 8 n P + (8 + 4 n_folds) P^2 bytes, or 8 n P without Gram matrices.
    """

    def __init__(
        self,
        X: NDArray[np.float64],
        folds: NDArray[np.integer] | None = None,
        *,
        standardize: bool = True,
        use_gram: bool = True,
        accelerator: Accelerator | None = None,
        whole: bool = True,
    ) -> None:
        self.accelerator = accelerator
        self.n, self.n_columns = X.shape
        labels = np.zeros(self.n, dtype=np.int64) if folds is None else np.asarray(folds, dtype=np.int64)
        self.order = np.argsort(labels, kind="stable")
        self.mean = X.mean(axis=0)
        design = np.ascontiguousarray(X[self.order] - self.mean)
        deviation = np.sqrt(np.einsum("ij,ij->j", design, design) / self.n)
        # a column that only differs by rounding is constant
        deviation[deviation <= 1e-12 * np.abs(self.mean)] = 0.0
        design[:, deviation == 0.0] = 0.0
        self.scale = np.where(deviation > 0.0, deviation, 1.0) if standardize else np.ones(self.n_columns)
        design /= self.scale
        self.standardize = standardize
        self.design = design
        self.gram = self_cross(design, accelerator) / self.n if use_gram else _NO_GRAM
        self.folds = [] if folds is None else self._make_folds(labels[self.order], use_gram=use_gram)
        if not whole:
            self.gram = _NO_GRAM

    def _make_folds(self, labels: NDArray[np.int64], *, use_gram: bool) -> list[Fold]:
        folds = []
        for label in np.unique(labels):
            start, stop = np.searchsorted(labels, [label, label + 1])
            n_train = self.n - int(stop - start)
            if n_train == 0:
                return []
            held = self.design[start:stop]
            means = -held.sum(axis=0) / n_train
            gram: NDArray[np.floating] = _NO_GRAM.astype(np.float32)
            if use_gram:
                train = (self.gram * self.n - self_cross(held, self.accelerator)) / n_train
                gram = (train - np.outer(means, means)).astype(np.float32)
            folds.append(Fold(int(label), int(start), int(stop), n_train, means, gram))
        return folds

    def responses(self, Y: NDArray[np.float64]) -> Responses:
        """Compute the moments of some responses.

        Parameters
        ----------
        Y
            (n, T), raw units, rows in the order of X.

        Notes
        -----
        Cost O(n P T): one product for the cluster, split at the folds.
        """
        values = Y[self.order]
        mean = values.mean(axis=0)
        values = values - mean
        deviation = np.sqrt(np.einsum("ij,ij->j", values, values) / self.n)
        deviation[deviation <= 1e-12 * np.abs(mean)] = 0.0
        values[:, deviation == 0.0] = 0.0
        scale = np.where(deviation > 0.0, deviation, 1.0) if self.standardize else np.ones_like(deviation)
        values /= scale
        yy = np.einsum("ij,ij->j", values, values)
        fold_c, fold_yy, fold_mean = [], [], []
        bounds = [(fold.start, fold.stop) for fold in self.folds] or [(0, self.n)]
        parts = [cross(values, self.design, a, b, self.accelerator) for a, b in bounds]
        total = np.sum(parts, axis=0)
        for fold, part in zip(self.folds, parts, strict=False):
            held = values[fold.start : fold.stop]
            mu = -held.sum(axis=0) / fold.n_train
            fold_mean.append(mu)
            fold_c.append((total - part) / fold.n_train - np.outer(mu, fold.means))
            train_yy = (yy - np.einsum("ij,ij->j", held, held)) / fold.n_train - mu * mu
            fold_yy.append(np.maximum(train_yy, 0.0))
        return Responses(mean, scale, total / self.n, yy / self.n, fold_c, fold_yy, fold_mean)


def gram_bytes(n_columns: int, n_folds: int) -> int:
    """Return the memory of the Gram matrices of one cluster."""
    return (8 + 4 * n_folds) * n_columns**2


def choose_gram(sizes: list[int], n_columns: int, n_folds: int, budget: int) -> list[bool]:
    """Decide for each cluster whether it keeps Gram matrices, within a memory budget in bytes.

    The largest clusters gain most from them and are served first; a cluster with very few cells never takes one.
    """
    each = gram_bytes(n_columns, n_folds)
    chosen = [False] * len(sizes)
    for position in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        worthwhile = sizes[position] * 16 >= n_columns
        if worthwhile and budget >= each:
            chosen[position] = True
            budget -= each
    return chosen
