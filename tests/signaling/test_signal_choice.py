"""Which method is taken, and what happens when the one asked for cannot work."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from spacetravlr.signaling import SignalField
from spacetravlr.signaling._exact import RECEIVERS, PairwisePlan
from spacetravlr.signaling._neighbours import NeighbourPlan
from spacetravlr.signaling._weights import Weights


def uniform(n_cells, extent, seed=0):
    return np.random.default_rng(seed).uniform(0, extent, (n_cells, 2))


@pytest.mark.parametrize(
    ("n_cells", "extent", "options", "method"),
    [
        (1000, 50, {}, "exact"),
        (1001, 50, {}, "neighbours"),
        (5000, 1, {}, "gridded"),
        (5000, 25, {}, "gridded"),
        (5000, 25, {"tol": 0.0}, "exact"),
        (5000, 500, {}, "neighbours"),
        (5000, 60, {"kernel": "truncated"}, "neighbours"),
        (5000, 60, {"cutoff": 2.0}, "neighbours"),
        (5000, 2, {"cutoff": 2.0}, "exact"),
        (5000, 25, {"tol": 1e-13}, "exact"),
    ],
)
def test_auto(n_cells, extent, options, method):
    field = SignalField(uniform(n_cells, extent), 1.0, **options)
    assert field.method == method
    assert field.requested == "auto"


def test_small_tissues_take_functions_instead_of_a_grid():
    """A few functions along both axes: the spectral form, summed tile by tile."""
    facts = SignalField(uniform(5000, 1), 1.0).describe()
    assert (facts["functions"], facts["nx"], facts["ny"]) == ("6,6", 6, 6)


def test_the_choice_depends_on_coordinates_alone():
    xy = uniform(4000, 30)
    facts = SignalField(xy, 1.0).describe()
    assert facts == SignalField(xy, 1.0).describe()
    assert facts["reason"].startswith("estimated")
    assert "exact" in facts["reason"]


@pytest.mark.parametrize(
    ("method", "extent", "options", "word"),
    [
        ("spectral", 1000.0, {}, "spans too many radii"),
        ("gridded", 1e7, {}, "too large a grid"),
        ("spectral", 5.0, {"kernel": "truncated"}, "sharp end"),
        ("gridded", 5.0, {"cutoff": 2.0}, "sharp end"),
        ("gridded", 5.0, {"tol": 1e-14}, "beyond rounding"),
        ("gridded", 5.0, {"tol": 0.0}, "beyond rounding"),
    ],
)
def test_impossible_methods_give_way_and_say_so(method, extent, options, word, caplog):
    xy = uniform(1500, extent)
    values = np.random.default_rng(1).uniform(size=(1500, 2))
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        field = SignalField(xy, 1.0, method=method, **options)
    assert field.method in {"exact", "neighbours"}
    assert word in field.reason
    assert word in caplog.text
    options.pop("tol", None)
    expected = SignalField(xy, 1.0, method="exact", **options).apply(values)
    np.testing.assert_allclose(field.apply(values), expected, rtol=0, atol=1e-6 * expected.max())


def test_neighbours_without_end_reach_until_weights_vanish():
    xy = uniform(400, 60)
    values = np.random.default_rng(1).uniform(size=(400, 2))
    field = SignalField(xy, 1.0, method="neighbours", tol=0.0)
    assert field.error_bound == 0
    np.testing.assert_allclose(field.apply(values), SignalField(xy, 1.0, method="exact").apply(values), rtol=1e-13)


def test_too_many_neighbours_to_store_are_summed_in_blocks(monkeypatch):
    xy = uniform(1500, 20)
    values = np.random.default_rng(1).uniform(size=(1500, 2))
    stored = SignalField(xy, 1.0, method="neighbours", tol=1e-4)
    monkeypatch.setattr("spacetravlr.signaling._choose.MOST_STORED", 1000)
    blocks = SignalField(xy, 1.0, method="neighbours", tol=1e-4)
    assert isinstance(stored._plan, NeighbourPlan)
    assert isinstance(blocks._plan, PairwisePlan)
    assert blocks.method == "neighbours"
    expected = SignalField(xy, 1.0, method="exact").apply(values)
    assert np.abs(blocks.apply(values) - expected).max() <= 1e-4 * expected.max()


def test_blocks_out_of_reach_are_skipped():
    xy = uniform(3000, 1)
    xy[:1500] += 100.0
    plan = PairwisePlan.build(xy, Weights.make("gaussian", 1.0, None))
    values = np.random.default_rng(2).uniform(size=(3000, 1))
    assert plan.pairs <= 3000 * 3000 * 0.5 + 3000 * 2 * (1024 + RECEIVERS)
    weights = np.exp(-0.5 * ((xy[:, None] - xy[None]) ** 2).sum(axis=2))
    np.testing.assert_allclose(plan.apply(values), weights @ values, rtol=1e-12)


def test_distances_too_large_to_square():
    xy = np.array([[0.0, 0.0], [1e200, -1e200], [1.0, 0.0]])
    received = SignalField(xy, 1.0).apply(np.ones(3))
    np.testing.assert_allclose(received * 3, [1 + np.exp(-0.5), 1.0, 1 + np.exp(-0.5)])
