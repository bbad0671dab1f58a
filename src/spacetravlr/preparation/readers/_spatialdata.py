"""Zarr stores: SpatialData, by its own reader, and AnnData."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import InputError, MissingExtraError, listing
from spacetravlr.events import Listener, Notice

if TYPE_CHECKING:
    from anndata import AnnData


def read_spatialdata(path: Path, told: Listener) -> AnnData:
    """Read the table of a SpatialData store; images and shapes are left where they are.

    Raises
    ------
    MissingExtraError
        If spatialdata is not installed.
    InputError
        If the store cannot be read, or does not hold exactly one table with genes.
    """
    try:
        import spatialdata
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is a SpatialData store; reading it needs spatialdata: python -m pip install spatialdata"
        ) from error
    try:
        store: Any = spatialdata.read_zarr(path, selection=("tables",))
        tables = dict(store.tables)
    except Exception as error:
        # the reader raises many unrelated classes on damaged or foreign stores
        raise InputError(f"{path} is no SpatialData store ({type(error).__name__}: {error})") from error
    if len(tables) != 1:
        raise InputError(
            f"{path} holds {len(tables)} tables ({listing(tables)}); write the one you want as an .h5ad file: "
            'spatialdata.read_zarr(PATH).tables["NAME"].write_h5ad(FILE)'
        )
    name, adata = next(iter(tables.items()))
    told(Notice(f"SpatialData: table {name!r}, {adata.n_obs:,} cells, {adata.n_vars:,} genes"))
    copy: AnnData = adata.copy()
    return copy


def read_anndata_zarr(path: Path, told: Listener) -> AnnData:
    """Read an AnnData that was written as zarr.

    Raises
    ------
    MissingExtraError
        If zarr is not installed.
    InputError
        If it cannot be read.
    """
    import anndata

    try:
        adata = anndata.read_zarr(path)
    except ImportError as error:
        raise MissingExtraError(f"reading {path} needs zarr: python -m pip install zarr") from error
    except Exception as error:
        # as above
        raise InputError(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    told(Notice(f"AnnData: {adata.n_obs:,} cells, {adata.n_vars:,} genes"))
    return adata
