"""Products of the Gram matrix with the vectors of many targets that share most of their columns.

Columns that most targets use go through one matrix product; what a target's own columns add is summed target by
target, from rows that all targets read. No Gram matrix of a single target is ever copied as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spacetravlr.regression import _fista_kernels as kernels

_Real = NDArray[np.float64]
_Index = NDArray[np.int64]
_Scalar = TypeVar("_Scalar", bound=np.generic)
_SLOT_TILE = 64


@dataclass(frozen=True)
class Layout:
    """Where the columns of each target sit: slots 0..S-1 are shared, slots from S on are the target's own."""

    shared: _Index
    """Shape (S,): catalogue columns of the shared slots."""
    pool: _Index
    """Catalogue columns that are somebody's own."""
    own: _Index
    """Shape (targets, W): entry of `pool` in each own slot."""
    n_own: _Index
    slot: _Index
    """Shape (targets, width): slot of each listed column, -1 where nothing is fitted."""

    @property
    def n_slots(self) -> int:
        """Length of a target's vector: a multiple of 64, so that sums over it round alike in every batch."""
        used = int(self.shared.size + self.own.shape[1])
        return _SLOT_TILE * max(1, -(-used // _SLOT_TILE))

    def rows(self, part: slice) -> Layout:
        """Return the layout of some targets."""
        return Layout(self.shared, self.pool, self.own[part], self.n_own[part], self.slot[part])

    def scatter(self, listed: NDArray[_Scalar], fill: float) -> NDArray[_Scalar]:
        """Return (targets, slots) values from values per listed column; unused slots hold `fill`."""
        out = np.full((len(self.slot), self.n_slots), fill, dtype=listed.dtype)
        target, position = np.nonzero(self.slot >= 0)
        out[target, self.slot[target, position]] = listed[target, position]
        return out

    def gather(self, slots: _Real) -> _Real:
        """Return (targets, width) values per listed column; columns that were not fitted get zero."""
        taken = np.take_along_axis(slots, np.maximum(self.slot, 0), axis=1)
        # Adding zero turns the negative zeros of soft-thresholding into plain ones.
        return np.where(self.slot >= 0, taken, 0.0) + 0.0


def lay_out(indices: _Index, fitted: NDArray[np.bool_], n_columns: int, shared: _Index | None) -> Layout:
    """Split the columns of a batch into shared ones (by default: used by half of the targets or more) and own ones."""
    if shared is None:
        counts = np.bincount(indices[fitted], minlength=n_columns)
        shared = np.flatnonzero((2 * counts >= len(indices)) & (counts > 0))
    place = np.full(n_columns, -1, dtype=np.int64)
    place[shared] = np.arange(shared.size)
    at = np.where(fitted, place[np.where(fitted, indices, 0)] if n_columns else -1, -1)
    own_mask = fitted & (at < 0)
    rank = np.cumsum(own_mask, axis=1) - 1
    n_own = own_mask.sum(axis=1).astype(np.int64)
    pool, entry = np.unique(indices[own_mask], return_inverse=True)
    own = np.zeros((len(indices), int(n_own.max(initial=0))), dtype=np.int64)
    target, position = np.nonzero(own_mask)
    own[target, rank[target, position]] = entry
    slot = np.where(own_mask, shared.size + rank, at)
    return Layout(shared.astype(np.int64), pool.astype(np.int64), own, n_own, slot)


class Product(Protocol):
    """Gram matrix (per cell) times the vectors of some targets."""

    def apply(self, live: _Index, values: _Real, out: _Real) -> _Real:
        """Write products, return mean squared residuals; `values` and `out` may have spare rows at the end."""


class GramSource:
    """Products from the centred Gram matrix of the catalogue."""

    def __init__(self, gram: _Real, y_var: _Real, layout: Layout) -> None:
        self._gram, self._y_var, self._layout = gram, y_var, layout
        self._among = np.ascontiguousarray(gram[np.ix_(layout.shared, layout.shared)])
        self._across = np.ascontiguousarray(gram[np.ix_(layout.pool, layout.shared)])

    def chunk(self, part: slice, xy: _Real) -> Product:
        """Return the products of some targets, whose moments in slots are `xy`."""
        layout = self._layout
        entry, count = layout.own[part], layout.n_own[part]
        columns = layout.pool[entry] if layout.pool.size else entry
        within = self._gram[columns[:, :, None], columns[:, None, :]]
        own = kernels.OwnGram(entry, count, layout.shared.size, self._across, within)
        return _GramProduct(self._among, own, xy, self._y_var[part])


@dataclass
class _GramProduct:
    among: _Real
    own: kernels.OwnGram
    xy: _Real
    y_var: _Real

    def apply(self, live: _Index, values: _Real, out: _Real) -> _Real:
        n_shared = self.own.n_shared
        np.matmul(values[:, :n_shared], self.among, out=out[:, :n_shared])
        if len(self.own.across):
            kernels.add_own_gram(live, values, out, self.own)
        return kernels.gram_misfit(live, values, out, self.xy, self.y_var)


class RowSource:
    """Products from the centred design itself, X'(Xv): cheaper than a Gram matrix when cells are few."""

    def __init__(self, columns: _Real, response: _Real, layout: Layout) -> None:
        self._response, self._layout = response, layout
        self._shared = np.ascontiguousarray(columns[layout.shared])
        self._pool = np.ascontiguousarray(columns[layout.pool])

    def chunk(self, part: slice, xy: _Real) -> Product:  # noqa: ARG002 - the rows need no moments
        """Return the products of some targets."""
        layout = self._layout
        own = kernels.OwnRows(layout.own[part], layout.n_own[part], layout.shared.size, self._pool)
        return _RowProduct(self._shared, own, self._response[part])


@dataclass
class _RowProduct:
    columns: _Real
    own: kernels.OwnRows
    response: _Real

    def apply(self, live: _Index, values: _Real, out: _Real) -> _Real:
        n_shared = self.own.n_shared
        fit = values[:, :n_shared] @ self.columns
        if len(self.own.columns):
            kernels.add_own_fit(live, values, fit, self.own)
        np.matmul(fit, self.columns.T, out=out[:, :n_shared])
        out[:, :n_shared] /= self.response.shape[1]
        if len(self.own.columns):
            kernels.own_fit_products(live, fit, out, self.own)
        return kernels.row_misfit(live, fit, self.response)
