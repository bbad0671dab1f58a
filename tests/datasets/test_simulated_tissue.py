"""The AnnData of a simulated tissue: form, determinism, network, what a regression sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr import datasets
from spacetravlr.errors import InputError
from spacetravlr.prior import PriorNetwork, infer_species


def test_form(tissue):
    assert tissue.shape == (700, 80)
    assert tissue.obsm["spatial"].dtype == np.float64
    np.testing.assert_array_equal(tissue.X, tissue.layers["imputed_count"])
    assert tissue.X.min() > 0.0
    assert np.isfinite(tissue.X).all()
    counts = tissue.layers["counts"]
    np.testing.assert_array_equal(counts, np.round(counts))
    assert 2.5 < counts.mean() < 3.5
    assert tissue.var_names.is_unique
    assert list(tissue.var_names) == sorted(tissue.var_names)
    assert infer_species(tissue.var_names) == "mouse"
    np.testing.assert_array_equal(tissue.obs["cell_type"].cat.codes, tissue.obs["cell_type_int"])
    assert list(tissue.obs["cell_type"].cat.categories) == sorted(tissue.obs["cell_type"].cat.categories)
    assert tissue.obs["cell_type"].value_counts().min() > 60


def test_roles(tissue):
    counts = tissue.var["role"].value_counts()
    assert counts.to_dict() == {"target": 40, "ligand": 16, "receptor": 16, "TF": 8}
    regulated = tissue.var.groupby("role", observed=True)["regulated"].mean()
    assert regulated.to_dict() == {"TF": 0.5, "ligand": 0.5, "receptor": 0.5, "target": 1.0}
    edges = tissue.uns["truth"]["edges"]
    assert set(edges["target"]) == set(tissue.var_names[tissue.var["regulated"]])
    role = tissue.var["role"].astype(str)
    parts = edges["modulator"].str.split("[$#]", expand=True)
    pair = edges["kind"] != "TF"
    assert set(role[parts.loc[~pair, 0]]) == {"TF"}
    assert set(role[parts.loc[pair, 0]]) == {"ligand"}
    assert set(role[parts.loc[edges["kind"] == "LR", 1]]) == {"receptor"}
    assert set(role[parts.loc[edges["kind"] == "TFL", 1]]) == {"TF"}


def test_the_density_of_cells_does_not_depend_on_their_number():
    for n_cells in (200, 800):
        xy = datasets.simulated_tissue(n_cells, 12, 2, knock_outs=()).obsm["spatial"]
        side = np.sqrt(500.0 * n_cells)
        assert xy.min() >= 0.0
        assert 0.93 * side < xy.max() <= side


def test_same_seed_same_bits_other_seed_other_data(tissue):
    other = datasets.simulated_tissue(700, 80, 4, 4, radius=120.0)
    again = datasets.simulated_tissue(700, 80, 4, 3, radius=120.0)
    assert datasets.content_hash(again) == datasets.content_hash(tissue)
    assert datasets.content_hash(other) != datasets.content_hash(tissue)
    pd.testing.assert_frame_equal(again.uns["truth"]["edges"], tissue.uns["truth"]["edges"], check_exact=True)
    for gene, delta in tissue.uns["truth"]["knock_outs"].items():
        np.testing.assert_array_equal(again.uns["truth"]["knock_outs"][gene], delta)


PROBE = """
import json, sys
from spacetravlr import datasets
adata = datasets.simulated_tissue(700, 80, 4, 3, radius=120.0)
deltas = adata.uns["truth"]["knock_outs"]
sums = [float(deltas[gene].sum()) for gene in sorted(deltas)]
print(json.dumps([datasets.content_hash(adata), sums, list(sys.modules)]))
"""


def test_neither_threads_nor_the_code_under_test_have_a_say(tissue):
    deltas = tissue.uns["truth"]["knock_outs"]
    for threads in ("1", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True
        )
        fingerprint, sums, modules = json.loads(done.stdout)
        assert fingerprint == datasets.content_hash(tissue)
        assert sums == [float(deltas[gene].sum()) for gene in sorted(deltas)]
        loaded = {name.split(".")[1] for name in modules if name.startswith("spacetravlr.")}
        assert "_simulate" in loaded
        assert not loaded & {"perturbation", "regression", "training", "signaling", "betas", "niche"}


def test_a_file_keeps_everything(tissue, tmp_path):
    path = tmp_path / "tissue.h5ad"
    tissue.write_h5ad(path)
    read = anndata.read_h5ad(path)
    assert datasets.content_hash(read) == datasets.content_hash(tissue)
    truth, kept = tissue.uns["truth"], read.uns["truth"]
    assert set(kept) == {"version", "seed", "parameters", "edges", "knock_outs"}
    assert kept["version"] == truth["version"]
    assert int(kept["seed"]) == 3
    assert dict(kept["parameters"]) == truth["parameters"]
    pd.testing.assert_frame_equal(kept["edges"], truth["edges"], check_exact=True)
    pd.testing.assert_frame_equal(read.uns["network"], tissue.uns["network"], check_exact=True)
    assert set(kept["knock_outs"]) == set(truth["knock_outs"])
    for gene, delta in truth["knock_outs"].items():
        np.testing.assert_array_equal(kept["knock_outs"][gene], delta)
    assert read.var["regulated"].dtype == bool


@pytest.mark.parametrize("false_prior", [0.0, 0.5, 0.7])
def test_the_prior_holds_every_true_edge_and_the_share_of_false_ones(false_prior):
    tissue = datasets.simulated_tissue(150, 150, 3, 1, false_prior=false_prior, knock_outs=())
    network = tissue.uns["network"]
    assert network.columns.tolist() == ["source", "target", "edge_type", "weight"]
    assert not network.duplicated(["source", "target", "edge_type"]).any()
    prior = PriorNetwork.from_frame(network, species="mouse").restrict(tissue.var_names)
    edges = tissue.uns["truth"]["edges"]
    for target, found in edges.groupby("target"):
        assert set(found["modulator"]) <= set(prior.modulators(target).names)
    true_tfs = edges.loc[edges["kind"] == "TF", ["modulator", "target"]].drop_duplicates()
    offered = network[(network["edge_type"] == "grn") & network["target"].isin(set(edges["target"]))]
    assert 1.0 - len(true_tfs) / len(offered) == pytest.approx(false_prior, abs=0.04)
    used_pairs = set(edges.loc[edges["kind"] == "LR", "modulator"])
    n_pairs = int((network["edge_type"] == "lr").sum())
    assert 1.0 - len(used_pairs) / n_pairs == pytest.approx(false_prior, abs=0.1)


def test_the_order_of_the_prior_does_not_tell_what_is_true(tissue):
    network = tissue.uns["network"]
    edges = tissue.uns["truth"]["edges"]
    true = set(zip(edges["modulator"], edges["target"], strict=True))
    rows = network[(network["edge_type"] == "grn") & network["target"].isin(set(edges["target"]))]
    first = {target: found.iloc[0] for target, found in rows.groupby("target", sort=False)}
    share = np.mean([(row["source"], target) in true for target, row in first.items()])
    assert 0.3 < share < 0.7


def test_strong_tf_edges_show_in_the_data(tissue):
    edges = tissue.uns["truth"]["edges"]
    strong = edges[(edges["kind"] == "TF") & (edges["effect_sd"].abs() > 0.4)]
    assert len(strong) > 60
    agree = []
    for edge in strong.itertuples():
        cells = (tissue.obs["cell_type"] == edge.cell_type).to_numpy()
        pair = tissue[cells, [edge.modulator, edge.target]].X
        agree.append(np.corrcoef(pair.T)[0, 1] * np.sign(edge.effect) > 0.0)
    assert np.mean(agree) > 0.95


def test_edges_are_active_in_most_types_and_mostly_positive(tissue):
    edges = tissue.uns["truth"]["edges"]
    each = edges.groupby(["target", "modulator"])["effect"]
    assert 0.7 < each.size().mean() / 4 < 0.9
    assert (each.apply(lambda effect: np.sign(effect).nunique()) == 1).all()
    assert 0.6 < (each.first() > 0.0).mean() < 0.8
    assert np.isfinite(edges["effect"]).all()
    assert (edges["effect"] != 0.0).all()
    assert (np.sign(edges["effect"]) == np.sign(edges["effect_sd"])).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_types": 0}, "n_types"),
        ({"n_cells": 20}, "n_cells = 20"),
        ({"n_genes": 9}, "n_genes"),
        ({"seed": -1}, "seed"),
        ({"radius": 0.0}, "radius"),
        ({"radius": float("nan")}, "radius"),
        ({"false_prior": 1.0}, "false_prior"),
        ({"kernel": "box"}, "exponential or gaussian"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(InputError, match=message):
        datasets.simulated_tissue(**{"n_cells": 100, "n_genes": 20, **wrong})


def test_the_smallest_tissue():
    tissue = datasets.simulated_tissue(10, 10, 1)
    assert np.isfinite(tissue.X).all()
    assert len(tissue.uns["truth"]["edges"]) > 0
