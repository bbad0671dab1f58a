"""The lemmas on which the tolerances rest, checked by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.signaling._bounds import CONES, reach_for, spread_of_mass, tail
from spacetravlr.signaling._geometry import close_gaps, compact_order, count_neighbours
from spacetravlr.signaling._spectral import SpectralPlan
from spacetravlr.signaling._window import Window, windows_for

FEW = settings(max_examples=25, deadline=None)


def weights_between(a, b):
    return np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2))


def masses(seed, shape="uniform"):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, rng.uniform(0.1, 12), (80, 2))
    if shape == "ring":
        angle = rng.uniform(0, 2 * np.pi, 80)
        xy = 6.1 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        xy[0] = 0.0
    return xy, rng.lognormal(0, 2, 80) * (rng.uniform(size=80) < rng.uniform(0.05, 1)) + 1e-12


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["uniform", "ring"]))
def test_maximum_principle(seed, shape):
    xy, mass = masses(seed, shape)
    anywhere = np.random.default_rng(seed).uniform(-3, 15, (300, 2))
    at_cells = (weights_between(xy, xy) @ mass).max()
    assert (weights_between(anywhere, xy) @ mass).max() <= CONES * at_cells


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["uniform", "ring"]), st.floats(1, 7))
def test_tail_bounds_what_is_left_out(seed, shape, reach):
    xy, mass = masses(seed, shape)
    weights = weights_between(xy, xy)
    largest = (weights @ mass).max()
    far = np.where(((xy[:, None] - xy[None]) ** 2).sum(axis=2) > reach**2, weights, 0.0)
    assert (far @ mass).max() <= tail(reach) * largest


@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-12])
def test_reach_is_the_shortest(tol):
    assert tail(reach_for(tol)) <= tol < tail(reach_for(tol) - 1e-6)


@FEW
@given(st.integers(0, 10**6))
def test_spread_of_mass(seed):
    xy, mass = masses(seed)
    assert mass.sum() <= spread_of_mass(*xy.T) * (weights_between(xy, xy) @ mass).max()


def kernel_of(window: Window, x, y):
    """The kernel that window and taps make along one axis, literally."""
    first, last = window.first_point(x).astype(int), window.first_point(y).astype(int)
    total = np.zeros((len(x), len(y)))
    for p in range(window.width):
        for q in range(window.width):
            lag = np.abs((first + p)[:, None] - (last + q)[None])
            tap = np.where(lag < len(window.taps), window.taps[np.minimum(lag, len(window.taps) - 1)], 0.0)
            total += window.weights(x)[:, p, None] * tap * window.weights(y)[:, q]
    return total


@pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-6, 1e-9, 1e-11])
def test_window_bound_holds_between_the_sampled_positions(tol):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 3, 200), rng.uniform(-9, 12, 400)
    windows = windows_for(tol)
    assert windows
    for window in windows:
        error = np.abs(kernel_of(window, x, y) - np.exp(-0.5 * np.subtract.outer(x, y) ** 2)).max()
        # an error e everywhere within a radius costs at least 2 e
        assert window.error <= tol
        assert 2 * error <= window.error
        assert error > 1e-5 * tol


@pytest.mark.parametrize("extent", [(0.0, 0.0), (1.0, 3.0), (5.0, 5.0), (12.0, 0.2)])
@pytest.mark.parametrize("tol", [1e-3, 1e-8])
def test_spectral_entries_are_within_the_left_over(extent, tol):
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 1, (400, 2)) * extent
    xy -= xy.min(axis=0)
    plan = SpectralPlan.build(*xy.T, tol)
    entry = np.abs(plan.apply(np.eye(400)) - weights_between(xy, xy)).max()
    assert entry <= plan.error / spread_of_mass(*xy.T) + 1e-14
    assert plan.error <= tol
    full = plan.x_functions.shape[1] * plan.y_functions.shape[1]
    assert plan.rank <= full


@FEW
@given(st.integers(0, 10**6), st.floats(0.5, 5))
def test_closing_gaps(seed, reach):
    rng = np.random.default_rng(seed)
    positions = np.concatenate([rng.uniform(0, 4, 20), rng.uniform(0, 4, 20) + 1e9, [-1e12]])
    rng.shuffle(positions)
    closed = close_gaps(positions, 2.0, reach)
    before, after = np.abs(np.subtract.outer(positions, positions)) / 2.0, np.abs(np.subtract.outer(closed, closed))
    near = before <= reach
    assert closed.min() == 0
    assert closed.max() <= 4 / 2.0 * 2 + 41 * reach
    np.testing.assert_allclose(after[near], before[near], atol=1e-6)
    assert (after <= before + 1e-6).all()
    assert (after[~near] >= reach - 1e-6).all()
    assert (np.argsort(closed, kind="stable") == np.argsort(positions, kind="stable")).all()


def test_gaps_keep_the_digits_within_a_group():
    left, right = np.array([0.0, 0.25]), np.array([2.0**40, 2.0**40 + 0.125])
    closed = close_gaps(np.concatenate([left, right]), 1.0, 5.0)
    np.testing.assert_array_equal(closed, [0.0, 0.25, 5.25, 5.375])


def test_compact_order_is_a_permutation_of_compact_patches():
    xy = np.random.default_rng(0).uniform(0, 10, (5000, 2))
    order = compact_order(xy, 50)
    assert (np.sort(order) == np.arange(5000)).all()
    patches = xy[order].reshape(100, 50, 2)
    assert np.median(np.ptp(patches, axis=1)) < 2.0


@pytest.mark.parametrize(("extent", "reach"), [(30, 2.0), (30, 40.0), (30, 60.0), (1e6, 1e-4)])
def test_neighbour_count_is_about_right(extent, reach):
    xy = np.random.default_rng(0).uniform(0, extent, (1500, 2))
    found = (((xy[:, None] - xy[None]) ** 2).sum(axis=2) <= reach**2).sum()
    counted = count_neighbours(xy, reach)
    assert counted == np.inf or 0.3 * found <= counted <= 3 * found
