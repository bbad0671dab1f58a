"""Columns of obs as something to colour by: numbers, or codes with names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_CLUSTER = 2**32 - 1
"""Id of a cell without a cluster."""
NO_TYPE = 65_535
"""Code of a cell without a cell type."""


@dataclass(frozen=True, eq=False)
class Labels:
    """A column with names."""

    categories: tuple[str, ...]
    codes: NDArray[np.int64]
    """``(n_obs,)``, -1 for a cell without a value."""

    @cached_property
    def counts(self) -> list[int]:
        """Number of cells of each category."""
        counts: list[int] = np.bincount(self.codes[self.codes >= 0], minlength=len(self.categories)).tolist()
        return counts

    def rows(self, names: set[str]) -> NDArray[np.int64]:
        """Return the cells whose category has one of these names."""
        wanted = [code for code, name in enumerate(self.categories) if name in names]
        return np.flatnonzero(np.isin(self.codes, wanted))


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers, NaN where there is none."""

    values: NDArray[np.float64]


def read_column(stored: Any) -> Labels | Numbers:
    """Return a column of obs.

    Categories keep their order, those without cells too; truth values become `false` and `true`, other texts are
    sorted. Text is stripped, and an empty text is no value.
    """
    import pandas as pd

    values = stored if hasattr(stored, "dtype") else np.asarray(stored)
    if isinstance(values.dtype, pd.CategoricalDtype):
        categorical: Any = values if isinstance(values, pd.Categorical) else pd.Categorical(values)
        names = [_name(name) for name in categorical.categories]
        return _merged(names, np.asarray(categorical.codes, dtype=np.int64))
    if pd.api.types.is_bool_dtype(values.dtype):
        series = pd.Series(values)
        codes = np.where(series.isna(), -1, series.fillna(value=False).astype(bool).to_numpy()).astype(np.int64)
        return Labels(("false", "true"), codes)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return Numbers(np.asarray(pd.Series(values).astype("float64").to_numpy(), dtype=np.float64))
    codes, uniques = pd.factorize(pd.Series(np.asarray(values, dtype=object)), sort=False)
    names = [_name(name) for name in uniques]
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names) + 1, dtype=np.int64)
    place[order], place[-1] = np.arange(len(names)), -1
    return _merged([names[at] for at in order], place[np.asarray(codes)])


def sorted_labels(column: Labels | Numbers) -> Labels:
    """Return the names of a column sorted by code point, only those that occur; missing values stay missing."""
    labels = as_labels(column)
    used = sorted({labels.categories[code] for code in np.unique(labels.codes) if code >= 0} - {"null"})
    rank = {name: place for place, name in enumerate(used)}
    place = np.array([*(rank.get(name, -1) for name in labels.categories), -1], dtype=np.int64)
    return Labels(tuple(used), place[labels.codes])


def as_labels(column: Labels | Numbers) -> Labels:
    """Return a column of numbers by the text of its values, whole ones without a point, in their order."""
    if isinstance(column, Labels):
        return column
    known = np.isfinite(column.values)
    distinct, inverse = np.unique(column.values[known], return_inverse=True)
    codes = np.full(len(column.values), -1, dtype=np.int64)
    codes[known] = inverse
    return Labels(tuple(str(int(v)) if v == np.rint(v) else str(v) for v in distinct), codes)


def cluster_ids(column: Labels | Numbers) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Return the integer id of each cell's cluster, and the name of each id.

    Numbers, and categories that are all whole numbers, stay what they are; other categories are numbered in sorted
    order. Cells without a value, or with one that is no id, have `NO_CLUSTER`.
    """
    if isinstance(column, Numbers):
        rounded = np.rint(column.values)
        good = np.isfinite(rounded) & (rounded >= 0) & (rounded < NO_CLUSTER)
        ids = np.where(good, np.where(good, rounded, 0), NO_CLUSTER).astype(np.int64)
        return ids, {int(one): str(int(one)) for one in np.unique(ids[good])}
    numbers = [_whole(name) for name in column.categories]
    if column.categories and all(number is not None for number in numbers):
        table = np.array([*numbers, NO_CLUSTER], dtype=np.int64)
        names = {
            int(number): name for number, name in zip(numbers, column.categories, strict=True) if number is not None
        }
    else:
        order = {name: place for place, name in enumerate(sorted(column.categories))}
        table = np.array([*(order[name] for name in column.categories), NO_CLUSTER], dtype=np.int64)
        names = {place: name for name, place in order.items()}
    ids = table[column.codes]
    return ids, {one: names[one] for one in np.unique(ids).tolist() if one in names}


def _name(value: object) -> str:
    if isinstance(value, float | np.floating) and np.isfinite(value) and value == np.rint(value):
        return str(int(value))
    return " ".join(str(value).split())


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) < NO_CLUSTER else None


def _merged(names: list[str], codes: NDArray[np.int64]) -> Labels:
    """Return labels whose names differ; an empty one is no value."""
    known = tuple(name for name in dict.fromkeys(names) if name)
    place = {name: at for at, name in enumerate(known)}
    table = np.array([*(place.get(name, -1) for name in names), -1], dtype=np.int64)
    return Labels(known, table[codes])
