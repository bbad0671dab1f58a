"""A whole preparation: what it makes, that it repeats itself exactly, and that it does nothing twice."""

from __future__ import annotations

import sys
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse

import spacetravlr as stl
from spacetravlr.errors import ConfigError, InputError, MissingExtraError, RunDirectoryError, UsageError
from spacetravlr.events import StageStarted
from spacetravlr.preparation import prepare_file
from spacetravlr.preparation.graph import distances_within
from spacetravlr.preparation.options import PrepareOptions
from spacetravlr.tissue._file import layer_names

STEPS = [
    "quality",
    "normalisation",
    "genes",
    "PCA",
    "neighbours",
    "UMAP",
    "Leiden",
    "imputation",
    "cell types",
    "units",
]
UM_PER_PIXEL = 0.25
HOW = {"cluster_key": "annotation", "um_per_unit": UM_PER_PIXEL}


def test_what_is_made(ready, tissue, network):
    assert ready.n_obs == 247
    assert sorted(layer_names(ready)) == ["counts", "imputed_count", "normalized_count"]
    assert {"X_pca", "X_umap", "spatial", "spatial_original"} <= set(ready.obsm)
    assert {"cell_type", "cell_type_int", "leiden", "total_counts"} <= set(ready.obs)
    assert ready.var_names.tolist() == tissue.var_names.tolist()
    kept = tissue[ready.obs_names]
    counts = ready.layers["counts"].toarray()
    np.testing.assert_array_equal(counts, np.asarray(kept[:, ready.var_names].layers["counts"]))
    total = ready.obs["total_counts"].to_numpy()[:, None]
    np.testing.assert_allclose(ready.layers["normalized_count"].toarray(), np.log1p(counts / total * 1e4), rtol=1e-5)
    np.testing.assert_allclose(ready.obsm["spatial"], kept.obsm["spatial"], rtol=1e-12)
    assert ready.obs["cell_type"].astype(str).tolist() == kept.obs["cell_type"].astype(str).tolist()
    removed = ready.uns["spacetravlr_prepare"]["removed"]
    assert removed["cells"].sum() == 3
    assert removed["genes"].sum() == 62 - ready.n_vars


def test_genes_of_the_network_stay_however_little_they_vary(raw, network):
    grn = network.table[network.table["edge_type"] == "grn"].astype({"source": str, "target": str})
    table = grn[grn["source"].isin(grn["source"].unique()[:2])]
    small = stl.PriorNetwork.from_frame(table, species="mouse")
    known = {*table["source"], *table["target"]}
    ready = stl.pp.prepare(raw, **HOW, network=small, n_top_hvg=5, umap=False)
    variable = set(ready.var_names[ready.var["highly_variable"]])
    assert len(variable) == 5
    assert set(ready.var_names) == known | variable
    assert len(known - variable) > 3
    assert ready.n_vars < raw.n_vars
    # however few genes are kept, cells are compared by the sums of all
    whole = stl.pp.prepare(raw, **HOW, network=small, n_top_hvg=0, umap=False)
    assert whole.n_vars == 60
    part = whole[:, ready.var_names].layers["normalized_count"]
    np.testing.assert_array_equal(part.toarray(), ready.layers["normalized_count"].toarray())


def test_imputation_brings_counts_nearer_to_the_truth(ready, tissue):
    kept = tissue[ready.obs_names, ready.var_names]
    truth = np.asarray(kept.layers["imputed_count"])
    truth = np.log1p(
        truth / np.asarray(tissue[ready.obs_names].layers["imputed_count"]).sum(axis=1, keepdims=True) * 1e4
    )

    def median_correlation(values: np.ndarray) -> float:
        return float(
            np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True) if a.std() > 0])
        )

    measured = median_correlation(ready.layers["normalized_count"].toarray())
    assert median_correlation(ready.layers["imputed_count"]) > measured + 0.05


def test_it_can_be_trained_on(ready, network, place):
    tissue = stl.Tissue.from_anndata(ready)
    assert tissue.clusters.column == "cell_type_int"
    run = stl.tl.train(
        ready, out=place / "run", max_genes=2, score_threshold=-1.0, network_data_dir=str(write(network, place))
    )
    assert len(run.status().done) + len(run.status().orphan) == 2


