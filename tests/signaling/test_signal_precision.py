"""Single precision where the tolerance leaves room for it, results in float32, and what a field says of itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from spacetravlr.errors import InputError
from spacetravlr.signaling import SignalField
from spacetravlr.signaling import _tile_kernels as kernels
from spacetravlr.signaling._columns import column_extremes


@pytest.fixture(scope="module")
def tissue():
    rng = np.random.default_rng(5)
    xy = rng.uniform(0, 12, (2500, 2))
    values = np.concatenate([rng.lognormal(0, 2, (2500, 66)), np.eye(2500)[:, :3]], axis=1)
    return xy, values, SignalField(xy, 1.0, method="exact").apply(values)


@pytest.mark.parametrize(("tol", "precision"), [(1e-3, "single"), (1e-4, "single"), (1e-5, "double"), (1e-6, "double")])
def test_precision_follows_from_the_tolerance(tissue, tol, precision):
    xy, values, expected = tissue
    field = SignalField(xy, 1.0, method="gridded", tol=tol)
    assert field.describe()["precision"] == precision
    error = np.abs(field.apply(values) - expected).max(axis=0) / expected.max(axis=0)
    assert (error <= field.error_bound + 1e-13).all()
    assert field.error_bound <= tol


def test_rounding_is_within_its_bound(tissue):
    """The same grid in both precisions."""
    xy, values, expected = tissue
    field = SignalField(xy, 1.0, method="gridded", tol=1e-3)
    double = SignalField(xy, 1.0, method="gridded", tol=1e-3)
    double._plan = double._choose(1e-3, "gridded", single=False)[0]
    assert double.describe()["precision"] == "double"
    apart = (np.abs(field.apply(values) - double.apply(values)) / expected.max(axis=0)).max()
    assert 1e-9 < apart < field._plan.rounding < 1e-4


def test_crowds_are_added_up_in_double_precision():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.uniform(0, 9, (2000, 2)), rng.normal(4, 0.01, (30_000, 2))])
    values = rng.uniform(size=(32_000, 3))
    even = SignalField(xy[:2000], 1.0, method="gridded", tol=1e-3)._plan
    field = SignalField(xy, 1.0, method="gridded", tol=1e-3)
    assert field.describe()["precision"] == "single"
    assert (even.wide, field._plan.wide) == (False, True)
    assert field._plan.rounding < 2e-5
    some = np.r_[:100, 3000:3100]
    weights = np.exp(-0.5 * ((xy[some, None] - xy[None]) ** 2).sum(axis=2))
    received = field.apply(values)
    error = np.abs(received[some] - weights @ values / 32_000).max(axis=0)
    assert (error <= field.error_bound * received.max(axis=0)).all()


@pytest.mark.parametrize("size", [1e-290, 1e-30, 1e30, 1e290])
def test_values_beyond_single_precision(tissue, size):
    xy, values, expected = tissue
    field = SignalField(xy, 1.0, method="gridded", tol=1e-3)
    assert field.describe()["precision"] == "single"
    received = field.apply(np.stack([values[:, 0] * size, values[:, 1]], axis=1))
    error = np.abs(received / [size, 1.0] - expected[:, :2]).max(axis=0)
    assert (error <= 1e-3 * expected[:, :2].max(axis=0)).all()


@pytest.mark.parametrize("method", ["auto", "exact", "neighbours", "spectral", "gridded", "grid"])
def test_results_in_float32(tissue, method):
    xy, values, _ = tissue
    wide = SignalField(xy, 1.0, method=method, tol=1e-6)
    narrow = SignalField(xy, 1.0, method=method, tol=1e-6, dtype=np.float32)
    received = narrow.apply(values)
    assert received.dtype == np.float32
    assert wide.apply(values).dtype == np.float64
    reference = wide.apply(values)
    assert np.abs(received - reference).max() <= 2e-6 * reference.max()
    assert narrow.apply(np.zeros((2500, 2))).dtype == np.float32


@pytest.mark.parametrize("method", ["exact", "neighbours", "spectral", "gridded"])
@pytest.mark.parametrize("tol", [1e-6, 1e-3])
def test_the_promise_holds_after_rounding(tissue, method, tol):
    xy, values, expected = tissue
    field = SignalField(xy, 1.0, method=method, tol=tol, dtype="float32")
    error = np.abs(field.apply(values) - expected).max(axis=0) / expected.max(axis=0)
    assert 2.0**-24 < field.error_bound <= tol
    assert (error <= field.error_bound).all()
    mixed = values[:, :4] - values[:, 4:8]
    reference = SignalField(xy, 1.0, method="exact").apply(mixed)
    assert np.abs(field.apply(mixed) - reference).max() <= tol * np.abs(reference).max()


def test_types_and_tolerances_that_do_not_go_together():
    with pytest.raises(InputError, match="1e-06 for a result in float32"):
        SignalField(np.zeros((3, 2)), 1.0, tol=1e-7, dtype=np.float32)
    with pytest.raises(InputError, match="float64 or float32"):
        SignalField(np.zeros((3, 2)), 1.0, dtype=np.int32)


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_values_in_float32_are_taken_as_they_are(tissue, tol):
    xy, values, _ = tissue
    field = SignalField(xy, 1.0, method="gridded", tol=tol)
    single = values.astype(np.float32)
    np.testing.assert_allclose(field.apply(single), field.apply(single.astype(np.float64)), rtol=1e-6)


@pytest.mark.parametrize("n_channels", [40, 250])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_same_bits_on_any_number_of_threads_in_many_runs(tol, n_channels):
    rng = np.random.default_rng(1)
    xy, values = rng.uniform(0, 30, (20_000, 2)), rng.lognormal(size=(20_000, n_channels))
    results = []
    for threads in (1, 2, 5):
        with threadpool_limits(threads, user_api="blas"):
            field = SignalField(xy, 1.0, method="gridded", tol=tol)
            results.append(field.apply(values))
    assert len(field._plan._runs(8)) == 8
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    some = rng.integers(20_000, size=50)
    weights = np.exp(-0.5 * ((xy[some, None] - xy[None]) ** 2).sum(axis=2))
    assert np.abs(results[0][some] - weights @ values / 20_000).max() <= tol * results[0].max()


@pytest.mark.parametrize("n_channels", [1, 3, 8, 17, 127, 128, 129, 300, 513, 530])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_any_number_of_channels(n_channels, tol):
    rng = np.random.default_rng(n_channels)
    xy, values = rng.uniform(0, 12, (1500, 2)), rng.uniform(size=(1500, n_channels))
    expected = SignalField(xy, 1.0, method="exact").apply(values)
    received = SignalField(xy, 1.0, method="gridded", tol=tol).apply(values)
    assert (np.abs(received - expected).max(axis=0) <= tol * expected.max(axis=0)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_in_place_is_the_sum(dtype):
    rng = np.random.default_rng(0)
    for points, after, reach in ((4, 1, 4), (8, 16, 4), (20, 130, 16), (44, 600, 8)):
        grid = rng.normal(size=(3, points, after)).astype(dtype)
        taps = rng.normal(size=reach + 1)
        lag = np.abs(np.arange(2 * reach + 4)[None, :] - reach - np.arange(4)[:, None])
        band = np.where(lag <= reach, taps[np.minimum(lag, reach)], 0.0).astype(dtype)
        apart = np.abs(np.subtract.outer(np.arange(points), np.arange(points)))
        matrix = np.where(apart <= reach, taps[np.minimum(apart, reach)], 0.0)
        expected = np.einsum("ij,bjk->bik", matrix, grid.astype(np.float64))
        columns = 3 * -(-after // kernels.BLOCK)
        kernels.convolve(grid, band, 0, columns // 2)
        kernels.convolve(grid, band, columns // 2, columns)
        np.testing.assert_allclose(grid, expected, atol=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("rows", [500, 9000])
def test_extremes_of_columns(rows):
    rng = np.random.default_rng(2)
    table = rng.normal(size=(rows, 150))
    for each in (table, np.asfortranarray(table), table.astype(np.float32)):
        low, high = column_extremes(each)
        np.testing.assert_array_equal(low, each.min(axis=0))
        np.testing.assert_array_equal(high, each.max(axis=0))
    table[rows // 2, 7], table[rows - 1, 8], table[0, 9] = np.nan, np.inf, -np.inf
    low, high = column_extremes(table)
    finite = np.isfinite(low) & np.isfinite(high)
    assert np.flatnonzero(~finite).tolist() == [7, 8, 9]


def test_time_is_measured_by_any_number_of_threads(tissue):
    xy, values, _ = tissue
    field = SignalField(xy, 1.0)
    assert field.describe()["measured_ns_per_value"] is None
    assert "measured" not in str(field)
    method, reason = field.method, field.reason
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(field.apply, [values] * 4))
    assert field._clock._numbers == 4 * values.size
    assert field.describe()["measured_ns_per_value"] > 0
    assert (field.method, field.reason) == (method, reason)


def test_one_line_says_it_all(tissue):
    xy, values, _ = tissue
    field = SignalField(xy, 1.0, tol=1e-4)
    field.apply(values)
    line = str(field)
    assert "\n" not in line
    for words in ("gridded for 2500 cells", "tol 0.0001", "error at most", "estimated", "measured", field.reason):
        assert words in line
    assert "no bound" in str(SignalField(xy, 1.0, grid_factor=0.5))
