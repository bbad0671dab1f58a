"""The operator of the imputation, against its definition on dense matrices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist

from spacetravlr.preparation.diffusion import affinities, choose_power, equal_weights, row_stochastic, smooth


def neighbour_graph(points: np.ndarray, k: int) -> sparse.csr_matrix:
    """Distances to the k nearest other points."""
    d = cdist(points, points)
    np.fill_diagonal(d, np.inf)
    out = np.zeros_like(d)
    for row, order in enumerate(np.argsort(d, axis=1)[:, :k]):
        out[row, order] = d[row, order]
    return sparse.csr_matrix(out)


def by_definition(points: np.ndarray, k: int) -> np.ndarray:
    d = cdist(points, points)
    n = len(points)
    weights = np.zeros((n, n))
    for i in range(n):
        near = [j for j in np.argsort(d[i], kind="stable") if j != i][:k]
        width = d[i, near[max(0, (k + 1) // 3 - 1)]]
        weights[i, i] = 1.0
        for j in near:
            weights[i, j] = np.exp(-((d[i, j] / width) ** 2))
    both = weights + weights.T
    return both / both.sum(axis=1, keepdims=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 40), st.integers(1, 4), st.integers(0, 999))
def test_the_operator_is_that_of_the_definition(n: int, k: int, seed: int):
    points = np.random.default_rng(seed).normal(size=(n, 3))
    operator = row_stochastic(affinities(neighbour_graph(points, k)))
    np.testing.assert_allclose(operator.toarray(), by_definition(points, k), rtol=1e-12, atol=1e-300)
    assert operator.nnz <= n * (2 * k + 1)


@pytest.mark.parametrize("power", [1, 2, 5])
def test_smoothing_is_a_power_of_the_operator(power: int):
    rng = np.random.default_rng(0)
    operator = row_stochastic(affinities(neighbour_graph(rng.normal(size=(30, 2)), 4)))
    # more than one block of genes
    values = sparse.random(30, 600, density=0.3, random_state=1, format="csr", dtype=np.float32)
    expected = np.linalg.matrix_power(operator.toarray(), power) @ values.toarray()
    found = smooth(operator, values, power)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-7)


def test_copies_of_a_cell_and_cells_without_neighbours():
    points = np.zeros((6, 2))
    points[3:] = [[1, 0], [2, 0], [9, 9]]
    graph = neighbour_graph(points, 2)
    lonely = sparse.csr_matrix(graph.multiply(np.arange(6)[:, None] != 5))
    operator = row_stochastic(affinities(lonely)).toarray()
    assert np.isfinite(operator).all()
    np.testing.assert_allclose(operator.sum(axis=1), 1.0)
    # three copies, and one so far away that its distance in widths has no finite square
    others = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    far = sparse.csr_matrix(([0.0, 0.0, 1e9] * 3 + [1e9] * 3, np.ravel(others), [0, 3, 6, 9, 12]), shape=(4, 4))
    weights = affinities(far).toarray()
    np.testing.assert_array_equal(weights[:3, :3], 2.0)
    np.testing.assert_allclose(weights[3], [np.exp(-1.0)] * 3 + [2.0])
    alone = row_stochastic(affinities(sparse.csr_matrix((3, 3)))).toarray()
    np.testing.assert_array_equal(alone, np.eye(3))


def test_equal_weights_are_the_mean_over_the_cell_and_its_neighbours():
    points = np.random.default_rng(3).normal(size=(20, 2))
    graph = neighbour_graph(points, 3)
    values = np.random.default_rng(4).normal(size=(20, 5)).astype(np.float32)
    found = smooth(row_stochastic(equal_weights(graph)), sparse.csr_matrix(values), 1)
    expected = [values[[i, *graph[[i]].indices]].mean(axis=0) for i in range(20)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_the_power_that_is_chosen_is_the_first_after_which_little_changes():
    points = np.random.default_rng(0).normal(size=(60, 4))
    operator = row_stochastic(affinities(neighbour_graph(points, 6)))
    chosen = choose_power(operator, points)
    dense, spread = operator.toarray(), np.square(points - points.mean(axis=0)).sum()
    steps = [np.linalg.matrix_power(dense, t) @ points for t in range(1, 14)]
    changes = [np.square(after - now).sum() / spread for now, after in itertools.pairwise(steps)]
    assert changes[chosen - 1] <= 0.02
    assert all(change > 0.02 for change in changes[: chosen - 1])
    # nothing to smooth: one step
    assert choose_power(operator, np.ones((60, 2))) == 1
