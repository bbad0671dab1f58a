"""Transition fields against the steps written down literally, one cell and one grid point at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.perturbation import Effect, Target
from spacetravlr.perturbation.transition import _kernels, _vectors, transition_field
from spacetravlr.perturbation.transition._kernels import rounded


def make_effect(baseline, columns, values) -> Effect:
    n_cells, n_genes = baseline.shape
    return Effect(
        baseline=baseline,
        genes=tuple(f"G{number}" for number in range(n_genes)),
        cells=tuple(f"c{number}" for number in range(n_cells)),
        targets=(Target("G0", 0.0),),
        n_propagation=1,
        profile="default",
        columns=np.asarray(columns, dtype=np.int64),
        values=np.asarray(values, dtype=np.float64),
    )


def random_effect(seed, n_cells=30, n_genes=12, n_changed=5, dtype=np.float64) -> tuple[Effect, np.ndarray]:
    rng = np.random.default_rng(seed)
    baseline = rng.exponential(1.0, (n_cells, n_genes)).astype(dtype)
    columns = rng.permutation(n_genes)[:n_changed]
    values = np.maximum(baseline[:, columns].T + rng.normal(0, 0.4, (n_changed, n_cells)), 0.0)
    values = np.where(rng.random(values.shape) < 0.2, baseline[:, columns].T, values)
    return make_effect(baseline, columns, values), rng.normal(0.0, 3.0, (n_cells, 2))


def round_away(value: float) -> float:
    sign = math.copysign(1.0, value)
    lower = math.floor(abs(value) * 1000.0)
    return sign * (lower + (1 if abs(value) * 1000.0 - lower >= 0.5 else 0)) / 1000.0


def literal_neighbours(u, i, k):
    others = [j for j in range(len(u)) if j != i]
    apart = [(u[j, 0] - u[i, 0]) ** 2 + (u[j, 1] - u[i, 1]) ** 2 for j in others]
    return [j for _, j in sorted(zip(apart, others, strict=True))[:k]]


def literal_correlation(difference, change):
    a = [value - sum(difference) / len(difference) for value in difference]
    b = [value - sum(change) / len(change) for value in change]
    aa, bb = sum(value * value for value in a), sum(value * value for value in b)
    if aa <= 1e-18 or bb <= 1e-18:
        return 1.0
    r = sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(aa * bb)
    return min(max(r, -1.0), 1.0) if math.isfinite(r) else 1.0


def literal_weights(correlations, temperature):
    weights = [math.exp((r - max(correlations)) / max(temperature, 1e-9)) for r in correlations]
    return [weight / sum(weights) for weight in weights]


def literal_cells(effect, u, *, k=150, temperature=0.05, remove_null=True, null_mode="clip_renorm", unit=False,
                  rescale=1.0, scope=None, genes=None, full=False):  # fmt: skip
    x = np.asarray(effect.baseline, dtype=np.float64)
    delta = effect.delta.copy()
    if scope is not None:
        delta[[i for i in range(len(x)) if i not in scope]] = 0.0
    if genes is not None:
        x, delta = x[:, genes], delta[:, genes]
    dw = [[round_away(value * rescale) for value in row] for row in delta]
    vectors = np.zeros((len(x), 2))
    for i in range(len(x)):
        near = literal_neighbours(u, i, len(x) - 1 if full else min(k, max(len(x) - 1, 1)))
        if not near:
            continue
        weights = literal_weights([literal_correlation(x[j] - x[i], dw[i]) for j in near], temperature)
        if remove_null:
            null = literal_weights([1.0] * len(near), temperature)
            weights = [p - p0 for p, p0 in zip(weights, null, strict=True)]
            if null_mode == "clip_renorm":
                weights = [max(weight, 0.0) for weight in weights]
                total = sum(weights)
                weights = [weight / total if total > 0 else 0.0 for weight in weights]
        for weight, j in zip(weights, near, strict=True):
            step = u[j] - u[i]
            if unit:
                length = math.sqrt(step[0] ** 2 + step[1] ** 2)
                step = step / length if length >= 1e-12 else np.zeros(2)
            vectors[i] += weight * step
    return vectors


def literal_axes(u, grid_scale):
    q = 1.0
    if len(u) >= 2:
        q = max(float(np.mean([abs(u[i + 1, axis] - u[i, axis]) for i in range(len(u) - 1) for axis in (0, 1)])), 1e-9)
    axes = []
    for axis in (0, 1):
        low, high = u[:, axis].min(), u[:, axis].max()
        n = math.floor(math.sqrt((max(high - low, 1e-12) + 1.0) * 10.0 * grid_scale / q)) ** 2
        axes.append(np.linspace(low, high, min(max(n, 4), 10_000)))
    return axes


def literal_grid(vectors, u, grid_x, grid_y, vector_scale=0.85, threshold=0.0):
    dx, dy = grid_x[1] - grid_x[0], grid_y[1] - grid_y[0]
    sums = []
    for gx in grid_x:
        for gy in grid_y:
            total = np.zeros(2)
            for v, (u1, u2) in zip(vectors, u, strict=True):
                if abs(u1 - gx) <= dx / 2 and abs(u2 - gy) <= dy / 2:
                    total = total + v
            sums.append(total)
    sums = np.array(sums)
    largest = np.abs(sums).max()
    if largest > 1e-36:
        sums = sums * (vector_scale / largest)
    for total in sums:
        if math.sqrt(total[0] ** 2 + total[1] ** 2) < threshold:
            total[:] = 0.0
    return sums


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_cells=st.integers(1, 40),
    n_genes=st.integers(1, 14),
    share=st.floats(0.0, 1.0),
    k=st.integers(1, 45),
    temperature=st.sampled_from([0.02, 0.05, 1.0]),
    null=st.sampled_from([(True, "clip_renorm"), (True, "raw"), (False, "raw")]),
    unit=st.booleans(),
    rescale=st.sampled_from([1.0, 4.0, -0.5]),
)
def test_random_instances(seed, n_cells, n_genes, share, k, temperature, null, unit, rescale):
    # two genes are left out: all correlations are then 1 or -1, and rounding decides between equal ones
    n_genes = 3 if n_genes == 2 else n_genes
    effect, u = random_effect(seed, n_cells, n_genes, round(share * n_genes))
    found = transition_field(
        effect,
        embedding=u,
        n_neighbors=k,
        temperature=temperature,
        remove_null=null[0],
        null_mode=null[1],
        unit_directions=unit,
        delta_rescale=rescale,
        max_grid_points=10**8,
        grid_scale=0.5,
        vector_scale=1.5,
        magnitude_threshold=0.3,
        n_jobs=1,
    )
    options = {"k": k, "temperature": temperature, "remove_null": null[0], "null_mode": null[1], "unit": unit}
    expected = literal_cells(effect, u, rescale=rescale, **options)
    np.testing.assert_allclose(found.cell_vectors, expected, rtol=1e-10, atol=1e-10)
    grid_x, grid_y = literal_axes(u, 0.5)
    np.testing.assert_array_equal(found.grid_x, grid_x)
    np.testing.assert_array_equal(found.grid_y, grid_y)
    expected_grid = literal_grid(found.cell_vectors, u, grid_x, grid_y, 1.5, 0.3)
    np.testing.assert_allclose(found.vectors, expected_grid, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_changed", [1, 4, 11, 40])
def test_few_or_many_changed_genes_and_single_precision(n_changed):
    effect, u = random_effect(3, 40, 40, n_changed, np.float32)
    found = transition_field(effect, embedding=u, n_neighbors=12, n_jobs=1).cell_vectors
    np.testing.assert_allclose(found, literal_cells(effect, u, k=12), rtol=1e-10, atol=1e-10)
    assert np.abs(found).max() > 0.1


def test_scope_and_genes():
    effect, u = random_effect(5)
    genes, scope = ["G3", "G7", "G1", "G8", "G2"], [2, 4, 9, 17]
    found = transition_field(effect, embedding=u, n_neighbors=9, cells=scope, genes=genes, n_jobs=1)
    expected = literal_cells(effect, u, k=9, scope=scope, genes=[3, 7, 1, 8, 2])
    np.testing.assert_allclose(found.cell_vectors, expected, rtol=1e-10, atol=1e-10)
    # nothing changes in the last of these cells
    assert np.flatnonzero(found.cell_vectors.any(axis=1)).tolist() == scope[:3]
    by_name = transition_field(effect, embedding=u, n_neighbors=9, cells=[f"c{row}" for row in scope], genes=genes)
    np.testing.assert_array_equal(found.vectors, by_name.vectors)


def test_full_graph(caplog):
    effect, u = random_effect(6)
    full = transition_field(effect, embedding=u, n_neighbors=5, full_graph=True, n_jobs=1)
    np.testing.assert_allclose(full.cell_vectors, literal_cells(effect, u, full=True), rtol=1e-10, atol=1e-10)
    assert full.params["n_neighbors"] == 29
    every = transition_field(effect, embedding=u, n_neighbors=29, n_jobs=1)
    np.testing.assert_allclose(full.cell_vectors, every.cell_vectors, rtol=1e-10, atol=1e-10)
    assert not caplog.records
    limited = transition_field(effect, embedding=u, n_neighbors=5, full_graph=True, full_graph_max_cells=29, n_jobs=1)
    near = transition_field(effect, embedding=u, n_neighbors=5, n_jobs=1)
    np.testing.assert_array_equal(limited.cell_vectors, near.cell_vectors)
    assert "full_graph_max_cells" in caplog.text


@pytest.mark.parametrize("k", [1, 3, 4, 7, 8, 20])
def test_ties_on_a_lattice_go_to_the_lower_index(k):
    effect, _ = random_effect(7, 49)
    lattice = np.stack(np.divmod(np.random.default_rng(0).permutation(49), 7), axis=1).astype(float)
    found = transition_field(effect, embedding=lattice, n_neighbors=k, n_jobs=1)
    np.testing.assert_allclose(found.cell_vectors, literal_cells(effect, lattice, k=k), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("k", [2, 5, 39])
def test_coincident_cells(k, unit):
    """More cells in one place than the first two searches look at, some with the same expression too."""
    effect, u = random_effect(8, 120)
    u[20:100] = u[0]
    effect.baseline[30:40] = effect.baseline[0]
    effect = make_effect(effect.baseline, effect.columns, np.maximum(effect.values, 0.0))
    options = {"unit_directions": unit, "n_jobs": 1}
    found = transition_field(effect, embedding=u, n_neighbors=k, **options)
    assert np.isfinite(found.cell_vectors).all()
    np.testing.assert_allclose(found.cell_vectors, literal_cells(effect, u, k=k, unit=unit), rtol=1e-10, atol=1e-10)


def test_rounding_is_half_away_from_zero():
    # all of these times 1000 are exact halves
    halves = np.array([0.0005, 0.0015, 0.0025, -0.0005, -0.0025, 0.0625, -0.0625, 1.0625])
    assert (halves * 1000 % 1 == 0.5).all()
    assert [rounded(half) for half in halves] == [0.001, 0.002, 0.003, -0.001, -0.003, 0.063, -0.063, 1.063]
    # the largest number below a half, which adding a half would round up
    assert [rounded(value) for value in (0.00049999999999999994, -0.0004, 0.0)] == [0.0, 0.0, 0.0]
    values = np.random.default_rng(0).normal(0, 2, 500)
    assert [rounded(value) for value in values] == [round_away(value) for value in values]


def test_the_factor_comes_before_rounding():
    effect, u = random_effect(9)
    small = make_effect(effect.baseline, effect.columns, effect.baseline[:, effect.columns].T * (1 - 1e-5))
    assert not transition_field(small, embedding=u, delta_rescale=1.0, n_jobs=1).cell_vectors.any()
    found = transition_field(small, embedding=u, delta_rescale=1e5, n_jobs=1).cell_vectors
    np.testing.assert_allclose(found, literal_cells(small, u, rescale=1e5), rtol=1e-10, atol=1e-10)
    assert found.any()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_large_common_expression_costs_no_precision(offset):
    """Differences of cells are what counts; sums of squares of expression would lose them."""
    rng = np.random.default_rng(1)
    # whole multiples of 2^-20: adding the offset is exact
    steps = rng.integers(-(2**20), 2**20, (25, 8)) / 2.0**20
    change = rng.integers(-500, 500, (8, 25)) / 1024.0
    u = rng.normal(size=(25, 2))
    plain = make_effect(steps, np.arange(8), steps.T + change)
    moved = make_effect(steps + offset, np.arange(8), steps.T + offset + change)
    found = transition_field(moved, embedding=u, n_neighbors=10, n_jobs=1).cell_vectors
    np.testing.assert_allclose(found, literal_cells(plain, u, k=10), rtol=0, atol=1e-14 * max(offset, 1e3))


def test_a_large_common_change_costs_no_precision():
    rng = np.random.default_rng(14)
    baseline = rng.random((25, 6))
    effect = make_effect(baseline, np.arange(6), baseline.T + 1e4 + rng.integers(-2, 3, (6, 25)) / 1000.0)
    u = rng.normal(size=(25, 2))
    found = transition_field(effect, embedding=u, n_neighbors=10, n_jobs=1).cell_vectors
    np.testing.assert_allclose(found, literal_cells(effect, u, k=10), rtol=0, atol=1e-8)


def test_two_genes_do_not_turn_rounding_into_arrows():
    """With two genes all correlations are 1 or -1: neighbours that agree exactly carry no direction."""
    rng = np.random.default_rng(2)
    baseline = rng.random((30, 2)) * [1.0, 0.0] + [0.0, 5.0]
    baseline[0, 0] = 9.0
    effect = make_effect(baseline, [0], np.zeros((1, 30)))
    found = transition_field(effect, embedding=rng.normal(size=(30, 2)), n_jobs=1)
    # the first cell has most of the gene: all others differ in the same way
    assert not found.cell_vectors[0].any()


@pytest.mark.parametrize("null_mode", ["clip_renorm", "raw"])
def test_cells_worked_on_together_and_threads_do_not_matter(monkeypatch, null_mode):
    effect, u = random_effect(10, 200, 20, 9)
    options = {"embedding": u, "n_neighbors": 15, "null_mode": null_mode}
    expected = transition_field(effect, **options)
    for together, jobs in ((1, 1), (7, 3), (64, 2), (1000, None)):
        monkeypatch.setattr(_vectors, "_CELLS", together)
        found = transition_field(effect, **options, n_jobs=jobs)
        assert found.cell_vectors.tobytes() == expected.cell_vectors.tobytes()
        assert found.vectors.tobytes() == expected.vectors.tobytes()


def test_order_of_cells_does_not_matter():
    effect, u = random_effect(11, 80)
    order = np.random.default_rng(3).permutation(80)
    turned = make_effect(effect.baseline[order], effect.columns, effect.values[:, order])
    options = {"n_neighbors": 12, "grid_size": (9, 7), "n_jobs": 1}
    before = transition_field(effect, embedding=u, **options)
    after = transition_field(turned, embedding=u[order], **options)
    np.testing.assert_allclose(after.cell_vectors, before.cell_vectors[order], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(after.vectors, before.vectors, rtol=1e-11, atol=1e-11)


def test_order_of_genes_does_not_matter():
    effect, u = random_effect(12)
    order = np.random.default_rng(4).permutation(12)
    turned = make_effect(effect.baseline[:, order], np.argsort(order)[effect.columns], effect.values)
    before, after = (transition_field(one, embedding=u, n_neighbors=12, n_jobs=1) for one in (effect, turned))
    np.testing.assert_allclose(after.cell_vectors, before.cell_vectors, rtol=1e-11, atol=1e-11)


def test_values_that_are_not_finite_count_as_correlation_one():
    effect, u = random_effect(13)
    effect.baseline[4] = np.nan
    effect.baseline[9, 0] = np.inf
    found = transition_field(effect, embedding=u, n_neighbors=8, remove_null=False, n_jobs=1).cell_vectors
    assert np.isfinite(found).all()
    with np.errstate(invalid="ignore"):
        expected = u[literal_neighbours(u, 4, 8)].mean(axis=0) - u[4]
    np.testing.assert_allclose(found[4], expected, rtol=1e-12, atol=1e-12)


def test_kernels_hold_the_rule_of_vanishing_variation():
    assert _kernels._correlation(0.0, 1e-18, 1.0) == 1.0
    assert _kernels._correlation(0.0, 1.0, 1e-18) == 1.0
    assert _kernels._correlation(0.0, 2e-18, 1.0) == 0.0
    assert _kernels._correlation(np.nan, 1.0, 1.0) == 1.0
    assert _kernels._correlation(1.0000001, 1.0, 1.0) == 1.0
    assert _kernels._correlation(-1.0000001, 1.0, 1.0) == -1.0
