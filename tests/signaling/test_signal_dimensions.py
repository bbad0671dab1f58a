"""Three coordinates, and tissues that are thin along one of them."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from spacetravlr.errors import InputError
from spacetravlr.signaling import SignalField

N = 1300
METHODS = ("exact", "neighbours", "spectral", "gridded")
SPACES = {
    "cube 3": (3.0, 3.0, 3.0),
    "cube 12": (12.0, 12.0, 12.0),
    "section": (15.0, 12.0, 0.2),
    "slab": (8.0, 8.0, 3.0),
    "rod": (0.5, 40.0, 0.5),
    "plane": (10.0, 0.0, 10.0),
    "ribbon": (100.0, 1.0),
    "upright ribbon": (0.3, 30.0),
    "line": (50.0, 0.0),
}


@functools.cache
def tissue(name):
    """Positions, values (dense, single cells, heavy-tailed) and the exact answer."""
    rng = np.random.default_rng(sorted(SPACES).index(name))
    xyz = rng.uniform(0, 1, (N, len(SPACES[name]))) * SPACES[name]
    values = np.concatenate([rng.uniform(size=(N, 2)), np.eye(N)[:, [0, 9]], rng.lognormal(0, 3, (N, 2))], axis=1)
    return xyz, values, SignalField(xyz, 1.0, method="exact").apply(values)


def test_the_formula_in_space():
    rng = np.random.default_rng(0)
    xyz, values = rng.uniform(0, 900, (40, 3)), rng.lognormal(size=(40, 2))
    expected = np.zeros_like(values)
    for i, here in enumerate(xyz):
        for j, there in enumerate(xyz):
            expected[i] += math.exp(-(math.dist(here, there) ** 2) / (2 * 300.0**2)) * values[j] / 40
    np.testing.assert_allclose(SignalField(xyz, 300.0, method="exact").apply(values), expected, rtol=1e-13)
    for method in METHODS:
        received = SignalField(xyz, 300.0, method=method, tol=1e-9).apply(values)
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-9 * expected.max())


@pytest.mark.parametrize("tol", [1e-3, 1e-8])
@pytest.mark.parametrize("method", ["auto", "neighbours", "spectral", "gridded"])
@pytest.mark.parametrize("name", SPACES)
def test_error_is_within_tol_of_every_column(name, method, tol):
    xyz, values, expected = tissue(name)
    field = SignalField(xyz, 1.0, method=method, tol=tol)
    error = np.abs(field.apply(values) - expected).max(axis=0)
    assert field.error_bound <= tol
    assert (error <= (field.error_bound + 1e-13) * expected.max(axis=0)).all()


@pytest.mark.parametrize("method", ["neighbours", "spectral", "gridded"])
def test_methods_really_differ_from_exact_in_space(method):
    xyz, values, expected = tissue("cube 12")
    field = SignalField(xyz, 1.0, method=method, tol=1e-3)
    error = np.abs(field.apply(values) - expected).max() / expected.max()
    assert field.method == method
    assert 1e-10 < error < 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_constant_coordinate_changes_nothing(method, axis):
    rng = np.random.default_rng(3)
    xy, values = rng.uniform(0, 9, (700, 2)), rng.lognormal(size=(700, 3))
    flat = SignalField(xy, 1.0, method=method, tol=1e-9).apply(values)
    xyz = np.insert(xy, axis, 123.4, axis=1)
    received = SignalField(xyz, 1.0, method=method, tol=1e-9).apply(values)
    np.testing.assert_allclose(received, flat, rtol=0, atol=2e-9 * flat.max())


@pytest.mark.parametrize("options", [{"kernel": "truncated"}, {"cutoff": 1.5}])
@pytest.mark.parametrize("method", ["auto", "exact", "neighbours"])
def test_kernels_that_end_in_space(method, options):
    xyz, values, _ = tissue("slab")
    some = np.arange(0, N, 130)
    distance = np.sqrt(((xyz[some, None] - xyz[None]) ** 2).sum(axis=2))
    sigma, end = (1.0, 1.5) if "cutoff" in options else (1 / math.sqrt(-2 * math.log(0.001)), 1.0)
    expected = np.where(distance <= end, np.exp(-(distance**2) / (2 * sigma**2)), 0.0) @ values / N
    received = SignalField(xyz, 1.0, method=method, **options).apply(values)[some]
    np.testing.assert_allclose(received, expected, rtol=1e-12, atol=1e-15)


def test_a_section_costs_about_what_its_plane_costs():
    """Along an axis on which the tissue is thin, few functions take the place of a window."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 1, (6000, 3)) * (25, 25, 0.05)
    section, plane = (SignalField(where, 1.0) for where in (xyz, xyz[:, :2]))
    assert section.method == plane.method == "gridded"
    assert section.describe()["functions"] == "0,0,3"
    assert section.expected_ns < 4 * plane.expected_ns


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_ribbons_cost_less_than_squares(turned, tol):
    """100 : 1, the same crowding as a square of the same area."""
    rng = np.random.default_rng(0)
    ribbon = rng.uniform(0, 1, (8000, 2)) * (100, 1)
    if turned:
        ribbon = ribbon[:, ::-1]
    field = SignalField(ribbon, 1.0, tol=tol)
    square = SignalField(rng.uniform(0, 10, (8000, 2)), 1.0, tol=tol)
    assert field.method == square.method == "gridded"
    assert field.expected_ns <= square.expected_ns
    assert min(int(count) for count in field.describe()["functions"].split(",")) == 0
    values = rng.uniform(size=(8000, 2))
    expected = SignalField(ribbon, 1.0, method="exact").apply(values)
    assert np.abs(field.apply(values) - expected).max() <= tol * expected.max()


