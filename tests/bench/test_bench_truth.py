"""The truth benchmark: its simple methods are exact, its scores say what they claim, and it runs as a command."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spacetravlr.bench import truth
from spacetravlr.bench._truth_arms import ARMS, DEFAULT_ARMS
from spacetravlr.bench._truth_fitted import shuffled_within_types
from spacetravlr.bench._truth_goals import GOALS, goal_lines, goal_table
from spacetravlr.bench._truth_linear import estimate
from spacetravlr.bench._truth_scores import AnswerKey, _apart, score_knock_outs
from spacetravlr.bench._truth_table import summarise, table_lines
from spacetravlr.bench._truth_tissues import FEW_ARMS, MEMBERS, KnockOut, true_knock_outs
from spacetravlr.bench.registry import main
from spacetravlr.config import RunConfig
from spacetravlr.datasets import simulated_tissue, write_network
from spacetravlr.errors import UsageError
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training


@pytest.fixture(scope="module")
def adata():
    return simulated_tissue(400, 50, 3, seed=1, false_prior=0.5, knock_outs=())


@pytest.fixture(scope="module")
def plan(adata, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    write_network(adata, folder)
    return plan_training(
        Tissue.from_anndata(adata), RunConfig.model_validate({"grn": {"network_data_dir": str(folder)}}).resolved()
    )


@pytest.fixture(scope="module")
def key(adata, plan):
    return AnswerKey(adata, plan)


def columns_of(plan, target, cluster):
    return plan.design(cluster)[:, plan.inputs.catalogue.positions(plan.inputs.modulators[target].names)]


def test_least_squares_is_that_of_numpy(plan, key):
    found = estimate(plan, "least squares", key.active())
    for target in plan.inputs.targets[:6]:
        if target not in found.betas:
            continue
        table = found.betas[target]
        for c in range(len(plan.rows)):
            X = columns_of(plan, target, c)
            y = plan.responses([target], c)[:, 0]
            design = np.column_stack([np.ones(len(X)), X])
            exact = np.linalg.lstsq(design, y, rcond=None)[0]
            np.testing.assert_allclose(
                table.intercept[c] + X @ table.values[c], design @ exact, atol=1e-6 * np.abs(y).max()
            )


def test_ridge_solves_its_normal_equations_at_one_of_the_penalties(plan, key):
    from spacetravlr.bench._truth_linear import _PENALTIES

    found = estimate(plan, "ridge", key.active())
    target = next(iter(found.betas))
    X, y = columns_of(plan, target, 0), plan.responses([target], 0)[:, 0]
    sd = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    Z, v = (X - X.mean(axis=0)) / sd, (y - y.mean()) / y.std()
    own = found.betas[target].values[0] * sd / y.std()
    G, c = Z.T @ Z / len(Z), Z.T @ v / len(Z)
    apart = [np.abs(own - np.linalg.solve(G + lam * np.eye(len(G)), c)).max() for lam in _PENALTIES]
    assert min(apart) < 1e-9


def test_slopes_on_single_columns_are_scaled_by_one_factor(plan, key):
    found = estimate(plan, "correlation", key.active())
    target = next(iter(found.betas))
    X, y = columns_of(plan, target, 0), plan.responses([target], 0)[:, 0]
    varies = X.std(axis=0) > 0
    alone = np.array([np.cov(x, y, bias=True)[0, 1] / x.var() for x in X[:, varies].T])
    ratio = found.betas[target].values[0][varies] / alone
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-7)
    # the factor is that of least squares on their sum
    summed = X[:, varies] @ alone
    assert ratio[0] == pytest.approx(np.cov(summed, y, bias=True)[0, 1] / summed.var(), rel=1e-7)


def test_the_true_edges_alone_have_coefficients_and_rank_first(plan, key):
    found = estimate(plan, "true edges", key.active())
    for target, table in found.betas.items():
        for c, label in enumerate(plan.tissue.clusters.labels):
            chosen = key.active()[target].get(label, np.zeros(0, dtype=int))
            assert not np.delete(table.values[c], chosen).any()
    scores = key.score_edges(found)
    assert scores["auprc_TF"] == scores["auprc_LR"] == pytest.approx(1.0)
    assert scores["beta_r_TF"] > 0.6
    assert 0.5 < scores["beta_slope_TF"] < 1.5
    assert found.r2_out < found.r2_in


def test_held_out_r2_of_the_linear_methods_falls_behind_that_within(plan, key):
    found = estimate(plan, "least squares", key.active())
    assert found.r2_out < found.r2_in - 0.05


def test_knock_outs_of_the_truth_itself_score_perfectly(plan, adata, monkeypatch):
    known = true_knock_outs(adata, 2)
    assert [one.role for one in known] == ["TF", "TF", "ligand", "ligand"]

    class Oracle:
        def simulate(self, targets, n_propagation):
            (gene,) = targets
            change = next(one.change for one in known if one.gene == gene)
            return type("Effect", (), {"delta": change})

    monkeypatch.setattr("spacetravlr.bench._truth_scores.propagation_model", lambda plan, betas, profile: Oracle())
    fitted = type("Fitted", (), {"betas": {"any": None}, "profile": "default"})
    scores = score_knock_outs(fitted, plan, known, [2], spread=np.asarray(adata.X).std(axis=0))
    for role in ("TF", "ligand"):
        assert scores[f"{role}_r@2"] == pytest.approx(1.0)
        assert scores[f"{role}_sign@2"] == scores[f"{role}_auroc@2"] == 1.0
        assert scores[f"{role}_size@2"] == pytest.approx(1.0)


def test_an_arm_without_models_predicts_no_change(plan):
    change = np.zeros((plan.tissue.n_cells, plan.tissue.n_genes))
    change[:, 1] = np.linspace(0.5, 1.0, len(change))
    fitted = type("Fitted", (), {"betas": {}})
    one = KnockOut(plan.tissue.genes[0], "TF", change)
    scores = score_knock_outs(fitted, plan, [one], [4], spread=np.ones(plan.tissue.n_genes))
    assert scores["TF_r@4"] == 0.0
    assert scores["TF_sign@4"] == 0.0
    assert scores["TF_auroc@4"] == 0.5


def test_shuffling_moves_cells_within_their_type(adata):
    moved = shuffled_within_types(adata)
    codes = adata.obs["cell_type_int"].to_numpy()
    assert (moved.obsm["spatial"] != adata.obsm["spatial"]).any(axis=1).mean() > 0.9
    for code in np.unique(codes):
        before, after = (np.sort(one.obsm["spatial"][codes == code].view("f8,f8").ravel()) for one in (adata, moved))
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(moved.X, adata.X)


def test_knock_outs_are_strong_and_weak_ones(adata):
    edges = adata.uns["truth"]["edges"]
    tfs = edges[edges["kind"] == "TF"].groupby("modulator")["effect_sd"].apply(lambda values: values.abs().sum())
    chosen = [one.gene for one in true_knock_outs(adata, 3) if one.role == "TF"]
    assert chosen[0] == tfs.idxmax()
    assert chosen[-1] == tfs.idxmin()


def test_means_and_deviations_are_over_seeds():
    results = [
        {"tissue": "r200", "arm": "default", "seed": seed, "auprc_LR": value, "r2_out": float("nan")}
        for seed, value in enumerate([0.2, 0.4, 0.6])
    ]
    (row,) = summarise(results)
    assert row["n"] == 3
    assert row["mean"]["auprc_LR"] == pytest.approx(0.4)
    assert row["sd"]["auprc_LR"] == pytest.approx(0.2)
    assert "r2_out" not in row["mean"]
    assert "0.40±.20" in "\n".join(table_lines([row]))


def test_genes_apart_act_on_none_of_their_candidates():
    edges = pd.DataFrame([("B", "A"), ("C", "B$R"), ("D", "Q#T")], columns=["target", "modulator"])
    candidates = {"A": ["X", "L$C"], "R": ["C#Y"], "Q": ["A"], "T": ["C$D"], "E": ["A", "B$C"]}
    assert _apart(edges, candidates, {"A", "R", "Q", "T", "E"}) == {"Q", "E"}
    assert _apart(edges, candidates, {"E", "A"}) == {"E"}


def test_in_the_null_tissues_little_may_be_claimed():
    rows = [
        {"tissue": "null", "arm": arm, "n": 1, "mean": {"models_free": share, "space_free": 0.0}, "sd": {}}
        for arm, share in (("default", 0.04), ("readme", 1.0), ("tf-only", 0.2))
    ]
    line = next(line for line in goal_lines(rows, "null") if "model, any gene" in line)
    assert "0.05 yes" in line and "0.20 tf-only" in line
    rows[0]["mean"]["models_free"] = 0.06
    assert "0.05 no" in next(line for line in goal_lines(rows, "null") if "model, any gene" in line)


def test_goals_are_compared_with_the_default():
    assert set(GOALS) <= set(MEMBERS)
    rows = [
        {"tissue": "r200", "arm": arm, "n": 1, "mean": {"auprc_LR": value, "sign_TF": sign}, "sd": {}}
        for arm, value, sign in (("default", 0.3, 0.95), ("shuffled", 0.25, 0.9), ("oracle", 1.0, 0.95))
    ]
    text = goal_lines(rows, "r200")
    lr = next(line for line in text if "LR edges" in line and "margin" not in line)
    assert "0.26 yes" in lr
    assert "0.40 no" in lr
    margin = next(line for line in text if "margin" in line)
    assert "0.05" in margin
    assert "0.08 no" in margin
    # a sign that the truth itself does not reach is not asked for
    assert "0.97 yes" in next(line for line in text if "sign of TF" in line)


@pytest.mark.parametrize(("own", "marks"), [(0.3, "no no"), (0.5, "yes no"), (1.0, "yes yes"), (1.15, "yes no")])
def test_a_size_is_right_between_two_values_and_the_arm_nearest_to_the_truth_is_the_best(own, marks):
    sizes = {"default": own, "readme": 1.6, "lasso": 0.8, "oracle": 1.0}
    rows = [
        {"tissue": "r200", "arm": arm, "n": 1, "mean": {"ligand_size@2": size}, "sd": {}} for arm, size in sizes.items()
    ]
    (line,) = goal_table(rows, "r200")[1]
    realistic, ambitious = marks.split()
    assert line == [
        "ligand knock-out size",
        f"{own:.2f}",
        f"0.4 to 1.2 {realistic}",
        f"0.6 to 1.1 {ambitious}",
        "0.80 lasso",
        "1.00",
    ]


@pytest.mark.parametrize(("inside", "mark"), [(0.66, "0.06 yes"), (0.70, "0.06 no")])
def test_what_is_lost_on_regions_held_out_has_one_goal_only(inside, mark):
    rows = [
        {"tissue": "r50", "arm": arm, "n": 1, "mean": {"r2_in": r2, "r2_out": 0.61}, "sd": {}}
        for arm, r2 in (("default", inside), ("ridge", 0.63), ("lasso", 0.9))
    ]
    line = next(line for line in goal_table(rows, "r50")[1] if line[0] == "R2 in sample above held out")
    assert line == ["R2 in sample above held out", f"{inside - 0.61:.2f}", "-", mark, "0.02 ridge", "-"]


def test_default_arms_are_known():
    assert set(DEFAULT_ARMS) <= set(ARMS)


@pytest.mark.parametrize(("text", "message"), [("r20", "did you mean 'r200'"), ("default,nothing", "no tissue")])
def test_an_unknown_name_is_one_line(text, message):
    with pytest.raises(UsageError, match=message):
        truth._chosen(text, (), MEMBERS, "tissue")


def test_the_command_measures_compares_and_draws(tmp_path):
    json_out, plots = tmp_path / "truth.json", tmp_path / "plots"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "spacetravlr", "bench", "truth", "--quick", "--threads", "1"),
            *("--arms", "default,tf-only,shuffled,correlation,oracle"),
            *("--json-out", json_out, "--plot-dir", plots),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "goal" in done.stdout
    found = {one["arm"]: one for one in json.loads(json_out.read_text())["summary"]}
    assert set(found) == {"default", "tf-only", "shuffled", "correlation", "oracle"}
    assert found["oracle"]["auprc_LR"] == pytest.approx(1.0)
    # without ligands nothing follows from the knock-out of one
    assert found["tf-only"]["ligand_size@2"] == 0.0
    assert found["default"]["ligand_size@2"] > 0.0
    assert "auprc_LR" not in found["tf-only"] or found["tf-only"]["auprc_LR"] <= found["default"]["auprc_LR"]
    assert found["default"]["auprc_TF"] > found["correlation"]["auprc_TF"]
    assert (plots / "truth_r200.png").read_bytes().startswith(b"\x89PNG")


def test_tissues_measured_side_by_side_are_those_measured_in_turn(tmp_path):
    found = []
    for threads in ("1", "2"):
        path = tmp_path / f"{threads}.json"
        arguments = ["--cells", "200", "--genes", "30", "--knock-outs", "1", "--seeds", "2", "--arms", "correlation"]
        assert main("truth", [*arguments, "--quick", "--threads", threads], path) == 0
        results = json.loads(path.read_text())["summary"]
        found.append([{name: value for name, value in one.items() if not name.endswith("_s")} for one in results])
    assert found[0] == found[1]
    assert [one["seed"] for one in found[0]] == [0, 1]


def test_everything_can_be_asked_for(monkeypatch):
    asked = []

    def measured(session, points):
        asked.extend(points)
        return iter(())

    monkeypatch.setattr(truth, "_measured", measured)
    assert main("truth", ["--full", "--seeds", "1"], None) == 0
    assert [point["tissue"] for point in asked] == list(MEMBERS)
    assert all(set(point["arms"]) == set(ARMS) - {"original"} for point in asked)
    asked.clear()
    assert main("truth", ["--seeds", "1"], None) == 0
    arms = {point["tissue"]: tuple(point["arms"]) for point in asked}
    assert arms["r200"] == arms["r50"] == DEFAULT_ARMS
    assert arms["null"] == FEW_ARMS
    asked.clear()
    assert main("truth", ["--tissues", "null", "--arms", "ridge"], None) == 0
    assert {tuple(point["arms"]) for point in asked} == {("ridge",)}
    assert len(asked) == 3


def test_all_arms_are_all_but_one_where_the_original_is_not_installed(monkeypatch, capsys):
    asked = []
    monkeypatch.delenv("SPACETRAVLR_ORIGINAL_PYTHON", raising=False)
    monkeypatch.setattr(truth, "_measured", lambda session, points: asked.extend(points) or iter(()))
    assert main("truth", ["--quick", "--arms", "all"], None) == 0
    assert set(asked[0]["arms"]) == set(ARMS) - {"original"}
    assert "setup.sh" in capsys.readouterr().out


@pytest.mark.parametrize("tissue", ["counts", "null", "missing"])
def test_every_kind_of_tissue_can_be_measured(tissue):
    point = {"tissue": tissue, "seed": 0, "arms": ["default", "tf-only", "oracle"], "n_cells": 300, "n_genes": 40}
    found = {arm["arm"]: arm for arm in truth.measure({**point, "knock_outs": 2, "threads": 1})["arms"]}
    if tissue == "null":
        # nothing to find, nothing to be right about: only what is wrongly claimed can be told
        assert {name for name in found["default"] if name.startswith("TF_")} == {f"TF_false@{n}" for n in (1, 2, 4)}
        assert found["oracle"]["TF_false@2"] == 0.0
        assert not any(name.startswith("top_") for name in found["default"])
        assert found["tf-only"]["models_free"] <= 0.05
    else:
        assert found["oracle"]["auprc_TF"] == pytest.approx(1.0)
        assert 0.0 < found["default"]["TF_auroc@2"] <= 1.0


def test_a_fit_to_counts_is_scored_on_values_that_were_not_imputed():
    adata = MEMBERS["counts"].make(0, n_cells=300, n_genes=40)
    smooth, raw = adata.layers["imputed_count"], adata.layers["normalized_count"]
    assert smooth.var() < 0.7 * raw.var()
    np.testing.assert_allclose(smooth.mean(axis=0), raw.mean(axis=0), rtol=0.2)
    assert MEMBERS["counts"].settings["response_layer"] == "normalized_count"
