"""The comparison of networks on a tissue whose coefficients depend on the position."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spacetravlr.bench._niche_study import Recovery, make_study
from spacetravlr.bench.registry import main
from spacetravlr.niche import NicheRecord


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return make_study(folder, n_cells=300, n_genes=30, n_types=2, side=8, effect=0.8, pattern="density")


def test_quick(tmp_path, capsys):
    path = tmp_path / "cnn.json"
    assert main("cnn", ["--quick", "--threads", "1"], path) == 0
    document = json.loads(path.read_text())
    assert document["dataset"]["effect"] == 0.8
    per_gene, shared = document["summary"]
    assert (per_gene["encoder"], shared["encoder"]) == ("per_gene", "shared")
    assert per_gene["epoch_s"] > 0
    assert shared["per_gene_s"] == pytest.approx(shared["median_s"] / shared["all_targets"])
    assert 0 < shared["encoder_s"] < shared["median_s"]
    for one in (per_gene, shared):
        assert one["peak_rss_mb"] > 5
        assert -1 <= one["correlation"] <= 1
        assert one["edges"] > 0
    said = capsys.readouterr().out
    assert said.count("per gene") == 2
    assert said.startswith("cnn: ")


def test_the_regression_predicts_with_the_columns_it_is_given(study):
    """The anchors belong to the columns: in sample they explain what the log of the run says they do."""
    gene = study.genes[0]
    for cluster in study.clusters:
        task = study.task(gene, cluster)
        if task.anchors.any():
            left = task.y - task.intercept - task.X @ task.anchors
            assert left.var() < task.y.var()
            assert abs(left.mean()) < 1e-6
        many = study.targets((gene,), cluster)
        np.testing.assert_array_equal(many.columns[:, many.column_of[0]], task.X)
        np.testing.assert_array_equal(many.anchors[0], task.anchors)
        np.testing.assert_array_equal(many.responses[:, 0], task.y)


def test_recovery_of_the_truth_itself_is_one_and_of_constants_zero(study):
    exact, constant = Recovery(study), Recovery(study)
    for gene in study.genes:
        for cluster in study.clusters:
            cells = study.cells(cluster)
            names = study.betas[gene].modulators
            betas = np.ones((len(cells), len(names) + 1), dtype=np.float32)
            facts = {"gene": gene, "cluster": cluster, "n_cells": len(cells), "reason": ""}
            constant.add(betas, NicheRecord(kept=False, r2_lasso_out=0.5, r2_cnn_out=0.4, **facts))
            for at, name in enumerate(names, 1):
                if name in study.truth[gene]:
                    betas[:, at] = study.truth[gene][name].to_numpy()[cells]
            exact.add(betas, NicheRecord(kept=True, r2_lasso_out=0.5, r2_cnn_out=0.7, **facts))
    assert exact.summary()["correlation"] == pytest.approx(1.0)
    assert constant.summary()["correlation"] == 0.0
    assert (exact.summary()["r2"], constant.summary()["r2"]) == (pytest.approx(0.7), pytest.approx(0.5))
    assert (exact.summary()["kept"], constant.summary()["kept"]) == (1.0, 0.0)
    one = study.genes[:1]
    assert exact.summary(one)["fits"] == len(study.clusters) < exact.summary()["fits"]
    assert np.isnan(exact.summary([])["correlation"])
