"""Output folders of Xenium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.events import Listener, Notice
from spacetravlr.preparation.readers._tenx import check_once, read_matrix

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_CELLS = ("cells.parquet", "cells.csv.gz", "cells.csv")
_KEPT = ("x_centroid", "y_centroid", "transcript_counts", "cell_area", "nucleus_area")


def read_xenium(path: Path, told: Listener) -> AnnData:
    """Read the cells of a Xenium run; coordinates are micrometres.

    Raises
    ------
    InputError
        If the matrix or the table of cells is missing or damaged, or they do not belong together.
    """
    adata = read_matrix(path, ("cell_feature_matrix.h5",), told)
    table = _cells(path).reindex(adata.obs_names)
    lost = int(table["x_centroid"].isna().sum())
    if lost == adata.n_obs:
        raise InputError(f"no cell of the matrix is in the table of cells of {path}: are they of one run?")
    for name in _KEPT:
        if name in table.columns:
            adata.obs[name] = table[name].to_numpy()
    adata.obsm["spatial"] = table[["x_centroid", "y_centroid"]].to_numpy(dtype=np.float64)
    if lost:
        told(Notice(f"{lost:,} cells of the matrix have no position", "warning"))
    told(Notice(f"Xenium: {adata.n_obs:,} cells, {adata.n_vars:,} genes, coordinates in micrometres"))
    return adata


def _cells(path: Path) -> pd.DataFrame:
    import pandas as pd

    for name in _CELLS:
        place = path / name
        if not place.exists():
            continue
        try:
            table = pd.read_parquet(place) if name.endswith(".parquet") else pd.read_csv(place)
            # earlier versions number the cells, and parquet may hold bytes
            table.index = pd.Index(
                [one.decode() if isinstance(one, bytes) else str(one) for one in table["cell_id"]], name=None
            )
            table[["x_centroid", "y_centroid"]] = table[["x_centroid", "y_centroid"]].astype(float)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{place} is no table of cells ({type(error).__name__}: {error})") from error
        check_once(table, place)
        return table
    raise InputError(f"{path} has no table of cells: none of {', '.join(_CELLS)}")
