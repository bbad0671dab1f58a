"""Every approximate method keeps its promise, on every shape of tissue."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from spacetravlr.signaling import SignalField

N = 1300
RADIUS = 40.0


def _clusters(rng, extent):
    centres = rng.uniform(0, extent, (8, 2))
    return centres[rng.integers(8, size=N)] + rng.normal(size=(N, 2)) * extent / 40


def _far_clusters(rng, extent):
    xy = rng.uniform(0, extent, (N, 2))
    xy[N // 2 :] += (1e4, -3e4)
    return xy


SHAPES = {
    **{f"uniform {e}": functools.partial(lambda e, rng: rng.uniform(0, e, (N, 2)), e) for e in (2, 5, 25, 100, 200)},
    **{f"clustered {e}": functools.partial(lambda e, rng: _clusters(rng, e), e) for e in (2, 5, 25, 100, 200)},
    "duplicates": lambda rng: np.repeat(rng.uniform(0, 12, (N // 10, 2)), 10, axis=0),
    "one point": lambda rng: np.full((N, 2), 3.0),
    "line": lambda rng: np.stack([rng.uniform(0, 60, N), np.full(N, 5.0)], axis=1),
    "lattice": lambda rng: np.stack(np.divmod(np.arange(N), 37), axis=1) * 0.5,
    "two far clusters": lambda rng: _far_clusters(rng, 3),
}


@functools.cache
def tissue(shape):
    """Positions, values (dense, sparse, single cells, heavy-tailed) and the exact answer."""
    rng = np.random.default_rng(sorted(SHAPES).index(shape))
    xy = SHAPES[shape](rng) * RADIUS
    values = np.concatenate(
        [
            rng.uniform(size=(N, 2)),
            rng.uniform(size=(N, 2)) < 0.03,
            np.eye(N)[:, [0, N // 2, N - 1]],
            np.eye(N)[:, [int(np.argmax(xy.sum(axis=1)))]],
            rng.lognormal(0, 3, (N, 2)),
            -rng.uniform(size=(N, 1)),
        ],
        axis=1,
    )
    return xy, values, SignalField(xy, RADIUS, method="exact").apply(values)


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("method", ["auto", "neighbours", "spectral", "gridded"])
@pytest.mark.parametrize("shape", SHAPES)
def test_error_is_within_tol_of_every_column(shape, method, tol):
    xy, values, expected = tissue(shape)
    field = SignalField(xy, RADIUS, method=method, tol=tol)
    error = np.abs(field.apply(values) - expected).max(axis=0)
    bound = field.error_bound
    assert bound <= tol
    assert (error <= (bound + 1e-13) * np.abs(expected).max(axis=0)).all()


@pytest.mark.parametrize("method", ["spectral", "gridded"])
@pytest.mark.parametrize("shape", ["uniform 5", "clustered 5", "two far clusters"])
def test_methods_really_differ_from_exact(shape, method):
    """Otherwise the test above could not fail."""
    xy, values, expected = tissue(shape)
    field = SignalField(xy, RADIUS, method=method, tol=1e-3)
    error = np.abs(field.apply(values) - expected).max() / np.abs(expected).max()
    assert field.method == method
    assert 1e-10 < error < 1e-3


@pytest.mark.parametrize("method", ["neighbours", "spectral", "gridded"])
@pytest.mark.parametrize("cancel", [0.0, 0.9, 1 - 1e-5, 1.0])
def test_mixed_signs_keep_the_bound_of_the_call(method, cancel):
    """Senders side by side that cancel each other more or less, at last completely but for rounding."""
    rng = np.random.default_rng(5)
    half = rng.uniform(0, 8, (700, 2))
    xy = np.concatenate([half, half + 1e-9])
    plus = rng.uniform(size=(700, 2))
    values = np.concatenate([plus, -cancel * plus])
    expected = SignalField(xy, 1.0, method="exact").apply(values)
    received = SignalField(xy, 1.0, method=method, tol=1e-5).apply(values)
    floor = 1e-13 * SignalField(xy, 1.0, method="exact").apply(np.abs(values)).max()
    assert np.abs(received - expected).max() <= 1e-5 * np.abs(expected).max() + floor


def test_mixed_signs_are_measured_against_the_largest_of_the_call(monkeypatch):
    rng = np.random.default_rng(6)
    xy = rng.uniform(0, 8, (1400, 2))
    xy[700:] = xy[:700]
    plus = rng.uniform(size=700)
    field = SignalField(xy, 1.0, method="gridded", tol=1e-5)
    cancelled = np.concatenate([plus, -plus])
    field.apply(np.stack([cancelled, np.ones(1400)], axis=1))
    assert not field._finer
    field.apply(cancelled)
    assert set(field._finer) == {(0.0, True)}


def test_independent_fourier_evaluation():
    """The Gaussian as a Fourier sum over a box that holds tissue and kernel, by an independent library."""
    finufft = pytest.importorskip("finufft")
    rng = np.random.default_rng(8)
    n, extent = 4000, 12.0
    xy = rng.uniform(0, extent, (n, 2))
    values = rng.uniform(size=n)
    box = extent + 18.0
    modes = 128
    angle = np.ascontiguousarray(2 * np.pi * xy.T / box - np.pi)
    k = 2 * np.pi / box * (np.arange(modes) - modes // 2)
    spectrum = np.exp(-0.5 * np.add.outer(k * k, k * k)) * (2 * np.pi / box**2)
    coefficients = finufft.nufft2d1(*angle, values.astype(complex), (modes, modes), isign=-1, eps=1e-13)
    received = finufft.nufft2d2(*angle, coefficients * spectrum, isign=1, eps=1e-13).real / n
    for method in ("exact", "gridded", "spectral", "neighbours"):
        ours = SignalField(xy, 1.0, method=method, tol=1e-10).apply(values)
        np.testing.assert_allclose(ours, received, rtol=0, atol=1e-10 * received.max())


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_larger_tissue_on_a_sample_of_cells(tol):
    rng = np.random.default_rng(9)
    n = 30_000
    xy = rng.uniform(0, 60, (n, 2))
    values = rng.lognormal(size=(n, 3))
    some = rng.integers(n, size=150)
    weights = np.exp(-0.5 * ((xy[some, None] - xy[None]) ** 2).sum(axis=2))
    field = SignalField(xy, 1.0, tol=tol)
    received = field.apply(values)
    assert field.method == "gridded"
    assert np.abs(received[some] - weights @ values / n).max() <= tol * received.max()
