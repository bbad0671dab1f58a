"""Neighbours: exact against all pairs, and the search of large samples against the exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spacetravlr.preparation import nearest
from spacetravlr.preparation.graph import quiet
from spacetravlr.preparation.nearest import nearest_distances


def by_definition(points: np.ndarray, k: int) -> np.ndarray:
    d = cdist(points.astype(np.float64), points.astype(np.float64))
    np.fill_diagonal(d, np.inf)
    return np.sort(d, axis=1)[:, :k]


@pytest.mark.parametrize("k", [1, 7, 59])
def test_all_pairs(k: int):
    points = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    points[3] = points[4]
    found = nearest_distances(points, k, 0)
    np.testing.assert_allclose(found.data.reshape(60, k), by_definition(points, k), rtol=1e-6, atol=1e-6)
    assert (found.indices.reshape(60, k) != np.arange(60)[:, None]).all()


# pynndescent compiles for half a minute
@pytest.mark.slow
def test_large_samples_are_searched(monkeypatch: pytest.MonkeyPatch):
    points = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    points[10:30] = points[10]
    exact = nearest_distances(points, 8, 1)
    monkeypatch.setattr(nearest, "LARGEST_EXACT", 100)
    with quiet():
        found, again = nearest_distances(points, 8, 1), nearest_distances(points, 8, 1)
    np.testing.assert_array_equal(found.indices, again.indices)
    assert (found.indices.reshape(1000, 8) != np.arange(1000)[:, None]).all()
    near = np.isclose(found.data.reshape(1000, 8), exact.data.reshape(1000, 8), rtol=1e-4, atol=1e-3)
    assert near.mean() > 0.9
