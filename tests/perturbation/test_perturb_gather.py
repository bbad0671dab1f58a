"""Genes of cells, taken out of a matrix and turned."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.perturbation._gather import gather, turn_into, turned


@pytest.mark.parametrize("n_cells", [0, 1, 511, 512, 1300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_as_in_one_expression(n_cells, dtype):
    rng = np.random.default_rng(n_cells)
    values = rng.normal(size=(n_cells, 9)).astype(dtype)
    genes, order = np.array([7, 2, 2, 0]), rng.permutation(n_cells)
    found = gather(values, genes, order)
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    assert np.array_equal(found, values[np.ix_(order, genes)].T)
    back = turned(found)
    assert back.flags.c_contiguous
    assert np.array_equal(back, found.T)
    out = np.zeros((6, n_cells))
    turn_into(out, np.array([5, 0, 3, 1]), back)
    assert np.array_equal(out[[5, 0, 3, 1]], found)
    assert not out[[2, 4]].any()
