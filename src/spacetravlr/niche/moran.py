"""Moran's I: whether what a regression leaves is ordered in space, for many targets at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.niche.features import pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_VARIANCE = 1e-18
_TIE = 1e-15


@dataclass(frozen=True)
class SpatialGraph:
    """Nearest neighbours of the cells, in both directions, with weights of 1.

    Attributes
    ----------
    weights
        (n_cells, n_cells) sparse.
    samples
        (n_cells,) piece of tissue of every cell, within which cells are shuffled; None is one piece.
    """

    weights: Any
    samples: NDArray[np.integer] | None = None

    @classmethod
    def nearest(cls, xy: NDArray[np.float64], k: int, *, samples: NDArray[np.integer] | None = None) -> SpatialGraph:
        """Join every cell with its nearest ones.

        Parameters
        ----------
        xy
            (n_cells, 2); cells without a position have no neighbours.
        k
            Neighbours of a cell, at least 1 and at most all others.
        samples
            (n_cells,) piece of tissue of every cell, whose cells alone are its neighbours; None is one piece.
        """
        from scipy.sparse import csr_array

        n_cells = len(xy)
        located = np.flatnonzero(np.isfinite(xy).all(axis=1))
        edges = [_nearest(xy, piece, k) for piece in pieces(located, samples)]
        sources, targets = (np.concatenate([edge[end] for edge in edges]) for end in (0, 1))
        rows, columns = np.concatenate([sources, targets]), np.concatenate([targets, sources])
        weights = csr_array((np.ones(len(rows)), (rows, columns)), shape=(n_cells, n_cells))
        weights.sum_duplicates()
        # an edge that was found from both ends counts once
        weights.data[:] = 1.0
        return cls(weights, samples)

    @property
    def n_edges(self) -> int:
        """Directed edges, the S0 of the formula."""
        return int(self.weights.nnz)


def _nearest(xy: NDArray[np.float64], cells: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges from some cells to the k nearest of them, as two arrays of cells."""
    from scipy.spatial import cKDTree

    count = min(max(k, 1), len(cells) - 1)
    if count < 1:
        return cells[:0], cells[:0]
    _, found = cKDTree(xy[cells]).query(xy[cells], k=count + 1)
    own = found == np.arange(len(cells))[:, None]
    # among cells at one point the search may find k + 1 others: the last one is dropped instead
    own[~own.any(axis=1), -1] = True
    return np.repeat(cells, count), cells[found[~own]]


@dataclass(frozen=True)
class Moran:
    """Moran's I and its permutation p-value, (n_targets,) each."""

    i: NDArray[np.float64]
    p: NDArray[np.float64]


def morans_i(graph: SpatialGraph, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ``(n / S0) sum_ij w_ij z_i z_j / sum z_i^2`` of the columns of (n_cells, k) values.

    Columns without variance give 0. Cost: one sparse product.
    """
    z = _centred(values)
    return _statistic(graph, z, (z**2).sum(axis=1))


def _centred(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (k, n_cells) centred columns; a row in one piece is summed the same way whatever its neighbours are."""
    z = np.ascontiguousarray(np.asarray(values, dtype=np.float64).T)
    return np.asarray(z - z.mean(axis=1, keepdims=True)) if z.size else z


def _statistic(graph: SpatialGraph, z: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    n_cells = z.shape[1]
    if n_cells < 2 or not graph.n_edges:
        return np.zeros(len(z))
    cross = (z * np.ascontiguousarray((graph.weights @ z.T).T)).sum(axis=1)
    safe = variance > _NO_VARIANCE
    return np.asarray(np.where(safe, n_cells / graph.n_edges * cross / np.where(safe, variance, 1.0), 0.0))


def moran_test(
    graph: SpatialGraph, residuals: NDArray[np.floating], *, permutations: int, seed: int, at_once: int = 256
) -> Moran:
    """Return Moran's I of many columns and how often shuffled cells give one as large in absolute value.

    A permutation moves the cells of all columns together, so it costs one sparse product; the p-value of a column does
    not depend on which others it is tested with. Cells stay in their piece of tissue: that the pieces differ in level
    is no order in space.

    Parameters
    ----------
    graph
        Neighbours.
    residuals
        (n_cells, n_targets); values that are not finite count as 0.
    permutations
        Number of shuffles; with 0 every p is 1.
    seed
        Of the shuffles.
    at_once
        Columns in one product; memory is 3 n_cells at_once * 8 bytes.

    Returns
    -------
    I and ``p = (1 + #{|I_perm| >= |I|}) / (1 + permutations)``.
    """
    n_cells, n_targets = residuals.shape
    i, count = np.zeros(n_targets), np.zeros(n_targets)
    parts = pieces(np.arange(n_cells), graph.samples)
    for start in range(0, n_targets, at_once):
        part = slice(start, start + at_once)
        z = _centred(np.nan_to_num(residuals[:, part], nan=0.0, posinf=0.0, neginf=0.0))
        variance = (z**2).sum(axis=1)
        i[part] = _statistic(graph, z, variance)
        # the same shuffles for every part
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(2,))))
        for _ in range(permutations):
            order = np.empty(n_cells, dtype=np.int64)
            for cells in parts:
                order[cells] = rng.permutation(cells)
            shuffled = _statistic(graph, np.take(z, order, axis=1), variance)
            count[part] += np.abs(shuffled) >= np.abs(i[part]) - _TIE
    return Moran(i, (1.0 + count) / (1.0 + permutations))
