"""Transition fields from an AnnData and into it."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spacetravlr.errors import InputError
from spacetravlr.perturbation import Effect, Target
from spacetravlr.perturbation.transition import TransitionField, transition_field

CELLS = tuple(f"cell{number}" for number in range(40))
GENES = ("A", "B", "C", "D", "E")


@pytest.fixture
def effect() -> Effect:
    rng = np.random.default_rng(0)
    baseline = rng.random((40, 5)).astype(np.float32)
    values = np.maximum(baseline[:, [3, 1]].T + rng.normal(0, 0.2, (2, 40)), 0)
    table = pd.DataFrame({"part": np.where(np.arange(40) < 12, "left", "right")}, index=list(CELLS))
    return Effect(baseline, GENES, CELLS, (Target("D", 0.0),), 2, "default", np.array([3, 1]), values, obs=table)


@pytest.fixture
def adata(effect) -> anndata.AnnData:
    rng = np.random.default_rng(1)
    return anndata.AnnData(
        X=sparse.csr_matrix(effect.baseline),
        obs=pd.DataFrame(index=list(CELLS)),
        var=pd.DataFrame(index=list(GENES)),
        obsm={"X_umap": rng.normal(size=(40, 3)).astype(np.float32), "spatial": rng.random((40, 2))},
    )


def make(effect, adata, basis="X_umap", **options) -> TransitionField:
    return transition_field(effect, basis, adata=adata, **{"n_neighbors": 8, "n_jobs": 1, **options})


@pytest.mark.parametrize("basis", ["X_umap", "umap"])
def test_the_basis_with_or_without_its_prefix(effect, adata, basis):
    found = make(effect, adata, basis)
    np.testing.assert_array_equal(found.embedding, adata.obsm["X_umap"][:, :2].astype(float))
    direct = transition_field(effect, embedding=adata.obsm["X_umap"], n_neighbors=8, n_jobs=1)
    assert found.vectors.tobytes() == direct.vectors.tobytes()
    adata.obsm["umap"] = adata.obsm.pop("X_umap")
    np.testing.assert_array_equal(make(effect, adata, "X_umap").vectors, found.vectors)


def test_a_table_of_positions_and_another_basis(effect, adata):
    adata.obsm["spatial"] = pd.DataFrame(adata.obsm["spatial"], index=adata.obs_names, columns=["x", "y"])
    found = make(effect, adata, "spatial")
    np.testing.assert_array_equal(found.embedding, adata.obsm["spatial"].to_numpy())
    assert found.to_obsm(adata, "D_out") == "delta_D_out_spatial"


def test_cells_are_found_by_name(effect, adata):
    order = np.random.default_rng(2).permutation(40)
    more = anndata.concat([adata[order], anndata.AnnData(
        X=sparse.csr_matrix((3, 5)), obs=pd.DataFrame(index=["x", "y", "z"]), var=adata.var,
        obsm={"X_umap": np.zeros((3, 3)), "spatial": np.zeros((3, 2))},
    )])  # fmt: skip
    np.testing.assert_array_equal(make(effect, more).cell_vectors, make(effect, adata).cell_vectors)


def test_cells_by_a_query(effect, adata):
    found = make(effect, adata, cells="part == 'left'")
    assert found.in_scope.sum() == 12
    assert not found.cell_vectors[12:].any()
    assert found.cell_vectors[:12].any()


def test_what_is_written(effect, adata, tmp_path):
    found = make(effect, adata, grid_size=(6, 5))
    assert found.to_obsm(adata, "D_out") == "delta_D_out_umap"
    np.testing.assert_array_equal(adata.obsm["delta_D_out_umap"], found.cell_vectors)
    layer = adata.layers["delta_D_out"]
    assert layer.dtype == np.float32
    np.testing.assert_allclose(layer, effect.delta, atol=1e-7)
    noted = adata.uns["spacetravlr"]["transition_fields"]["D_out"]
    assert noted["basis"] == "X_umap"
    assert noted["n_neighbors"] == 8
    assert noted["temperature"] == 0.05
    assert noted["null_mode"] == "clip_renorm"
    # a second field beside the first, and all of it in a file
    make(effect, adata, null_mode="raw").to_obsm(adata, "raw", layer=False)
    assert "delta_raw" not in adata.layers
    adata.write_h5ad(tmp_path / "fields.h5ad")
    again = anndata.read_h5ad(tmp_path / "fields.h5ad")
    np.testing.assert_array_equal(again.obsm["delta_D_out_umap"], found.cell_vectors)
    np.testing.assert_array_equal(again.layers["delta_D_out"], layer)
    notes = again.uns["spacetravlr"]["transition_fields"]
    assert set(notes) == {"D_out", "raw"}
    assert notes["D_out"]["grid_size"].tolist() == [6, 5]
    assert bool(notes["D_out"]["remove_null"])


def test_written_to_some_cells_in_another_order_and_other_genes(effect, adata):
    found = make(effect, adata, cells=np.arange(20))
    rows = [31, 5, 19, 2]
    part = adata[rows, ["D", "C"]].copy()
    del part.obsm["X_umap"]
    part = anndata.concat([part, anndata.AnnData(
        X=np.zeros((4, 1)), obs=part.obs, var=pd.DataFrame(index=["new"])
    )], axis=1)  # fmt: skip
    found.to_obsm(part, "some")
    np.testing.assert_array_equal(part.obsm["delta_some_umap"], found.cell_vectors[rows])
    np.testing.assert_array_equal(part.obsm["X_umap"], found.embedding[rows])
    expected = np.zeros((4, 3))
    # the first cell is out of scope
    expected[1:, 0] = effect.delta[rows[1:], 3]
    np.testing.assert_allclose(part.layers["delta_some"], expected, atol=1e-7)
    assert expected.any()


def test_refused(effect, adata):
    found = make(effect, adata)
    with pytest.raises(InputError, match=r"X_umaps.*did you mean 'X_umap'.*spatial"):
        make(effect, adata, "X_umaps")
    with pytest.raises(InputError, match=r"adata lacks 1 of 40 cells: cell39"):
        make(effect, adata[:39])
    with pytest.warns(UserWarning, match="not unique"):
        twice = adata[[*range(39), 0]].copy()
    with pytest.raises(InputError, match="names repeat"):
        make(effect, twice)
    other = adata.copy()
    other.obsm["X_umap"] = other.obsm["X_umap"] + 1
    with pytest.raises(InputError, match="not the embedding"):
        found.to_obsm(other, "x")
    strange = adata.copy()
    strange.obs_names = [f"new{number}" for number in range(40)]
    with pytest.raises(InputError, match="the effect lacks 40 of 40 cells: new0"):
        found.to_obsm(strange, "x")
    strange = adata.copy()
    strange.var_names = ["a", "b", "c", "d", "e"]
    with pytest.raises(InputError, match="no gene in common"):
        found.to_obsm(strange, "x")
    # nothing is left behind
    assert set(strange.obsm) == {"X_umap", "spatial"}
    assert not strange.layers
    assert not strange.uns
