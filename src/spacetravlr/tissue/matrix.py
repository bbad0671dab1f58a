"""Expression read column by column, from memory or from an open file, never densified as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

_BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class ExpressionMatrix:
    """One layer of a sample: cells x genes, in memory (dense or sparse) or on disk (HDF5).

    Use `from_array` or `from_hdf5`; both check that the storage is a numeric matrix of the right shape.
    """

    name: str
    shape: tuple[int, int]
    _stored: Any
    _rows: NDArray[np.int64] | None = None
    """Which rows of what is stored, ascending; None for all."""

    @classmethod
    def from_array(cls, matrix: object, name: str, shape: tuple[int, int]) -> ExpressionMatrix:
        """Wrap a dense array or a scipy sparse matrix.

        Parameters
        ----------
        matrix
            The layer as AnnData holds it.
        name
            Name used in messages.
        shape
            Number of cells and of genes it has to have.

        Raises
        ------
        InputError
            If it is a table, has another shape, or is not numeric.
        """
        if hasattr(matrix, "iloc"):
            raise InputError(f"layer {name!r} is a data frame; store it as a dense or sparse matrix")
        stored: Any = matrix if sparse.issparse(matrix) else np.asarray(matrix)
        _check(name, stored.dtype, stored.shape, shape)
        return cls(name, shape, stored.tocsc() if sparse.issparse(stored) else stored)

    @classmethod
    def from_hdf5(cls, node: h5py.Dataset | h5py.Group, name: str, shape: tuple[int, int]) -> ExpressionMatrix:
        """Wrap a layer of an open h5ad file without reading it.

        Raises
        ------
        InputError
            If the node is not a dense or a compressed sparse matrix of that shape.
        """
        import h5py

        if isinstance(node, h5py.Dataset):
            _check(name, node.dtype, node.shape, shape)
            return cls(name, shape, node)
        kind = str(node.attrs.get("encoding-type", ""))
        if kind not in {"csr_matrix", "csc_matrix"} or not {"data", "indices", "indptr"} <= set(node.keys()):
            raise InputError(
                f"layer {name!r} is stored as {kind or 'an unknown form'}; a dense, CSR or CSC matrix is needed"
            )
        _check(name, node["data"].dtype, tuple(int(v) for v in node.attrs["shape"]), shape)
        return cls(name, shape, node)

    def subset(self, rows: NDArray[np.int64]) -> ExpressionMatrix:
        """Return a view of some cells; nothing is read, and only sparse matrices in memory are copied.

        Parameters
        ----------
        rows
            Row numbers, ascending.
        """
        shape = (len(rows), self.shape[1])
        if sparse.issparse(self._stored):
            return replace(self, shape=shape, _stored=self._stored[rows])
        return replace(self, shape=shape, _rows=rows if self._rows is None else self._rows[rows])

    def columns(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float64]:
        """Read some columns.

        Parameters
        ----------
        indices
            Column numbers, in any order, repeats allowed.

        Returns
        -------
        (n_cells, len(indices)), expression units. Memory beyond the result is one block of rows.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        if isinstance(self._stored, np.ndarray):
            chosen = self._stored[:, wanted] if self._rows is None else self._stored[np.ix_(self._rows, wanted)]
            return np.ascontiguousarray(chosen, dtype=np.float64)
        if sparse.issparse(self._stored):
            return np.ascontiguousarray(self._stored[:, wanted].toarray(), dtype=np.float64)
        return self._from_file(wanted)

    def _from_file(self, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
        out = np.zeros((self.shape[0], wanted.size))
        node = self._stored
        if hasattr(node, "dtype"):
            step = max(1, _BLOCK_BYTES // max(1, self.shape[1] * node.dtype.itemsize))
            for start, stop, here, own in self._blocks(node.shape[0], step):
                out[here] = node[start:stop][own][:, wanted]
            return out
        if node.attrs["encoding-type"] == "csc_matrix":
            return self._from_csc(node, wanted, out)
        return self._from_csr(node, wanted, out)

    def _blocks(self, n_stored: int, step: int) -> Iterator[tuple[int, int, slice, NDArray[np.int64] | slice]]:
        """Yield ranges of stored rows with wanted ones in them: start, stop, where they go, and which they are."""
        for start in range(0, n_stored, step):
            stop = min(start + step, n_stored)
            if self._rows is None:
                yield start, stop, slice(start, stop), slice(None)
                continue
            low, high = (int(at) for at in np.searchsorted(self._rows, [start, stop]))
            if high > low:
                yield start, stop, slice(low, high), self._rows[low:high] - start

    def _from_csr(self, node: Any, wanted: NDArray[np.int64], out: NDArray[np.float64]) -> NDArray[np.float64]:
        indptr = node["indptr"][:].astype(np.int64)
        n_stored = len(indptr) - 1
        per_row = max(1, int((indptr[-1] - indptr[0]) // max(1, n_stored)))
        step = max(1, _BLOCK_BYTES // (12 * per_row))
        for start, stop, here, own in self._blocks(n_stored, step):
            low, high = int(indptr[start]), int(indptr[stop])
            block = sparse.csr_matrix(
                (node["data"][low:high], node["indices"][low:high], indptr[start : stop + 1] - low),
                shape=(stop - start, self.shape[1]),
            )
            out[here] = block[own][:, wanted].toarray()
        return out

    def _from_csc(self, node: Any, wanted: NDArray[np.int64], out: NDArray[np.float64]) -> NDArray[np.float64]:
        indptr = node["indptr"][:]
        whole = np.zeros(int(node.attrs["shape"][0]))
        for position, column in enumerate(wanted):
            low, high = int(indptr[column]), int(indptr[column + 1])
            whole[:] = 0.0
            np.add.at(whole, node["indices"][low:high], node["data"][low:high])
            out[:, position] = whole if self._rows is None else whole[self._rows]
        return out


def _check(name: str, dtype: np.dtype[Any], found: Sequence[int], expected: tuple[int, int]) -> None:
    if not (np.issubdtype(dtype, np.number) or dtype == np.bool_) or np.issubdtype(dtype, np.complexfloating):
        raise InputError(f"layer {name!r} holds {dtype}, not numbers")
    if tuple(found) != expected:
        raise InputError(
            f"layer {name!r} has shape {tuple(found)}, but the file lists {expected[0]} cells and {expected[1]} genes"
        )
