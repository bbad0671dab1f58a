"""The lemmas on which the tolerances rest, checked by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.signaling._axes import functions_needed, per_axis, product_error
from spacetravlr.signaling._bounds import cones, reach_for, spread_of_mass, tail, without_axis
from spacetravlr.signaling._geometry import close_gaps, compact_order, count_neighbours
from spacetravlr.signaling._spectral import SpectralPlan
from spacetravlr.signaling._window import Window, windows_for

FEW = settings(max_examples=25, deadline=None)


def weights_between(a, b):
    return np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2))


def masses(seed, shape="uniform", dimensions=2):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, rng.uniform(0.1, 12), (80, dimensions))
    if shape == "ring":
        xy = rng.normal(size=(80, dimensions))
        xy *= 6.1 / np.sqrt((xy**2).sum(axis=1, keepdims=True))
        xy[0] = 0.0
    return xy, rng.lognormal(0, 2, 80) * (rng.uniform(size=80) < rng.uniform(0.05, 1)) + 1e-12


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["uniform", "ring"]), st.sampled_from([2, 3]))
def test_maximum_principle(seed, shape, dimensions):
    xy, mass = masses(seed, shape, dimensions)
    anywhere = np.random.default_rng(seed).uniform(-3, 15, (300, dimensions))
    at_cells = (weights_between(xy, xy) @ mass).max()
    assert (weights_between(anywhere, xy) @ mass).max() <= cones(xy.shape[1]) * at_cells


@FEW
@given(st.integers(0, 10**6), st.sampled_from(["uniform", "ring"]), st.floats(1, 7), st.sampled_from([2, 3]))
def test_tail_bounds_what_is_left_out(seed, shape, reach, dimensions):
    xy, mass = masses(seed, shape, dimensions)
    weights = weights_between(xy, xy)
    largest = (weights @ mass).max()
    far = np.where(((xy[:, None] - xy[None]) ** 2).sum(axis=2) > reach**2, weights, 0.0)
    assert (far @ mass).max() <= tail(reach, dimensions) * largest


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-12])
def test_reach_is_the_shortest(tol, dimensions):
    assert tail(reach_for(tol, dimensions), dimensions) <= tol < tail(reach_for(tol, dimensions) - 1e-6, dimensions)


def test_cones_cover_space():
    """The axes of the cones: a Fibonacci sphere, within 30 degrees of any direction."""
    count = int(cones(3))
    place = np.arange(count) + 0.5
    height, turn = 1 - 2 * place / count, place * np.pi * (3 - np.sqrt(5))
    axes = np.stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height], axis=1)
    anywhere = np.random.default_rng(0).normal(size=(200_000, 3))
    anywhere /= np.sqrt((anywhere**2).sum(axis=1, keepdims=True))
    assert (anywhere @ axes.T).max(axis=1).min() > np.cos(np.pi / 6)


@FEW
@given(st.integers(0, 10**6), st.floats(0, 9))
def test_without_axis(seed, length):
    """A sum that forgets one axis is larger by no more than the number of slabs allows."""
    xyz, mass = masses(seed, dimensions=3)
    xyz[:, 2] *= length / max(np.ptp(xyz[:, 2]), 1e-9)
    with_all = (weights_between(xyz, xyz) @ mass).max()
    forgotten = (weights_between(xyz[:, :2], xyz[:, :2]) @ mass).max()
    assert forgotten <= cones(3) * without_axis(length) * with_all


def test_bounds_of_axes_make_up_that_of_their_product():
    for dimensions in (2, 3):
        assert product_error([per_axis(1e-4, dimensions)] * dimensions, dimensions) == pytest.approx(1e-4)
    assert functions_needed(0.0, 1e-8) == 1
    assert functions_needed(0.1, 1e-3) < functions_needed(3.0, 1e-3) < functions_needed(3.0, 1e-9)


@FEW
@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_spread_of_mass(seed, dimensions):
    xy, mass = masses(seed, dimensions=dimensions)
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
        assert window.cover <= tol
        assert error <= window.cover
        assert error > 1e-3 * tol
        # weights and taps without their signs
        whole = Window(window.width, window.spacing, window.shape, np.abs(window.taps), 0, 0)
        assert (kernel_of(whole, x, y) - np.exp(-0.5 * np.subtract.outer(x, y) ** 2)).max() <= window.excess


@pytest.mark.parametrize("extent", [(0.0, 0.0), (1.0, 3.0), (5.0, 5.0), (12.0, 0.2), (2.0, 3.0, 0.3)])
@pytest.mark.parametrize("tol", [1e-3, 1e-8])
def test_spectral_entries_are_within_the_left_over(extent, tol):
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 1, (400, len(extent))) * extent
    xy -= xy.min(axis=0)
    plan = SpectralPlan.build(tuple(xy.T), tol)
    entry = np.abs(plan.apply(np.eye(400)) - weights_between(xy, xy)).max()
    assert entry <= plan.error / spread_of_mass(*xy.T) + 1e-14
    assert plan.error <= tol
    assert plan.rank <= np.prod([each.shape[1] for each in plan.functions])


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


@pytest.mark.parametrize(("dimensions", "size"), [(2, 2.0), (3, 4.0)])
def test_compact_order_is_a_permutation_of_compact_patches(dimensions, size):
    xy = np.random.default_rng(0).uniform(0, 10, (5000, dimensions))
    order = compact_order(xy, 50)
    assert (np.sort(order) == np.arange(5000)).all()
    patches = xy[order].reshape(100, 50, dimensions)
    assert np.median(np.ptp(patches, axis=1)) < size


@pytest.mark.parametrize(("extent", "reach"), [(30, 2.0), (30, 40.0), (30, 60.0), (1e6, 1e-4)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 1), (1, 0.001), (1, 1, 0.01)])
def test_neighbour_count_is_about_right(extent, reach, shape):
    xy = np.random.default_rng(0).uniform(0, extent, (1500, len(shape))) * shape
    found = (((xy[:, None] - xy[None]) ** 2).sum(axis=2) <= reach**2).sum()
    counted = count_neighbours(xy, reach)
    assert counted == np.inf or 0.3 * found <= counted <= 3 * found