def write(network: stl.PriorNetwork, place: Path) -> Path:
    folder = place / "network"
    folder.mkdir()
    network.table.to_parquet(folder / "mouse_network.parquet")
    return folder


def test_the_same_input_gives_the_same_bits(ready, raw, network, same):
    again = stl.pp.prepare(raw, **HOW, network=network)
    same(again, ready)
    # and the raw sample is as it was
    assert layer_names(raw) == []
    assert list(raw.obs) == ["annotation"]


def test_preparing_twice_changes_nothing(ready, network, same, told, place):
    again = stl.pp.prepare(ready, **HOW, network=network, listener=told)
    same(again, ready)
    assert list(told.done) == STEPS
    assert told.ran == []
    # also through a file
    ready.copy().write_h5ad(place / "a.h5ad")
    back = stl.pp.prepare(place / "a.h5ad", **HOW, network=network, listener=told)
    same(back, ready)
    assert told.ran == []


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ({"magic_t": 3}, ["imputation"]),
        ({"leiden_resolution": 0.5}, ["Leiden"]),
        ({"n_pca_components": 10}, ["PCA", "neighbours", "UMAP", "Leiden", "imputation"]),
        ({"um_per_unit": 1.0}, ["units"]),
    ],
)
def test_only_what_depends_on_a_change_is_done_again(ready, network, told, change, ran):
    again = stl.pp.prepare(ready, **{**HOW, **change}, network=network, listener=told)
    assert told.ran == ran
    if "um_per_unit" in change:
        np.testing.assert_allclose(again.obsm["spatial"], ready.obsm["spatial"] / UM_PER_PIXEL)


def test_a_sample_that_was_cut_after_preparing_is_done_again(ready, network, told):
    part = ready[:100].copy()
    again = stl.pp.prepare(part, **HOW, network=network, umap=False, listener=told)
    assert any("was changed after it was prepared" in message for message in told.messages)
    assert {"quality", "PCA", "imputation"} <= set(told.ran)
    # the coordinates are micrometres already
    assert "units" not in told.ran
    np.testing.assert_array_equal(again.obsm["spatial"], part.obsm["spatial"])
    np.testing.assert_array_equal(again.obs["total_counts"], part.obs["total_counts"])


def test_nothing_is_imputed_across_samples(raw, network, told):
    n = raw.n_obs
    raw.obs["slide"] = np.where(np.arange(n) % 2 == 0, "a", "b")
    marker = raw.var_names[5]
    counts = raw.X.toarray()
    counts[np.arange(n) % 2 == 1, 5] = 0.0
    counts[np.arange(n) % 2 == 0, 5] += 3.0
    raw.X = sparse.csr_matrix(counts)
    ready = stl.pp.prepare(raw, **HOW, sample="slide", network=network, umap=False, listener=told)
    imputed = ready[:, marker].layers["imputed_count"].ravel()
    in_b = (ready.obs["slide"] == "b").to_numpy()
    assert (imputed[in_b] == 0.0).all()
    assert (imputed[~in_b] > 0.0).all()
    assert "within 2 samples" in told.done["imputation"]
    without = stl.pp.prepare(raw, **HOW, network=network, umap=False)
    assert (without[:, marker].layers["imputed_count"].ravel()[in_b] > 0.0).any()


def test_the_graph_within_samples_is_that_of_each_sample_alone(ready):
    points = np.asarray(ready.obsm["X_pca"])
    labels = np.where(np.arange(len(points)) < 100, "x", "y").tolist()
    whole = distances_within(points, PrepareOptions(), labels)
    assert whole[:100, 100:].nnz == whole[100:, :100].nnz == 0
    alone = distances_within(points[:100], PrepareOptions(), ["x"] * 100)
    np.testing.assert_array_equal(whole[:100, :100].toarray(), alone.toarray())
    # copies of a cell are its neighbours
    copies = distances_within(np.zeros((6, 2), dtype=np.float32), PrepareOptions(), ["x"] * 6)
    np.testing.assert_array_equal(np.diff(copies.indptr), 5)
    # too few cells for a graph
    assert distances_within(points[:2], PrepareOptions(), ["x", "y"]).nnz == 0


