"""Choose genes: the variable ones, and all that the network knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spacetravlr.preparation.graph import quiet, scanpy
from spacetravlr.preparation.quality import is_mitochondrial

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANKED = 10
"""Cells of a sample from which on the variance of a gene in it says something."""


def normalise(counts: sparse.csr_matrix, totals: NDArray[np.floating], target_sum: float) -> sparse.csr_matrix:
    """Return log(1 + counts * target_sum / total) of every cell.

    Parameters
    ----------
    counts
        (n_cells, n_genes).
    totals
        (n_cells,), the sums over all genes of the raw file, also those that were left out since.
    target_sum
        What they are brought to.
    """
    out = sparse.csr_matrix(counts, dtype=np.float64, copy=True)
    out.data *= np.repeat(target_sum / totals, np.diff(out.indptr))
    return logarithm(out)


def logarithm(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return log(1 + x), float32."""
    out = sparse.csr_matrix(values, dtype=np.float64, copy=True)
    np.log1p(out.data, out=out.data)
    return out.astype(np.float32)


def variable_genes(
    expression: sparse.csr_matrix, genes: Sequence[str], n_top: int, samples: Sequence[str] | None
) -> NDArray[np.bool_]:
    """Return which genes vary most, by scanpy's normalised dispersion; mitochondrial ones never do.

    Parameters
    ----------
    expression
        (n_cells, n_genes), logarithms.
    genes
        Their names.
    n_top
        How many; 0, or as many as there are, is all.
    samples
        (n_cells,) or None: genes are ranked within each sample of at least 10 cells, if there is one.
    """
    candidates = np.flatnonzero(~is_mitochondrial(genes))
    chosen = np.zeros(len(genes), dtype=np.bool_)
    if n_top == 0 or len(candidates) <= n_top:
        chosen[candidates] = True
        return chosen
    import anndata
    import pandas as pd

    view = anndata.AnnData(expression[:, candidates])
    options: dict[str, Any] = {}
    if samples is not None:
        labels = pd.Series(list(samples), dtype=object)
        enough = (labels.map(labels.value_counts()) >= _RANKED).to_numpy()
        if enough.any():
            view = view[enough].copy()
            view.obs["sample"] = pd.Categorical(labels[enough].to_numpy())
            options["batch_key"] = "sample"
    with quiet():
        scanpy().pp.highly_variable_genes(view, n_top_genes=n_top, flavor="seurat", **options)
    chosen[candidates[view.var["highly_variable"].to_numpy()]] = True
    return chosen


def members(genes: Sequence[str], known: Collection[str]) -> NDArray[np.bool_]:
    """Say of every gene whether it is in a collection."""
    return np.array([gene in known for gene in genes], dtype=np.bool_)
