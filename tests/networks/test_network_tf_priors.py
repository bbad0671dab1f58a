"""TF priors: the regression is scikit-learn's, the table is what training reads, and the right TFs are found."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.feather
import pytest
from scipy import stats
from sklearn.linear_model import BayesianRidge

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.networks import TfPriorSettings, fit_tf_priors
from spacetravlr.networks._bagging import fit_bag, make_design, standardised
from spacetravlr.networks._bayes import bayesian_ridge
from spacetravlr.networks._tf_priors import summarise
from spacetravlr.prior import PriorNetwork, TfPriors
from spacetravlr.tissue import Tissue


# with more TFs than cells the residual is a difference of nearly equal moments
@pytest.mark.parametrize(("n", "k", "rtol"), [(60, 1, 1e-5), (60, 4, 1e-5), (200, 15, 1e-5), (12, 20, 1e-3)])
def test_the_moments_give_the_coefficients_of_scikit_learn(n: int, k: int, rtol: float):
    rng = np.random.default_rng(n + k)
    problems = []
    for scale in (0.0, 0.1, 1.0, 30.0):
        X = rng.normal(size=(n, k)) @ rng.normal(size=(k, k))
        y = X @ (scale * rng.normal(size=k)) + rng.normal(size=n)
        problems.append((X - X.mean(axis=0), y - y.mean()))
    gram = np.stack([X.T @ X for X, _ in problems])
    moment = np.stack([X.T @ y for X, y in problems])
    total = np.array([y @ y for _, y in problems])
    found = bayesian_ridge(gram, moment, total, n, max_iter=20_000, tol=1e-11)
    for coefs, (X, y) in zip(found, problems, strict=True):
        expected = BayesianRidge(max_iter=20_000, tol=1e-11).fit(X, y).coef_
        np.testing.assert_allclose(coefs, expected, rtol=rtol, atol=1e-2 * rtol * np.abs(expected).max())


def test_a_row_of_zeros_changes_nothing():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    wide = np.column_stack([X, np.zeros(50)])
    narrow, padded = (
        bayesian_ridge((Z.T @ Z)[None], (Z.T @ y)[None], np.array([y @ y]), 50, tol=1e-10)[0] for Z in (X, wide)
    )
    np.testing.assert_allclose(padded[:3], narrow, rtol=1e-9)
    assert padded[3] == 0


def test_one_bag_is_scikit_learn_on_the_cells_drawn():
    rng = np.random.default_rng(2)
    values = standardised(rng.normal(size=(80, 9)) @ rng.normal(size=(9, 9)))
    names = [f"G{i}" for i in range(9)]
    # numbers of TFs that are padded to the same width
    regulators = {"G0": names[1:6], "G1": names[3:9], "G2": ["G0"], "G3": ["G8", "G0"]}
    design = make_design(regulators)
    coefs = fit_bag(values, design, 1.0, np.random.default_rng(5))
    drawn = np.random.default_rng(5).integers(80, size=80)
    place = {gene: at for at, gene in enumerate(design.genes)}
    at = 0
    for target, tfs in regulators.items():
        X, y = values[drawn][:, [place[tf] for tf in tfs]], values[drawn][:, place[target]]
        expected = BayesianRidge(tol=1e-10, max_iter=5000).fit(X, y).coef_
        np.testing.assert_allclose(coefs[at : at + len(tfs)], expected, atol=2e-3)
        at += len(tfs)
    assert at == design.n_pairs


def test_a_bag_sees_its_share_of_the_tfs():
    rng = np.random.default_rng(3)
    values = standardised(rng.normal(size=(50, 12)))
    names = [f"G{i}" for i in range(12)]
    design = make_design({"G0": names[1:6], "G1": names[2:12], "G2": ["G0"]})
    seen = np.isfinite([fit_bag(values, design, 0.5, np.random.default_rng(bag)) for bag in range(30)])
    assert (seen[:, :5].sum(axis=1) == 3).all()
    assert (seen[:, 5:15].sum(axis=1) == 5).all()
    assert seen[:, 15].all()
    assert seen.any(axis=0).all() and not seen[:, :15].all(axis=0).any()


def test_the_summary_over_bags():
    coefs = np.array([[1.0, 0.5, np.nan, 0.0], [1.2, -0.5, np.nan, 0.0], [0.8, np.nan, 2.0, 0.0]])
    mean, p = summarise(coefs)
    np.testing.assert_allclose(mean, [1.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(p, [2 * stats.norm.sf(1.0 / 0.2), 1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    """A and B regulate T in one type only, C regulates U with the other sign, D nothing."""
    rng = np.random.default_rng(4)
    n = 300
    kinds = np.repeat(["alpha", "beta", "rare"], [150, 145, 5])
    tfs = rng.gamma(4.0, size=(n, 4))
    alpha = kinds == "alpha"
    T = np.where(alpha, 1.5 * tfs[:, 0], 1.5 * tfs[:, 1]) + rng.normal(size=n) + 8
    U = 20 - tfs[:, 2] + 0.5 * rng.normal(size=n)
    constant = np.full(n, 3.0)
    values = np.column_stack([tfs, T, U, constant, rng.gamma(2.0, size=n)])
    adata = anndata.AnnData(
        values,
        obs=pd.DataFrame({"cell_type": pd.Categorical(kinds)}, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=["A", "B", "C", "D", "T", "U", "K", "alone"]),
    )
    adata.obsm["spatial"] = rng.random((n, 2))
    return Tissue.from_anndata(adata, layer="X")


@pytest.fixture(scope="module")
def network() -> PriorNetwork:
    targets = ["T", "U", "K"]
    return PriorNetwork.from_frame(
        pd.DataFrame(
            {
                "source": [tf for _ in targets for tf in ("A", "B", "C", "D", "absent")] + ["T", "K"],
                "target": [target for target in targets for _ in range(5)] + ["A", "B"],
                "edge_type": "grn",
                "weight": 1.0,
            }
        ),
        species="human",
    )


def test_the_tfs_that_matter_are_found_in_their_type(tissue: Tissue, network: PriorNetwork, caplog):
    fitted = fit_tf_priors(tissue, network, settings=TfPriorSettings(p_max=1e-3))
    table = fitted.table
    assert list(table.columns) == ["source", "target", "cell_type", "coef_mean", "coef_abs", "p"]
    strong = {(row.cell_type, row.source, row.target) for row in table.itertuples() if row.target in "TU"}
    assert strong == {("alpha", "A", "T"), ("beta", "B", "T"), ("alpha", "C", "U"), ("beta", "C", "U")}
    signs = {row.source: np.sign(row.coef_mean) for row in table.itertuples() if row.target in "TU"}
    assert signs == {"A": 1, "B": 1, "C": -1}
    # the constant gene explains nothing and is not explained
    assert "K" not in {*table["source"], *table["target"]}
    assert fitted.cell_types == {"alpha": 150, "beta": 145}
    assert fitted.skipped == {"rare": 5}
    assert caplog.messages == ["cell types of fewer than 20 cells are left out: rare (5)"]
    assert fitted.n_tested == 2 * 14
    # a standardised coefficient of one strong cause is about the correlation
    row = table[(table["cell_type"] == "alpha") & (table["target"] == "U")].iloc[0]
    values = tissue.columns(["C", "U"])[tissue.obs["cell_type"] == "alpha"]
    assert row["coef_mean"] == pytest.approx(np.corrcoef(values.T)[0, 1], abs=0.03)


def test_false_positives_are_as_rare_as_p_says():
    rng = np.random.default_rng(6)
    n, genes = 200, [f"G{i}" for i in range(40)]
    adata = anndata.AnnData(
        rng.normal(size=(n, 40)) + 9,
        obs=pd.DataFrame({"cell_type": pd.Categorical(["x"] * n)}, index=[str(i) for i in range(n)]),
        var=pd.DataFrame(index=genes),
    )
    adata.obsm["spatial"] = rng.random((n, 2))
    pairs = [(tf, target) for target in genes[10:] for tf in genes[:10]]
    network = PriorNetwork.from_frame(
        pd.DataFrame(pairs, columns=["source", "target"]).assign(edge_type="grn", weight=1.0), species="human"
    )
    fitted = fit_tf_priors(Tissue.from_anndata(adata, layer="X"), network, settings=TfPriorSettings(n_bags=40))
    # a shrunken coefficient has less spread than mean: the rate is near the nominal one, not below it for sure
    assert len(fitted.table) / fitted.n_tested < 0.09


def test_threads_change_nothing_and_the_seed_does(tissue: Tissue, network: PriorNetwork):
    one, three = (fit_tf_priors(tissue, network, threads=threads).table for threads in (1, 3))
    pd.testing.assert_frame_equal(one, three, check_exact=True)
    other = fit_tf_priors(tissue, network, settings=TfPriorSettings(seed=1)).table
    assert not other["p"].equals(one["p"])


def test_each_type_draws_samples_of_its_own(network: PriorNetwork):
    half = np.random.default_rng(8).gamma(4.0, size=(60, 5))
    adata = anndata.AnnData(
        np.vstack([half, half]),
        obs=pd.DataFrame({"cell_type": pd.Categorical(["x"] * 60 + ["y"] * 60)}, index=[str(i) for i in range(120)]),
        var=pd.DataFrame(index=["A", "B", "C", "D", "T"]),
    )
    adata.obsm["spatial"] = np.random.default_rng(8).random((120, 2))
    table = fit_tf_priors(
        Tissue.from_anndata(adata, layer="X"), network, targets=["T"], settings=TfPriorSettings(n_bags=5, p_max=1.0)
    ).table
    x, y = (table[table["cell_type"] == kind].sort_values("source")["coef_mean"].to_numpy() for kind in "xy")
    # the same cells, other samples of them
    assert len(x) == len(y) == 4
    assert (x != y).all()


def test_filters(tissue: Tissue, network: PriorNetwork):
    every = fit_tf_priors(tissue, network, settings=TfPriorSettings(p_max=1.0)).table
    strict = fit_tf_priors(tissue, network, settings=TfPriorSettings(p_max=0.01, min_abs_coef=0.2)).table
    kept = every[(every["p"] <= 0.01) & (every["coef_abs"] >= 0.2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(strict.reset_index(drop=True), kept)
    best = fit_tf_priors(tissue, network, settings=TfPriorSettings(p_max=1.0, max_tfs=1)).table
    for (kind, target), rows in every.groupby(["cell_type", "target"]):
        mine = best[(best["cell_type"] == kind) & (best["target"] == target)]
        assert list(mine["source"]) == [rows.loc[rows["coef_abs"].idxmax(), "source"]]
    only = fit_tf_priors(tissue, network, targets=["U"], settings=TfPriorSettings(p_max=1.0)).table
    assert set(only["target"]) == {"U"}


def test_the_file_is_what_training_reads(tissue: Tissue, network: PriorNetwork, tmp_path: Path):
    fitted = fit_tf_priors(tissue, network, settings=TfPriorSettings(p_max=1e-3))
    path = fitted.write(tmp_path / "new" / "tf_priors.feather")
    assert list(path.parent.iterdir()) == [path]
    priors = TfPriors.read(path, tissue.genes)
    assert priors.regulators("T") == ("A", "B")
    masks = priors.masks("T")
    assert {kind: mask.tolist() for kind, mask in masks.items()} == {"alpha": [True, False], "beta": [False, True]}
    # training looks them up by the labels of its clusters
    assert set(masks) <= set(tissue.cluster_cell_types.values())
    about = json.loads(pyarrow.feather.read_table(path).schema.metadata[b"spacetravlr_tf_priors"])
    assert about["settings"]["p_max"] == 1e-3
    modulators = network.restrict(tissue.genes).modulators("T", tf_priors=priors)
    assert modulators.regulators == ("A", "B")


def test_labels_of_ones_own(tissue: Tissue, network: PriorNetwork):
    labels = ["left"] * 140 + [None] * 20 + ["right"] * 140
    seen = []
    fitted = fit_tf_priors(
        tissue, network, labels=labels, settings=TfPriorSettings(n_bags=5),
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert fitted.cell_types == {"left": 140, "right": 140}
    assert seen == [(number, 10) for number in range(1, 11)]


def test_what_cannot_be_fitted(tissue: Tissue, network: PriorNetwork):
    with pytest.raises(InputError, match="Z: is not a measured gene"):
        fit_tf_priors(tissue, network, targets=["Z"])
    with pytest.raises(InputError, match="no gene has a measured TF in the network"):
        fit_tf_priors(tissue, network, targets=["alone"])
    with pytest.raises(InputError, match=r"no cell type has 1000 cells: alpha \(150\)"):
        fit_tf_priors(tissue, network, settings=TfPriorSettings(min_cells=1000))
    with pytest.raises(InputError, match="no cell has a type"):
        fit_tf_priors(tissue, network, labels=[None] * tissue.n_cells)


@pytest.mark.parametrize(
    "numbers",
    [
        {"n_bags": 2},
        {"feature_share": 0},
        {"p_max": 0},
        {"min_abs_coef": -1},
        {"max_tfs": 0},
        {"min_cells": 1},
        {"seed": -1},
    ],
)
def test_settings_are_checked(numbers: dict[str, float]):
    with pytest.raises(ConfigError, match=next(iter(numbers))):
        TfPriorSettings(**numbers)
