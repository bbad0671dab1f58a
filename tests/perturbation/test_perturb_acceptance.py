"""Small cases whose answer can be worked out by hand, the rules of the profiles, and refused inputs."""

from __future__ import annotations

import dataclasses
import logging
import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spacetravlr.betas import Betas
from spacetravlr.errors import ConfigError, InputError, UsageError
from spacetravlr.perturbation import (
    Profile,
    PropagationModel,
    SimulationCancelledError,
    Target,
    get_profile,
)


def table(target, coefficients, labels=("0",), by="cluster"):
    values = np.tile(np.array(list(coefficients.values()), dtype=float), (len(labels), 1))
    return Betas(target, by, tuple(labels), np.zeros(len(labels)), tuple(coefficients), values)


PAIR_GENES = ["TF1", "LIG", "REC", "TARGET"]


def two_cells(profile="default", **options):
    return PropagationModel(
        np.array([[1.0, 10, 1, 1], [1, 0, 1, 1]]),
        PAIR_GENES,
        [[0.0, 0.0], [1.0, 0.0]],
        [table("TARGET", {"TF1": 0.1, "LIG$REC": 0.05})],
        radii=1.0,
        cluster_labels=np.array(["0", "0"]),
        profile=profile,
        **options,
    )


BOTH = [Target("TF1", 0.0, [0]), Target("LIG", 0.0, [0])]


@pytest.mark.parametrize("profile", ["default", "v1"])
def test_two_cells(profile):
    delta = two_cells(profile).simulate(BOTH, n_propagation=1).delta
    assert delta[:, 3] == pytest.approx([-0.35, -0.05 * 5 * math.exp(-0.5)], abs=1e-7)
    assert delta[1, 3] == pytest.approx(-0.151633, abs=1e-6)
    assert delta[:, :3].tolist() == [[-1, -10, 0], [0, 0, 0]]


def test_two_cells_with_a_constant_target_under_python():
    delta = two_cells("python", kernel="gaussian").simulate(BOTH, n_propagation=1).delta
    assert delta[:, 3].tolist() == [0, 0]


def test_two_cells_with_a_cutoff_between_them():
    delta = two_cells(cutoff=0.5).simulate(BOTH, n_propagation=1).delta
    assert delta[:, 3] == pytest.approx([-0.35, 0], abs=1e-12)


CHAIN_GENES = ["A", "B", "C", "D", "E", "Z"]


def chain(profile="default", n=6, **options):
    betas = {"D": table("D", {"A": 0.5, "B$C": 0.3}), "E": table("E", {"A": 0.4, "D": 0.6})}
    return PropagationModel(
        options.pop("expression", np.ones((n, 6))),
        CHAIN_GENES,
        np.column_stack([np.arange(n), np.zeros(n)]),
        betas,
        radii=2.0,
        cluster_labels=np.zeros(n, dtype=int),
        profile=profile,
        **options,
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(0, -0.4000000059604645), (1, -0.4000000059604645), (2, -0.7000000178813934), (4, -0.7000000178813934)],
)
def test_chain_in_the_compiled_edition(steps, expected):
    effect = chain("v1").simulate({"A": 0}, n_propagation=steps)
    assert effect.delta[:, 4] == pytest.approx(expected, abs=1e-12)
    assert effect.delta[:, 3] == pytest.approx(-0.5, abs=1e-15)
    assert not effect.delta[:, [1, 2, 5]].any()
    assert effect.n_propagation == max(1, steps)


def test_chain_by_default():
    model = chain()
    assert model.simulate({"A": 0}, n_propagation=2).delta[0] == pytest.approx([-1, 0, 0, -0.5, -0.7, 0], abs=1e-15)
    only_targets = model.simulate({"A": 0}, n_propagation=0)
    assert only_targets.delta[0].tolist() == [-1, 0, 0, 0, 0, 0]
    assert model.targets == ("D", "E")
    assert model.modulators == ("A", "B", "C", "D")