def test_without_cell_types_clusters_are_taken_and_columns_suggested(raw, network, told):
    ready = stl.pp.prepare(raw, network=network, umap=False, listener=told)
    assert ready.obs["cell_type"].astype(str).tolist() == ready.obs["leiden"].astype(str).tolist()
    assert any("--cluster-key: annotation" in message for message in told.messages)
    # pixels of unknown length: a warning says what to do
    assert ready.uns["spacetravlr_prepare"]["unit"] == "unknown"
    again = type(told)()
    stl.pp.prepare(ready, network=network, umap=False, listener=again)
    assert again.ran == []


def test_a_column_called_leiden_is_not_lost(raw, network):
    raw.obs["leiden"] = raw.obs["annotation"]
    ready = stl.pp.prepare(raw, cluster_key="leiden", network=network, umap=False)
    assert ready.obs["leiden"].astype(str).tolist() == ready.obs["annotation"].tolist()
    assert "leiden_prepare" in ready.obs


@pytest.mark.parametrize("kind", ["log", "linear"])
def test_a_sample_without_counts(raw, network, told, kind):
    counts = raw.X[3:].toarray()
    values = counts / counts.sum(axis=1, keepdims=True) * 1e4
    raw = raw[3:].copy()
    raw.X = np.log1p(values) if kind == "log" else values
    ready = stl.pp.prepare(raw, **HOW, network=network, umap=False, listener=told)
    assert sorted(layer_names(ready)) == ["imputed_count", "normalized_count"]
    assert "no counts were found" in told.warnings[0]
    expected = np.log1p(values)[:, [list(raw.var_names).index(gene) for gene in ready.var_names]]
    np.testing.assert_allclose(ready.layers["normalized_count"].toarray(), expected, rtol=1e-5)
    again = type(told)()
    stl.pp.prepare(ready, **HOW, network=network, umap=False, listener=again)
    assert again.ran == []


def test_smoothing_by_neighbours(raw, network, told):
    ready = stl.pp.prepare(raw, **HOW, network=network, umap=False, imputation="knn", listener=told)
    distances = ready.obsp["distances"]
    logs = ready.layers["normalized_count"].toarray()
    expected = [logs[[row, *distances[[row]].indices]].mean(axis=0) for row in range(ready.n_obs)]
    np.testing.assert_allclose(ready.layers["imputed_count"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"cluster_key": "anotation"}, InputError, "did you mean 'annotation'"),
        ({"sample": "slide"}, InputError, "the sample column 'slide' is not in obs"),
        ({"layer": "counts"}, InputError, "layer 'counts' is not in the file"),
        ({"magic": 3}, ConfigError, "unknown parameter 'magic'; did you mean 'magic_t'"),
        ({"min_genes": 5000}, InputError, "of 250 cells would be left"),
        ({"um_per_unit": -1.0, "umap": False}, ConfigError, "um_per_unit"),
        ({"species": "rat"}, ConfigError, "rat"),
    ],
)
def test_mistakes(raw, how, error, words):
    with pytest.raises(error, match=words):
        stl.pp.prepare(raw, **how)


def test_without_scanpy_the_package_is_named(raw, network, monkeypatch):
    monkeypatch.setitem(sys.modules, "scanpy", None)
    with pytest.raises(MissingExtraError, match=r"spacetravlr-py\[pp\]"):
        stl.pp.prepare(raw, network=network)


