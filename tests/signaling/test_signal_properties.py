"""What holds for any tissue: invariances, linearity, and the same bits every time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from spacetravlr.signaling import SignalField

METHODS = ("exact", "neighbours", "spectral", "gridded")
FEW = settings(max_examples=15, deadline=None)
tissues = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 120), st.sampled_from([0.0, 0.5, 3.0, 20.0]))


def _tissue(seed, n_cells, extent):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, extent, (n_cells, 2)), rng.lognormal(size=(n_cells, 3)), rng


def _close(received, expected, tol=2e-8):
    np.testing.assert_allclose(received, expected, rtol=0, atol=tol * np.abs(expected).max())


@pytest.mark.parametrize("method", METHODS)
@FEW
@given(tissues, st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 6.3))
def test_moving_and_turning_the_tissue_changes_nothing(method, tissue, dx, dy, angle):
    xy, values, _ = _tissue(*tissue)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before = SignalField(xy, 1.0, method=method, tol=1e-8).apply(values)
    _close(SignalField(xy @ turn + (dx, dy), 1.0, method=method, tol=1e-8).apply(values), before)


@pytest.mark.parametrize("method", METHODS)
@FEW
@given(tissues)
def test_the_order_of_cells_does_not_matter(method, tissue):
    xy, values, rng = _tissue(*tissue)
    order = rng.permutation(len(xy))
    before = SignalField(xy, 1.0, method=method, tol=1e-8).apply(values)
    _close(SignalField(xy[order], 1.0, method=method, tol=1e-8).apply(values[order]), before[order], 1e-12)


@pytest.mark.parametrize("method", [*METHODS, "grid"])
@FEW
@given(tissues, st.floats(0.01, 100), st.floats(0.01, 100))
def test_units_of_length_and_linearity(method, tissue, unit, factor):
    xy, values, _ = _tissue(*tissue)
    field = SignalField(xy, 1.0, method=method)
    before = field.apply(values)
    _close(field.apply(values * factor), before * factor, 1e-12)
    _close(field.apply(values[:, :1] + values[:, 1:2]), before[:, :1] + before[:, 1:2], 1e-12)
    _close(SignalField(xy * 2.0**7, 2.0**7, method=method).apply(values), before, 1e-12)
    _close(SignalField(xy * unit, unit, method=method).apply(values), before, 0.2 if method == "grid" else 2e-6)


@pytest.mark.parametrize("method", METHODS)
@FEW
@given(tissues)
def test_the_operator_is_symmetric(method, tissue):
    xy, values, rng = _tissue(*tissue)
    field = SignalField(xy, 1.0, method=method)
    other = rng.lognormal(size=values.shape)
    assert np.sum(other * field.apply(values)) == pytest.approx(np.sum(values * field.apply(other)), rel=1e-10)


@pytest.mark.parametrize("method", [*METHODS, "grid"])
def test_same_bits_on_any_number_of_threads(method):
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 50 if method == "neighbours" else 9, (5000, 2))
    values = rng.lognormal(size=(5000, 130))
    results = []
    for threads in (1, 4):
        with threadpool_limits(threads, user_api="blas"):
            field = SignalField(xy, 1.0, method=method, tol=1e-4)
            assert field.method == method
            results.append(field.apply(values))
            results.append(field.apply(values))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_field_may_be_used_from_several_threads():
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 20, (3000, 2))
    tables = [rng.normal(size=(3000, 40)) for _ in range(6)]
    field = SignalField(xy, 1.0, tol=1e-5)
    alone = [field.apply(table) for table in tables]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(field.apply, tables))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, second)


def test_gridded_channels_do_not_disturb_each_other():
    """A channel is zero or positive whatever stands beside it."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 20, (2000, 2))
    values = rng.uniform(size=(2000, 75))
    field = SignalField(xy, 1.0, method="gridded")
    together = field.apply(values)
    for column in (0, 31, 32, 63, 64, 74):
        _close(field.apply(values[:, column]), together[:, column], 1e-13)