def test_over_expression_has_no_upper_limit():
    delta = chain().simulate({"A": 5}, n_propagation=2).delta
    assert delta[:, [3, 4]] == pytest.approx(np.tile([2, 2.8], (6, 1)), abs=1e-14)


def test_pin_by_membership_and_by_change():
    both = {"A": 0.0, "D": 1.0}
    expression = np.ones((6, 6))
    expression[0, [0, 3, 4]] = 0.0  # room below for the observed range
    assert chain().simulate(both, n_propagation=3).delta[1, 4] == pytest.approx(-0.4, abs=1e-15)
    by_change = dataclasses.replace(get_profile("default"), pin="changed")
    assert chain(by_change).simulate(both, n_propagation=3).delta[1, 4] == pytest.approx(-0.7, abs=1e-15)
    assert chain("python", expression=expression).simulate(both, n_propagation=3).delta[1, 4] == pytest.approx(-0.7)


def test_received_ligands_of_one_cell_and_of_a_huge_radius():
    genes = ["L", "R", "T"]
    for n, radius in ((1, 3.0), (5, 1e6)):
        rng = np.random.default_rng(0)
        expression = np.column_stack([np.zeros(n), np.ones(n), np.ones(n)])
        model = PropagationModel(
            expression,
            genes,
            rng.uniform(0, 1, (n, 2)),
            [table("T", {"L$R": 1.0})],
            radii=radius,
            cluster_labels=np.zeros(n, dtype=int),
            scale=2.5,
        )
        delta = model.simulate([Target("L", 1.0, [0])], n_propagation=1).delta
        assert delta[:, 2] == pytest.approx(2.5 / n, abs=1e-6)


def test_grid_with_few_cells_is_exact():
    exact, grid = two_cells(), two_cells(ligand_grid_factor=0.5)
    one, other = (model.simulate(BOTH, n_propagation=2).simulated for model in (exact, grid))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)


def test_grid_is_near_the_exact_sum():
    side = np.arange(10) * 10.0
    xy = np.array([[x, y] for x in side for y in side])
    expression = np.ones((100, 3))
    options = {"radii": 50.0, "cluster_labels": np.zeros(100, dtype=int)}
    betas = [table("T", {"L$R": 1.0})]
    effects = [
        PropagationModel(expression, ["L", "R", "T"], xy, betas, ligand_grid_factor=factor, **options).simulate(
            {"L": 0.0}, n_propagation=1
        )
        for factor in (None, 0.3)
    ]
    error = np.abs(effects[0].delta - effects[1].delta).max()
    assert 0 < error < 0.05


def test_a_gene_that_no_model_uses_changes_only_itself():
    effect = chain().simulate({"Z": 0.0}, n_propagation=4)
    assert effect.delta[:, 5].tolist() == [-1.0] * 6
    assert not effect.delta[:, :5].any()
    assert effect.notes == (
        "no model listens to Z: only its own column changes (it is a modulator of none of the 2 models)",
    )


@pytest.mark.parametrize("profile", ["default", "v1", "python"])
def test_desired_equal_to_the_baseline_changes_nothing(profile):
    effect = chain(profile).simulate({"A": 1.0, "B": 1.0}, n_propagation=4)
    assert np.abs(effect.delta).max() < 1e-10
    assert effect.notes == ()


def test_simulated_is_never_negative_and_targets_are_as_desired():
    effect = chain().simulate([Target("A", 0.0, [0, 1]), Target("A", 9.0, [1, 2])], n_propagation=4)
    assert effect.simulated.min() >= 0
    assert effect.simulated[:, 0].tolist() == [0, 9, 9, 1, 1, 1]


def test_scope_is_the_intersection_of_both():
    obs = pd.DataFrame({"kind": list("aabbab")})
    model = chain(obs=obs)
    effect = model.simulate([Target("A", 0.0, [0, 2])], cells="kind == 'a'")
    assert np.flatnonzero(effect.delta[:, 0]).tolist() == [0]
    nothing = model.simulate({"A": 0.0}, cells=[])
    assert not nothing.delta.any()
    assert nothing.notes == ("no cell is in the scope of A: it is not perturbed",)


