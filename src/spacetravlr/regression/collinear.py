"""Columns of a cluster that cannot be told apart, found once and looked up for every target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.regression.gram import ClusterGram

TOGETHER = 0.9
"""Absolute correlation above which two columns count as one: how an effect is split between them is not identified."""


class Lookalikes:
    """Which columns of a cluster are nearly the same, of all targets together.

    Parameters
    ----------
    gram
        The cluster, with standardised columns.
    limit
        Absolute correlation above which two columns are alike.

    Notes
    -----
    O(P^2) once, from the Gram matrix that the fits share; 4 bytes for each pair of columns that are alike. Without a
    Gram matrix the columns of each target are compared when it is asked for, O(n p^2).
    """

    def __init__(self, gram: ClusterGram, *, limit: float = TOGETHER) -> None:
        self.limit = limit
        self._design = None if gram.gram.size else gram.design
        self._starts, self._partners = _pairs(gram.gram, limit)
        self._place = np.full(gram.n_columns, -1, dtype=np.int64)

    def groups(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the group of each of some columns, from 1 in the order of their first members; 0 for one alone.

        Two columns are in a group if a chain of columns among the given ones leads from one to the other, each link a
        correlation above the limit.

        Parameters
        ----------
        columns
            (p,) different columns of the catalogue.

        Notes
        -----
        Proportional to the number of pairs that are alike.
        """
        from spacetravlr.regression._collinear_kernels import label_groups

        out = np.zeros(len(columns), dtype=np.int64)
        if self._design is None:
            # a copy, so that threads do not share what the kernel writes on
            label_groups(self._starts, self._partners, columns, self._place.copy(), out)
            return out
        own = self._design[:, columns]
        starts, partners = _pairs(own.T @ own / len(own), self.limit)
        places = np.arange(len(columns))
        label_groups(starts, partners, places, np.full(len(columns), -1, dtype=np.int64), out)
        return out


def _pairs(correlation: NDArray[np.floating], limit: float) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return for each column where its partners begin, (P + 1,), and the partners."""
    alike = np.abs(correlation) > limit
    np.fill_diagonal(alike, val=False)
    rows, partners = np.nonzero(alike)
    starts = np.searchsorted(rows, np.arange(len(correlation) + 1))
    return starts.astype(np.int64), partners.astype(np.int32)
