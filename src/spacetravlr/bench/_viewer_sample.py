"""A large sample for the viewer: a million cells in seconds, written block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 100_000
_PER_CELL = 60
"""Genes expressed in a cell, on average."""


def write_sample(path: Path, *, n_cells: int, n_genes: int, seed: int = 42) -> None:
    """Write an h5ad with sparse counts by row, positions, a UMAP, a cell type, a cluster and a number for each cell.

    Parameters
    ----------
    path
        The file.
    n_cells, n_genes
        Its size.
    seed
        Of the numbers.
    """
    import h5py

    rng = np.random.default_rng(seed)
    side = np.sqrt(n_cells) * 10.0
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        xy = rng.random((n_cells, 2)) * side
        types = ((xy[:, 0] * 4 / side).astype(np.int8) + 4 * (xy[:, 1] * 3 / side).astype(np.int8)).astype(np.int8)
        obsm = _group(file, "obsm", "dict", "0.1.0")
        _array(obsm, "spatial", xy.astype(np.float32))
        centres = rng.normal(0.0, 6.0, (12, 2))
        _array(obsm, "X_umap", (centres[types] + rng.normal(0.0, 1.0, (n_cells, 2))).astype(np.float32))
        obs = _table(file, "obs", [f"cell_{number}" for number in range(n_cells)], ["cell_type", "total"])
        column = _group(obs, "cell_type", "categorical", "0.2.0")
        column.attrs["ordered"] = False
        _array(column, "codes", types)
        _texts(column, "categories", [f"type {number}" for number in range(12)])
        _table(file, "var", [f"Gene{number}" for number in range(n_genes)], [])
        _array(obs, "total", _counts(_group(file, "layers", "dict", "0.1.0"), rng, n_cells, n_genes, types))
        for name in ("uns", "obsp", "varm", "varp"):
            _group(file, name, "dict", "0.1.0")


def _counts(parent: Any, rng: np.random.Generator, n_cells: int, n_genes: int, types: Any) -> Any:
    """Write the layer and return the total of each cell."""
    matrix = _group(parent, "imputed_count", "csr_matrix", "0.1.0")
    matrix.attrs["shape"] = np.array([n_cells, n_genes])
    sizes = rng.poisson(_PER_CELL, n_cells).clip(1, n_genes)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    total = int(indptr[-1])
    matrix.create_dataset("indptr", data=indptr)
    # as anndata writes them: one contiguous piece
    indices = matrix.create_dataset("indices", shape=(total,), dtype=np.int32)
    data = matrix.create_dataset("data", shape=(total,), dtype=np.float32)
    totals = np.zeros(n_cells, dtype=np.float32)
    for first in range(0, n_cells, _BLOCK):
        last = min(first + _BLOCK, n_cells)
        low, high = int(indptr[first]), int(indptr[last])
        own = sizes[first:last]
        # a run of genes that begins at a place of the cell's type: sorted and without repeats
        step = np.maximum(n_genes // (own + 1), 1)
        within = np.arange(high - low) - np.repeat(indptr[first:last] - low, own)
        start = (types[first:last].astype(np.int64) * 7) % np.maximum(step, 1)
        indices[low:high] = np.minimum(np.repeat(start, own) + within * np.repeat(step, own), n_genes - 1)
        values = rng.gamma(2.0, 0.5, high - low).astype(np.float32)
        data[low:high] = values
        totals[first:last] = np.add.reduceat(values, indptr[first:last] - low)
    return totals


def _group(parent: Any, name: str, kind: str, version: str) -> Any:
    made = parent.create_group(name)
    made.attrs.update({"encoding-type": kind, "encoding-version": version})
    return made


def _array(parent: Any, name: str, values: Any) -> None:
    made = parent.create_dataset(name, data=values)
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def _texts(parent: Any, name: str, values: list[str]) -> None:
    import h5py

    made = parent.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())
    made.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def _table(file: Any, name: str, index: list[str], columns: list[str]) -> Any:
    import h5py

    made = _group(file, name, "dataframe", "0.2.0")
    made.attrs["_index"] = "_index"
    made.attrs["column-order"] = np.array(columns, dtype=h5py.string_dtype())
    _texts(made, "_index", index)
    return made