@pytest.mark.parametrize("options", [{"method": "grid"}, {"grid_factor": 0.5}, {"method": "grid", "grid_factor": 0.3}])
def test_the_bilinear_grid_is_for_the_plane(options):
    with pytest.raises(InputError, match="two coordinates"):
        SignalField(np.zeros((5, 3)), 1.0, **options)


def test_no_grid_factor_means_exact_in_space_too():
    xyz, values, expected = tissue("slab")
    np.testing.assert_array_equal(SignalField(xyz, 1.0, grid_factor=0.0).apply(values), expected)


def test_missing_third_coordinate():
    xyz, values, _ = tissue("slab")
    xyz = xyz.copy()
    xyz[5, 2] = np.nan
    received = SignalField(xyz, 1.0).apply(values)
    assert not received[5].any()
    others = np.arange(N) != 5
    alone = SignalField(xyz[others], 1.0).apply(values[others]) * (N - 1) / N
    np.testing.assert_allclose(received[others], alone, rtol=1e-12)


def test_independent_fourier_evaluation_in_space():
    finufft = pytest.importorskip("finufft")
    rng = np.random.default_rng(8)
    n, extent, modes = 2000, np.array([6.0, 5.0, 2.0]), 80
    xyz = rng.uniform(0, 1, (n, 3)) * extent
    values = rng.uniform(size=n)
    box = 6.0 + 14.0
    angle = np.ascontiguousarray(2 * np.pi * xyz.T / box - np.pi)
    k = 2 * np.pi / box * (np.arange(modes) - modes // 2)
    along = np.exp(-0.5 * k * k) * math.sqrt(2 * np.pi) / box
    coefficients = finufft.nufft3d1(*angle, values.astype(complex), (modes,) * 3, isign=-1, eps=1e-12)
    spectrum = along[:, None, None] * along[None, :, None] * along[None, None, :]
    received = finufft.nufft3d2(*angle, coefficients * spectrum, isign=1, eps=1e-12).real / n
    for method in METHODS:
        ours = SignalField(xyz, 1.0, method=method, tol=1e-9).apply(values)
        np.testing.assert_allclose(ours, received, rtol=0, atol=1e-9 * received.max())
