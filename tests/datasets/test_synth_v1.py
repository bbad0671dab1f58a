"""Recipe synth-v1, the network file and the fingerprint."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from spacetravlr import datasets
from spacetravlr.errors import InputError, RunDirectoryError
from spacetravlr.prior import PriorNetwork, infer_species


@pytest.fixture(scope="module")
def synth():
    return datasets.synth_v1(500, 100)


def test_form(synth):
    assert synth.shape == (500, 100)
    assert synth.var["role"].value_counts().to_dict() == {"TF": 40, "ligand": 25, "receptor": 25, "target": 10}
    assert infer_species(synth.var_names) == "mouse"
    assert synth.layers["imputed_count"].dtype == np.float32
    assert synth.layers["imputed_count"].min() > 0.0
    assert np.isfinite(synth.layers["imputed_count"]).all()
    counts = synth.layers["counts"].astype(np.float64)
    depth = counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(synth.X, np.log1p(counts / depth * np.median(depth)), rtol=1e-5, atol=1e-6)
    assert synth.obs["cell_type"].nunique() == 5
    np.testing.assert_array_equal(synth.obs["cell_type"].cat.codes, synth.obs["cell_type_int"])


def test_cells_lie_on_a_grid_and_types_in_domains(synth):
    xy = synth.obsm["spatial"]
    np.testing.assert_array_equal(xy % 20.0, 0.0)
    assert len(np.unique(xy, axis=0)) == 500
    moved = datasets.synth_v1(500, 20, jitter=2.0).obsm["spatial"] - datasets.synth_v1(500, 20).obsm["spatial"]
    assert moved.std() == pytest.approx(2.0, rel=0.15)


def test_two_hundred_genes_give_about_three_hundred_modulators():
    adata = datasets.synth_v1(60, 200)
    prior = PriorNetwork.from_frame(adata.uns["network"], species="mouse").restrict(adata.var_names)
    sizes = [len(prior.modulators(target).names) for target in adata.var_names]
    assert 280 < np.mean(sizes) < 310


def test_true_edges_are_offered_and_have_no_cycle(synth):
    edges = synth.uns["truth"]["edges"]
    prior = PriorNetwork.from_frame(synth.uns["network"], species="mouse").restrict(synth.var_names)
    position = {gene: index for index, gene in enumerate(synth.var_names)}
    graph = np.zeros((100, 100))
    for target, found in edges.groupby("target"):
        assert set(found["modulator"]) <= set(prior.modulators(target).names)
        for name in found["modulator"]:
            for part in name.split("$"):
                graph[position[part], position[target]] = 1.0
    n_components, _ = connected_components(csr_matrix(graph), directed=True, connection="strong")
    assert n_components == 100


def test_effects_agree_with_a_regression():
    """The recipe is linear on the log scale, so a regression there finds sign and about the strength of an edge."""
    synth = datasets.synth_v1(1500, 60, communication=False)
    edges = synth.uns["truth"]["edges"]
    frame = pd.DataFrame(np.log(synth.layers["imputed_count"]), columns=synth.var_names, index=synth.obs["cell_type"])
    fitted, known = [], []
    for (target, label), found in edges.groupby(["target", "cell_type"]):
        if len(frame.loc[label]) < 60:
            continue
        x = frame.loc[label, found["modulator"]].to_numpy(np.float64)
        y = frame.loc[label, target].to_numpy(np.float64)
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        fitted += np.linalg.lstsq(x, (y - y.mean()) / y.std(), rcond=None)[0].tolist()
        known += found["effect_sd"].tolist()
    fitted, known = np.array(fitted), np.array(known)
    strong = np.abs(known) > 0.15
    assert strong.sum() > 200
    assert (np.sign(fitted) == np.sign(known))[strong].mean() > 0.98
    assert np.corrcoef(fitted, known)[0, 1] > 0.9


def test_communication_can_be_switched_off(synth):
    assert set(synth.uns["truth"]["edges"]["kind"]) == {"TF", "LR"}
    silent = datasets.synth_v1(500, 100, communication=False)
    assert set(silent.uns["truth"]["edges"]["kind"]) == {"TF"}


def test_determinism_and_file(synth, tmp_path):
    fingerprint = datasets.content_hash(synth)
    assert datasets.content_hash(datasets.synth_v1(500, 100)) == fingerprint
    assert datasets.content_hash(datasets.synth_v1(500, 100, seed=43)) != fingerprint
    path = tmp_path / "synth.h5ad"
    synth.write_h5ad(path)
    read = anndata.read_h5ad(path)
    assert datasets.content_hash(read) == fingerprint
    assert read.uns["truth"]["version"] == "synth-v1"
    pd.testing.assert_frame_equal(read.uns["truth"]["edges"], synth.uns["truth"]["edges"], check_exact=True)


def test_no_knock_outs_of_this_recipe(synth):
    with pytest.raises(InputError, match="synth-v1"):
        datasets.knock_out_truth(synth, synth.var_names[0])


@pytest.mark.parametrize("wrong", [{"n_cells": 10}, {"n_genes": 5}, {"seed": -1}, {"jitter": -1.0}, {"radius": 0.0}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        datasets.synth_v1(**{"n_cells": 100, "n_genes": 20, **wrong})


def test_the_fingerprint_notices_every_change(synth):
    fingerprint = datasets.content_hash(synth)
    changes = {
        "X": lambda adata: adata.X.__setitem__((3, 4), adata.X[3, 4] + 1e-3),
        "layer": lambda adata: adata.layers["counts"].__setitem__((0, 0), 99.0),
        "position": lambda adata: adata.obsm["spatial"].__setitem__((0, 0), -1.0),
        "gene": lambda adata: setattr(adata, "var_names", [*adata.var_names[:-1], "Other1"]),
        "network": lambda adata: adata.uns.__setitem__("network", adata.uns["network"].drop(index=0)),
    }
    for name, change in changes.items():
        other = synth.copy()
        change(other)
        assert datasets.content_hash(other) != fingerprint, name
    relabelled = synth.copy()
    relabelled.obs["cell_type"] = relabelled.obs["cell_type"].astype(str).replace("B cell", "T cell")
    assert datasets.content_hash(relabelled) != fingerprint
    sparse = synth.copy()
    sparse.layers["counts"] = csr_matrix(sparse.layers["counts"])
    assert datasets.content_hash(sparse) == fingerprint


def test_the_network_file_is_what_training_reads(synth, tmp_path):
    path = datasets.write_network(synth, tmp_path / "new" / "folder")
    assert path.name == "mouse_network.parquet"
    assert [child.name for child in path.parent.iterdir()] == ["mouse_network.parquet"]
    prior = PriorNetwork.load("mouse", data_dir=path.parent)
    assert len(prior.edges) == len(synth.uns["network"])
    target = synth.var_names[0]
    in_memory = PriorNetwork.from_frame(synth.uns["network"], species="mouse")
    assert prior.modulators(target).names == in_memory.modulators(target).names


def test_the_network_file_is_refused_with_a_reason(synth, tmp_path):
    bare = synth[:, :3].copy()
    del bare.uns["network"]
    with pytest.raises(InputError, match="uns\\['network'\\]"):
        datasets.write_network(bare, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="file"):
        datasets.write_network(synth, tmp_path / "file")
