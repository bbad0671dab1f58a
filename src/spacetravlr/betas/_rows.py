"""Which row of a betadata table belongs to which cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas._columns import Join
from spacetravlr.errors import InputError

IntArray = NDArray[np.int64]


def as_labels(values: ArrayLike) -> NDArray[np.object_]:
    """Return labels as text: whole numbers without a decimal point, text as it is, missing as ``""``.

    Parameters
    ----------
    values
        ``(n,)`` text, numbers, or a mixture.

    Returns
    -------
    ``(n,)`` objects, all of them ``str``.
    """
    array = np.asarray(values)
    if array.dtype.kind in "UT":
        return array.astype(object)
    if array.dtype.kind in "iu":
        return array.astype(str).astype(object)
    labels = np.empty(len(array), dtype=object)
    labels[:] = [label_text(value) for value in array.tolist()]
    return labels


def label_text(value: object) -> str:
    """Return one label as text, by the rule of `as_labels`."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def v1_rows(rows: IntArray) -> IntArray:
    """Return the mapping with unmapped cells (-1) sent to the first row, as the compiled edition does.

    Parameters
    ----------
    rows
        ``(n_cells,)`` row of each cell, -1 for none.

    Returns
    -------
    ``(n_cells,)`` row of each cell.
    """
    return np.where(rows < 0, 0, rows)


class CellKeys:
    """The keys by which cells find their rows, indexed once and used for any number of tables.

    Parameters
    ----------
    keys
        Arrays ``(n_cells,)`` of labels in order of precedence (cluster keys); a single array counts as one key.
    cells
        ``(n_cells,)`` cell names.

    Raises
    ------
    InputError
        If the arrays differ in length.
    """

    def __init__(self, keys: Sequence[ArrayLike] | NDArray[Any], cells: ArrayLike) -> None:
        several: Any = (keys,) if getattr(keys, "ndim", None) == 1 else keys
        self._names = as_labels(cells)
        self._keys = [as_labels(key) for key in several]
        for key in self._keys:
            if len(key) != len(self._names):
                raise InputError(
                    f"a key array has {len(key)} labels for {len(self._names)} cells: give one label per cell"
                )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self._names)

    @cached_property
    def _coded_keys(self) -> list[tuple[IntArray, NDArray[np.object_]]]:
        import pandas as pd

        coded = []
        for key in self._keys:
            codes, distinct = pd.factorize(key)
            coded.append((codes.astype(np.int64), np.asarray(distinct, dtype=object)))
        return coded

    def rows(self, row_labels: Sequence[str], by: Join) -> IntArray:
        """Return the row of each cell in a table.

        In a table by cluster, the first key that is one of the row labels decides, then the cell's name; the last of
        several rows with one label counts. In a table by cell only the name does, and the first row counts.

        Parameters
        ----------
        row_labels
            The labels of the table's rows.
        by
            How the table identifies its rows.

        Returns
        -------
        ``(n_cells,)`` row numbers, -1 for a cell without a row.
        """
        if by == "cell":
            return _look_up(_first_rows(row_labels), self._names)
        index = {label: row for row, label in enumerate(row_labels)}
        rows = np.full(self.n_cells, -1, dtype=np.int64)
        for codes, distinct in self._coded_keys:
            found = np.fromiter((index.get(label, -1) for label in distinct), dtype=np.int64, count=len(distinct))
            open_cells = rows < 0
            rows[open_cells] = found[codes[open_cells]]
        left = np.flatnonzero(rows < 0)
        if len(left):
            rows[left] = _look_up(index, self._names[left])
        return rows


def _first_rows(row_labels: Sequence[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for row, label in enumerate(row_labels):
        index.setdefault(label, row)
    return index


def _look_up(index: dict[str, int], labels: NDArray[np.object_]) -> IntArray:
    return np.fromiter((index.get(label, -1) for label in labels), dtype=np.int64, count=len(labels))
