"""Folders of instruments, written here in their real formats."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import types
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from spacetravlr.errors import InputError, MissingExtraError
from spacetravlr.preparation.readers import read_raw, recognise

GENES = ["Pax5", "Irf4", "Cd19", "Cd19", "Foxo1"]
CELLS = [f"aaaaaa{number}-1" for number in range(8)]
COUNTS = np.random.default_rng(0).poisson(2.0, (8, 5))


def write_h5(path: Path, *, cells: list[str] = CELLS, extra: str | None = None) -> None:
    """The HDF5 format of Cell Ranger 3 and later: genes x cells, compressed by cell."""
    genes, counts = list(GENES), COUNTS[: len(cells)]
    kinds = ["Gene Expression"] * len(genes)
    if extra is not None:
        genes, kinds = [*genes, "Control1"], [*kinds, extra]
        counts = np.hstack([counts, np.full((len(cells), 1), 9)])
    matrix = sparse.csc_matrix(counts.T)
    with h5py.File(path, "w") as handle:
        group = handle.create_group("matrix")
        group["barcodes"] = np.array(cells, dtype="S")
        group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
        group["shape"] = np.array(matrix.shape, dtype=np.int32)
        features = group.create_group("features")
        features["_all_tag_keys"] = np.array(["genome"], dtype="S")
        features["id"] = np.array([f"ENSMUSG{number:011d}" for number in range(len(genes))], dtype="S")
        features["name"] = np.array(genes, dtype="S")
        features["feature_type"] = np.array(kinds, dtype="S")
        features["genome"] = np.array(["mm10"] * len(genes), dtype="S")


def write_mtx(folder: Path, *, compressed: bool) -> None:
    folder.mkdir(parents=True)
    features = "".join(f"ENSMUSG{n:011d}\t{gene}\tGene Expression\n" for n, gene in enumerate(GENES))
    texts = {"barcodes.tsv": "".join(f"{cell}\n" for cell in CELLS)}
    texts["features.tsv" if compressed else "genes.tsv"] = (
        features if compressed else features.replace("\tGene Expression", "")
    )
    io.mmwrite(folder / "matrix.mtx", sparse.csc_matrix(COUNTS.T))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if compressed:
        for path in list(folder.iterdir()):
            with gzip.open(f"{path}.gz", "wb") as stream:
                stream.write(path.read_bytes())
            path.unlink()


def write_visium(folder: Path, *, old: bool = False, micrometres: bool = False) -> np.ndarray:
    (folder / "spatial").mkdir(parents=True)
    write_h5(folder / "filtered_feature_bc_matrix.h5")
    rng = np.random.default_rng(1)
    pixels = rng.integers(100, 9000, (8, 2))
    table = pd.DataFrame(
        {
            "barcode": [*CELLS[::-1], "outside-1"],
            "in_tissue": [1] * 7 + [0, 1],
            "array_row": range(9),
            "array_col": range(9),
            "pxl_row_in_fullres": [*pixels[::-1, 1], 5],
            "pxl_col_in_fullres": [*pixels[::-1, 0], 5],
        }
    )
    if old:
        table.to_csv(folder / "spatial" / "tissue_positions_list.csv", header=False, index=False)
    elif micrometres:
        table.to_parquet(folder / "spatial" / "tissue_positions.parquet")
    else:
        table.to_csv(folder / "spatial" / "tissue_positions.csv", index=False)
    factors = {"spot_diameter_fullres": 89.44, "tissue_hires_scalef": 0.17, "fiducial_diameter_fullres": 144.5}
    if micrometres:
        factors["microns_per_pixel"] = 0.27
    (folder / "spatial" / "scalefactors_json.json").write_text(json.dumps(factors), encoding="utf-8")
    return pixels


def write_xenium(folder: Path, *, table: str = "cells.parquet", as_bytes: bool = False) -> np.ndarray:
    folder.mkdir(parents=True)
    (folder / "experiment.xenium").write_text("{}", encoding="utf-8")
    write_h5(folder / "cell_feature_matrix.h5", extra="Negative Control Probe")
    xy = np.random.default_rng(1).uniform(0, 900, (8, 2))
    cells = pd.DataFrame(
        {
            "cell_id": [cell.encode() if as_bytes else cell for cell in CELLS],
            "x_centroid": xy[:, 0],
            "y_centroid": xy[:, 1],
            "transcript_counts": COUNTS.sum(axis=1),
            "control_probe_counts": 0,
            "cell_area": 50.0,
            "nucleus_area": 20.0,
        }
    ).iloc[::-1]
    if table.endswith("parquet"):
        cells.to_parquet(folder / table)
    else:
        cells.to_csv(folder / table, index=False)
    return xy


def test_a_10x_file(place):
    write_h5(place / "raw.h5", extra="Antibody Capture")
    told: list[str] = []
    adata = read_raw(place / "raw.h5", told=lambda event: told.append(event.message))
    assert recognise(place / "raw.h5") == "10x h5"
    assert adata.var_names.tolist() == GENES
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)
    assert "1 features that are no genes are left out (Antibody Capture)" in told[0]


@pytest.mark.parametrize("compressed", [True, False])
def test_a_10x_folder(place, compressed):
    write_mtx(place / "filtered", compressed=compressed)
    assert recognise(place / "filtered") == "10x folder"
    adata = read_raw(place / "filtered")
    assert adata.obs_names.tolist() == CELLS
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS)


@pytest.mark.parametrize("old", [True, False])
def test_visium(place, old):
    pixels = write_visium(place / "outs", old=old)
    assert recognise(place / "outs") == "Visium"
    adata = read_raw(place / "outs")
    # the first cell is not under tissue
    assert adata.obs_names.tolist() == CELLS[1:]
    np.testing.assert_array_equal(adata.obsm["spatial"], pixels[1:])
    np.testing.assert_array_equal(adata.X.toarray(), COUNTS[1:])
    assert adata.uns["spatial"]["outs"]["scalefactors"]["spot_diameter_fullres"] == 89.44


def test_visium_with_a_matrix_as_a_folder(place):
    write_visium(place / "outs")
    (place / "outs" / "filtered_feature_bc_matrix.h5").unlink()
    write_mtx(place / "outs" / "filtered_feature_bc_matrix", compressed=True)
    np.testing.assert_array_equal(read_raw(place / "outs").X.toarray(), COUNTS[1:])


def test_visium_as_it_is_published(place):
    """With the name of the sample in front of the matrix."""
    write_visium(place / "outs")
    folder = place / "outs"
    (folder / "filtered_feature_bc_matrix.h5").rename(folder / "V1_Node_filtered_feature_bc_matrix.h5")
    np.testing.assert_array_equal(read_raw(folder).X.toarray(), COUNTS[1:])
    shutil.copy(folder / "V1_Node_filtered_feature_bc_matrix.h5", folder / "V2_Node_filtered_feature_bc_matrix.h5")
    with pytest.raises(InputError, match="matrices of several samples: V1_Node.*V2_Node"):
        read_raw(folder)


def test_positions_that_are_given_twice(place):
    write_visium(place / "outs")
    table = place / "outs" / "spatial" / "tissue_positions.csv"
    table.write_text(table.read_text(encoding="utf-8") + f"{CELLS[2]},1,1,1,1,1\n", encoding="utf-8")
    write_xenium(place / "run", table="cells.csv")
    cells = place / "run" / "cells.csv"
    lines = cells.read_text(encoding="utf-8").splitlines()
    cells.write_text("\n".join([*lines, lines[3]]), encoding="utf-8")
    for folder in ("outs", "run"):
        with pytest.raises(InputError, match="lists 1 cells twice, the first is aaaaaa"):
            read_raw(place / folder)


def test_visium_hd(place):
    bins = place / "outs" / "binned_outputs"
    write_visium(bins / "square_008um", micrometres=True)
    write_visium(bins / "square_016um", micrometres=True)
    assert recognise(place / "outs") == recognise(bins / "square_016um") == "Visium HD"
    for path in (place / "outs", bins / "square_016um"):
        adata = read_raw(path)
        [library] = adata.uns["spatial"].values()
        assert library["scalefactors"]["microns_per_pixel"] == 0.27
    shutil.rmtree(bins / "square_008um")
    with pytest.raises(InputError, match="square_016um"):
        read_raw(place / "outs")


@pytest.mark.parametrize(
    ("table", "as_bytes"), [("cells.parquet", False), ("cells.parquet", True), ("cells.csv.gz", False)]
)
def test_xenium(place, table, as_bytes):
    xy = write_xenium(place / "run", table=table, as_bytes=as_bytes)
    assert recognise(place / "run") == "Xenium"
    adata = read_raw(place / "run")
    assert adata.var_names.tolist() == GENES
    np.testing.assert_allclose(adata.obsm["spatial"], xy)
    assert adata.obs["cell_area"].tolist() == [50.0] * 8


def test_a_zarr_of_anndata(place):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anndata.AnnData(COUNTS.astype(np.float32)).write_zarr(place / "a.zarr")
    assert recognise(place / "a.zarr") == "anndata zarr"
    np.testing.assert_array_equal(read_raw(place / "a.zarr").X, COUNTS)


def spatialdata_store(place: Path) -> Path:
    store = place / "sample.zarr"
    store.mkdir()
    (store / ".zgroup").write_text('{"zarr_format": 2}', encoding="utf-8")
    (store / ".zattrs").write_text('{"spatialdata_attrs": {"version": "0.1"}}', encoding="utf-8")
    return store


def test_spatialdata_that_is_not_installed(place, monkeypatch):
    store = spatialdata_store(place)
    monkeypatch.setitem(sys.modules, "spatialdata", None)
    assert recognise(store) == "SpatialData"
    with pytest.raises(MissingExtraError, match="python -m pip install spatialdata"):
        read_raw(store)


@pytest.mark.parametrize("n_tables", [0, 1, 2])
def test_the_table_of_a_spatialdata_store(place, monkeypatch, n_tables):
    """With a stand-in of the package: what is asked of it, and what becomes of its answer."""
    store, asked = spatialdata_store(place), {}

    def read_zarr(path: Path, selection: tuple[str, ...]) -> types.SimpleNamespace:
        asked.update(path=path, selection=selection)
        return types.SimpleNamespace(
            tables={f"t{n}": anndata.AnnData(COUNTS.astype(np.float32)) for n in range(n_tables)}
        )

    package = types.ModuleType("spatialdata")
    package.read_zarr = read_zarr
    monkeypatch.setitem(sys.modules, "spatialdata", package)
    if n_tables != 1:
        with pytest.raises(InputError, match=f"holds {n_tables} tables"):
            read_raw(store)
        return
    np.testing.assert_array_equal(read_raw(store).X, COUNTS)
    assert asked == {"path": store, "selection": ("tables",)}


def test_a_real_spatialdata_store(place):
    spatialdata = pytest.importorskip("spatialdata")
    table = anndata.AnnData(COUNTS.astype(np.float32))
    spatialdata.SpatialData(tables={"table": table}).write(place / "s.zarr")
    np.testing.assert_array_equal(read_raw(place / "s.zarr").X, COUNTS)


def broken_visium(place: Path, name: str, content: str | None) -> Path:
    write_visium(place / "outs")
    target = place / "outs" / name
    target.unlink()
    if content is not None:
        target.write_text(content, encoding="utf-8")
    return place / "outs"


MISTAKES = {
    "nothing there": (lambda place: place / "absent", "no such file or folder"),
    "an empty folder": (lambda place: place, "is no folder of a known kind; known are an .h5ad file"),
    "the folder above": (
        lambda place: (write_visium(place / "run" / "outs"), place / "run")[1],
        "did you mean .*outs",
    ),
    "no positions": (
        lambda place: broken_visium(place, "spatial/tissue_positions.csv", None),
        "has no positions: none of tissue_positions.csv",
    ),
    "odd positions": (
        lambda place: broken_visium(place, "spatial/tissue_positions.csv", "barcode,x\na,1\n"),
        "tissue_positions.csv is no table of spots",
    ),
    "other positions": (
        lambda place: broken_visium(
            place,
            "spatial/tissue_positions.csv",
            "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\nother,1,1,1,1,1\n",
        ),
        "are they of one sample",
    ),
    "no scale": (lambda place: broken_visium(place, "spatial/scalefactors_json.json", None), "how long a pixel is"),
    "no matrix": (lambda place: broken_visium(place, "filtered_feature_bc_matrix.h5", None), "has no matrix: none of"),
    "a damaged matrix": (
        lambda place: broken_visium(place, "filtered_feature_bc_matrix.h5", "text"),
        "is no complete 10x matrix",
    ),
    "a part of a folder": (
        lambda place: (write_xenium(place / "x"), place / "x" / "cell_feature_matrix.h5")[1],
        "is a part of an output folder; name the folder",
    ),
    "a table": (lambda place: ((place / "a.csv").write_text("x"), place / "a.csv")[1], ".csv files are not read"),
    "no h5ad": (lambda place: ((place / "a.h5ad").write_text("x"), place / "a.h5ad")[1], "is not an h5ad file"),
    "xenium without cells": (
        lambda place: (write_xenium(place / "x"), (place / "x" / "cells.parquet").unlink(), place / "x")[2],
        "has no table of cells",
    ),
    "mtx without barcodes": (
        lambda place: (
            write_mtx(place / "m", compressed=True),
            (place / "m" / "barcodes.tsv.gz").unlink(),
            place / "m",
        )[2],
        "has no barcodes.tsv",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(place, name):
    make, words = MISTAKES[name]
    with pytest.raises(InputError, match=words):
        read_raw(make(place))
