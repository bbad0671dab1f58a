"""Block bootstraps of the fits of one cluster: how far a coefficient, and its sign, can be trusted."""

from __future__ import annotations

import threading
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


class Resampled:
    """The cells of one cluster drawn again and again, with the weighted Gram matrix of each draw, made once.

    Parameters
    ----------
    gram
        The cluster.
    weights
        (n_bootstraps, n), how often each cell is drawn; cells in the order given to `ClusterGram`.
    keep
        Whether the Gram matrices are kept for the next block of targets: 4 n_bootstraps P^2 bytes.

    Notes
    -----
    Columns and responses keep the scale of the whole cluster and are centred on the draw. Safe to use from several
    threads.
    """

    def __init__(self, gram: ClusterGram, weights: NDArray[np.float64], *, keep: bool) -> None:
        self.gram = gram
        self.weights = weights[:, gram.order]
        self.keep = keep and gram.gram.size > 0
        self._grams: dict[int, NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of draws."""
        return len(self.weights)

    def draw(self, b: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
        """Return one draw.

        Returns
        -------
        rows
            Cells that are drawn, positions in `gram.design`.
        share
            Their weights, sum 1.
        X
            Their columns, centred on the draw.
        G
            (P, P) ``X' diag(share) X``, or an empty matrix where the rows are used instead.
        """
        rows = np.flatnonzero(self.weights[b])
        share = self.weights[b, rows] / self.weights[b].sum()
        X = self.gram.design[rows]
        X -= share @ X
        if not self.gram.gram.size:
            return rows, share, X, np.zeros((0, 0), dtype=np.float32)
        with self._lock:
            G = self._grams.get(b)
            if G is None:
                scaled = (X * np.sqrt(share)[:, None]).astype(np.float32)
                G = scaled.T @ scaled
                if self.keep:
                    self._grams[b] = G
        return rows, share, X, G


def bootstrap_cluster(
    resampled: Resampled,
    Y: NDArray[np.float64],
    sets: ColumnSets,
    fits: ClusterFits,
    *,
    l1: NDArray[np.float64],
    strengths: NDArray[np.float64] | None,
    ridge: float,
    live: NDArray[np.bool_],
) -> Bootstraps:
    """Refit targets of a cluster on every draw, each from its own fit.

    Parameters
    ----------
    resampled
        The cluster and its draws.
    Y
        (n, T) responses, raw units, rows in the order given to `ClusterGram`.
    sets, fits
        Columns of the targets, and their fits to all cells.
    l1, strengths, ridge, live
        As for `fit_cluster`.

    Notes
    -----
    Cost per draw O(n P T) for the moments of the responses, besides the fits.
    """
    n_targets = len(sets.group_sizes)
    sizes = np.diff(sets.pointers)
    start = np.zeros((n_targets, sets.width))
    for t in range(n_targets):
        start[t, : sizes[t]] = fits.weights[t]
    sums, squares, same = np.zeros_like(start), np.zeros_like(start), np.zeros_like(start)
    y = Y[resampled.gram.order]
    deviation = y.std(axis=0)
    y = np.where(deviation > 0.0, (y - y.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0), 0.0)
    for b in range(len(resampled)):
        rows, share, X, G = resampled.draw(b)
        own = y[rows] - share @ y[rows]
        W = start.copy()
        design = X if G.size else X * np.sqrt(share)[:, None]
        moments = (
            G, design, 1.0, sets.pointers, sets.columns, (own * share[:, None]).T @ X,
            np.einsum("i,ij,ij->j", share, own, own), live,
        )  # fmt: skip
        run_final(moments, W, sets, FitRecord.empty(n_targets), l1=l1, strengths=strengths, ridge=ridge, tol=TOL)
        sums += W
        squares += W * W
        same += (np.sign(W) == np.sign(start)) & (start != 0.0)
    n = len(resampled)
    mean = sums / n
    sd = np.sqrt(np.maximum(squares / n - mean * mean, 0.0) * (n / max(n - 1, 1)))
    return Bootstraps(
        [mean[t, : sizes[t]] for t in range(n_targets)],
        [sd[t, : sizes[t]] for t in range(n_targets)],
        [same[t, : sizes[t]] / n for t in range(n_targets)],
    )
