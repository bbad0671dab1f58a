"""The demo from an empty directory to its report."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from sklearn.metrics import average_precision_score

from spacetravlr.bench.demo import run_demo
from spacetravlr.config import load_config
from spacetravlr.errors import NothingWrittenError, RunDirectoryError
from spacetravlr.events import RunFinished, silent
from spacetravlr.run import Run
from spacetravlr.training.response import decide_response

SIZE = {"n_cells": 400, "n_genes": 80}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A small demo: its result, what it said, its events, and its record."""
    out = tmp_path_factory.mktemp("demo") / "out"
    said, events = [], []
    result = run_demo(out, **SIZE, say=said.append, listener=events.append)
    return result, said, events, result.record.read_text()


def test_everything_is_written(demo):
    result = demo[0]
    for name in ("tissue.h5ad", "network/mouse_network.parquet", "spaceship_config.toml", "demo.json", "report.html"):
        assert (result.out / name).is_file()
    run = Run.open(result.run)
    assert run.status().state == "complete"
    assert len(run.genes) == result.numbers["training"]["written"]
    assert not list(result.out.glob(".tmp*"))


def test_the_numbers_are_plausible(demo):
    numbers = json.loads(demo[3])
    assert numbers["tissue"]["n_cells"] == 400
    training = numbers["training"]
    assert training["written"] + training["orphan"] == training["targets"] == 80
    assert 0 <= training["unregulated_written"] <= training["unregulated"] == 20
    assert set(numbers["edges"]) == {"TF", "LR", "TFL"}
    for one in numbers["edges"].values():
        assert 0 < one["base_rate"] < one["auprc"] <= 1
        assert 0 <= one["sign"] <= one["sign_found"] <= 1
        assert 0 < one["auprc_shuffled"] <= 1
    assert numbers["edges"]["TF"]["auprc"] > numbers["edges"]["TF"]["base_rate"] + 0.2
    assert [one["role"] for one in numbers["knock_outs"].values()] == ["TF", "ligand"]
    for gene, one in numbers["knock_outs"].items():
        assert 0 <= one["sign"] <= 1
        assert -1 <= one["r"] <= 1
        assert gene not in one["predicted_top"]
        assert one["n_genes"] == 79
        assert one["shuffled"]["n_affected"] == one["n_affected"]
    assert numbers["edges"]["LR"]["auprc_shuffled"] != numbers["edges"]["LR"]["auprc"]
    assert len(numbers["knock_outs"]) == 2


def test_the_strongest_knock_outs_are_taken(demo):
    result = demo[0]
    adata = read_h5ad(result.out / "tissue.h5ad")
    sd = adata.layers["imputed_count"].std(axis=0)
    sizes = {}
    for gene, change in adata.uns["truth"]["knock_outs"].items():
        others = adata.var_names != gene
        sizes.setdefault(adata.var.loc[gene, "role"], {})[gene] = (np.abs(change).mean(axis=0) / sd)[others].mean()
    expected = [max(sizes[role], key=sizes[role].get) for role in ("TF", "ligand")]
    assert list(result.effects) == expected


def test_the_scores_are_those_of_the_files(demo):
    result = demo[0]
    adata = read_h5ad(result.out / "tissue.h5ad")
    sd = adata.layers["imputed_count"].std(axis=0)
    for gene, path in result.effects.items():
        simulated = pd.read_feather(path)
        assert list(simulated["CellID"]) == list(adata.obs_names)
        predicted = simulated[list(adata.var_names)].to_numpy() - adata.layers["imputed_count"]
        true = np.asarray(adata.uns["truth"]["knock_outs"][gene], dtype=float)
        kept = (adata.var_names != gene) & (sd > 0)
        sizable = np.abs(true / sd)[:, kept] > 0.1
        agree = (np.sign(predicted) == np.sign(true))[:, kept][sizable].mean()
        assert result.numbers["knock_outs"][gene]["sign"] == pytest.approx(agree, abs=1e-9)


