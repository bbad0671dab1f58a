"""What a transition field must show, and what it refuses."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import spacetravlr as stl
from spacetravlr.betas import Betas
from spacetravlr.errors import ConfigError, InputError, UsageError
from spacetravlr.perturbation import Effect, PropagationModel, Target
from spacetravlr.perturbation.transition import TransitionField, transition_field
from spacetravlr.perturbation.transition._grid import choose_size, grid_sums, rule_size, scaled, typical_step

N_CELLS = 300


@pytest.fixture(scope="module")
def tissue():
    """Cells on a square where gene A, and with it D and E, rises from left to right and B from bottom to top."""
    rng = np.random.default_rng(0)
    u = rng.uniform(0.0, 10.0, (N_CELLS, 2))
    a, b = 1.0 + 0.1 * (u[:, 0] - 5.0), 1.0 + 0.1 * (u[:, 1] - 5.0)
    noise = rng.normal(0.0, 0.02, (N_CELLS, 6))
    expression = np.stack([a, b, np.ones(N_CELLS), 0.8 * a + 0.1, 0.5 * a + 0.5, np.ones(N_CELLS)], axis=1) + noise
    betas = [
        Betas("D", "cluster", ("0",), np.zeros(1), ("A",), np.array([[0.8]])),
        Betas("E", "cluster", ("0",), np.zeros(1), ("A", "D"), np.array([[0.1, 0.4]])),
    ]
    return expression, u, betas


def simulate(tissue, value, gene="A", expression=None) -> Effect:
    own, u, betas = tissue
    model = PropagationModel(
        own if expression is None else expression,
        ["A", "B", "C", "D", "E", "F"],
        u,
        betas,
        radii=1.0,
        cluster_labels=np.full(N_CELLS, "0"),
        signal_tol=1e-3,
    )
    return model.simulate({gene: value}, n_propagation=3)


def field(tissue, effect, **options) -> TransitionField:
    return transition_field(effect, embedding=tissue[1], **{"n_neighbors": 40, "n_jobs": 1, **options})


@pytest.mark.parametrize("null_mode", ["clip_renorm", "raw"])
@pytest.mark.parametrize("unit", [False, True])
def test_no_change_gives_no_arrow_at_all(tissue, null_mode, unit):
    effect = simulate(tissue, 0.0)
    still = dataclasses.replace(effect, values=effect.baseline[:, effect.columns].T.astype(float))
    found = field(tissue, still, null_mode=null_mode, unit_directions=unit)
    assert not found.cell_vectors.any()
    assert not found.vectors.any()
    kept = field(tissue, still, remove_null=False)
    # with the null kept these are the mean directions to the neighbours
    assert kept.cell_vectors.any()


@pytest.mark.parametrize("null_mode", ["clip_renorm", "raw"])
def test_knock_out_and_over_expression_go_opposite_ways(tissue, null_mode):
    out, over = (field(tissue, simulate(tissue, value), null_mode=null_mode) for value in (0.0, 3.0))
    low, high = out.cell_vectors.mean(axis=0), over.cell_vectors.mean(axis=0)
    assert low @ high / np.linalg.norm(low) / np.linalg.norm(high) < 0.5
    # losing A leads to where A is low, in the middle of the tissue too
    middle = np.abs(tissue[1] - 5.0).max(axis=1) < 3.0
    assert (out.cell_vectors[middle, 0] < 0).mean() > 0.9
    assert (over.cell_vectors[middle, 0] > 0).mean() > 0.9
    # and B, which is not involved, hardly matters
    assert abs(low[1]) < 0.5 * abs(low[0])


def test_another_gene_goes_another_way(tissue):
    found = field(tissue, simulate(tissue, 0.0, gene="B"))
    mean = found.cell_vectors.mean(axis=0)
    assert mean[1] < -2 * abs(mean[0])


def test_arrows_do_not_grow_with_a_weaker_perturbation(tissue):
    flat = tissue[0].copy()
    flat[:, 0] = 1.0
    sizes = []
    for desired in (0.0, 0.5, 0.9):
        found = field(tissue, simulate(tissue, desired, expression=flat), remove_null=False)
        sizes.append(np.linalg.norm(found.cell_vectors, axis=1).sum())
    assert sizes[0] >= sizes[1] >= sizes[2] * (1 - 1e-3)
    assert sizes[2] > 0


@pytest.mark.parametrize("vector_scale", [0.85, 2.0])
def test_scale_length_and_threshold_of_the_grid(tissue, vector_scale):
    effect = simulate(tissue, 0.0)
    found = field(tissue, effect, vector_scale=vector_scale)
    assert np.abs(found.vectors).max() == pytest.approx(vector_scale, rel=1e-14)
    assert len(found.vectors) == len(found.grid_x) * len(found.grid_y) == np.prod(found.params["grid_size"])
    length = np.linalg.norm(found.vectors, axis=1)
    threshold = float(np.median(length[length > 0]))
    cut = field(tissue, effect, vector_scale=vector_scale, magnitude_threshold=threshold)
    np.testing.assert_array_equal(cut.vectors, np.where(length[:, None] < threshold, 0.0, found.vectors))
    assert 0 < (np.linalg.norm(cut.vectors, axis=1) > 0).sum() < (length > 0).sum()


def test_layout_of_the_grid(tissue):
    found = field(tissue, simulate(tissue, 0.0), grid_size=(5, 9))
    assert (len(found.grid_x), len(found.grid_y)) == (5, 9)
    assert found.points[2 * 9 + 7].tolist() == [found.grid_x[2], found.grid_y[7]]
    # the arrow of a point is that of the cells around it
    box = np.abs(tissue[1] - found.points[2 * 9 + 7]) <= [found.grid_x[1] - found.grid_x[0], found.grid_y[1] -
                                                           found.grid_y[0]] / np.array([2.0, 2.0])  # fmt: skip
    own = found.cell_vectors[box.all(axis=1)].sum(axis=0)
    sums = grid_sums(found.cell_vectors, tissue[1], found.grid_x, found.grid_y)
    np.testing.assert_allclose(sums[2 * 9 + 7], own, rtol=1e-12)
    np.testing.assert_allclose(found.vectors, sums * 0.85 / np.abs(sums).max(), rtol=1e-12)
    assert field(tissue, simulate(tissue, 0.0), grid_size=6).params["grid_size"] == (6, 6)


def test_one_gene_correlates_fully():
    rng = np.random.default_rng(1)
    u, baseline = rng.normal(size=(12, 2)), rng.random((12, 1))
    effect = Effect(baseline, ("A",), tuple("abcdefghijkl"), (Target("A", 0.0),), 1, "default", np.array([0]),
                    np.zeros((1, 12)))  # fmt: skip
    kept = transition_field(effect, embedding=u, n_neighbors=4, remove_null=False, n_jobs=1)
    for cell in range(12):
        near = np.argsort(((u - u[cell]) ** 2).sum(axis=1))[1:5]
        np.testing.assert_allclose(kept.cell_vectors[cell], (u[near] - u[cell]).mean(axis=0), rtol=1e-12)
    assert not transition_field(effect, embedding=u, n_jobs=1).cell_vectors.any()


def test_there_are_no_more_neighbours_than_other_cells(tissue):
    effect = simulate(tissue, 0.0)
    many, all_of_them = (field(tissue, effect, n_neighbors=k) for k in (10_000, N_CELLS - 1))
    np.testing.assert_array_equal(many.cell_vectors, all_of_them.cell_vectors)
    assert many.params["n_neighbors"] == N_CELLS - 1


def test_one_cell_has_no_arrow():
    effect = Effect(np.ones((1, 2)), ("A", "B"), ("x",), (Target("A", 0.0),), 1, "default", np.array([0]),
                    np.zeros((1, 1)))  # fmt: skip
    for keep in (True, False):
        found = transition_field(effect, embedding=[[2.0, 3.0]], remove_null=keep, grid_size=4, n_jobs=1)
        assert found.cell_vectors.tolist() == [[0.0, 0.0]]
        assert not found.vectors.any()
        assert found.params["n_neighbors"] == 0


def test_scope_limits_the_cells_that_move(tissue):
    effect = simulate(tissue, 0.0)
    mask = tissue[1][:, 0] > 5
    found, every = field(tissue, effect, cells=mask), field(tissue, effect)
    np.testing.assert_array_equal(found.cell_vectors[mask], every.cell_vectors[mask])
    assert not found.cell_vectors[~mask].any()
    np.testing.assert_array_equal(found.in_scope, mask)
    assert every.in_scope is None


def test_step_and_size_of_the_grid():
    assert typical_step(np.array([[0.0, 0], [1, 0], [1, 1]])) == 0.5
    assert typical_step(np.array([[3.0, 4.0]])) == 1.0
    assert typical_step(np.zeros((5, 2))) == 1e-9
    # density 10 * 0.5 / 0.5 = 10: floor(sqrt(2 * 10))^2
    corner = np.array([[0.0, 0], [1, 0], [1, 1]])
    assert rule_size(corner, 0.5) == (16, 16)
    assert rule_size(corner, 1e-9) == (4, 4)
    assert rule_size(corner, 1e9) == (10_000, 10_000)
    assert rule_size(np.zeros((5, 2)), 1.0) == (10_000, 10_000)
    # the two axes have sizes of their own: floor(sqrt(10.5))^2 and floor(sqrt(1.5))^2, below the least
    wide = np.array([[0.0, 0], [20, 0], [0, 0], [20, 0]])
    assert rule_size(wide, 0.5) == (9, 4)


@pytest.mark.parametrize("limit", [16, 100, 1234, 20_000])
def test_a_grid_that_would_be_huge_is_made_smaller_in_words(limit, caplog):
    line = np.stack([np.arange(1000.0) * 1e-3, np.zeros(1000)], axis=1)
    options = {"grid_scale": 1.0, "max_points": limit}
    nx, ny = choose_size(line, grid_size=None, **options)
    assert min(nx, ny) >= 4
    assert 0.6 * limit < nx * ny <= limit
    assert "grid_size" in caplog.text
    thin = choose_size(line * [1000.0, 0.0], grid_size=None, grid_scale=0.01, max_points=limit)
    assert thin[0] >= thin[1] >= 4
    with pytest.raises(ConfigError, match="max_grid_points"):
        choose_size(line, grid_size=(limit, 2), **options)
    assert choose_size(line, grid_size=(limit // 2, 2), **options) == (limit // 2, 2)


def test_a_cell_on_a_border_counts_twice():
    axis = np.linspace(0.0, 3.0, 4)
    places = np.array([[0.5, 0.0], [1.5, 2.5], [3.0, 3.0]])
    arrows = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    sums = grid_sums(arrows, places, axis, axis).reshape(4, 4, 2)
    assert sums[0, 0].tolist() == sums[1, 0].tolist() == [1.0, 0.0]
    assert sums[1, 2].tolist() == sums[2, 3].tolist() == sums[1, 3].tolist() == sums[2, 2].tolist() == [0.0, 1.0]
    assert sums[3, 3].tolist() == [2.0, 2.0]
    assert sums.sum() == 1 * 2 + 1 * 4 + 4


@pytest.mark.parametrize("shift", [0.0, 0.1, 1e5])
def test_no_cell_falls_between_two_boxes(shift):
    """Whatever the rounding: a lattice whose points lie on borders."""
    values = np.arange(0, 201) * 0.1 + shift
    places = np.stack([values, np.full(201, values[3])], axis=1)
    grid_x, grid_y = np.linspace(values.min(), values.max(), 101), np.linspace(values[3], values[3], 4)
    sums = grid_sums(np.ones((201, 2)), places, grid_x, grid_y).reshape(101, 4, 2)
    # 101 cells on points and 100 on borders; the second axis has no extent: each point has all
    assert (sums.sum(axis=(0, 2)) == 2 * (101 + 2 * 100)).all()


def test_scaling_leaves_nothing_as_it_is():
    tiny = np.full((3, 2), 1e-40)
    np.testing.assert_array_equal(scaled(tiny, vector_scale=1.0, magnitude_threshold=0.0), tiny)
    assert scaled(np.array([[3.0, -4.0]]), vector_scale=1.0, magnitude_threshold=0.0).tolist() == [[0.75, -1.0]]


@pytest.mark.parametrize(
    ("option", "value", "error", "message"),
    [
        ("n_neighbors", 0, ConfigError, "n_neighbors"),
        ("n_neighbors", 2.5, ConfigError, "n_neighbors"),
        ("temperature", -1.0, ConfigError, "temperature"),
        ("temperature", float("nan"), ConfigError, "temperature"),
        ("null_mode", "clip", ConfigError, "clip_renorm, raw"),
        ("grid_scale", 0.0, ConfigError, "grid_scale"),
        ("grid_size", 1, ConfigError, "grid_size"),
        ("grid_size", (3, 4, 5), ConfigError, "a pair"),
        ("grid_size", (300, 300), ConfigError, "20,000 points"),
        ("vector_scale", 0.0, ConfigError, "vector_scale"),
        ("delta_rescale", float("inf"), ConfigError, "delta_rescale"),
        ("delta_rescale", "x", ConfigError, "delta_rescale"),
        ("magnitude_threshold", -0.1, ConfigError, "magnitude_threshold"),
        ("full_graph_max_cells", 0, ConfigError, "full_graph_max_cells"),
        ("max_grid_points", 3, ConfigError, "at least 16"),
        ("n_jobs", 0, ConfigError, "n_jobs"),
        ("cells", ["nobody"], InputError, "nobody"),
        ("genes", ["a"], InputError, "did you mean 'A'"),
        ("genes", [], InputError, "genes is empty"),
        ("embedding", np.zeros((4, 2)), InputError, r"shape \(300, 2\)"),
        ("embedding", np.zeros((N_CELLS, 1)), InputError, r"shape \(300, 2\)"),
        ("embedding", np.full((N_CELLS, 2), "x"), InputError, "not numeric"),
        ("embedding", np.where(np.arange(N_CELLS) == 7, np.nan, 1.0)[:, None].repeat(2, 1), InputError, "row 7"),
        ("embedding", None, UsageError, "adata"),
        ("adata", object(), UsageError, "embedding"),
    ],
)
def test_refused(tissue, option, value, error, message):
    effect = simulate(tissue, 0.0)
    with pytest.raises(error, match=message):
        transition_field(effect, **{"embedding": tissue[1], option: value})


def test_an_empty_effect_is_refused():
    effect = Effect(np.ones((0, 2)), ("A", "B"), (), (), 1, "default", np.array([0]), np.zeros((1, 0)))
    with pytest.raises(InputError, match="no cells"):
        transition_field(effect, embedding=np.zeros((0, 2)))


def test_a_temperature_of_zero_takes_the_best_neighbour(tissue):
    found = field(tissue, simulate(tissue, 0.0), temperature=0.0, n_neighbors=6).cell_vectors
    u = tissue[1]
    for cell in range(0, N_CELLS, 29):
        apart = u[np.argsort(((u - u[cell]) ** 2).sum(axis=1))[1:7]] - u[cell]
        assert np.abs(apart - found[cell]).max(axis=1).min() < 1e-9


def test_the_public_door_opens_late():
    assert stl.tl.transition_field is transition_field
    with pytest.raises(AttributeError, match="transition_fields"):
        _ = stl.tl.transition_fields
    code = "import sys, spacetravlr.tl as tl; print('spacetravlr.perturbation.transition' in sys.modules, tl.__all__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False ['suggest_radius', 'train', 'transition_field']"


def test_what_is_shown_of_a_field(tissue):
    shown = repr(field(tissue, simulate(tissue, 0.0), temperature=0.05, n_neighbors=6))
    assert shown.startswith("TransitionField(")
    assert "grid points; Effect(of " in shown
    assert len(shown) < 250
