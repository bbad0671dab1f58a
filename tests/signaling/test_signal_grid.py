"""The bilinear grid of the compiled edition, and when it gives way to the exact sum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spacetravlr.signaling import SignalField


def literal_grid(xy, values, radius, factor):
    """Anchors at (xmin - h + gx h, ymin - h + gy h), exact sums there, bilinear mean of four at every cell."""
    h = radius * factor
    x0, y0 = xy.min(axis=0) - h
    x1, y1 = xy.max(axis=0) + h
    nx, ny = math.ceil((x1 - x0) / h) + 1, math.ceil((y1 - y0) / h) + 1
    at = np.zeros((nx, ny, values.shape[1]))
    for gx in range(nx):
        for gy in range(ny):
            squared = (xy[:, 0] - (x0 + gx * h)) ** 2 + (xy[:, 1] - (y0 + gy * h)) ** 2
            at[gx, gy] = np.exp(-squared / (2 * radius**2)) @ values / len(xy)
    received = np.zeros_like(values)
    for i, (x, y) in enumerate(xy):
        fx, fy = (x - x0) / h, (y - y0) / h
        gx, gy = math.floor(fx), math.floor(fy)
        hx, hy = min(gx + 1, nx - 1), min(gy + 1, ny - 1)
        tx, ty = fx - gx, fy - gy
        lower = (1 - ty) * at[gx, gy] + ty * at[gx, hy]
        upper = (1 - ty) * at[hx, gy] + ty * at[hx, hy]
        received[i] = (1 - tx) * lower + tx * upper
    return received, (nx, ny)


@pytest.fixture
def crowd():
    rng = np.random.default_rng(3)
    return rng.uniform(0, 900, (800, 2)) * (1.0, 0.6), rng.lognormal(size=(800, 5))


@pytest.mark.parametrize("factor", [0.5, 0.3])
def test_grid_is_the_rule(crowd, factor):
    xy, values = crowd
    field = SignalField(xy, 150.0, grid_factor=factor, scale=1.5)
    expected, shape = literal_grid(xy, values, 150.0, factor)
    assert field.method == "grid"
    assert (field.describe()["nx"], field.describe()["ny"]) == shape
    assert field.error_bound is None
    np.testing.assert_allclose(field.apply(values), 1.5 * expected, rtol=1e-12)


def test_finer_is_closer_and_never_negative(crowd):
    xy, values = crowd
    exact = SignalField(xy, 150.0, method="exact").apply(values)
    errors = []
    for factor in (0.5, 0.3):
        received = SignalField(xy, 150.0, method="grid", grid_factor=factor).apply(values)
        assert received.min() >= 0
        errors.append(np.abs(received - exact).max() / exact.max())
    assert errors[1] < errors[0] < 0.05


def test_lattice_of_the_acceptance_list():
    """10 x 10 cells, spacing 10, ligand 1, r = 50, factor 0.3."""
    xy = np.stack(np.divmod(np.arange(100), 10), axis=1) * 10.0
    ones = np.ones(100)
    received = SignalField(xy, 50.0, method="grid", grid_factor=0.3).apply(ones)
    assert SignalField(xy, 50.0, grid_factor=0.3).method == "grid"
    assert 0 < np.abs(received - SignalField(xy, 50.0, method="exact").apply(ones)).max() < 0.05


def test_as_many_anchors_as_cells_means_bit_equal_to_exact():
    rng = np.random.default_rng(4)
    xy = rng.uniform(0, 1000, (200, 2))
    xy[0], xy[1] = 0.0, 1000.0
    values = rng.uniform(size=(200, 3))
    # 14 anchors along each side: 196 < 200; one more along each: 225
    fewer = SignalField(xy, 100.0, method="grid", grid_factor=1000 / 10.9 / 100)
    more = SignalField(xy, 100.0, method="grid", grid_factor=1000 / 11.9 / 100)
    assert (fewer.method, more.method) == ("grid", "exact")
    assert "anchors" in more.reason
    np.testing.assert_array_equal(more.apply(values), SignalField(xy, 100.0, method="exact").apply(values))
    assert np.abs(fewer.apply(values) - more.apply(values)).max() > 0


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_no_factor_means_exact(crowd, factor):
    xy, values = crowd
    field = SignalField(xy, 150.0, grid_factor=factor)
    assert field.method == "exact"
    np.testing.assert_array_equal(field.apply(values), SignalField(xy, 150.0, method="exact").apply(values))


@pytest.mark.parametrize("options", [{"cutoff": 20.0}, {"cutoff": 400.0}, {"kernel": "truncated"}])
def test_grid_is_not_for_kernels_that_end(crowd, options):
    xy, values = crowd
    field = SignalField(xy, 150.0, grid_factor=0.5, **options)
    assert field.method == "exact"
    np.testing.assert_array_equal(field.apply(values), SignalField(xy, 150.0, method="exact", **options).apply(values))


def test_grid_without_factor_takes_a_half(crowd):
    xy, values = crowd
    np.testing.assert_array_equal(
        SignalField(xy, 150.0, method="grid").apply(values),
        SignalField(xy, 150.0, method="grid", grid_factor=0.5).apply(values),
    )
