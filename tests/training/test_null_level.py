"""Where nothing regulates anything hardly a target gets a model; where something does, they all do."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.config import RunConfig
from spacetravlr.datasets import simulated_tissue, write_network
from spacetravlr.errors import NothingWrittenError
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training, train
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.fits import beats_trend, orphan_reason, settle

NOTHING = {"tf_share": 0.0, "lr_share": 0.0, "tfl_share": 0.0}


def fits_in(folder, seed, **options):
    adata = simulated_tissue(900, 100, 3, seed=seed, false_prior=0.7, knock_outs=(), **options)
    write_network(adata, folder)
    settings = RunConfig.from_flat({"network_data_dir": str(folder), "n_bootstraps": 0}).resolved()
    plan = plan_training(Tissue.from_anndata(adata), settings)
    targets = plan.inputs.targets
    fits = CoordinateDescent(plan).fit(targets, [bool(plan.inputs.modulators[one].names) for one in targets])
    return adata, plan, [fit for fit in fits if fit is not None]


@pytest.fixture(scope="module", params=[0.0, 0.12, 0.3])
def nothing(request, tmp_path_factory):
    return fits_in(tmp_path_factory.mktemp("null"), 5, nuisance=request.param, **NOTHING)


def test_hardly_a_target_without_regulators_gets_a_model(nothing):
    _, plan, fits = nothing
    reasons = [orphan_reason(fit, np.ones(len(plan.rows), dtype=bool), plan.config) for fit in fits]
    written = sum(settle(fit, plan.tissue.clusters, plan.config).betas is not None for fit in fits)
    by_score = sum(fit.r2_pooled >= 0.1 for fit in fits)
    # by the held-out score alone they get one, for all of them are smooth
    assert by_score > 0.15 * len(fits)
    # at a rate of 0.05 more than 12 of 100 are as rare as 1 in 600
    assert written <= 0.12 * len(fits)
    assert sum("smooth trend" in (reason or "") for reason in reasons) >= by_score - written
    assert sum(fit.p_space <= 0.05 for fit in fits) <= 0.12 * len(fits)


def test_targets_with_regulators_keep_theirs(tmp_path):
    adata, plan, fits = fits_in(tmp_path, 6)
    regulated = set(adata.var_names[adata.var["regulated"]])
    own = [fit for fit in fits if fit.modulators.target in regulated]
    assert len(own) > 60
    skilled = [fit for fit in own if fit.r2_pooled >= 0.1]
    assert len(skilled) > 0.95 * len(own)
    assert sum(beats_trend(fit, plan.config) for fit in skilled) >= 0.98 * len(skilled)


def test_without_the_test_the_score_alone_decides(tmp_path):
    adata = simulated_tissue(500, 40, 3, seed=5, false_prior=0.7, knock_outs=(), nuisance=0.3, **NOTHING)
    network = write_network(adata, tmp_path / "network").parent
    options = {"network_data_dir": str(network), "n_bootstraps": 0, "diagnostics": False}
    free = train(adata, tmp_path / "free", **options, model_level=1.0)
    scores = free.scores()
    assert set(free.genes) == set(scores.loc[scores["r2_pooled"] >= 0.1, "gene"])
    assert len(free.genes) > 5
    assert scores["p_model"].isna().all()
    found = {}
    for level in (0.05, 0.3):
        run = train(adata, tmp_path / f"at{level}", **options, model_level=level, score_threshold=0.01)
        table = run.scores()
        tested = table[table["r2_pooled"] >= 0.01]
        assert tested["p_model"].notna().all()
        assert set(run.genes) == set(tested.loc[tested["p_model"] <= level, "gene"])
        refused = tested.loc[tested["p_model"] > level, "reason"]
        assert refused.str.contains("no better than a smooth trend").all()
        assert refused.str.contains(f"model_level = {level:g}").all()
        found[level] = set(run.genes)
    assert found[0.05] <= found[0.3]


def test_what_cannot_be_tested_gets_no_model_and_the_reason_says_how_to_skip_that(tmp_path):
    adata = simulated_tissue(300, 40, 1, seed=1, knock_outs=())
    network = write_network(adata, tmp_path / "network").parent
    options = {"network_data_dir": str(network), "n_folds": 3, "n_bootstraps": 0, "max_genes": 20}
    free = train(adata, tmp_path / "free", **options, model_level=1.0)
    assert len(free.genes) > 5
    with pytest.raises(NothingWrittenError, match=r"too few held-out regions .*model_level = .*; 1 skips this"):
        train(adata, tmp_path / "tested", **options)
