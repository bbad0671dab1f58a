"""The nearest other cells on an embedding, with ties that do not depend on the search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# two distances closer than this may be told apart by rounding alone
_TIE = 1.0 + 1e-12
_FIRST_EXTRA = 32
_MOST_AT_ONCE = 500_000


def nearest(tree: Any, embedding: Floats, cells: Integers, k: int) -> Integers:
    """Return the k nearest other cells of some cells.

    Where more cells than needed lie at the same distance, those of lower index are taken.

    Parameters
    ----------
    tree
        A `scipy.spatial.cKDTree` of the embedding.
    embedding
        (n_cells, 2) positions.
    cells
        (n,) cells whose neighbours are wanted.
    k
        How many, at most n_cells - 1.

    Returns
    -------
    (n, k) indices, in no particular order.
    """
    found = np.empty((len(cells), k), dtype=np.int64)
    several = min(len(embedding), k + 2)
    distance, index = tree.query(embedding[cells], k=several)
    # the cell itself and k others, and then a gap: no other choice is possible
    clear = np.ones(len(cells), dtype=bool)
    if several == k + 2:
        clear = distance[:, k + 1] > distance[:, k] * _TIE
    first = index[clear, : k + 1]
    found[clear] = first[first != cells[clear, None]].reshape(-1, k)
    unclear, extra = np.flatnonzero(~clear), _FIRST_EXTRA
    while len(unclear):
        several, at_once = min(len(embedding), k + extra), max(1, _MOST_AT_ONCE // (k + extra))
        settled = np.zeros(len(unclear), dtype=bool)
        for start in range(0, len(unclear), at_once):
            part = unclear[start : start + at_once]
            found[part], settled[start : start + at_once] = _choose(tree, embedding, cells[part], k, several)
        unclear, extra = unclear[~settled], 2 * extra
    return found


def _choose(tree: Any, embedding: Floats, cells: Integers, k: int, several: int) -> tuple[Integers, NDArray[np.bool_]]:
    """Choose among the `several` nearest cells by distance, then index; tells where these are certainly enough."""
    _, index = tree.query(embedding[cells], k=several)
    index.sort(axis=1)
    apart = embedding[index] - embedding[cells, None]
    squared = apart[..., 0] ** 2 + apart[..., 1] ** 2
    squared[index == cells[:, None]] = np.inf
    order = np.argsort(squared, axis=1, kind="stable")
    ranked = np.take_along_axis(squared, order, axis=1)
    farthest = np.where(np.isfinite(ranked[:, -1]), ranked[:, -1], ranked[:, -2])
    settled = np.full(len(cells), several == len(embedding)) | (farthest > ranked[:, k - 1] * _TIE)
    return np.take_along_axis(index, order[:, :k], axis=1), settled


def all_others(n_cells: int, cells: Integers) -> Integers:
    """Return every other cell of some cells, (n, n_cells - 1), ascending."""
    others = np.arange(n_cells - 1)[None, :]
    return np.asarray(others + (others >= cells[:, None]), dtype=np.int64)