def test_tf_edges_are_scored_as_a_plain_loop_would(demo):
    result = demo[0]
    adata = read_h5ad(result.out / "tissue.h5ad")
    network = pd.read_parquet(result.out / "network" / "mouse_network.parquet")
    true = {tuple(row) for row in adata.uns["truth"]["edges"][["target", "modulator", "cell_type"]].to_numpy()}
    types = adata.obs[["cell_type_int", "cell_type"]].astype(str).drop_duplicates()
    spread = adata.to_df("imputed_count").groupby(adata.obs["cell_type"].astype(str)).std(ddof=0)
    scores, labels = [], []
    for tf, target in network.loc[network["edge_type"] == "grn", ["source", "target"]].to_numpy():
        betas = read_table(result.run / f"{target}_betadata.feather")
        stable = read_table(result.run / "stability" / f"{target}.feather")
        for code, name in types.to_numpy():
            parts = [table.get(f"beta_{tf}", {}).get(code, 0.0) for table in (betas, stable)]
            scores.append(abs(parts[0]) * parts[1] * spread.at[name, tf] / spread.at[name, target])
            labels.append((target, tf, name) in true)
    found = result.numbers["edges"]["TF"]
    assert found["auprc"] == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
    assert (found["n_true"], found["n_candidates"]) == (sum(labels), len(labels))


def read_table(path):
    if not path.exists():
        return {}
    frame = pd.read_feather(path)
    return frame.set_index(frame.columns[0]).to_dict()


def test_the_reader_is_told(demo):
    result, said, events, _ = demo
    text = "\n".join(said)
    for words in ("Were the true edges found?", "Were the knock-outs predicted?", "chance", "What is weak", "shuffled"):
        assert words in text
    assert f"{result.numbers['edges']['TF']['auprc']:.2f}" in text
    assert all(gene in text for gene in result.effects)
    assert str(result.out) in text
    prose = text.split("\nFiles in")[0]
    assert max(map(len, prose.splitlines())) <= 100
    assert [type(event) for event in events].count(RunFinished) == 2


def test_the_report_needs_nothing_else(demo):
    result = demo[0]
    page = result.report.read_text()
    assert page.count('src="data:image/png;base64,') == 3
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "http" not in page.replace("http-equiv", "")
    for one in result.numbers["edges"].values():
        assert f"<td>{one['auprc']:.2f}</td>" in page
    assert all(gene in page for gene in result.effects)


def test_the_configuration_repeats_the_training(demo):
    result = demo[0]
    config = load_config(result.out / "spaceship_config.toml").config
    assert config.data.adata_path == str(result.out / "tissue.h5ad")
    assert config.execution.output_dir == str(result.run)
    run = Run.open(result.run)
    # the file leaves to the sample which layer scores predict
    decided = decide_response(config.resolved(), run.tissue(), silent)
    assert decided.result_settings() == run.config.resolved().result_settings()


def test_it_continues_with_the_same_numbers(demo):
    result, _, _, first = demo
    gene = Run.open(result.run).genes[0]
    removed = result.run / f"{gene}_betadata.feather"
    before = removed.read_bytes()
    removed.unlink()
    result.report.unlink()
    run_demo(result.out, **SIZE, say=lambda line: None)
    old, new = json.loads(first), json.loads(result.record.read_text())
    old.pop("timings"), new.pop("timings")
    assert old == new
    assert removed.read_bytes() == before
    assert result.report.is_file()


def test_another_directory_gives_the_same_numbers(demo, tmp_path):
    old, new = dict(demo[0].numbers), dict(run_demo(tmp_path / "other", **SIZE, say=lambda line: None).numbers)
    old.pop("timings"), new.pop("timings")
    assert old == new


def test_another_tissue_is_refused(demo):
    with pytest.raises(RunDirectoryError, match=r"seed 0 \(not 3\).*--out"):
        run_demo(demo[0].out, seed=3, **SIZE, say=lambda line: None)
    with pytest.raises(RunDirectoryError, match=r"n_cells 400 \(not 500\).*--out"):
        run_demo(demo[0].out, n_cells=500, n_genes=80, say=lambda line: None)


def test_a_run_of_other_settings_is_refused(demo, tmp_path):
    shutil.copytree(demo[0].out, tmp_path / "old")
    toml = tmp_path / "old" / "run" / "spacetravlr_run_repro.toml"
    toml.write_text(toml.read_text().replace("n_folds = 5", "n_folds = 4"))
    with pytest.raises(RunDirectoryError, match="other settings.*--out"):
        run_demo(tmp_path / "old", **SIZE, say=lambda line: None)


def test_a_tissue_that_is_too_small_is_named(tmp_path):
    with pytest.raises(NothingWrittenError, match="60 cells.*--cells"):
        run_demo(tmp_path / "small", n_cells=60, n_genes=40, say=lambda line: None)


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear to me")
    with pytest.raises(RunDirectoryError, match="--out"):
        run_demo(tmp_path, **SIZE, say=lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