def test_other_cells_feel_received_ligands_only():
    effect = two_cells().simulate([Target("LIG", 0.0, [0])], n_propagation=1)
    assert effect.delta[1, 3] < 0
    assert effect.delta[1, :3].tolist() == [0, 0, 0]


def test_bounds_limit_every_value():
    model = chain(bounds=(None, 2.0))
    effect = model.simulate({"A": 2.0}, n_propagation=3)
    assert effect.simulated.max() == 2.0
    assert chain().simulate({"A": 2.0}, n_propagation=3).delta[0, 4] == pytest.approx(0.7)
    with pytest.raises(ConfigError, match="outside the bounds"):
        model.simulate({"A": 3.0})
    lifted = chain(bounds=(1.5, None)).simulate({"Z": 2.0}, n_propagation=1)
    assert lifted.simulated.min() == 1.5


def test_a_simulation_that_runs_away():
    betas = [table("B", {"A": 1e200}), table("C", {"B": 1e200})]
    model = PropagationModel(np.ones((1, 3)), list("ABC"), [[0, 0]], betas, radii=1.0, cluster_labels=["0"])
    with pytest.raises(InputError, match="out of range"):
        model.simulate({"A": 2.0}, n_propagation=2)


def test_a_remark_where_values_explode():
    betas = [table("B", {"A": 20.0}), table("C", {"B": 20.0})]
    model = PropagationModel(
        np.ones((2, 3)), list("ABC"), np.zeros((2, 2)), betas, radii=1.0, cluster_labels=["0", "0"]
    )
    dose, note = model.simulate({"A": 2.0}, n_propagation=2).notes
    assert dose.startswith("the dose 2 of A is outside its observed expression")
    assert note.startswith("C reaches 401, 200 times")
    assert "set bounds (or beta_cap), use a smaller dose, or fewer steps" in note


def test_unmapped_cells(caplog):
    def run(profile):
        return PropagationModel(
            np.ones((3, 2)), ["A", "T"], np.zeros((3, 2)),
            [Betas("T", "cluster", ("0", "1"), np.zeros(2), ("A",), np.array([[0.5], [0.25]]))],
            radii=1.0, cluster_labels=np.array([0, 1, 999]), profile=profile,
        ).simulate({"A": 0.0}, n_propagation=1).delta[:, 1].tolist()  # fmt: skip

    with caplog.at_level(logging.WARNING, "spacetravlr"):
        assert run("default") == [-0.5, -0.25, 0]
        assert run("v1") == [-0.5, -0.25, -0.5]
    assert len(caplog.records) == 2
    assert "1 of 3 cells have no row in the coefficients of T" in caplog.text
    with pytest.raises(InputError, match="no row in the coefficients of T"):
        run("python")


def test_labels_in_order_of_precedence():
    keys = (np.array(["x", "1", "?"]), np.array(["0", "0", "?"]))
    model = PropagationModel(
        np.ones((3, 2)), ["A", "T"], np.zeros((3, 2)),
        [Betas("T", "cluster", ("0", "1", "named"), np.zeros(3), ("A",), np.array([[0.5], [0.25], [0.125]]))],
        radii=1.0, cluster_labels=keys, cell_names=["a", "b", "named"],
    )  # fmt: skip
    assert model.simulate({"A": 0.0}, n_propagation=1).delta[:, 1].tolist() == [-0.5, -0.25, -0.125]


