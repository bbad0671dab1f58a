"""A small copy of the sample in the run directory: what training reads, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.atomic import replacing

if TYPE_CHECKING:
    from spacetravlr.tissue import Tissue

INPUT_COPY = "spacetravlr_minimal_repro.h5ad"


def write_input_copy(tissue: Tissue, path: Path) -> None:
    """Write the layer, the cluster columns and the coordinates of a sample as h5ad.

    Parameters
    ----------
    tissue
        The sample.
    path
        The file; it appears complete or not at all. One that exists is left alone.

    Raises
    ------
    RunDirectoryError
        If it cannot be written.
    """
    if path.exists():
        return
    import anndata
    import pandas as pd
    from scipy import sparse

    from spacetravlr.tissue import CELL_TYPE_NAMES

    values = tissue.columns(tissue.genes)
    single = values.astype(np.float32)
    matrix = sparse.csr_matrix(single if np.array_equal(single, values) else values)
    columns = [
        name for name in tissue.obs.columns if name in {tissue.clusters.column, "cell_type_int", *CELL_TYPE_NAMES}
    ]
    copy = anndata.AnnData(
        X=matrix,
        obs=tissue.obs[columns].copy(),
        var=pd.DataFrame(index=list(tissue.genes)),
        obsm={"spatial": tissue.xy},
        layers={} if tissue.layer == "X" else {tissue.layer: matrix},
    )
    with replacing(path) as temporary:
        copy.write_h5ad(temporary, compression="gzip")
