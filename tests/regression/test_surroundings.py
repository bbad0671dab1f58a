"""Neighbours of cells, and the order of cells along a curve that fills the plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.regression import along_curve, nearest_cells


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_the_nearest_cells_are_those_of_all_distances(seed, n, count):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 100, (n, 2))
    samples = rng.integers(0, 2, n)
    found = nearest_cells(xy, count, samples)
    distance = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    distance[samples[:, None] != samples[None]] = np.inf
    np.fill_diagonal(distance, np.inf)
    for i in range(n):
        order = [j for j in np.argsort(distance[i]) if np.isfinite(distance[i, j])][:count]
        assert found[i].tolist() == order + [-1] * (count - len(order))


def test_cells_in_one_place_are_each_other_s_neighbours_and_never_their_own():
    found = nearest_cells(np.zeros((6, 2)), 2)
    assert ((found >= 0) & (found != np.arange(6)[:, None])).all()
    assert (found[:, 0] != found[:, 1]).all()


def test_cells_without_a_position_have_no_neighbours():
    xy = np.array([[0.0, 0.0], [np.nan, 1.0], [1.0, 0.0]])
    assert nearest_cells(xy, 2).tolist() == [[2, -1], [-1, -1], [0, -1]]


@pytest.mark.parametrize("side", [2, 8, 32])
def test_the_curve_visits_every_square_and_steps_to_the_one_beside(side):
    y, x = np.divmod(np.arange(side * side), side)
    order = along_curve(np.column_stack([x, y]) + 0.5)
    assert sorted(order) == list(range(side * side))
    steps = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (steps == 1).all()


def test_cells_without_a_position_come_last_and_one_place_keeps_the_order():
    assert along_curve(np.array([[np.nan, 0.0], [1.0, 1.0], [0.0, 0.0]])).tolist()[-1] == 0
    assert along_curve(np.ones((5, 2))).tolist() == [0, 1, 2, 3, 4]
    assert along_curve(np.full((3, 2), np.nan)).tolist() == [0, 1, 2]
