"""Products with a Gram matrix in place, and small systems, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.regression._gram_kernels import apply_gram, gram_entry, runs_of, solve_positive


@pytest.mark.parametrize("n", [*range(1, 14), 33, 64, 90])
def test_a_positive_definite_system_is_solved(n: int) -> None:
    rng = np.random.default_rng(n)
    A = rng.normal(size=(n, 2 * n + 1))
    M, b = A @ A.T, rng.normal(size=n)
    np.testing.assert_allclose(solve_positive(M.copy(), b), np.linalg.solve(M, b), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_a_singular_or_indefinite_system_gives_no_step(n: int) -> None:
    rng = np.random.default_rng(n)
    v = rng.normal(size=(n, 1))
    assert not solve_positive(v @ v.T, np.ones(n)).any()
    indefinite = np.eye(n)
    indefinite[-1, -1] = -1.0
    assert not solve_positive(indefinite, np.ones(n)).any()
    assert not solve_positive(np.full((n, n), np.nan), np.ones(n)).any()


@st.composite
def column_lists(draw: st.DrawFn) -> list[int]:
    """Runs of consecutive columns of any length, in any order and without repeats, within 200 columns."""
    starts = draw(st.lists(st.integers(0, 19), max_size=8, unique=True))
    return [10 * start + k for start in starts for k in range(draw(st.sampled_from([1, 2, 9, 10])))]


@given(column_lists())
@settings(max_examples=25, deadline=None)
def test_products_are_those_of_numpy_from_gram_rows_and_from_design_rows(columns: list[int]) -> None:
    rng = np.random.default_rng(len(columns))
    n, skip = 30, np.array([4, 9])
    X = rng.normal(size=(n, 200))
    used = np.delete(X, np.arange(*skip), axis=0)
    means = used.mean(axis=0)
    G = (used - means).T @ (used - means) / len(used)
    cols = np.array(columns, dtype=np.int64)
    at = np.flatnonzero(rng.random(len(cols)) < 0.6)
    by = rng.normal(size=at.size) * (rng.random(at.size) < 0.8)
    g = rng.normal(size=len(cols))
    expected = g - G[np.ix_(cols, cols[at])] @ by
    runs = runs_of(cols)
    for gram, single in ((G, False), (G.astype(np.float32), True), (np.zeros((0, 0)), False)):
        own = g.copy()
        apply_gram(gram, X, skip, float(len(used)), means, cols, runs, at, by, own)
        np.testing.assert_allclose(own, expected, atol=1e-5 if single else 1e-12)
    if len(cols) > 1:
        entry = gram_entry(np.zeros((0, 0)), X, skip, float(len(used)), means, cols[0], cols[-1])
        assert entry == pytest.approx(G[cols[0], cols[-1]], abs=1e-12)


@given(column_lists())
@settings(max_examples=25, deadline=None)
def test_runs_cover_every_column_once(columns: list[int]) -> None:
    cols = np.array(columns, dtype=np.int64)
    runs = runs_of(cols)
    begins = [run if run >= 0 else -1 - run for run in runs]
    assert begins == sorted(set(begins)) or len(cols) == 0
    assert begins[-1] == len(cols)
    for run, first, last in zip(runs, begins, begins[1:], strict=False):
        if run >= 0:
            assert last - first >= 16
            assert (np.diff(cols[first:last]) == 1).all()
