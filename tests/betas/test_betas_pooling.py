"""Evidence from other cell types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spacetravlr.betas import pooled_scores


def test_by_hand():
    signed = np.array([[1.0, -1.0, 0.0], [3.0, 1.0, 0.0], [-1.0, 0.0, 6.0]])
    expected = np.array([[1.5, 1.0, 1.0], [3.5, 1.0, 1.0], [1.5, 0.0, 7.0]])
    np.testing.assert_allclose(pooled_scores(signed), expected, rtol=1e-15)


def test_signs_that_disagree_count_for_nothing():
    agree, disagree = pooled_scores(np.array([[0.5, 0.5], [0.5, -0.5]])).T
    assert (agree > disagree).all()
    assert disagree.tolist() == [0.5, 0.5]


def test_what_is_unknown_stays_so_and_says_nothing_of_the_others():
    found = pooled_scores(np.array([[np.nan, 1.0], [2.0, 1.0]]))
    assert np.isnan(found[0, 0])
    assert found[1, 0] == 2.5
    assert found[:, 1].tolist() == [1.5, 1.5]


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-9, 9)))
def test_properties(signed):
    found = pooled_scores(signed)
    own = np.abs(signed)
    assert (found >= own).all()
    assert found == pytest.approx(pooled_scores(-signed))
    # within a column other cell types change no order
    assert (np.diff(np.take_along_axis(found, own.argsort(axis=0), axis=0), axis=0) >= -1e-12).all()
    # and a single cell type keeps its own
    assert pooled_scores(signed[:1])[0] == pytest.approx(1.5 * own[0])
