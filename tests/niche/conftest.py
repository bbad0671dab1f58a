"""A made-up cluster with coefficients that depend on the neighbourhood, shared by the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from spacetravlr.niche import ClusterTargets
from spacetravlr.regression import deal_folds, spatial_blocks


@dataclass(frozen=True)
class Made:
    """A cluster of which the factors on the coefficients are known."""

    xy: np.ndarray
    table: np.ndarray
    folds: np.ndarray
    data: ClusterTargets
    factors: np.ndarray
    """(n_c, T) true factor on all coefficients of a target."""


def make_cluster(strength: float, n_targets: int = 24, n_cells: int = 400, seed: int = 0) -> Made:
    """Targets of 3 modulators each; the factor is 1 + strength * tanh of the second column of the table."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0.0, 1000.0, (n_cells, 2))
    table = rng.standard_normal((n_cells, 10)).astype(np.float32)
    u = (table[:, 1] - table[:, 1].mean()) / table[:, 1].std()
    factors = 1.0 + strength * np.tanh(u)[:, None] * np.where(np.arange(n_targets) % 2, 1.0, -1.0)
    columns = rng.gamma(2.0, 1.0, (n_cells, 12))
    column_of = tuple(np.sort(rng.permutation(12)[:4]) for _ in range(n_targets))
    anchors = tuple(np.append(rng.uniform(0.3, 1.0, 3), 0.0) for _ in range(n_targets))
    intercepts = rng.normal(size=n_targets)
    responses = np.empty((n_cells, n_targets))
    for t in range(n_targets):
        pull = columns[:, column_of[t]] @ anchors[t]
        responses[:, t] = intercepts[t] + pull * factors[:, t] + 0.3 * pull.std() * rng.standard_normal(n_cells)
    data = ClusterTargets(
        tuple(f"Gene{t}" for t in range(n_targets)), columns, column_of, anchors, intercepts, responses
    )
    folds = deal_folds(spatial_blocks(xy, 200.0), 5)
    return Made(xy, table, folds, data, factors)


@pytest.fixture(scope="session")
def varying() -> Made:
    return make_cluster(0.8)


@pytest.fixture(scope="session")
def constant() -> Made:
    return make_cluster(0.0)