def test_files(raw, network, place, told):
    raw.write_h5ad(place / "raw.h5ad")
    prepare_file(place / "raw.h5ad", place / "new" / "ready.h5ad", network=network, umap=False, listener=told, **HOW)
    first = anndata.read_h5ad(place / "new" / "ready.h5ad")
    assert "imputed_count" in first.layers
    assert first.uns["spacetravlr_prepare"]["origin"].startswith("raw.h5ad ")
    # what prepare made of this file may be replaced, anything else may not
    prepare_file(place / "raw.h5ad", place / "new" / "ready.h5ad", network=network, umap=False, **HOW)
    (place / "other").mkdir()
    raw[:100].write_h5ad(place / "other" / "raw.h5ad")
    with pytest.raises(UsageError, match="made from another file than"):
        prepare_file(place / "other" / "raw.h5ad", place / "new" / "ready.h5ad", network=network, umap=False, **HOW)
    assert anndata.read_h5ad(place / "new" / "ready.h5ad").n_obs == first.n_obs
    assert sorted(path.name for path in (place / "new").iterdir()) == ["ready.h5ad"]
    for target, words in (
        ("raw.h5ad", "the raw file itself"),
        ("x.csv", "must end in .h5ad"),
        ("y.h5ad", "not made by"),
    ):
        (place / "y.h5ad").write_text("mine", encoding="utf-8")
        with pytest.raises(UsageError, match=words):
            prepare_file(place / "raw.h5ad", place / target, network=network)
    assert (place / "y.h5ad").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("spoil", "how", "error", "words"),
    [
        (lambda raw: raw.obsm.clear(), {}, InputError, "no coordinates.*name the whole output folder"),
        (lambda raw: None, {"um_per_unit": 0.0}, ConfigError, "um_per_unit = 0 is not allowed"),
        (lambda raw: None, {"radius": float("inf")}, ConfigError, "radius = inf is not allowed"),
        (lambda raw: None, {"cluster_key": "share"}, InputError, "numbers that are not whole"),
        (lambda raw: None, {"sample": "nothing"}, InputError, "no cell has a label in obs"),
    ],
)
def test_what_cannot_go_well_is_told_before_anything_is_computed(raw, network, place, told, spoil, how, error, words):
    raw.obs["share"], raw.obs["nothing"] = np.linspace(0, 1, raw.n_obs), np.full(raw.n_obs, np.nan)
    spoil(raw)
    raw.write_h5ad(place / "raw.h5ad")
    with pytest.raises(error, match=words):
        prepare_file(place / "raw.h5ad", place / "new" / "ready.h5ad", network=network, listener=told, **how)
    assert told.done == {}
    assert not (place / "new").exists()


def test_a_target_that_cannot_be_written_is_told_before_anything_is_computed(raw, network, place, told):
    raw.write_h5ad(place / "raw.h5ad")
    for target in (place / "raw.h5ad" / "ready.h5ad", Path("/proc/new/ready.h5ad")):
        with pytest.raises(RunDirectoryError, match="cannot write"):
            prepare_file(place / "raw.h5ad", target, network=network, listener=told)
    assert told.events == []
    assert [path.name for path in place.iterdir()] == ["raw.h5ad"]


def test_the_door():
    assert stl.pp.prepare is not None
    assert set(stl.pp.__all__) == {"PrepareOptions", "prepare", "read_raw"}


def test_every_step_is_told_as_it_begins(raw, network, told):
    stl.pp.prepare(raw, **HOW, network=network, umap=False, listener=told)
    begun = [event for event in told.events if isinstance(event, StageStarted)]
    assert [event.stage for event in begun] == [name for name in STEPS if name != "UMAP"]
    n = len(begun)
    assert [event.detail.partition(";")[0] for event in begun] == [f"step {place + 1} of {n}" for place in range(n)]
    [slow] = [event for event in begun if "on first use libraries are compiled" in event.detail]
    assert slow.stage == "neighbours"


@pytest.mark.parametrize("umap", [True, False])
def test_a_umap_of_the_file_is_not_replaced_silently(raw, network, told, umap):
    own = np.arange(2.0 * raw.n_obs).reshape(-1, 2)
    raw.obsm["X_umap"] = own
    ready = stl.pp.prepare(raw, **HOW, network=network, umap=umap, listener=told)
    kept = raw.obs_names.get_indexer(ready.obs_names)
    word = "obsm['X_umap'] is computed anew; that of the file is kept in obsm['X_umap_before']"
    assert any(word in message for message in told.messages) == umap
    np.testing.assert_array_equal(ready.obsm["X_umap_before" if umap else "X_umap"], own[kept])
    # what was computed here is nobody's own
    again = stl.pp.prepare(ready, **HOW, network=network, umap=umap, n_pca_components=9, listener=told)
    assert sum(word in message for message in told.messages) == umap
    if umap:
        np.testing.assert_array_equal(again.obsm["X_umap_before"], own[kept])