def test_missing_genes(caplog):
    def run(profile, **options):
        betas = [table("T", {"Gone": 0.5, "L$Gone": 9.0, "Gone#L": 9.0}), table("Away", {"A": 1.0})]
        return PropagationModel(
            np.ones((2, 3)), ["A", "L", "T"], np.zeros((2, 2)), betas, radii=1.0,
            cluster_labels=["0", "0"], profile=profile, **options,
        ).simulate({"A": 0.0, "L": 0.0}, n_propagation=1).delta[0, 2]  # fmt: skip

    with caplog.at_level(logging.WARNING, "spacetravlr"):
        assert run("default") == 0
        assert [record.getMessage().split(":")[0] for record in caplog.records] == [
            "coefficients of 1 genes that are not measured are not used",
            "1 modulator genes are not measured, their modulators are dropped",
        ]
        assert run("v1") == -0.5
        assert run("v1", beta_cap=0.25) == -0.25
    with pytest.raises(InputError, match=r"not measured: Gone \(of T\)"):
        run("python")


def test_thresholds_as_a_table_in_another_order():
    names = ["a", "b"]
    frame = pd.DataFrame({"R": [0, 1]}, index=["b", "a"])
    options = {"radii": 1.0, "cluster_labels": ["0", "0"], "cell_names": names}
    model = PropagationModel(
        np.ones((2, 3)), ["L", "R", "T"], np.zeros((2, 2)), [table("T", {"L$R": 0.5})], thresholds=frame, **options
    )
    assert model.simulate({"L": 0.0}, n_propagation=1).delta[:, 2].tolist() == [-0.5, 0]
    with pytest.raises(InputError, match="thresholds lack cells"):
        PropagationModel(np.ones((2, 1)), ["R"], np.zeros((2, 2)), [], thresholds=frame[:1], **options)


def test_sparse_and_single_precision_expression():
    dense = chain().simulate({"A": 0.0}).simulated
    for expression in (
        sparse.csr_array(np.ones((6, 6))),
        np.ones((6, 6), np.float32),
        pd.DataFrame(np.ones((6, 6), int)),
    ):
        np.testing.assert_array_equal(chain(expression=expression).simulate({"A": 0.0}).simulated, dense)


@pytest.mark.parametrize("cap", [None, 1.0])
@pytest.mark.parametrize("betas", [[], [table("B", {})]], ids=["no table", "an empty table"])
def test_a_model_without_coefficients_moves_the_target_only(betas, cap):
    model = PropagationModel(
        np.ones((3, 2)), ["A", "B"], np.zeros((3, 2)), betas, radii=1.0, cluster_labels=["0"] * 3, beta_cap=cap
    )
    assert model.simulate({"A": 0.5}, n_propagation=2).delta.tolist() == [[-0.5, 0]] * 3


def test_progress_and_cancel():
    seen: list[tuple[int, int]] = []
    chain().simulate({"A": 0.0}, n_propagation=3, progress=lambda step, steps: seen.append((step, steps)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(SimulationCancelledError, match="after step 1 of 3"):
        chain().simulate(
            {"A": 0.0}, n_propagation=3, progress=lambda *at: seen.append(at), cancelled=lambda: seen[-1][0] == 1
        )


def test_same_bits_again_and_whatever_the_order_of_tables():
    rng = np.random.default_rng(3)
    expression, xy = rng.exponential(1, (40, 5)), rng.uniform(0, 9, (40, 2))
    betas = [table(target, {"A": 0.3, "B$C": 0.2, "B#D": -0.4}, labels=("0", "1")) for target in "DE"]
    options = {"radii": 3.0, "cluster_labels": rng.integers(0, 2, 40)}
    runs = [
        PropagationModel(expression, list("ABCDE"), xy, tables, **options).simulate({"B": 0.0}).simulated
        for tables in (betas, betas, {b.target: b for b in betas})
    ]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])


