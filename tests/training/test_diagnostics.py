"""Scores without ligands and with those of elsewhere: what they are, that they are nominal, and find space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spacetravlr.config import RunConfig
from spacetravlr.datasets import simulated_tissue, write_network
from spacetravlr.regression import better_than, nearest_cells
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training, train
from spacetravlr.training.column_sets import column_sets
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.evidence import Block, LocalEvidence

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


def test_ligands_received_elsewhere_are_a_training_on_them(plan, fits):
    """Against a training on received ligands that were moved beforehand, its penalty aside."""
    diagnostics = CoordinateDescent(plan).diagnostics
    shifted = []
    for number in range(2):
        received = plan.received.copy()
        for c, rows in enumerate(plan.rows):
            given = diagnostics.elsewhere(c, number)
            assert set(given) == set(rows)
            assert (given != rows).all()
            received[rows] = plan.received[given]
        shifted.append(skills_of(replace(plan, received=received), fits))
    own = skills_of(plan, fits)
    compared = 0
    for t, fit in enumerate(fits.values()):
        if np.isfinite(fit.p_space):
            np.testing.assert_allclose(fit.r2_shuffled, np.mean([one.r2[:, t] for one in shifted], axis=0), atol=1e-9)
            p = [better_than(-own.gain, -one.gain)[t] for one in shifted]
            assert fit.p_space == pytest.approx(max(*p, fit.p_model), rel=1e-6)
            compared += 1
    assert compared > 30


def skills_of(plan, fits):
    solver = CoordinateDescent(plan)
    targets = plan.inputs.targets
    raw = [plan.responses(targets, c) for c in range(len(plan.rows))]
    modulators = [plan.inputs.modulators[target] for target in targets]
    responses = [gram.responses(Y) for gram, Y in zip(solver.grams, raw, strict=True)]
    block = Block(modulators, column_sets(plan, modulators), solver.grams, responses, raw)
    penalty = np.array([fit.penalty for fit in fits.values()])
    return LocalEvidence(plan, solver.path).measure(block, penalty, np.ones(len(targets), dtype=bool))


def test_only_targets_with_a_model_are_diagnosed(fits):
    some = [0, 0, 0]
    for fit in fits.values():
        skilled = fit.r2_pooled >= 0.1
        assert (fit.r2_local is not None) == np.isfinite(fit.p_model) == skilled
        assert (fit.r2_tf_only is not None) == (skilled and fit.p_model <= 0.05)
        some[int(skilled) + int(fit.r2_tf_only is not None)] += 1
    assert min(some) >= 1


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
    assert known.loc[known["kept"], ["r2_tf_only", "r2_shuffled", "p_space", "p_model", "r2_local"]].notna().all().all()
    assert unknown.loc[unknown["kept"], ["p_model", "r2_local"]].notna().all().all()
    assert unknown[["r2_tf_only", "r2_shuffled", "p_space"]].isna().all().all()


def test_fixed_penalties_have_none(adata, network, tmp_path):
    run = train(adata, tmp_path / "fixed", network_data_dir=str(network), max_genes=3, select="fixed", l1_reg=0.01)
    assert run.scores()["p_space"].isna().all()


def test_what_is_received_elsewhere_is_received_in_the_same_sample(adata, network):
    both = adata.copy()
    both.obs["slice"] = np.where(np.arange(both.n_obs) % 2, "one", "two")
    plan = plan_training(Tissue.from_anndata(both, sample_key="slice"), settings_for(network))
    diagnostics = CoordinateDescent(plan).diagnostics
    slices = both.obs["slice"].to_numpy()
    for c, rows in enumerate(plan.rows):
        for number in range(2):
            np.testing.assert_array_equal(slices[diagnostics.elsewhere(c, number)], slices[rows])


def test_neighbours_receive_elsewhere_what_neighbours_do(plan):
    diagnostics = CoordinateDescent(plan).diagnostics
    for c, rows in enumerate(plan.rows):
        near = nearest_cells(plan.tissue.xy[rows], 1)[:, 0]
        received = plan.received[diagnostics.elsewhere(c, 0)]
        beside = np.abs(received - received[near]).mean(axis=0)
        anywhere = np.abs(received - received[np.random.default_rng(0).permutation(len(rows))]).mean(axis=0)
        assert np.median(beside / anywhere) < 0.5
