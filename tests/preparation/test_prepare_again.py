"""Preparing again: nothing is done twice, nothing is stale, and whatever has changed or gone is made anew."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

import spacetravlr as stl

HOW = {"cluster_key": "annotation", "um_per_unit": 0.25}


@pytest.mark.parametrize("layer", ["X", "mine"])
def test_naming_the_layer_again_changes_nothing(raw, network, same, told, layer):
    raw.layers["mine"] = raw.X.copy()
    how = {**HOW, "network": network.restrict(network_genes(network)), "n_top_hvg": 5, "umap": False, "layer": layer}
    ready = stl.pp.prepare(raw, **how)
    assert ready.n_vars < 60
    again = stl.pp.prepare(ready, **how, listener=told)
    same(again, ready)
    assert told.ran == []


def network_genes(network: stl.PriorNetwork) -> list[str]:
    """Few genes, so that others are left out."""
    return sorted({*network.table["source"], *network.table["target"]})[:15]


def test_starting_anew_from_another_layer_converts_no_coordinates_twice(ready, network, told):
    other = ready.copy()
    other.layers["doubled"] = 2.0 * other.layers["counts"]
    again = stl.pp.prepare(other, **HOW, network=network, umap=False, layer="doubled", listener=told)
    np.testing.assert_array_equal(again.layers["counts"].toarray(), 2.0 * other.layers["counts"].toarray())
    np.testing.assert_array_equal(again.obsm["spatial"], ready.obsm["spatial"])
    np.testing.assert_array_equal(again.obsm["spatial_original"], ready.obsm["spatial_original"])
    assert again.obs["leiden"].notna().all()
    assert "leiden_prepare" not in again.obs
    assert "layer 'imputed_count' of the sample is replaced: it is computed from these values" in told.messages


def remove_imputed(adata: anndata.AnnData) -> None:
    del adata.layers["imputed_count"]


def remove_components(adata: anndata.AnnData) -> None:
    del adata.obsm["X_pca"]


def remove_types(adata: anndata.AnnData) -> None:
    del adata.obs["cell_type_int"]


@pytest.mark.parametrize(
    ("remove", "ran"),
    [
        (remove_imputed, ["imputation"]),
        (remove_components, ["PCA", "neighbours", "Leiden", "imputation"]),
        (remove_types, ["cell types"]),
    ],
)
def test_what_was_removed_since_is_made_again(ready, network, told, same, remove, ran):
    part = ready.copy()
    remove(part)
    again = stl.pp.prepare(part, **HOW, network=network, umap=False, listener=told)
    assert told.ran == ran
    for name in ("counts", "normalized_count", "imputed_count"):
        assert name in again.layers
    assert again.obs["cell_type_int"].tolist() == ready.obs["cell_type_int"].tolist()
    np.testing.assert_array_equal(again.layers["imputed_count"], ready.layers["imputed_count"])


def test_other_labels_in_the_same_column_are_taken(raw, network, told):
    n = raw.n_obs
    raw.obs["slide"] = np.where(np.arange(n) % 2 == 0, "a", "b")
    how = {**HOW, "network": network, "umap": False, "sample": "slide"}
    ready = stl.pp.prepare(raw, **how)
    ready.obs["annotation"] = ready.obs["annotation"].astype(str).str.upper()
    again = stl.pp.prepare(ready, **how, listener=told)
    assert told.ran == ["cell types"]
    assert again.obs["cell_type"].tolist() == ready.obs["annotation"].tolist()
    again.obs["slide"] = np.where(np.arange(again.n_obs) < 100, "a", "b")
    moved = stl.pp.prepare(again, **how, listener=(last := type(told)()))
    assert {"genes", "imputation"} <= set(last.ran)
    assert np.abs(moved.layers["imputed_count"] - again.layers["imputed_count"]).max() > 0.1
    # without a column, the one of before stays
    stl.pp.prepare(moved, **{**how, "cluster_key": None}, listener=(last := type(told)()))
    assert last.ran == []


def test_a_umap_of_other_neighbours_does_not_stay(ready, network, told):
    other = stl.pp.prepare(ready, **HOW, network=network, umap=False, n_neighbors=8)
    assert "X_umap" not in other.obsm
    same = stl.pp.prepare(ready, **HOW, network=network, umap=False)
    assert "X_umap" in same.obsm
    stl.pp.prepare(other, **HOW, network=network, n_neighbors=8, n_epochs=2, listener=told)
    assert told.ran == ["UMAP"]


def test_a_backed_sample_is_read(raw, network, place, same):
    raw.write_h5ad(place / "raw.h5ad")
    backed = anndata.read_h5ad(place / "raw.h5ad", backed="r")
    found = stl.pp.prepare(backed, **HOW, network=network, umap=False)
    same(found, stl.pp.prepare(raw, **HOW, network=network, umap=False))
    backed.file.close()
