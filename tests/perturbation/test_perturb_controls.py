"""Negative controls against simulations that are set up by hand."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.errors import ConfigError, InputError
from spacetravlr.perturbation import PropagationModel, SimulationCancelledError, Target, negative_control
from spacetravlr.perturbation._groups import label_groups
from spacetravlr.perturbation._matching import MatchedGenes
from spacetravlr.perturbation.controls import _permutation, shuffled


def magnitudes(model, effect) -> dict[tuple[str, str], float]:
    """Mean absolute change of every gene with a model in every cell type."""
    return {
        (gene, label): float(np.abs(effect.delta[model.labels[0] == label, model.genes.index(gene)]).mean())
        for gene in model.targets
        for label in np.unique(model.labels[0])
    }


def permutations(model, seed: int, n: int):
    groups = label_groups("cell_type", len(model.cells), model.obs, model.labels[0])
    return [_permutation(groups, seed, number) for number in range(n)]


@pytest.mark.parametrize(
    "options", [{}, {"profile": "v1"}, {"beta_cap": 0.2}, {"radii": {"G00": 2.0, "G01": 4.0}, "default_radius": 3.0}]
)
def test_a_shuffled_engine_is_a_model_with_shuffled_coordinates(build, options):
    model = build(signal_tol=1e-12, **options)
    (permutation,) = permutations(model, 3, 1)
    moved = build(xy=model.xy[permutation], signal_tol=1e-12, **options)
    interventions = model.simulate({"G01": 0.0, "G05": 2.0}).interventions
    found = shuffled(model._engine, permutation).run(interventions, 3)
    expected = moved.simulate({"G01": 0.0, "G05": 2.0}, n_propagation=3)
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-9)
    assert np.abs(found.values - model.simulate({"G01": 0.0, "G05": 2.0}, n_propagation=3).values).max() > 1e-3


def test_masked_ligands_stay_masked_when_shuffled(build):
    masks = (np.random.default_rng(0).integers(0, 2, (60, 4)), ["G00", "G01", "G02", "G07"])
    model = build(thresholds=masks, signal_tol=1e-12)
    (permutation,) = permutations(model, 0, 1)
    moved = build(thresholds=masks, xy=model.xy[permutation], signal_tol=1e-12)
    effect = moved.simulate({"G00": 0.0}, n_propagation=3)
    found = shuffled(model._engine, permutation).run(effect.interventions, 3)
    np.testing.assert_allclose(found.values, effect.values, rtol=0, atol=1e-9)


def test_a_permutation_keeps_cell_types_and_positions(model):
    one, other = permutations(model, 1, 2)
    assert sorted(one) == list(range(60))
    assert not np.array_equal(one, other)
    assert np.array_equal(model.labels[0][one], model.labels[0])
    assert np.array_equal(permutations(model, 1, 1)[0], one)


def test_p_values_of_shuffled_coordinates_by_hand(build):
    model = build(signal_tol=1e-12)
    table = model.negative_control({"G01": 0.0}, n_shuffles=7, n_random=0, seed=5, n_propagation=2)
    observed = magnitudes(model, model.simulate({"G01": 0.0}, n_propagation=2))
    null = []
    for permutation in permutations(model, 5, 7):
        moved = build(xy=model.xy[permutation], signal_tol=1e-12)
        null.append(magnitudes(moved, moved.simulate({"G01": 0.0}, n_propagation=2)))
    assert set(table["control"]) == {"shuffled"}
    assert len(table) == sum(value > 0 for value in observed.values())
    for row in table.itertuples():
        key = (row.gene, row.cell_type)
        values = [one[key] for one in null]
        assert row.mean_abs_delta == pytest.approx(observed[key], rel=1e-9)
        assert row.control_mean == pytest.approx(np.mean(values), rel=1e-6)
        assert row.control_max == pytest.approx(max(values), rel=1e-6)
        assert row.n_controls == 7
        assert row.p_value == (1 + sum(value >= observed[key] * (1 - 1e-6) for value in values)) / 8
    assert 0 < table["p_value"].min() < table["p_value"].max() <= 1


def test_p_values_of_random_targets_by_hand(model):
    scope = {"cell_type": ["B cell", "Stroma"]}
    table = model.negative_control({"G05": "x2"}, n_shuffles=0, n_random=6, seed=2, cells=scope, n_propagation=2)
    rows = np.flatnonzero(model.labels[0] != "T cell")
    matched = MatchedGenes(
        *(model, [Target("G05", "x2", rows)], model.simulate([Target("G05", "x2", rows)]).interventions),
        seed=2,
        n_wanted=6,
    )
    drawn = [model.genes[matched.draw(number)[0].gene] for number in range(6)]
    assert len(set(drawn)) == 6
    assert not {"G05", "G13"} & set(drawn)
    observed = magnitudes(model, model.simulate({"G05": "x2"}, cells=scope, n_propagation=2))
    null = {gene: magnitudes(model, model.simulate({gene: "x2"}, cells=scope, n_propagation=2)) for gene in drawn}
    for row in table.itertuples():
        values = [values[row.gene, row.cell_type] for gene, values in null.items() if gene != row.gene]
        assert row.n_controls == len(values)
        assert row.control_mean == pytest.approx(np.mean(values))
        reached = sum(value >= observed[row.gene, row.cell_type] * (1 - 1e-6) for value in values)
        assert row.p_value == (1 + reached) / (1 + len(values))
    # a gene that a control perturbs is not measured by that control
    assert set(table["n_controls"]) == {5, 6}


def test_genes_are_matched_by_their_expression():
    rng = np.random.default_rng(0)
    levels = np.repeat([0.2, 1.0, 5.0, 20.0], 10)
    expression = rng.exponential(1.0, (200, 40)) * levels
    genes = [f"T{k:02d}" for k in range(40)]
    betas = [Betas("T00", "cluster", ("0",), np.zeros(1), tuple(genes[1:]), np.ones((1, 39)))]
    model = PropagationModel(expression, genes, np.zeros((200, 2)), betas, radii=1.0, cluster_labels=["0"] * 200)
    for asked in (15, 25, 35):
        target = [Target(genes[asked], 0.0, np.arange(200))]
        alike = MatchedGenes(model, target, model.simulate(target).interventions, seed=0, n_wanted=3)._alike(
            model.simulate(target).interventions[0], np.setdiff1d(np.arange(1, 40), [asked])
        )
        assert set(levels[alike[:9]]) == {levels[asked]}
        means = expression.mean(axis=0)
        assert abs(np.log(means[alike[:5]] / means[asked])).max() < abs(np.log(means[alike[-5:]] / means[asked])).min()


def test_doses_of_random_targets(model):
    values = np.linspace(0, 1, 60)
    rows = np.arange(10, 40)
    expression = model._engine.expression.values
    targets = [
        Target("G05", 1.5, rows),
        Target("G01", values, rows),
        Target("G02", 0.0, rows[:5]),
        Target("G07", "q90", rows),
    ]
    interventions = model.simulate(targets).interventions
    matched = MatchedGenes(model, targets, interventions, seed=0, n_wanted=5)
    assert matched.n_draws == 5
    seen = []
    for number in range(5):
        drawn = matched.draw(number)
        genes = [item.gene for item in drawn]
        assert len(set(genes)) == 4
        assert not set(genes) & {5, 1, 2, 7}
        seen.append(tuple(genes))
        for item, own in zip(drawn, interventions, strict=True):
            assert np.array_equal(item.rows, own.rows)
        factor = [
            expression[own.rows, item.gene].mean() / expression[own.rows, own.gene].mean()
            for item, own in zip(drawn, interventions, strict=True)
        ]
        assert drawn[0].values == pytest.approx(1.5 * factor[0])
        assert drawn[1].values == pytest.approx(values[rows] * factor[1])
        assert not drawn[2].values.any()
        assert drawn[3].values == pytest.approx(np.quantile(expression[:, drawn[3].gene], 0.9))
    assert len({genes[0] for genes in seen}) == 5


def test_same_seed_same_table_on_any_number_of_jobs(model):
    options = {"n_shuffles": 4, "n_random": 4, "n_propagation": 2}
    one = model.negative_control({"G05": 0.0}, seed=9, n_jobs=1, **options)
    pd.testing.assert_frame_equal(one, negative_control(model, {"G05": 0.0}, seed=9, n_jobs=3, **options))
    other = model.negative_control({"G05": 0.0}, seed=10, n_jobs=2, **options)
    assert not np.array_equal(one["control_mean"], other["control_mean"])
    assert one["control"].unique().tolist() == ["shuffled", "random_targets"]
    assert "G05" not in set(one["gene"])
    by_half = model.negative_control({"G05": 0.0}, by="half", **options)
    assert by_half.columns[1] == "half"
    assert set(by_half["half"]) == {"0", "1"}


def test_an_effect_inside_cells_does_not_depend_on_positions(build):
    tf_only = [
        Betas("G02", "cluster", ("B cell", "T cell", "Stroma"), np.zeros(3), ("G05",), np.array([[0.5], [0.1], [0.0]]))
    ]
    table = build(betas=tf_only).negative_control({"G05": 0.0}, n_shuffles=5, n_random=0)
    assert table["p_value"].tolist() == [1.0, 1.0]
    assert set(table["cell_type"]) == {"B cell", "T cell"}  # nothing changes in the stroma


def test_fewer_genes_than_controls(build, caplog):
    few = [
        Betas(
            "G02", "cluster", ("B cell", "T cell", "Stroma"), np.zeros(3), ("G05", "G06", "G07"), np.full((3, 3), 0.5)
        )
    ]
    model = build(betas=few)
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        table = model.negative_control({"G05": 0.0}, n_shuffles=0, n_random=10)
    assert set(table["n_controls"]) == {2}
    assert caplog.messages == ["2 random targets instead of 10: models listen to 2 genes besides the perturbed ones"]
    none = model.negative_control({"G05": 0.0, "G06": 0.0, "G07": 0.0}, n_shuffles=0, n_random=3)
    assert len(none) == 0
    assert none.columns.tolist() == [
        *("gene", "cell_type", "control", "mean_abs_delta", "control_mean", "control_max", "n_controls", "p_value")
    ]


def test_no_controls_at_all(model):
    assert len(model.negative_control({"G05": 0.0}, n_shuffles=0, n_random=0)) == 0


def test_an_empty_scope_has_nothing_to_show(model):
    assert len(model.negative_control({"G05": 0.0}, cells=[], n_shuffles=2, n_random=2)) == 0


def test_progress_and_cancel(model):
    seen = []
    model.negative_control({"G05": 0.0}, n_shuffles=2, n_random=3, progress=lambda *at: seen.append(at))
    assert seen == [(k, 6) for k in range(1, 7)]
    with pytest.raises(SimulationCancelledError, match="negative control was cancelled"):
        model.negative_control({"G05": 0.0}, n_shuffles=2, n_random=3, cancelled=lambda: True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_shuffles": -1}, ConfigError, "n_shuffles must be a whole number of at least 0"),
        ({"n_random": 1.5}, ConfigError, "n_random must be a whole number"),
        ({"seed": True}, ConfigError, "seed must be a whole number"),
        ({"n_propagation": 99}, ConfigError, "n_propagation"),
        ({"targets": {"g05": 0.0}}, InputError, "did you mean 'G05'"),
        ({"by": "celltype"}, InputError, "did you mean 'cell_type'"),
    ],
)
def test_refused_controls(model, options, error, message):
    with pytest.raises(error, match=message):
        negative_control(model, **{"targets": {"G05": 0.0}, "n_shuffles": 1, "n_random": 1, **options})
