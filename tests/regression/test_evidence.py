"""One-sided comparison of held-out errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.regression import better_than


def literal(error, other):
    """The formula, unit by unit."""
    total, squares, units, differ = 0.0, 0.0, 0, 0
    for first, second in zip(error.ravel(), other.ravel(), strict=True):
        if math.isfinite(first) and math.isfinite(second):
            total += second - first
            squares += (second - first) ** 2
            units += 1
            differ += first != second
    if units < 5:
        return math.nan
    return 1.0 if squares == 0 else max(0.5 * math.erfc(total / math.sqrt(squares) / math.sqrt(2)), 0.5**differ)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_it_is_the_formula(seed, clusters, folds):
    rng = np.random.default_rng(seed)
    error, other = rng.uniform(0.5, 2.0, (2, clusters, folds, 3))
    error[rng.random(error.shape) < 0.1] = np.nan
    found = better_than(error, other)
    for t in range(3):
        np.testing.assert_allclose(found[t], literal(error[:, :, t], other[:, :, t]), rtol=1e-12)


def test_equal_errors_are_no_evidence_and_few_units_no_answer():
    same = np.ones((2, 5, 1))
    assert better_than(same, same)[0] == 1.0
    assert np.isnan(better_than(np.ones((1, 4, 1)), np.full((1, 4, 1), 2.0))[0])


@pytest.mark.parametrize("differ", [1, 2, 3, 4, 5])
def test_a_few_units_that_differ_are_no_more_than_coins_that_fell_alike(differ):
    gain = np.zeros((2, 5, 1))
    gain.ravel()[:differ] = 1.0
    assert better_than(-gain, np.zeros_like(gain))[0] == 0.5**differ


def test_the_two_sides_add_up_to_one():
    rng = np.random.default_rng(0)
    error, other = rng.uniform(0.5, 2.0, (2, 5, 5, 7))
    np.testing.assert_allclose(better_than(error, other) + better_than(other, error), 1.0, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_of_any_size_give_the_same(scale):
    rng = np.random.default_rng(1)
    error, other = rng.uniform(0.5, 2.0, (2, 5, 5, 7))
    np.testing.assert_allclose(better_than(scale * error, scale * other), better_than(error, other), rtol=1e-9)


def test_without_a_difference_small_values_are_as_rare_as_they_say():
    rng = np.random.default_rng(2)
    # heavy-tailed and of very unequal size, as clusters are
    gain = rng.standard_t(3, (5, 5, 20_000)) * np.geomspace(1, 100, 5)[:, None, None]
    p = better_than(np.zeros_like(gain), gain)
    for level, rarer in ((0.01, 0.5), (0.05, 1.1), (0.2, 1.25)):
        assert (p < level).mean() < rarer * level
