"""The tolerance of bootstrap fits: loose where a ridge allows it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.regression import (
    ClusterGram,
    ColumnSets,
    Resampled,
    block_weights,
    bootstrap,
    bootstrap_cluster,
    fit_cluster,
)


@pytest.fixture(scope="module")
def collinear() -> tuple[np.ndarray, np.ndarray]:
    """Columns that are nearly one another, as those of pairs that share a receptor, and what depends on some."""
    rng = np.random.default_rng(5)
    n, p = 160, 90
    field = rng.normal(size=(n, 6))
    X = np.repeat(field, 15, axis=1) + 0.25 * rng.normal(size=(n, p))
    weights = np.zeros((p, 12))
    for t in range(12):
        weights[rng.choice(p, 4, replace=False), t] = rng.choice([-1.0, 1.0], 4)
    Y = X @ weights
    return X, Y + Y.std(axis=0) * rng.normal(size=Y.shape)


def stabilities(X: np.ndarray, Y: np.ndarray, *, ridge: float, l1: float) -> tuple[np.ndarray, np.ndarray]:
    gram = ClusterGram(X)
    n_targets, p = Y.shape[1], X.shape[1]
    columns, groups = [np.arange(p)] * n_targets, [np.zeros(p, dtype=np.int64)] * n_targets
    sets = ColumnSets.build(columns, groups, 1)
    strength = np.full(n_targets, l1)
    fits = fit_cluster(gram, gram.responses(Y), sets, l1=strength, ridge=ridge)
    weights = block_weights(np.arange(len(X)) // 8, 20, (3, 1, 0))
    drawn = Resampled(gram, weights, keep=True, single=ridge > 0.0)
    found = bootstrap_cluster(
        drawn, Y, sets, fits, l1=strength, strengths=None, ridge=ridge, live=np.ones(n_targets, dtype=np.bool_)
    )
    used = np.concatenate(fits.weights) != 0.0
    return np.concatenate(found.stability)[used], np.concatenate(found.sd)[used]


@pytest.mark.parametrize("l1", [0.02, 0.08])
def test_with_a_ridge_the_loose_tolerance_changes_next_to_nothing(
    collinear: tuple[np.ndarray, np.ndarray], l1: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, deviation = stabilities(*collinear, ridge=0.1, l1=l1)
    monkeypatch.setattr(bootstrap, "RIDGE_TOL", 1e-8)
    exact, exact_deviation = stabilities(*collinear, ridge=0.1, l1=l1)
    assert len(exact) > 50
    assert np.abs(own - exact).mean() < 0.01
    assert np.linalg.norm(deviation - exact_deviation) < 0.03 * np.linalg.norm(exact_deviation)


@pytest.mark.parametrize("ridge", [0.0, 0.001])
def test_without_a_ridge_of_that_size_fits_are_exact(
    collinear: tuple[np.ndarray, np.ndarray], ridge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RIDGE_TOL", 1.0)
    own, deviation = stabilities(*collinear, ridge=ridge, l1=0.08)
    monkeypatch.setattr(bootstrap, "TOL", 1e-8)
    exact, exact_deviation = stabilities(*collinear, ridge=ridge, l1=0.08)
    assert np.abs(own - exact).mean() < 0.002
    assert np.linalg.norm(deviation - exact_deviation) < 0.002 * np.linalg.norm(exact_deviation)