def bad(value, row=1, column=2):
    expression = np.ones((6, 6))
    expression[row, column] = value
    return expression


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"expression": bad(np.nan)}, InputError, "gene C, cell 1"),
        ({"expression": bad(np.inf)}, InputError, "not finite"),
        ({"expression": np.ones((6, 5))}, InputError, "6 gene names"),
        ({"expression": np.ones((0, 6)), "n": 0}, InputError, "no cells"),
        ({"expression": np.full((6, 6), "x")}, InputError, "not numeric"),
        ({"beta_cap": -1.0}, ConfigError, "beta_cap"),
        ({"beta_cap": math.nan}, ConfigError, "beta_cap"),
        ({"beta_cap": 0.0}, ConfigError, "beta_cap"),
        ({"beta_scale_factor": math.inf}, ConfigError, "beta_scale_factor"),
        ({"beta_scale_factor": -1.0}, ConfigError, "beta_scale_factor"),
        ({"scale": 0.0}, ConfigError, "scale"),
        ({"cutoff": -5.0}, ConfigError, "cutoff"),
        ({"ligand_grid_factor": -0.5}, ConfigError, "ligand_grid_factor"),
        ({"ligand_grid_factor": 0.5, "cutoff": 3.0}, ConfigError, "exclude each other"),
        ({"kernel": "round"}, ConfigError, "unknown kernel 'round'"),
        ({"signal_tol": 1.0}, ConfigError, "signal_tol must be below 1"),
        ({"signal_tol": -1e-6}, ConfigError, "signal_tol"),
        ({"signal_tol": None}, ConfigError, "signal_tol"),
        ({"min_expression": -1.0}, ConfigError, "min_expression"),
        ({"bounds": (2.0, 1.0)}, ConfigError, "ascending"),
        ({"bounds": (math.nan, 1.0)}, ConfigError, "ascending"),
        ({"bounds": (0.0, 5.0), "profile": "v1"}, ConfigError, "knows no expression bounds"),
        ({"thresholds": (np.ones((6, 1)), ["A"]), "profile": "v1"}, ConfigError, "knows no thresholds"),
        ({"thresholds": (np.ones((5, 1)), ["A"])}, InputError, "thresholds must have shape"),
        ({"profile": "V1"}, ConfigError, "did you mean 'v1'"),
        ({"cell_names": ["a"]}, InputError, "1 cell names"),
    ],
)
def test_refused_settings(options, error, message):
    with pytest.raises(error, match=message):
        chain(**options)


@pytest.mark.parametrize("radii", [0.0, -1.0, math.nan, math.inf, {"B": 0.0}, None])
def test_refused_radii(radii):
    betas = [table("D", {"B$C": 0.3})]
    with pytest.raises(ConfigError, match="radi"):
        PropagationModel(np.ones((2, 6)), CHAIN_GENES, np.zeros((2, 2)), betas, radii=radii, cluster_labels=["0", "0"])


def test_refused_tables_and_shapes():
    options = {"radii": 1.0, "cluster_labels": ["0", "0"]}
    good = [table("D", {"A": 1.0})]

    def build(genes=CHAIN_GENES, betas=good, n_axes=2, **more):
        return PropagationModel(np.ones((2, 6)), genes, np.zeros((2, n_axes)), betas, **{**options, **more})

    with pytest.raises(InputError, match="more than once: A"):
        build(genes=["A", "A", "C", "D", "E", "Z"])
    with pytest.raises(InputError, match="coordinates"):
        build(n_axes=1)
    with pytest.raises(InputError, match="cluster labels"):
        build(cluster_labels=["0"])
    with pytest.raises(InputError, match="D has two tables"):
        build(betas=good * 2)
    with pytest.raises(InputError, match="not all finite"):
        build(betas=[table("D", {"A": math.nan})])
    with pytest.raises(InputError, match="D have no rows"):
        build(betas=[table("D", {"A": 1.0}, labels=())])
    with pytest.raises(InputError, match="give cell_names"):
        build(betas=[table("D", {"A": 1.0}, by="cell")])


