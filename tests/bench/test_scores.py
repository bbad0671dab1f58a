"""Recovery scores, against scikit-learn, literal loops and answers known by construction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from spacetravlr.bench import scores
from spacetravlr.errors import InputError


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 60), levels=st.integers(1, 40))
def test_rankings_agree_with_scikit_learn(seed, n, levels):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, levels, n) / 7.0 - 1.0
    truth = rng.random(n) < 0.4
    truth[:2] = [True, False]
    assert scores.auprc(score, truth) == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    assert scores.auroc(score, truth) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)


def test_rankings_at_the_ends():
    truth = np.array([1, 1, 0, 0, 0])
    assert scores.auprc([5, 4, 3, 2, 1], truth) == 1.0
    assert scores.auroc([5, 4, 3, 2, 1], truth) == 1.0
    assert scores.auroc([1, 2, 3, 4, 5], truth) == 0.0
    # a score that says nothing is worth the base rate
    assert scores.auprc(np.zeros(5), truth) == pytest.approx(scores.base_rate(truth)) == 0.4
    assert scores.auroc(np.zeros(5), truth) == 0.5
    assert np.isnan(scores.auprc([1.0, 2.0], [0, 0]))
    assert np.isnan(scores.auroc([1.0, 2.0], [1, 1]))
    assert np.isnan(scores.base_rate([]))


def test_rankings_refuse_bad_input():
    with pytest.raises(InputError, match="one score for each"):
        scores.auprc([1.0, 2.0], [True])
    with pytest.raises(InputError, match="not a number"):
        scores.auroc([1.0, np.nan], [True, False])


def test_signs():
    truth = np.array([1.0, -2.0, 0.0, 0.05, -3.0])
    estimate = np.array([0.1, 0.2, 5.0, 1.0, 0.0])
    assert scores.sign_agreement(estimate, truth) == 0.5
    assert scores.sign_agreement(estimate, truth, above=0.1) == pytest.approx(1 / 3)
    assert np.isnan(scores.sign_agreement(estimate, truth, above=9.0))
    with pytest.raises(InputError, match="shape"):
        scores.sign_agreement(estimate, truth[:2])


def test_correlation_of_columns():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    a[:, 2], b[:, 3] = 4.0, 0.0
    b[:, 4] = -3.0 * a[:, 4] + 1.0
    a[:, 5] *= 1e-200
    found = scores.gene_correlation(a, b)
    for gene in (0, 1, 4):
        assert found[gene] == pytest.approx(np.corrcoef(a[:, gene], b[:, gene])[0, 1], abs=1e-12)
    assert found[4] == pytest.approx(-1.0)
    assert found[5] == pytest.approx(np.corrcoef(a[:, 5] * 1e200, b[:, 5])[0, 1], abs=1e-12)
    assert np.isnan(found[2:4]).all()
    assert scores.correlation(a[:, :2], b[:, :2]) == pytest.approx(
        np.corrcoef(a[:, :2].ravel(), b[:, :2].ravel())[0, 1], abs=1e-12
    )
    assert np.isnan(scores.correlation([], []))


@pytest.fixture
def knock_out():
    rng = np.random.default_rng(1)
    true = np.zeros((40, 12))
    true[:, :5] = rng.normal(0.0, 1.0, (40, 5)) - 0.5
    true[:, 11] = -3.0
    return true, rng.uniform(0.5, 2.0, 12)


def test_a_perfect_prediction(knock_out):
    true, sd = knock_out
    found = scores.knock_out_recovery(true, true, sd=sd, clamped=[11])
    assert found.r == pytest.approx(1.0)
    assert found.sign == found.auroc == 1.0
    assert found.size == pytest.approx(1.0)
    assert found.within_gene_r == pytest.approx(1.0)
    assert (found.n_affected, found.n_genes) == (5, 11)


def test_a_prediction_of_the_wrong_sign_and_size(knock_out):
    true, sd = knock_out
    found = scores.knock_out_recovery(-2.0 * true, true, sd=sd, clamped=[11])
    assert found.r == pytest.approx(-1.0)
    assert found.sign == 0.0
    assert found.auroc == 1.0
    assert found.size == pytest.approx(2.0)


def test_a_prediction_of_nothing(knock_out):
    true, sd = knock_out
    found = scores.knock_out_recovery(np.zeros_like(true), true, sd=sd, clamped=[11])
    assert (found.r, found.sign, found.auroc, found.size, found.within_gene_r) == (0.0, 0.0, 0.5, 0.0, 0.0)


def test_the_scores_of_a_knock_out_by_hand(knock_out):
    true, sd = knock_out
    guess = true + np.random.default_rng(2).normal(0.0, 0.8, true.shape)
    found = scores.knock_out_recovery(guess, true, sd=sd, clamped=[11], changed=0.05, sizable=0.2)
    z_true = [[true[c, g] / sd[g] for g in range(11)] for c in range(40)]
    z_guess = [[guess[c, g] / sd[g] for g in range(11)] for c in range(40)]
    entries = [(z_guess[c][g], z_true[c][g]) for c in range(40) for g in range(11)]
    moved = np.array([pair for pair in entries if abs(pair[1]) > 0.05])
    assert found.r == pytest.approx(np.corrcoef(moved.T)[0, 1])
    big = [a * b > 0 for a, b in entries if abs(b) > 0.2]
    assert found.sign == pytest.approx(sum(big) / len(big))
    affected = [np.mean([abs(row[g]) for row in z_true]) > 0.2 for g in range(11)]
    strength = [np.mean([abs(row[g]) for row in z_guess]) for g in range(11)]
    assert found.auroc == pytest.approx(roc_auc_score(affected, strength))
    assert found.size == pytest.approx(
        np.sqrt(sum(a * a for a, _ in entries) / sum(b * b for _, b in entries)), rel=1e-9
    )
    inside = [np.corrcoef(guess[:, g], true[:, g])[0, 1] for g in range(11) if affected[g]]
    assert found.within_gene_r == pytest.approx(np.mean(inside))


def test_genes_without_spread_are_left_out(knock_out):
    true, sd = knock_out
    sd = sd.copy()
    sd[[0, 7]] = 0.0
    found = scores.knock_out_recovery(true, true, sd=sd, clamped=[11])
    assert (found.n_affected, found.n_genes) == (4, 9)
    nothing = scores.knock_out_recovery(true * 0.0, true * 0.0, sd=sd, clamped=[11])
    assert np.isnan([nothing.r, nothing.sign, nothing.auroc, nothing.size, nothing.within_gene_r]).all()
    with pytest.raises(InputError, match="sd has shape"):
        scores.knock_out_recovery(true, true, sd=sd[:3])


@dataclass
class Table:
    row_labels: tuple[str, ...]
    modulators: tuple[str, ...]
    values: np.ndarray


TYPES = ("A", "B")
CANDIDATES = {"G1": ["T1", "T2", "L1$R1", "L2$R1", "L1#T1"], "G2": ["T1", "L1$R1", "L2$R1"]}
TRUTH = pd.DataFrame(
    [
        ("G1", "T1", "A", 2.0),
        ("G1", "T1", "B", -1.0),
        ("G1", "L1$R1", "A", 3.0),
        ("G2", "L2$R1", "B", -0.5),
        ("Elsewhere", "T9", "A", 1.0),
    ],
    columns=["target", "modulator", "cell_type", "effect"],
)


def tables():
    # rows and columns in another order than the candidates, and zero columns left out as in the files
    return {"G1": Table(("B", "A"), ("L2$R1", "T2", "T1"), np.array([[0.0, 0.5, -3.0], [0.2, 0.0, -1.0]]))}


def test_edges_by_hand():
    found = scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES)
    assert set(found) == {"TF", "LR", "TFL"}
    tf = found["TF"]
    # entries: G1 T1 A, T2 A, T1 B, T2 B, then G2 T1 in both
    truth, score = [1, 0, 1, 0, 0, 0], [1.0, 0.0, 3.0, 0.5, 0.0, 0.0]
    assert (tf.n_candidates, tf.n_true) == (6, 2)
    assert tf.auprc == pytest.approx(average_precision_score(truth, score)) == 1.0
    assert tf.base_rate == pytest.approx(1 / 3)
    assert tf.sign == tf.sign_found == 0.5
    lr = found["LR"]
    truth, score = [1, 0, 0, 0, 0, 0, 0, 1], [0.0, 0.2, 0, 0, 0, 0, 0, 0]
    assert lr.auprc == pytest.approx(average_precision_score(truth, score))
    assert lr.auroc == pytest.approx(roc_auc_score(truth, score))
    assert lr.sign == 0.0
    assert np.isnan(lr.sign_found)
    assert found["TFL"].base_rate == 0.0
    assert np.isnan(found["TFL"].auprc)


def test_edges_are_ranked_in_standard_deviations():
    plain = scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES)
    sd_x = {name: np.ones(2) for names in CANDIDATES.values() for name in names} | {"T2": np.array([1.0, 100.0])}
    sd_y = {"G1": np.array([1.0, 2.0]), "G2": np.array([0.0, 1.0])}
    scaled = scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES, sd_x=sd_x, sd_y=sd_y)
    truth, score = [1, 0, 1, 0, 0, 0], [1.0, 0.0, 1.5, 25.0, 0.0, 0.0]
    assert scaled["TF"].auprc == pytest.approx(average_precision_score(truth, score))
    assert scaled["TF"].auprc < plain["TF"].auprc
    assert scaled["TF"].sign == plain["TF"].sign


def test_edges_are_weighted_by_stability():
    stability = {"G1": np.array([[1.0, 1.0, 0.1], [1.0, 1.0, 1.0]])}
    found = scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES, stability=stability)
    truth, score = [1, 0, 1, 0, 0, 0], [1.0, 0.0, 0.3, 0.5, 0.0, 0.0]
    assert found["TF"].auprc == pytest.approx(average_precision_score(truth, score))


def test_edges_can_be_ranked_with_what_other_cell_types_tell():
    sd_y = {"G1": np.array([10.0, 1.0]), "G2": np.ones(2)}
    sd_x = {name: np.ones(2) for names in CANDIDATES.values() for name in names}
    found = scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES, sd_x=sd_x, sd_y=sd_y)
    # T1 of G1 is -0.1 in A and -3 in B, T2 is 0 and 0.5
    truth, own = [1, 0, 1, 0, 0, 0], np.array([0.1, 0.0, 3.0, 0.5, 0.0, 0.0])
    pooled = own + np.array([0.775, 0.125, 0.775, 0.125, 0.0, 0.0])
    assert found["TF"].auprc == pytest.approx(average_precision_score(truth, own)) == pytest.approx(5 / 6)
    assert found["TF"].auprc_pooled == average_precision_score(truth, pooled) == 1.0


@pytest.mark.parametrize(("unit", "n_candidates"), [("edge", 8), ("ligand", 8), ("receptor", 4)])
def test_pairs_can_be_ranked_by_their_partners(unit, n_candidates):
    found = scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES, unit=unit)
    assert found["LR"].n_candidates == n_candidates
    assert found["TF"].n_candidates == 6
    if unit == "receptor":
        # R1 is true in (G1, A), where it has the only score, and in (G2, B)
        assert found["LR"].auprc == pytest.approx(average_precision_score([1, 0, 0, 1], [0.2, 0, 0, 0]))


def test_row_names_are_translated():
    table = tables()["G1"]
    table.row_labels = ("1", "0")
    named = scores.edge_recovery(
        {"G1": table}, TRUTH, candidates=CANDIDATES, cell_types=TYPES, row_names={"0": "A", "1": "B"}
    )
    assert named["TF"] == scores.edge_recovery(tables(), TRUTH, candidates=CANDIDATES, cell_types=TYPES)["TF"]
    with pytest.raises(InputError, match="row_names"):
        scores.edge_recovery({"G1": table}, TRUTH, candidates=CANDIDATES, cell_types=TYPES)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="T1 -> G1"):
        scores.edge_recovery({}, TRUTH, candidates={"G1": ["T2"]}, cell_types=TYPES)
    with pytest.raises(InputError, match="cell type 'B'"):
        scores.edge_recovery({}, TRUTH, candidates=CANDIDATES, cell_types=("A",))
    stranger = {"G1": Table(("A", "B"), ("T7",), np.ones((2, 1)))}
    with pytest.raises(InputError, match="T7"):
        scores.edge_recovery(stranger, TRUTH, candidates=CANDIDATES, cell_types=TYPES)


def test_kinds():
    assert [scores.kind_of(name) for name in ("Pax5", "Tgfb1$Tgfbr1", "Tgfb1#Pax5")] == ["TF", "LR", "TFL"]
