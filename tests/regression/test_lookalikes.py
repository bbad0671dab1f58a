"""Groups of columns that cannot be told apart: against connected components found naively."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from spacetravlr.regression import ClusterGram, Lookalikes


def _columns(seed: int, n: int = 60, p: int = 24) -> np.ndarray:
    """Columns in families, some of them nearly the same or the opposite, one constant."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 6))
    X = base[:, rng.integers(0, 6, p)] * rng.choice([-1.0, 2.0], p) + rng.normal(size=(n, p)) * rng.choice(
        [0.1, 0.5, 2.0], p
    )
    X[:, 3] = 1.5
    return X


def _naive(X: np.ndarray, columns: np.ndarray) -> list[set[int]]:
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.nan_to_num(np.corrcoef(X[:, columns].T))
    _, label = connected_components(sparse.csr_matrix(np.abs(r) > 0.9), directed=False)
    groups = [set(np.flatnonzero(label == one).tolist()) for one in np.unique(label)]
    return [group for group in groups if len(group) > 1]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), use_gram=st.booleans())
def test_groups_are_connected_columns(seed: int, use_gram: bool) -> None:
    X = _columns(seed)
    alike = Lookalikes(ClusterGram(X, use_gram=use_gram))
    rng = np.random.default_rng(seed)
    for _ in range(3):
        columns = rng.permutation(X.shape[1])[: rng.integers(1, X.shape[1] + 1)]
        found = alike.groups(columns)
        groups = [set(np.flatnonzero(found == one).tolist()) for one in range(1, found.max() + 1)]
        assert sorted(map(sorted, groups)) == sorted(map(sorted, _naive(X, columns)))
        # numbered in the order of their first members
        assert [min(group) for group in groups] == sorted(min(group) for group in groups)


def test_a_link_outside_the_columns_does_not_join() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000))
    X = np.column_stack([a, a + 0.42 * b, a + 0.95 * b])
    alike = Lookalikes(ClusterGram(X), limit=0.85)
    assert alike.groups(np.arange(3)).tolist() == [1, 1, 1]
    assert alike.groups(np.array([0, 2])).tolist() == [0, 0]


@pytest.mark.parametrize("columns", [[], [2]])
def test_nothing_or_one_column_is_no_group(columns: list[int]) -> None:
    alike = Lookalikes(ClusterGram(_columns(1)))
    assert not alike.groups(np.array(columns, dtype=np.int64)).any()
