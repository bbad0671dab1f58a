"""Columns of obs in an open h5ad file, without pandas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import h5py
import numpy as np

from spacetravlr.tissue.clusters import INTEGER_COLUMN

_SHOWN = 6
_TEXTS = 5_000
_MOST_TYPES = 200


@dataclass(frozen=True, slots=True)
class Column:
    """A column of obs."""

    name: str
    kind: Literal["categories", "text", "numbers", "yes/no", "other"]
    n_values: int | None
    """Different values; None where they were not counted."""
    most: tuple[tuple[str, int], ...] = ()
    """The most frequent values with their number of cells."""
    span: tuple[float, float] | None = None
    """Smallest and largest number."""
    whole: bool = False
    """Whether all numbers are whole."""
    partly: bool = False
    """Whether only the first cells were looked at."""

    @property
    def could_be_types(self) -> bool:
        """Whether it could name cell types."""
        if self.name == INTEGER_COLUMN:
            return True
        return self.kind in {"categories", "text"} and self.n_values is not None and 2 <= self.n_values <= _MOST_TYPES


def index_of(table: Any, *, names: bool = True) -> Any:
    """Return the names of the rows of a table; as stored if only their number is wanted."""
    if isinstance(table, h5py.Dataset):
        node, field = table, (table.dtype.names or ("index",))[0]
        return _texts(node[field]) if names else node
    key = table.attrs.get("_index", "_index")
    node = table[key.decode() if isinstance(key, bytes) else str(key)]
    if isinstance(node, h5py.Group):
        # text that may be missing is stored as values and a mask
        node = node["values"]
    return _texts(node[()]) if names else node


def read_column(table: Any, name: str) -> Column:
    """Return what a column holds."""
    if isinstance(table, h5py.Dataset):
        return _plain(name, table[name])
    node = table[name]
    if isinstance(node, h5py.Group):
        if {"categories", "codes"} <= set(node):
            return _categories(name, node["codes"][()], _texts(node["categories"][()]))
        return _plain(name, node["values"][()]) if "values" in node else Column(name, "other", None)
    old = table.get("__categories")
    if old is not None and name in old:
        return _categories(name, node[()], _texts(old[name][()]))
    if node.dtype.kind in "OSU" and node.shape[0] > _TEXTS:
        # texts are slow to read, and a sample of them is enough to see what they are
        return _plain(name, node[:_TEXTS], partly=True)
    return _plain(name, node[()])


def _categories(name: str, codes: Any, labels: list[str]) -> Column:
    counts = np.bincount(codes[codes >= 0], minlength=len(labels))
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    most = tuple((labels[at], int(counts[at])) for at in order if counts[at])
    return Column(name, "categories", int((counts > 0).sum()), most)


def _plain(name: str, values: Any, *, partly: bool = False) -> Column:
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return Column(name, "yes/no", None, (("yes", int(array.sum())), ("no", int((~array).sum()))))
    if array.dtype.kind in "OSU":
        found, counts = np.unique(np.array(_texts(array), dtype=np.str_), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_SHOWN]
        most = tuple((str(found[at]), int(counts[at])) for at in order)
        return Column(name, "text", len(found), most, partly=partly)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        return Column(name, "other", None)
    known = array[np.isfinite(array)]
    if not known.size:
        return Column(name, "numbers", 0)
    whole = bool(np.array_equal(known, np.rint(known)))
    return Column(name, "numbers", None, span=(float(known.min()), float(known.max())), whole=whole)


def _texts(values: Any) -> list[str]:
    return [one.decode("utf-8", errors="replace") if isinstance(one, bytes) else str(one) for one in values]
