"""Scores of changes: what a perfect, an empty and a wrong prediction get, by gene, by cell and by distance."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.bench._truth_changes import CHANGED, RING_NAMES, SIZABLE, change_scores, pooled_rings, ring_scores
from spacetravlr.bench._truth_lists import edge_lists
from spacetravlr.bench._truth_scoped import ScopedKnockOut, means, scoped_knock_outs, score_scoped
from spacetravlr.betas import Betas
from spacetravlr.config import RunConfig
from spacetravlr.datasets import knock_out_truth, simulated_tissue, write_network
from spacetravlr.tissue import Tissue
from spacetravlr.training import plan_training


@pytest.fixture
def change():
    rng = np.random.default_rng(3)
    true = np.zeros((60, 9))
    true[:, 1:5] = rng.normal(-0.6, 0.4, (60, 4))
    true[:, 0] = -1.0
    return true


def test_the_truth_itself_is_perfect(change):
    scores = change_scores(change, change, sd=np.ones(9), clamped=[0])
    assert scores.pop("false") == 0.0
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0))
    assert set(scores) == {"r", "sign", "auroc", "size", "within_gene_r", "within_cell_r", "top", "slope"}


def test_half_the_truth_has_the_right_places_and_the_wrong_size(change):
    scores = change_scores(0.5 * change, change, sd=np.ones(9), clamped=[0])
    assert scores["slope"] == pytest.approx(2.0)
    assert scores["size"] == pytest.approx(0.5)
    assert scores["r"] == scores["within_cell_r"] == pytest.approx(1.0)


def test_no_prediction_knows_nothing(change):
    scores = change_scores(np.zeros_like(change), change, sd=np.ones(9), clamped=[0])
    assert scores["r"] == scores["sign"] == scores["top"] == scores["within_cell_r"] == scores["false"] == 0.0
    assert scores["auroc"] == 0.5
    # nothing can be scaled to the truth
    assert "slope" not in scores


def test_which_genes_is_told_from_in_which_cells():
    # every gene changes by the same amount in all cells: nothing to know about cells
    amounts = np.array([0.0, 1.0, -0.5, 0.25, 0.0])
    true = np.tile(amounts, (30, 1))
    wrong = true[:, [0, 2, 1, 3, 4]]
    scores = change_scores(wrong, true, sd=np.ones(5), clamped=[])
    known = [np.corrcoef(a, b)[0, 1] for a, b in zip(wrong, true, strict=True)]
    assert scores["within_cell_r"] == pytest.approx(np.mean(known))
    assert scores["within_gene_r"] == 0.0


def test_genes_that_stay_are_counted_where_they_are_predicted_to_move(change):
    predicted = change.copy()
    predicted[:, 5] = 2.0 * SIZABLE
    predicted[:, 6] = 0.5 * SIZABLE
    scores = change_scores(predicted, change, sd=np.ones(9), clamped=[0])
    # one of the four that stay
    assert scores["false"] == pytest.approx(0.25)
    assert scores["top"] == 1.0
    # in units of another spread it is below the bound
    assert change_scores(predicted, change, sd=np.full(9, 10.0), clamped=[0])["false"] == 0.0


def test_where_nothing_changes_only_false_alarms_are_told():
    predicted = np.zeros((20, 4))
    predicted[:, 2] = 1.0
    scores = change_scores(predicted, np.zeros((20, 4)), sd=np.ones(4), clamped=[0])
    assert set(scores) == {"false"}
    assert scores["false"] == pytest.approx(1 / 3)


def test_rings_split_the_error_by_distance():
    rng = np.random.default_rng(5)
    distance = np.concatenate([np.zeros(10), np.full(10, 0.3), np.full(10, 0.8), np.full(10, 1.5), np.full(10, 5.0)])
    true = rng.normal(0.0, 1.0, (50, 6)) * np.repeat([1.0, 0.5, 0.2, 0.1, 0.01], 10)[:, None]
    predicted = true + np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], 10)[:, None]
    rings = pooled_rings([ring_scores(predicted, true, sd=np.ones(6), clamped=[0], distance=distance)])
    for number in range(len(RING_NAMES)):
        own = slice(10 * number, 10 * number + 10)
        assert rings[f"ring{number}_error"] == pytest.approx(0.1 * (number + 1))
        assert rings[f"ring{number}_true"] == pytest.approx(np.sqrt((true[own, 1:] ** 2).mean()))
        known = true[own, 1:].ravel()
        guess = predicted[own, 1:].ravel()[np.abs(known) > CHANGED]
        known = known[np.abs(known) > CHANGED]
        if len(known) > 1:
            assert rings[f"ring{number}_r"] == pytest.approx(np.corrcoef(guess, known)[0, 1])


def test_rings_of_several_knock_outs_are_pooled():
    true = np.full((4, 2), 0.5)
    distance = np.array([0.0, 0.0, 0.7, 0.7])
    one = ring_scores(true + 0.1, true, sd=np.ones(2), clamped=[], distance=distance)
    other = ring_scores(true + 0.7, true, sd=np.ones(2), clamped=[], distance=distance)
    pooled = pooled_rings([one, other])
    assert pooled["ring0_error"] == pytest.approx(np.sqrt((0.01 + 0.49) / 2))
    # nobody is within half a radius or further than one
    assert "ring1_error" not in pooled
    assert "ring3_error" not in pooled
    assert pooled["ring2_true"] == pytest.approx(0.5)


def test_a_score_is_averaged_over_those_that_have_it():
    assert means([{"r": 0.2, "slope": 1.0}, {"r": 0.4}]) == {"r": pytest.approx(0.3), "slope": 1.0}


def test_the_head_of_a_list_and_its_false_members():
    """Two targets in one cluster, checked by hand."""
    import pandas as pd

    betas = {
        "A": Betas(
            target="A",
            by="cluster",
            row_labels=("0",),
            intercept=np.zeros(1),
            modulators=("T1", "T2", "L$R"),
            values=np.array([[0.9, 0.5, 0.3]]),
        )
    }
    edges = pd.DataFrame(
        {"target": ["A", "B", "B", "B"], "modulator": ["T1", "T1", "T2", "T3"], "cell_type": "x"},
    )
    options = {
        "candidates": {"A": ["T1", "T2", "L$R"], "B": ["T1", "T2", "T3"]},
        "row_names": {"0": "x"},
        "sd_x": {name: np.ones(1) for name in ("T1", "T2", "T3", "L$R")},
        "sd_y": {"A": np.full(1, 2.0), "B": np.ones(1)},
    }
    found = edge_lists(betas, edges, stability=None, **options)
    # four true TF edges make a list of one, and T1 -> A leads it
    assert found["top_TF"] == 1.0
    # of the untrue candidates, T2 -> A has 0.25 and L$R -> A 0.15
    assert found["false_TF"] == 1.0
    assert found["false_LR"] == 1.0
    assert "top_LR" not in found
    # a coefficient that changes its sign from one bootstrap to the next falls behind
    shaky = edge_lists(betas, edges, stability={"A": np.array([[0.1, 1.0, 1.0]])}, **options)
    assert shaky["top_TF"] == 0.0
    # a target without a model claims nothing
    silent = edge_lists({}, edges, stability=None, **options)
    assert silent["top_TF"] == silent["false_TF"] == silent["false_LR"] == 0.0


@pytest.fixture(scope="module")
def adata():
    return simulated_tissue(500, 60, 3, seed=1, radius=60.0, knock_outs=())


@pytest.fixture(scope="module")
def scoped(adata):
    return scoped_knock_outs(adata)


def test_scoped_answers_are_of_one_type_and_of_one_region(adata, scoped):
    assert [(one.role, one.scope) for one in scoped] == [
        (role, scope) for role in ("TF", "TF", "ligand", "ligand") for scope in ("type", "region")
    ]
    for one in scoped:
        assert adata.var.loc[one.gene, "role"] == one.role
        np.testing.assert_array_equal(one.change, knock_out_truth(adata, one.gene, cells=one.cells))
        types = set(adata.obs["cell_type"][one.cells])
        if one.scope == "type":
            assert len(types) == 1
            mean = adata.to_df()[one.gene].groupby(adata.obs["cell_type"].astype(str)).sum()
            assert types == {mean.idxmax()}
        else:
            assert one.cells.sum() == round(0.125 * adata.n_obs)
            xy = adata.obsm["spatial"]
            away = np.hypot(*(xy - 0.5 * (xy.min(axis=0) + xy.max(axis=0))).T)
            assert away[one.cells].max() <= away[~one.cells].min()


def test_a_tissue_without_regulation_has_no_scoped_answers():
    adata = simulated_tissue(100, 30, 2, tf_share=0.0, lr_share=0.0, tfl_share=0.0, knock_outs=())
    assert scoped_knock_outs(adata) == []


def test_scoped_answers_that_are_right_score_perfectly(adata, scoped, tmp_path, monkeypatch):
    write_network(adata, tmp_path)
    config = RunConfig.model_validate({"grn": {"network_data_dir": str(tmp_path)}}).resolved()
    plan = plan_training(Tissue.from_anndata(adata), config)
    asked = []

    class Oracle:
        def simulate(self, targets, *, n_propagation, cells):
            (gene,) = targets
            asked.append((gene, n_propagation))
            found = next(one for one in scoped if one.gene == gene and (one.cells == cells).all())
            return type("Effect", (), {"delta": found.change})

    monkeypatch.setattr("spacetravlr.bench._truth_scoped.propagation_model", lambda plan, betas, profile: Oracle())
    fitted = type("Fitted", (), {"betas": {"any": None}, "profile": "default"})
    spread = np.asarray(adata.X).std(axis=0)
    scores = score_scoped(fitted, plan, scoped, spread=spread, radius=60.0)
    assert len(asked) == len(scoped)
    for role in ("TF", "ligand"):
        for scope in ("type", "region"):
            assert scores[f"{role}_{scope}_r"] == pytest.approx(1.0)
            assert scores[f"{role}_{scope}_sign"] == 1.0
        assert scores[f"{role}_ring0_error"] == pytest.approx(0.0, abs=1e-12)
        # a change wanes with distance
        assert scores[f"{role}_ring0_true"] > scores[f"{role}_ring3_true"]
    nothing = score_scoped(type("Fitted", (), {"betas": {}}), plan, scoped, spread=spread, radius=60.0)
    assert nothing["ligand_ring1_error"] == pytest.approx(nothing["ligand_ring1_true"])
    assert nothing["TF_type_r"] == 0.0


def test_a_scoped_answer_is_a_record(scoped):
    assert isinstance(scoped[0], ScopedKnockOut)
    assert scoped[0].cells.dtype == np.bool_
