"""A small copy of the sample in the run directory: what training reads, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.atomic import replacing

if TYPE_CHECKING:
    from scipy import sparse

    from spacetravlr.tissue import Tissue

INPUT_COPY = "spacetravlr_minimal_repro.h5ad"
_COLUMNS = 512


def write_input_copy(
    tissue: Tissue, path: Path, *, response_layer: str | None = None, columns: Iterable[str | None] = ()
) -> None:
    """Write the layers, the cluster columns and the coordinates of a sample as h5ad.

    Parameters
    ----------
    tissue
        The sample.
    path
        The file; it appears complete or not at all. One that exists is left alone: the run directory has made sure
        that it holds the same sample.
    response_layer
        A second layer to copy.
    columns
        Further columns of obs to copy, those of samples and conditions; None is left out.

    Raises
    ------
    RunDirectoryError
        If it cannot be written.

    Notes
    -----
    Memory: the non-zero values, and one block of columns.
    """
    if path.exists():
        return
    import anndata
    import pandas as pd

    from spacetravlr.tissue import CELL_TYPE_NAMES

    wanted = {tissue.clusters.column, "cell_type_int", *CELL_TYPE_NAMES, *columns}
    layers = {name: _sparse(tissue, name) for name in dict.fromkeys([tissue.layer, response_layer]) if name is not None}
    copy = anndata.AnnData(
        X=layers.pop("X", None),
        obs=tissue.obs[[name for name in tissue.obs.columns if name in wanted]].copy(),
        var=pd.DataFrame(index=list(tissue.genes)),
        obsm={"spatial": tissue.xy},
        layers=layers,
    )
    with replacing(path, durable=True) as temporary:
        copy.write_h5ad(temporary, compression="gzip")


def _sparse(tissue: Tissue, layer: str) -> sparse.csc_matrix:
    from scipy import sparse

    parts = []
    for start in range(0, tissue.n_genes, _COLUMNS):
        values = tissue.columns(tissue.genes[start : start + _COLUMNS], layer=layer)
        single = values.astype(np.float32)
        parts.append(sparse.csc_matrix(single if np.array_equal(single, values) else values))
    return sparse.csc_matrix(sparse.hstack(parts, format="csc"))
