"""Count matrices as Cell Ranger and its relatives write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import InputError, listing
from spacetravlr.events import Listener, Notice
from spacetravlr.preparation.graph import scanpy

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def read_file(path: Path, told: Listener) -> AnnData:
    """Read a `.h5` matrix: genes only, no antibodies and no controls.

    Raises
    ------
    InputError
        If it is damaged.
    """
    try:
        adata = scanpy().read_10x_h5(path, gex_only=False)
    except Exception as error:
        # scanpy raises many unrelated classes on damaged files
        raise InputError(f"{path} is no complete 10x matrix ({type(error).__name__}: {error})") from error
    return _genes_only(adata, told)


def read_folder(path: Path, told: Listener) -> AnnData:
    """Read a folder of `matrix.mtx`, `features.tsv` (or `genes.tsv`) and `barcodes.tsv`, compressed or not.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    for kinds in (("matrix.mtx",), ("features.tsv", "genes.tsv"), ("barcodes.tsv",)):
        if not any((path / f"{name}{end}").exists() for name in kinds for end in ("", ".gz")):
            raise InputError(f"{path} has no {' or '.join(kinds)} (or .gz)")
    try:
        adata = scanpy().read_10x_mtx(path, gex_only=False)
    except Exception as error:
        # as above
        raise InputError(f"{path} is no complete 10x folder ({type(error).__name__}: {error})") from error
    return _genes_only(adata, told)


def read_matrix(folder: Path, names: tuple[str, ...], told: Listener) -> AnnData:
    """Read the first matrix of an output folder that is there: a file, or a folder of the same name.

    Published files often have the name of the sample in front: `SAMPLE_filtered_feature_bc_matrix.h5`.

    Raises
    ------
    InputError
        If there is none, or several samples have one.
    """
    for name in names:
        found = [folder / name] if (folder / name).is_file() else sorted(folder.glob(f"*_{name}"))
        if len(found) > 1:
            raise InputError(f"{folder} has the matrices of several samples: {listing(one.name for one in found)}")
        if found:
            return read_file(found[0], told)
        inner = folder / name.removesuffix(".h5")
        if inner.is_dir():
            return read_folder(inner, told)
    raise InputError(f"{folder} has no matrix: none of {', '.join(names)}")


def check_once(table: pd.DataFrame, place: Path) -> None:
    """Refuse a table of positions that lists a cell twice.

    Raises
    ------
    InputError
        If it does.
    """
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise InputError(f"{place} lists {len(twice):,} cells twice, the first is {twice[0]}")


def _genes_only(adata: AnnData, told: Listener) -> AnnData:
    if "feature_types" in adata.var.columns:
        kinds = adata.var["feature_types"].astype(str)
        other = kinds != "Gene Expression"
        if other.any() and not other.all():
            told(
                Notice(
                    f"{int(other.sum()):,} features that are no genes are left out ({', '.join(kinds[other].unique())})"
                )
            )
            adata = adata[:, ~other.to_numpy()].copy()
    return adata
