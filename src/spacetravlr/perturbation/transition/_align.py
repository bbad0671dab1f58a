"""Matching an effect with an AnnData and its embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, did_you_mean, listing

if TYPE_CHECKING:
    import anndata

    from spacetravlr.perturbation.effect import Effect

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def find_embedding(effect: Effect, *, basis: str, adata: anndata.AnnData | None, embedding: Any) -> Floats:
    """Return the positions of the cells of an effect, (n_cells, 2).

    Raises
    ------
    UsageError
        Unless exactly one of `adata` and `embedding` is given.
    InputError
        If the embedding is not there or cannot be used, or the AnnData lacks cells of the effect.
    """
    if (adata is None) == (embedding is None):
        raise UsageError("say where the cells lie: give adata (its obsm holds the basis) or embedding (an array)")
    if adata is None:
        return check_embedding(embedding, len(effect.cells), "embedding")
    key = find_basis(adata, basis)
    positions = check_embedding(adata.obsm[key], adata.n_obs, f"obsm[{key!r}]")
    return positions[rows_by_name(effect.cells, adata.obs_names, "adata")]


def find_basis(adata: anndata.AnnData, basis: str) -> str:
    """Return the obsm key of a basis, with or without ``X_``.

    Raises
    ------
    InputError
        If there is none.
    """
    plain = basis.removeprefix("X_")
    for key in (basis, f"X_{plain}", plain):
        if key in adata.obsm:
            return key
    known = [str(key) for key in adata.obsm]
    hint = did_you_mean(basis, known)
    raise InputError(f"adata has no embedding {basis!r} in obsm{hint} (there are: {listing(known)})")


def check_embedding(values: Any, n_cells: int, name: str) -> Floats:
    """Return the first two columns of an embedding as float64.

    Raises
    ------
    InputError
        If the shape does not fit or a value is not a finite number.
    """
    table = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    if table.ndim != 2 or table.shape[0] != n_cells or table.shape[1] < 2:
        raise InputError(f"{name} must have shape ({n_cells}, 2), not {table.shape}")
    try:
        positions = np.ascontiguousarray(table[:, :2], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not numeric: {error}") from error
    lost = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(lost):
        raise InputError(
            f"{name} has no finite position for {len(lost):,} of {n_cells:,} cells (the first is row {lost[0]}): "
            "embed all cells, or leave those out before simulating"
        )
    return positions


def rows_by_name(wanted: Sequence[str], present: Any, where: str) -> Integers:
    """Return the row of each wanted cell among the present ones.

    Raises
    ------
    InputError
        If some are missing, or names repeat so that the order cannot be told.
    """
    import pandas as pd

    names, given = pd.Index(np.asarray(wanted, dtype=object)), pd.Index(np.asarray(present, dtype=object))
    if len(names) == len(given) and bool((names == given).all()):
        return np.arange(len(names))
    if not given.is_unique:
        raise InputError(f"cells of {where} cannot be told apart: names repeat; make obs_names unique")
    rows = np.asarray(given.get_indexer(names), dtype=np.int64)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise InputError(
            f"{where} lacks {len(missing):,} of {len(names):,} cells: {listing(map(str, names[missing]), 5)}"
        )
    return rows