def test_negative_expression_is_reported_and_lifted(caplog):
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        model = chain(expression=bad(-2.0, column=5))
    assert "negative in 1 genes (lowest -2, Z)" in caplog.text
    assert model.simulate({"A": 1.0}, n_propagation=1).simulated[1, 5] == 0


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ({"a": 0.0}, InputError, "gene 'a' is not among the 6 measured genes; did you mean 'A'"),
        ({"A": -1.0}, InputError, "not negative"),
        ({"A": math.nan}, InputError, "finite"),
        ({"A": "much"}, InputError, "no number"),
        ({}, UsageError, "nothing to perturb"),
        ("A", UsageError, "Target"),
        ([("A", 0.0)], UsageError, "Target"),
    ],
)
def test_refused_targets(targets, error, message):
    with pytest.raises(error, match=message):
        chain().simulate(targets)


@pytest.mark.parametrize("steps", [-1, 33, 2.0, True, None])
def test_refused_steps(steps):
    with pytest.raises(ConfigError, match="n_propagation"):
        chain().simulate({"A": 0.0}, n_propagation=steps)


def test_profiles_are_data():
    assert get_profile("v1").unmapped == "first_row"
    own = dataclasses.replace(get_profile("default"), updates_received=False)
    assert get_profile(own) is own
    assert isinstance(own, Profile)
    assert chain(own).profile is own


def test_too_many_groups_are_done_row_by_row(monkeypatch):
    def run():
        betas = [table("T", {"A": 0.5}, labels=("0", "1")), table("U", {"A": 0.25}, labels=("1", "2"))]
        model = PropagationModel(
            np.ones((4, 3)), ["A", "T", "U"], np.zeros((4, 2)), betas, radii=1.0, cluster_labels=[0, 1, 2, 3]
        )
        return model._engine.rules.coefficients, model.simulate({"A": 0.0}, n_propagation=1).delta[:, 1:].tolist()

    coefficients, delta = run()
    assert (coefficients.grouped.n_groups, len(coefficients.rowwise)) == (4, 0)
    assert delta == [[-0.5, 0], [-0.5, -0.25], [0, -0.25], [0, 0]]
    monkeypatch.setattr("spacetravlr.perturbation._coefficients._MAX_GROUPS", 3)
    coefficients, again = run()
    assert (coefficients.grouped.n_targets, len(coefficients.rowwise)) == (0, 2)
    assert again == delta


def test_default_radius_fills_a_mapping(caplog):
    def run(**options):
        model = PropagationModel(
            np.ones((2, 4)), ["K", "L", "R", "T"], [[0, 0], [1, 0]], [table("T", {"K$R": 0.1, "L$R": 0.2})],
            cluster_labels=["0", "0"], **options,
        )  # fmt: skip
        return model.ligand_radii, model.simulate(Target("L", 0.0), n_propagation=1).delta[0, 3]

    assert run(radii={"K": 2.0}, default_radius=5.0)[0] == {"K": 2.0, "L": 5.0}
    with caplog.at_level(logging.WARNING, "spacetravlr"):
        assert run(radii={"K": 2.0}) == ({"K": 2.0}, 0)
    assert "1 ligands have no radius" in caplog.text


@pytest.mark.parametrize(("profile", "first"), [("default", 0.0), ("python", -0.5)])
def test_the_first_step_sees_masked_ligands_by_default(profile, first):
    # L is masked everywhere, and is received unmasked because a ligand-TF pair names it too
    expression = np.array([[2.0, 1, 1, 1], [2, 0, 0, 0]])
    model = PropagationModel(
        expression, ["L", "R", "F", "T"], np.zeros((2, 2)), [table("T", {"L$R": 0.25, "L#F": 0.125})], radii=1.0,
        kernel="gaussian", cluster_labels=["0", "0"], thresholds=(np.zeros((2, 1)), ["L"]), profile=profile,
    )  # fmt: skip
    assert model.simulate({"R": 0.0}, n_propagation=1).delta[0, 3] == first
    # the second step sees no receptor
    assert model.simulate({"R": 0.0}, n_propagation=2).delta[0, 3] == 0
