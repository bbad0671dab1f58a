"""From an obs column to clusters: contiguous codes, and the labels that coefficient files carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.tissue.labels import Partition

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CELL_TYPE_NAMES = ("cell_type", "cell_types", "celltype", "major_cell_type")
"""Columns that hold cell type names, in order of preference."""
INTEGER_COLUMN = "cell_type_int"


class Clusters(Partition):
    """The clusters of a sample; their labels are in the order of the rows of a coefficient file."""


def choose_cluster_column(obs: pd.DataFrame, column: str | None) -> str:
    """Return the cluster column: the one asked for, else `cell_type_int`, else `cell_type`.

    Raises
    ------
    InputError
        If it does not exist; the message lists the columns that do.
    """
    names = [str(name) for name in obs.columns]
    if column is None:
        for candidate in (INTEGER_COLUMN, "cell_type"):
            if candidate in names:
                return candidate
        raise InputError(
            f"obs has neither {INTEGER_COLUMN!r} nor 'cell_type'; name the cluster column with [data].cluster_annot. "
            f"Columns: {listing(names, 25)}"
        )
    if column in names:
        return column
    hint = did_you_mean(column, names, ".")
    raise InputError(f"cluster column {column!r} is not in obs{hint} Columns: {listing(names, 25)}")


def read_labels(values: pd.Series, column: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Turn an obs column into ordered labels and codes.

    Whole numbers become their decimal text and are ordered by value, categories keep their order, other text is
    sorted; categories without cells are dropped.

    Parameters
    ----------
    values
        The column, numeric, boolean, categorical or text.
    column
        Its name, for messages.

    Returns
    -------
    labels
        One text per cluster.
    codes
        (n_cells,), index into the labels.

    Raises
    ------
    InputError
        If a cell has no label, or a number is not whole.
    """
    import pandas as pd

    missing = int(values.isna().sum())
    if missing:
        raise InputError(
            f"{missing} of {len(values)} cells have no label in obs[{column!r}]; label them or remove these cells"
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = values.cat.remove_unused_categories()
        categories = used.cat.categories
        codes = used.cat.codes.to_numpy().astype(np.int64)
        if not pd.api.types.is_numeric_dtype(categories):
            return _merge_equal(tuple(str(name).strip() for name in categories), codes)
        numbers = _whole(np.asarray(categories), column)[codes]
    elif pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        numbers = _whole(values.to_numpy(), column)
    else:
        text = np.array([str(value).strip() for value in values])
        names, inverse = np.unique(text, return_inverse=True)
        return tuple(str(name) for name in names), inverse.astype(np.int64)
    unique, inverse = np.unique(numbers, return_inverse=True)
    return tuple(str(number) for number in unique), inverse.astype(np.int64)


def read_clusters(obs: pd.DataFrame, column: str) -> tuple[Clusters, tuple[NDArray[np.str_], ...]]:
    """Read the clusters, and the keys by which cells find their row in any coefficient file.

    Where obs has `cell_type_int` and the column is named like a cell type column, earlier implementations look rows
    up by the integer; the integer text is then the label, provided that the two columns agree one to one.

    Returns
    -------
    clusters
        Labels and codes.
    keys
        (n_cells,) texts each, in order of precedence.
    """
    labels, codes = read_labels(obs[column], column)
    by_label = np.asarray(labels, dtype=np.str_)[codes]
    if column.casefold() not in CELL_TYPE_NAMES or INTEGER_COLUMN not in obs.columns:
        return Clusters(column, labels, codes), (by_label,)
    try:
        int_labels, int_codes = read_labels(obs[INTEGER_COLUMN], INTEGER_COLUMN)
    except InputError:
        # this column was not asked for: it is a help where it is whole, and no obstacle where it is not
        return Clusters(column, labels, codes), (by_label,)
    by_integer = np.asarray(int_labels, dtype=np.str_)[int_codes]
    pairs = {(int(a), int(b)) for a, b in zip(codes, int_codes, strict=True)}
    if len(pairs) == len(labels) == len(int_labels):
        return Clusters(column, int_labels, int_codes), (by_integer, by_label)
    return Clusters(column, labels, codes), (by_label,)


def cell_type_column(obs: pd.DataFrame) -> str | None:
    """Return the column of cell type names: an exact name first, then `cell_type` in any letter case."""
    for name in CELL_TYPE_NAMES:
        if name in obs.columns:
            return name
    return next((str(name) for name in obs.columns if str(name).casefold() == "cell_type"), None)


def majority_labels(clusters: Clusters, values: pd.Series) -> dict[str, str]:
    """Return the most frequent cell type of each cluster; ties go to the first in sorted order, nulls do not count."""
    out: dict[str, str] = {}
    text = values.astype("object")
    for code, label in enumerate(clusters.labels):
        own = text[(clusters.codes == code)].dropna()
        if len(own):
            names, counts = np.unique(np.array([str(value).strip() for value in own]), return_counts=True)
            out[label] = str(names[int(np.argmax(counts))])
    return out


def _whole(numbers: NDArray[np.generic], column: str) -> NDArray[np.int64]:
    values = numbers.astype(np.float64)
    if not np.all(np.isfinite(values)) or np.any(values != np.rint(values)):
        raise InputError(f"obs[{column!r}] holds numbers that are not whole, so it cannot name clusters; use labels")
    return values.astype(np.int64)


def _merge_equal(names: tuple[str, ...], codes: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    labels = tuple(dict.fromkeys(names))
    position = {name: index for index, name in enumerate(labels)}
    return labels, np.array([position[name] for name in names], dtype=np.int64)[codes]
