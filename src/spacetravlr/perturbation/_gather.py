"""Taking some genes of some cells out of a matrix, genes first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.threads import for_each_block

# cells at a time: their rows stay in the cache between being read and being turned
_CELLS = 512


def gather(values: NDArray[Any], genes: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``values[order][:, genes].T`` as float64, without a copy of anything else.

    Parameters
    ----------
    values
        ``(n_cells, n_genes)`` numbers.
    genes
        ``(k,)`` columns.
    order
        ``(n,)`` rows.

    Returns
    -------
    ``(k, n)`` C order.
    """
    out = np.empty((len(genes), len(order)))

    def work(number: int) -> None:
        cells = slice(number * _CELLS, (number + 1) * _CELLS)
        out[:, cells] = values[order[cells]].T[genes]

    for_each_block(work, -(-len(order) // _CELLS))
    return out


def turned(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transpose of a C order matrix ``(k, n)``, C order."""
    out = np.empty(rows.shape[::-1])

    def work(number: int) -> None:
        cells = slice(number * _CELLS, (number + 1) * _CELLS)
        out[cells] = rows[:, cells].T

    for_each_block(work, -(-rows.shape[1] // _CELLS))
    return out


def turn_into(out: NDArray[np.float64], places: NDArray[np.int64], columns: NDArray[np.float64]) -> None:
    """Write ``columns.T`` (k, n) to some rows of a C order matrix ``(m, n)``."""

    def work(number: int) -> None:
        cells = slice(number * _CELLS, (number + 1) * _CELLS)
        out[places, cells] = columns[cells].T

    for_each_block(work, -(-out.shape[1] // _CELLS))
