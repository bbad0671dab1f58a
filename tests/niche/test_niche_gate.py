"""Moran's I and the gate of hybrid mode."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.config import HybridSettings
from spacetravlr.errors import InputError
from spacetravlr.niche import (
    GateInputs,
    SpatialGraph,
    Thresholds,
    decide,
    moran_test,
    morans_i,
    read_gene_set,
    top_ranked,
)
from spacetravlr.run.log import GATE_KEYS

SIDE = 12
GRID = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2).astype(np.float64)


def literal_moran(xy, values, k):
    """The definition, with loops."""
    n = len(xy)
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    joined = np.zeros((n, n))
    for i in range(n):
        joined[i, np.argsort(distance[i], kind="stable")[:k]] = 1.0
    joined = np.maximum(joined, joined.T)
    z = values - values.mean()
    return n / joined.sum() * (joined * np.outer(z, z)).sum() / (z**2).sum()


def test_moran_is_the_definition():
    rng = np.random.default_rng(3)
    xy, values = rng.uniform(0, 10, (60, 2)), rng.normal(size=(60, 4))
    graph = SpatialGraph.nearest(xy, 5)
    assert (graph.weights != graph.weights.T).nnz == 0
    assert graph.weights.diagonal().sum() == 0.0
    expected = [literal_moran(xy, column, 5) for column in values.T]
    np.testing.assert_allclose(morans_i(graph, values), expected, rtol=1e-12)


def test_moran_of_known_patterns():
    graph = SpatialGraph.nearest(GRID, 4)
    smooth = GRID[:, 0] + 0.5 * GRID[:, 1]
    board = (GRID.sum(axis=1) % 2) * 2.0 - 1.0
    constant = np.full(len(GRID), 0.3)
    tested = moran_test(graph, np.column_stack([constant, smooth, board]), permutations=99, seed=1)
    assert tested.i[0] == 0.0
    assert tested.i[1] > 0.8
    # the corners of the board have neighbours of their own colour
    assert tested.i[2] < -0.6
    np.testing.assert_allclose(tested.p, [1.0, 0.01, 0.01])
    none = moran_test(graph, smooth[:, None], permutations=0, seed=1)
    assert none.p.tolist() == [1.0]


def test_shuffles_depend_on_the_seed_and_not_on_the_company():
    graph = SpatialGraph.nearest(GRID, 8)
    values = np.random.default_rng(0).normal(size=(len(GRID), 5))
    values[3, 2] = np.nan
    together = moran_test(graph, values, permutations=40, seed=7, at_once=2)
    alone = moran_test(graph, values[:, [2]], permutations=40, seed=7)
    assert (together.i[2], together.p[2]) == (alone.i[0], alone.p[0])
    # literal permutation test of one column
    z = np.nan_to_num(values[:, 2])
    z = z - z.mean()
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(7, spawn_key=(2,))))
    larger = sum(abs(morans_i(graph, z[rng.permutation(len(z))][:, None])[0]) >= abs(alone.i[0]) for _ in range(40))
    assert alone.p[0] == (1 + larger) / 41
    assert (moran_test(graph, values, permutations=40, seed=8).p != together.p).any()


def test_a_level_of_its_own_in_each_piece_of_tissue_is_no_order_in_space():
    samples = np.repeat([0, 1], len(GRID))
    graph = SpatialGraph.nearest(np.vstack([GRID, GRID]), 8, samples=samples)
    noise = np.random.default_rng(4).normal(size=(2 * len(GRID), 60))
    level = 2.0 * samples[:, None]
    ordered = np.tile(GRID[:, [0]], (2, 1))
    p = moran_test(graph, np.hstack([noise + level, ordered + level]), permutations=39, seed=3).p
    assert abs(p[:60].mean() - 0.5) < 0.1
    assert (p[:60] <= 0.05).sum() <= 8
    assert p[60] == 1 / 40
    # without pieces every one of them would pass
    one = SpatialGraph(graph.weights)
    assert (moran_test(one, noise + level, permutations=39, seed=3).p == 1 / 40).all()


def test_p_values_are_uniform_without_structure():
    graph = SpatialGraph.nearest(GRID, 8)
    values = np.random.default_rng(5).normal(size=(len(GRID), 300))
    p = moran_test(graph, values, permutations=19, seed=2).p
    assert abs((p <= 0.05 + 1e-12).mean() - 0.05) < 0.035
    assert abs(p.mean() - 0.525) < 0.05


def test_graphs_of_few_cells_and_of_cells_without_a_position():
    xy = np.array([[0.0, 0.0], [1.0, 0.0], [np.nan, 0.0], [5.0, 0.0]])
    graph = SpatialGraph.nearest(xy, 10)
    assert graph.n_edges == 6
    assert graph.weights.toarray()[2].sum() == 0.0
    for few in (xy[:1], xy[:0], xy[2:3]):
        assert morans_i(SpatialGraph.nearest(few, 3), np.ones((len(few), 2))).tolist() == [0.0, 0.0]
    heap = SpatialGraph.nearest(np.zeros((9, 2)), 3)
    assert heap.weights.diagonal().sum() == 0.0
    assert (heap.weights.sum(axis=1) >= 3).all()


@pytest.mark.parametrize(("t", "p", "r2"), [(0.0, 0.3, 1.4), (0.5, 1.0, 1.0), (1.0, 1.7, 0.6)])
def test_permissiveness(t, p, r2):
    limits = Thresholds.of(HybridSettings(hybrid_cnn_permissiveness=t), 0.2)
    assert limits.p_max == pytest.approx(0.05 * p)
    assert limits.p_strict == pytest.approx(0.01 * p)
    assert limits.r2_min == pytest.approx(0.2 * r2)
    own = HybridSettings(hybrid_cnn_permissiveness=t, min_mean_lasso_r2_for_cnn=-0.5, moran_p_value_max=1.0)
    assert Thresholds.of(own, 0.2).r2_min == 0.0
    assert Thresholds.of(own, 0.2).p_max == min(p, 1.0)


def target(**changes):
    values = {
        "gene": "Pax5",
        "n_cells": np.array([300, 90]),
        "r2": np.array([0.4, 0.2]),
        "converged": np.array([True, True]),
        "n_regulators": 30,
        "n_lr_pairs": 15,
        "n_tfl_pairs": 5,
        "moran_i": 0.2,
        "moran_p": 0.01,
        "mean_expression": 1.5,
    }
    return GateInputs(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "settings", "use", "reason"),
    [
        ({}, {}, True, "moran_ok p=0.0100 I=0.200000"),
        ({"gene": "Skip"}, {}, False, "blocked_by_skip_list"),
        ({"gene": "Both"}, {}, False, "blocked_by_skip_list"),
        ({"gene": "Force", "moran_p": 1.0, "n_cells": np.array([2])}, {}, True, "forced_by_allowlist"),
        ({"n_cells": np.array([300, 79])}, {}, False, "min_cells_per_cluster 79 < 80"),
        ({"converged": np.array([True, False])}, {}, False, "lasso_not_converged_all_clusters"),
        (
            {"converged": np.array([True, False])},
            {"require_all_clusters_lasso_converged": False},
            True,
            "moran_ok p=0.0100 I=0.200000",
        ),
        ({"r2": np.array([0.3, -0.1])}, {}, False, "mean_lasso_r2 0.1000 < 0.2000 (gate)"),
        (
            {"mean_expression": 0.05},
            {"min_mean_target_expression_for_cnn": 0.1},
            False,
            "mean_target_expr 0.0500 < 0.1000",
        ),
        (
            {"mean_expression": None},
            {"min_mean_target_expression_for_cnn": 0.1},
            True,
            "moran_ok p=0.0100 I=0.200000",
        ),
        (
            {"moran_p": 0.02},
            {"max_modulators_soft_for_cnn": 49},
            False,
            "n_modulators 50 > cap 49 and moran_p 0.0200 > strict 0.0100",
        ),
        ({}, {"max_modulators_soft_for_cnn": 49}, True, "moran_ok_strict_mod_cap p=0.0100 I=0.200000"),
        ({"moran_p": 0.06}, {}, False, "moran_p 0.0600 > 0.0500 (I=0.200000)"),
    ],
)
def test_rules_in_their_order(changes, settings, use, reason):
    gate = decide(
        target(**changes),
        HybridSettings(**settings),
        score_threshold=0.2,
        forced=frozenset({"Force", "Both"}),
        skipped=frozenset({"Skip", "Both"}),
    )
    assert (gate.use_cnn, gate.reason) == (use, reason)
    assert tuple(gate.facts) == GATE_KEYS
    assert gate.facts["gate_use_cnn"] is use
    assert gate.facts["gate_reason"] == reason
    if reason == "blocked_by_skip_list":
        assert (gate.facts["gate_moran_i"], gate.facts["gate_moran_p_value"]) == (0.0, 1.0)


def test_rank():
    gate = decide(target(), HybridSettings(hybrid_modulator_spatial_weight=2.0), score_threshold=0.2)
    assert gate.rank_score == pytest.approx(-np.log(0.01) + 2.0 * 20 / 50 + 0.3)
    bare = target(n_regulators=0, n_lr_pairs=0, n_tfl_pairs=0)
    assert decide(bare, HybridSettings(), score_threshold=0.2).rank_score == pytest.approx(-np.log(0.01) + 0.3)


def test_only_the_best_ranked_get_a_network():
    gates = [
        decide(target(gene=gene, moran_p=p), HybridSettings(), score_threshold=0.2)
        for gene, p in (("A", 0.03), ("B", 0.01), ("C", 0.9), ("D", 0.03), ("E", 0.02))
    ]
    assert top_ranked(gates, None) == ["A", "B", "D", "E"]
    assert top_ranked(gates, 3) == ["A", "B", "E"]
    assert top_ranked(gates, 9) == ["A", "B", "D", "E"]


def test_lists_of_genes(tmp_path):
    path = tmp_path / "force.txt"
    path.write_text("# wanted\nPax5, Foxo1\n\n  Ebf1\n #Irf4\n")
    assert read_gene_set(path) == {"Pax5", "Foxo1", "Ebf1"}
    assert read_gene_set(None) == frozenset()
    with pytest.raises(InputError, match=r"cannot read the list of genes .*absent.txt"):
        read_gene_set(tmp_path / "absent.txt")
