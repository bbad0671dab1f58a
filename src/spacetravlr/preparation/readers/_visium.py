"""Output folders of Space Ranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.events import Listener, Notice
from spacetravlr.preparation.readers._tenx import check_once, read_matrix

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_MATRICES = ("filtered_feature_bc_matrix.h5", "raw_feature_bc_matrix.h5")
_POSITIONS = ("tissue_positions.csv", "tissue_positions.parquet", "tissue_positions_list.csv")
_COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
_BIN = "square_008um"


def read_visium(path: Path, told: Listener) -> AnnData:
    """Read the spots that lie under tissue; coordinates are pixels of the full image.

    Raises
    ------
    InputError
        If the matrix, the positions or the scale factors are missing or damaged, or no barcode has a position.
    """
    adata = read_matrix(path, _MATRICES, told)
    table = _positions(path / "spatial")
    known = adata.obs_names.isin(table.index)
    if not known.any():
        raise InputError(f"no barcode of the matrix has a position in {path / 'spatial'}: are they of one sample?")
    table = table.reindex(adata.obs_names)
    keep = known & (table["in_tissue"].to_numpy() == 1)
    if not keep.all():
        told(Notice(f"{int((~keep).sum()):,} of {len(keep):,} spots are not under tissue and are left out"))
    adata, table = adata[keep].copy(), table[keep]
    for name in ("array_row", "array_col"):
        adata.obs[name] = table[name].to_numpy().astype(np.int64)
    adata.obsm["spatial"] = table[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(dtype=np.float64)
    adata.uns["spatial"] = {path.resolve().name: {"scalefactors": _scale_factors(path / "spatial")}}
    told(Notice(f"Visium: {adata.n_obs:,} spots, {adata.n_vars:,} genes"))
    return adata


def read_visium_hd(path: Path, told: Listener) -> AnnData:
    """Read the bins of one size: the folder named, or those of 8 um.

    Raises
    ------
    InputError
        As `read_visium`.
    """
    folder = path
    if (path / "binned_outputs").is_dir():
        sizes = sorted(place.name for place in (path / "binned_outputs").iterdir() if place.is_dir())
        if _BIN not in sizes:
            raise InputError(f"{path / 'binned_outputs'} has no {_BIN}; name one of its folders: {', '.join(sizes)}")
        folder = path / "binned_outputs" / _BIN
        others = [size for size in sizes if size != _BIN]
        told(Notice(f"bins of 8 um are read; others ({', '.join(others)}) by naming their folder"))
    return read_visium(folder, told)


def _positions(folder: Path) -> pd.DataFrame:
    import pandas as pd

    for name in _POSITIONS:
        place = folder / name
        if not place.exists():
            continue
        try:
            if name.endswith(".parquet"):
                table = pd.read_parquet(place)
            else:
                # older files have no header
                first = place.open(encoding="utf-8").readline()
                header: Any = 0 if first.startswith("barcode") else None
                table = pd.read_csv(place, header=header, names=None if header == 0 else _COLUMNS)
            table = table.set_index("barcode")[_COLUMNS[1:]]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{place} is no table of spots ({type(error).__name__}: {error})") from error
        check_once(table, place)
        return table
    raise InputError(f"{folder} has no positions: none of {', '.join(_POSITIONS)}")


def _scale_factors(folder: Path) -> dict[str, float]:
    place = folder / "scalefactors_json.json"
    try:
        stored = json.loads(place.read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{place} cannot be read ({type(error).__name__}); it tells how long a pixel is") from error
