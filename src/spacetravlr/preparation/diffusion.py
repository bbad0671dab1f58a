"""Imputation by diffusion on the expression graph, the operator of MAGIC (van Dijk et al., Cell 2018).

Cells that resemble each other share what they were measured to express. The operator is sparse: a row holds the
neighbours of a cell, never all cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = 256
_CHANGE = 0.02
_LARGEST_T = 12
_FAR = 30.0
"""Widths beyond which a weight is 0 in double precision."""


def affinities(distances: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the weights of an adaptive Gaussian kernel on a graph of neighbours.

    `w_ij = exp(-(d_ij / s_i)^2)`, where `s_i` is the distance to the neighbour at a third of the list, so that dense
    and thin regions are treated alike; a cell has weight 1 to itself; then the transpose is added.

    Parameters
    ----------
    distances
        (n, n), a row holds the distances of a cell to its neighbours, without itself.

    Returns
    -------
    (n, n), symmetric.
    """
    graph = sparse.csr_matrix(distances, dtype=np.float64, copy=True)
    graph.sort_indices()
    counts = np.diff(graph.indptr)
    width = np.ones(graph.shape[0])
    for row in np.flatnonzero(counts):
        own = np.sort(graph.data[graph.indptr[row] : graph.indptr[row + 1]])
        width[row] = own[max(0, (len(own) + 1) // 3 - 1)]
    # copies of a cell: everything at distance 0 counts fully
    width[width <= 0.0] = np.finfo(np.float64).tiny ** 0.5
    graph.data = np.exp(-np.square(np.minimum(graph.data / np.repeat(width, counts), _FAR)))
    one_way = sparse.csr_matrix(graph + sparse.identity(graph.shape[0], format="csr"))
    return sparse.csr_matrix(one_way + one_way.T)


def equal_weights(distances: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return weight 1 for a cell and each of its neighbours."""
    graph = sparse.csr_matrix(distances, dtype=np.float64, copy=True)
    graph.data = np.ones_like(graph.data)
    return sparse.csr_matrix(graph + sparse.identity(graph.shape[0], format="csr"))


def row_stochastic(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the weights with rows that sum to one."""
    totals = np.asarray(weights.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.diags(1.0 / totals) @ weights)


def choose_power(operator: sparse.csr_matrix, coordinates: NDArray[np.floating]) -> int:
    """Return the number of steps after which one more changes little: the R2 rule of MAGIC.

    That is the first t at which the step from t to t + 1 moves the principal coordinates by less than 2 % of the sum of
    squares of the measured ones about their mean, at most 12. MAGIC compares with what is left at t instead, which
    never ends where noise prevails, because every step halves it.

    Parameters
    ----------
    operator
        (n, n), rows sum to one.
    coordinates
        (n, k) principal coordinates of the cells.
    """
    start = np.asarray(coordinates, dtype=np.float64)
    spread = float(np.square(start - start.mean(axis=0)).sum())
    # the rounding of data that do not vary is no change
    little = _CHANGE * spread + np.finfo(np.float64).eps * float(np.square(start).sum())
    now = operator @ start
    for power in range(1, _LARGEST_T):
        after = operator @ now
        if float(np.square(after - now).sum()) <= little:
            return power
        now = after
    return _LARGEST_T


def smooth(operator: sparse.csr_matrix, matrix: sparse.csr_matrix, power: int) -> NDArray[np.float32]:
    """Return `operator^power @ matrix`.

    Parameters
    ----------
    operator
        (n, n), rows sum to one.
    matrix
        (n, n_genes), expression units.
    power
        How often the operator acts.

    Returns
    -------
    (n, n_genes), expression units.

    Notes
    -----
    Memory beyond the result: two blocks of 256 genes. Time: n * neighbours * genes * power.
    """
    columns = sparse.csc_matrix(matrix)
    out = np.empty(matrix.shape, dtype=np.float32)
    for start in range(0, matrix.shape[1], _COLUMNS):
        block = np.ascontiguousarray(columns[:, start : start + _COLUMNS].toarray(), dtype=np.float64)
        for _ in range(power):
            block = operator @ block
        out[:, start : start + _COLUMNS] = block
    return out
