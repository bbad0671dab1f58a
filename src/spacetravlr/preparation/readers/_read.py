"""Tell what a path holds, and read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spacetravlr.errors import InputError
from spacetravlr.events import Listener, silent

if TYPE_CHECKING:
    from anndata import AnnData

Format = Literal["h5ad", "10x h5", "10x folder", "Visium", "Visium HD", "Xenium", "SpatialData", "anndata zarr"]
MATRICES = ("filtered_feature_bc_matrix.h5", "cell_feature_matrix.h5")
_KNOWN = (
    "an .h5ad file, a 10x .h5 file, a folder of matrix.mtx(.gz), a Visium or Xenium output folder, a SpatialData .zarr"
)


def recognise(path: Path) -> Format:
    """Tell the format of a path by what is there, without reading any data.

    Raises
    ------
    InputError
        If it does not exist, or is nothing known.
    """
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    if path.is_file():
        return _file(path)
    if (path / "binned_outputs").is_dir() or path.name.startswith("square_"):
        return "Visium HD"
    if (path / "experiment.xenium").exists() or any((path / f"cells.{end}").exists() for end in ("parquet", "csv.gz")):
        return "Xenium"
    if (path / "spatial").is_dir():
        return "Visium"
    if any((path / f"matrix.mtx{end}").exists() for end in ("", ".gz")):
        return "10x folder"
    if any((path / name).exists() for name in (".zgroup", "zarr.json", ".zattrs")):
        return "anndata zarr" if _zarr_kind(path) == "anndata" else "SpatialData"
    inner = [name for name in ("outs", "filtered_feature_bc_matrix") if (path / name).is_dir()]
    hint = f"; did you mean {path / inner[0]}?" if inner else f"; known are {_KNOWN}"
    raise InputError(f"{path} is no folder of a known kind{hint}")


def read_raw(path: str | Path, *, told: Listener = silent) -> AnnData:
    """Read a raw sample.

    Parameters
    ----------
    path
        An h5ad file; a 10x `.h5`; a folder with `matrix.mtx`; an output folder of Space Ranger (Visium, Visium HD) or
        of Xenium; a SpatialData or AnnData zarr. `~` is expanded.
    told
        Receives a notice of what was read.

    Returns
    -------
    AnnData with counts in X, and coordinates in `obsm["spatial"]` if the format has them: micrometres for Xenium,
    pixels of the full image for Visium, with the scale factors in `uns["spatial"]`.

    Raises
    ------
    InputError
        If the path does not exist, is nothing known, or a part of it is missing or damaged.
    MissingExtraError
        If the package that reads the format is not installed; the message names it.

    Examples
    --------
    >>> adata.write_h5ad("raw.h5ad")
    >>> stl.pp.read_raw("raw.h5ad").shape
    (300, 60)
    """
    from spacetravlr.preparation.graph import quiet
    from spacetravlr.preparation.readers import _spatialdata, _tenx, _visium, _xenium

    where = Path(path).expanduser()
    readers: dict[Format, Callable[[Path, Listener], AnnData]] = {
        "h5ad": _h5ad,
        "10x h5": _tenx.read_file,
        "10x folder": _tenx.read_folder,
        "Visium": _visium.read_visium,
        "Visium HD": _visium.read_visium_hd,
        "Xenium": _xenium.read_xenium,
        "SpatialData": _spatialdata.read_spatialdata,
        "anndata zarr": _spatialdata.read_anndata_zarr,
    }
    kind = recognise(where)
    # names that repeat, among other things, are told by whoever prepares
    with quiet():
        return readers[kind](where, told)


def _file(path: Path) -> Format:
    if path.name in ("experiment.xenium", *MATRICES):
        raise InputError(f"{path} is a part of an output folder; name the folder: {path.parent}")
    if path.suffix in {".mtx", ".gz", ".tsv"} and "mtx" in path.name:
        raise InputError(f"{path} is a part of a 10x folder; name the folder: {path.parent}")
    if path.suffix.lower() in {".h5", ".hdf5"}:
        return "10x h5" if _is_tenx(path) else "h5ad"
    if path.suffix.lower() in {".csv", ".txt", ".tsv", ".rds", ".loom", ".h5seurat", ".xlsx"}:
        raise InputError(f"{path.suffix} files are not read; known are {_KNOWN}")
    return "h5ad"


def _is_tenx(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            return "obs" not in handle and "matrix" in handle
    except OSError:
        return False


def _zarr_kind(path: Path) -> str:
    for name in (".zattrs", "zarr.json"):
        try:
            stored = json.loads((path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        attributes = stored.get("attributes", stored) if isinstance(stored, dict) else {}
        if attributes.get("encoding-type") == "anndata":
            return "anndata"
    return "spatialdata"


def _h5ad(path: Path, _: Listener) -> AnnData:
    import anndata

    from spacetravlr.tissue._file import open_sample

    # one clear line for whatever is wrong with a file
    open_sample(path).handle.close()
    try:
        return anndata.read_h5ad(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({type(error).__name__}: {error}); is the file complete?") from error
