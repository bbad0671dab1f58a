"""Scores without ligands and with exchanged places: what they are, that they are nominal, and that they find space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spacetravlr.config import RunConfig
from spacetravlr.datasets import simulated_tissue, write_network
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training, train
from spacetravlr.training.descent import CoordinateDescent

N_GENES = 60


@pytest.fixture(scope="module")
def network(tmp_path_factory, adata):
    folder = tmp_path_factory.mktemp("network")
    write_network(adata, folder)
    return folder


@pytest.fixture(scope="module")
def adata():
    return simulated_tissue(900, N_GENES, 3, seed=3, radius=50.0, knock_outs=())


def settings_for(network, **changes):
    sections = {"grn": {"network_data_dir": str(network)}, "spatial": {"radius": 50.0}, "lasso": {"n_bootstraps": 0}}
    for key, value in changes.items():
        section, name = key.split("__")
        sections.setdefault(section, {})[name] = value
    return RunConfig.model_validate(sections).resolved()


def fits_of(plan):
    targets = plan.inputs.targets
    return {fit.modulators.target: fit for fit in CoordinateDescent(plan).fit(targets, [True] * len(targets))}


@pytest.fixture(scope="module")
def plan(adata, network):
    return plan_training(Tissue.from_anndata(adata), settings_for(network))


@pytest.fixture(scope="module")
def fits(plan):
    return fits_of(plan)


def test_without_ligands_it_is_a_training_without_ligands(adata, network, fits):
    alone = fits_of(
        plan_training(
            Tissue.from_anndata(adata),
            settings_for(network, grn__use_lr_modulators=False, grn__use_tfl_modulators=False),
        )
    )
    compared = 0
    for target, fit in fits.items():
        if fit.r2_tf_only is not None and alone[target].modulators.names:
            np.testing.assert_allclose(fit.r2_tf_only, alone[target].r2_out, atol=1e-6)
            compared += 1
    assert compared > 30


def test_exchanged_places_are_a_training_on_exchanged_received_ligands(plan, fits):
    received = plan.received.copy()
    diagnostics = CoordinateDescent(plan).diagnostics
    for c, rows in enumerate(plan.rows):
        given = diagnostics._exchanged(c)
        assert set(given) == set(rows)
        assert (given != rows).mean() > 0.9
        received[rows] = plan.received[given]
    moved = fits_of(replace(plan, received=received))
    compared = [fit for fit in fits.values() if fit.r2_shuffled is not None and np.isfinite(fit.p_space)]
    assert len(compared) > 30
    for fit in compared:
        np.testing.assert_allclose(fit.r2_shuffled, moved[fit.modulators.target].r2_out, atol=1e-9)


def test_only_targets_with_a_model_are_diagnosed(fits):
    for fit in fits.values():
        assert (fit.r2_tf_only is not None) == (fit.r2_pooled >= 0.1)


def test_where_places_matter_they_are_found(adata, fits):
    regulated = set(adata.var_names[adata.var["regulated"]])
    p = np.array([fit.p_space for target, fit in fits.items() if target in regulated and np.isfinite(fit.p_space)])
    assert (p < 0.05).mean() > 0.6


def test_where_places_do_not_matter_few_are_found(adata, network):
    shares = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = np.array(adata.layers["imputed_count"])
        codes = adata.obs["cell_type_int"].to_numpy()
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            X[rows] = X[rng.permutation(rows)]
        moved = adata.copy()
        moved.layers["imputed_count"] = X
        found = fits_of(plan_training(Tissue.from_anndata(moved), settings_for(network)))
        p = np.array([fit.p_space for fit in found.values() if np.isfinite(fit.p_space)])
        assert len(p) > 30
        shares.append((p < 0.05).mean())
    # genes of a tissue share one exchange of places, so shares vary between tissues
    assert np.mean(shares) < 0.12


def test_skipping_them_changes_no_coefficient(adata, network, tmp_path):
    options = {"network_data_dir": str(network), "radius": 50.0, "max_genes": 12}
    full = train(adata, tmp_path / "full", **options)
    short = train(adata, tmp_path / "short", **options, diagnostics=False)
    assert full.genes == short.genes
    for gene in full.genes:
        names = [run.directory.files.betadata(gene) for run in (full, short)]
        assert names[0].read_bytes() == names[1].read_bytes()
    known, unknown = full.scores(), short.scores()
    assert known.loc[known["kept"], ["r2_tf_only", "r2_shuffled", "p_space"]].notna().all().all()
    assert unknown[["r2_tf_only", "r2_shuffled", "p_space"]].isna().all().all()


def test_fixed_penalties_have_none(adata, network, tmp_path):
    run = train(adata, tmp_path / "fixed", network_data_dir=str(network), max_genes=3, select="fixed", l1_reg=0.01)
    assert run.scores()["p_space"].isna().all()


def test_exchanged_places_stay_within_a_sample(adata, network):
    both = adata.copy()
    both.obs["slice"] = np.where(np.arange(both.n_obs) % 2, "one", "two")
    plan = plan_training(Tissue.from_anndata(both, sample_key="slice"), settings_for(network))
    diagnostics = CoordinateDescent(plan).diagnostics
    slices = both.obs["slice"].to_numpy()
    for c, rows in enumerate(plan.rows):
        np.testing.assert_array_equal(slices[diagnostics._exchanged(c)], slices[rows])
