"""SignalField against its formula written out, and what it accepts and refuses."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from spacetravlr.errors import InputError
from spacetravlr.signaling import SignalField

METHODS = ("exact", "neighbours", "spectral", "gridded")


def literal(xy, values, weight):
    """received_i = (1/n) sum_j weight(d_ij) values_j, one pair at a time."""
    received = np.zeros_like(values, dtype=float)
    for i, here in enumerate(xy):
        for j, there in enumerate(xy):
            received[i] += weight(math.dist(here, there)) * values[j]
    return received / len(xy)


def gaussian(radius):
    return lambda d: math.exp(-d * d / (2 * radius * radius))


def truncated(radius):
    sigma = radius / math.sqrt(-2 * math.log(0.001))
    return lambda d: math.exp(-d * d / (2 * sigma * sigma)) if d <= radius else 0.0


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("method", METHODS)
def test_gaussian_is_the_formula(method, rng):
    xy = rng.uniform(-300, 900, (60, 2))
    values = rng.lognormal(size=(60, 4))
    received = SignalField(xy, 130.0, method=method, tol=1e-10).apply(values)
    expected = literal(xy, values, gaussian(130.0))
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-10 * expected.max())


def test_exact_is_exact(rng):
    xy = rng.uniform(0, 1e6, (50, 2)) + 1e7
    values = rng.lognormal(size=(50, 3))
    np.testing.assert_allclose(
        SignalField(xy, 2e5, method="exact").apply(values), literal(xy, values, gaussian(2e5)), rtol=1e-13, atol=0
    )


@pytest.mark.parametrize("method", ["exact", "neighbours", "spectral", "gridded", "auto", "grid"])
def test_truncated_is_exact_by_any_name(method, rng):
    xy = rng.uniform(0, 5, (70, 2))
    values = rng.lognormal(size=(70, 2))
    received = SignalField(xy, 1.3, kernel="truncated", method=method, tol=1e-3).apply(values)
    np.testing.assert_allclose(received, literal(xy, values, truncated(1.3)), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("method", ["exact", "neighbours", "auto", "grid"])
def test_cutoff_drops_far_senders_only(method, rng):
    xy = rng.uniform(0, 5, (70, 2))
    values = rng.lognormal(size=(70, 2))
    received = SignalField(xy, 1.0, method=method, cutoff=1.5).apply(values)
    weight = gaussian(1.0)
    expected = literal(xy, values, lambda d: weight(d) if d <= 1.5 else 0.0)
    np.testing.assert_allclose(received, expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("method", ["exact", "neighbours"])
@pytest.mark.parametrize("step", [1.0, 100.0, 55.0])
def test_a_sender_exactly_at_the_cutoff_counts(method, step):
    side = np.arange(5) * step
    xy = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    received = SignalField(xy, step, method=method, cutoff=step).apply(np.ones(25))
    # the middle cell sees itself and four neighbours, a corner itself and two
    assert received[12] == pytest.approx((1 + 4 * math.exp(-0.5)) / 25, rel=1e-14)
    assert received[0] == pytest.approx((1 + 2 * math.exp(-0.5)) / 25, rel=1e-14)


def test_a_far_cutoff_does_not_stand_in_the_way_of_speed(rng):
    xy = rng.uniform(0, 10, (3000, 2))
    values = rng.uniform(size=(3000, 2))
    field = SignalField(xy, 1.0, cutoff=9.0)
    expected = SignalField(xy, 1.0, method="exact", cutoff=9.0).apply(values)
    assert field.method in {"gridded", "spectral"}
    assert np.abs(field.apply(values) - expected).max() <= 1e-6 * expected.max()
    assert SignalField(xy, 1.0, cutoff=3.0).error_bound == 0


def test_acceptance_values():
    """Two cells at distance d, and all cells at one point."""
    received = SignalField([[0, 0], [3, 4]], 5.0).apply([0.0, 1.0])
    np.testing.assert_allclose(received, [math.exp(-0.5) / 2, 0.5], rtol=1e-15)
    assert SignalField([[7, 7]], 0.1, scale=3.0).apply([1.0]) == pytest.approx(3.0)
    values = np.arange(12.0).reshape(4, 3)
    same = SignalField(np.ones((4, 2)), 2.0).apply(values)
    np.testing.assert_allclose(same, np.tile(values.mean(axis=0), (4, 1)), rtol=1e-14)
    xy = np.random.default_rng(0).uniform(0, 10, (30, 2))
    values = xy[:, :1] + 1
    np.testing.assert_allclose(SignalField(xy, 1e9).apply(values), np.full((30, 1), values.mean()), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_scale_is_linear(method, rng):
    xy = rng.uniform(0, 4, (200, 2))
    values = rng.uniform(size=(200, 3))
    once = SignalField(xy, 1.0, method=method).apply(values)
    np.testing.assert_allclose(SignalField(xy, 1.0, method=method, scale=2.5).apply(values), 2.5 * once, rtol=1e-15)
    assert not SignalField(xy, 1.0, method=method, scale=0.0).apply(values).any()


@pytest.mark.parametrize("method", [*METHODS, "grid"])
def test_cells_without_coordinates_are_silent(method, rng):
    xy = rng.uniform(0, 3, (300, 2))
    values = rng.uniform(size=(300, 2))
    lost = [3, 77, 299]
    xy[3, 0], xy[77, 1], xy[299] = np.nan, np.inf, -np.inf
    values[3] = np.nan  # of no consequence
    field = SignalField(xy, 1.0, method=method)
    received = field.apply(values)
    kept = np.setdiff1d(np.arange(300), lost)
    alone = SignalField(xy[kept], 1.0, method=method).apply(values[kept])
    assert not received[lost].any()
    np.testing.assert_allclose(received[kept], alone * 297 / 300, rtol=1e-13)
    assert field.describe()["n_located"] == 297
    assert not SignalField(np.full((2, 2), np.nan), 1.0, method=method).apply([1.0, 2.0]).any()


@pytest.mark.parametrize("method", [*METHODS, "grid"])
def test_shapes_types_and_zero_columns(method, rng):
    xy = rng.uniform(0, 3, (150, 2))
    values = rng.uniform(size=(150, 70))
    values[:, [0, 5, 69]] = 0.0
    field = SignalField(xy, 1.0, method=method)
    received = field.apply(values)
    assert received.shape == (150, 70)
    assert received.dtype == np.float64
    assert not received[:, [0, 5, 69]].any()
    np.testing.assert_allclose(field.apply(values[:, 7]), received[:, 7], rtol=1e-12)
    np.testing.assert_allclose(field.apply(np.asfortranarray(values)), received, rtol=1e-12)
    np.testing.assert_allclose(field.apply(values[:, ::2]), received[:, ::2], rtol=1e-12)
    single = values.astype(np.float32)
    np.testing.assert_allclose(field.apply(single), field.apply(single.astype(np.float64)), rtol=1e-12)
    np.testing.assert_allclose(field.apply(values > 0.5), field.apply((values > 0.5).astype(float)), rtol=1e-12)
    assert field.apply(np.empty((150, 0))).shape == (150, 0)
    assert not field.apply(np.zeros((150, 2))).any()


def test_no_cells():
    field = SignalField(np.empty((0, 2)), 1.0)
    assert field.apply(np.empty((0, 3))).shape == (0, 3)
    assert field.describe()["reason"] == "no cells"


def test_input_is_not_changed_and_not_kept(rng):
    xy = rng.uniform(0, 3, (1200, 2))
    values = rng.uniform(size=(1200, 2))
    before = values.copy()
    field = SignalField(xy, 1.0)
    first = field.apply(values)
    xy += 50.0 * rng.uniform(size=xy.shape)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(field.apply(values), first)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"radius": 0.0}, "radius"),
        ({"radius": -1.0}, "radius"),
        ({"radius": math.nan}, "radius"),
        ({"radius": math.inf}, "radius"),
        ({"cutoff": 0.0}, "cutoff"),
        ({"cutoff": math.nan}, "cutoff"),
        ({"tol": -1e-6}, "tol"),
        ({"tol": math.nan}, "tol"),
        ({"scale": math.inf}, "scale"),
        ({"kernel": "box"}, "gaussian, truncated"),
        ({"method": "grided"}, "did you mean grid"),
        ({"grid_factor": math.nan}, "grid_factor"),
        ({"grid_factor": 0.5, "method": "exact"}, "grid_factor"),
        ({"xy": np.zeros((3, 4))}, "xy"),
        ({"xy": np.zeros(3)}, "xy"),
        ({"xy": np.array([["a", "b"]])}, "xy"),
    ],
)
def test_wrong_arguments_are_named(arguments, word):
    settings = {"xy": np.zeros((3, 2)), "radius": 1.0} | arguments
    with pytest.raises(InputError, match=word):
        SignalField(settings.pop("xy"), settings.pop("radius"), **settings)


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((2, 1)), np.zeros((3, 1, 1)), np.array(["a", "b", "c"])])
def test_wrong_values_are_refused(bad):
    with pytest.raises(InputError, match="3 cells"):
        SignalField(np.zeros((3, 2)), 1.0).apply(bad)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(poison):
    values = np.ones((3, 4))
    values[1, 2] = poison
    with pytest.raises(InputError, match="column 2"):
        SignalField(np.zeros((3, 2)), 1.0).apply(values)


def test_every_method_at_a_scale(rng):
    xy = rng.uniform(0, 4, (1500, 2))
    values = rng.uniform(size=(1500, 2))
    expected = SignalField(xy, 1.0, method="exact", scale=2.0).apply(values)
    for method in ("neighbours", "spectral", "gridded"):
        close = SignalField(xy, 1.0, method=method, tol=1e-8, scale=2.0).apply(values)
        assert 0 < np.abs(close - expected).max() <= 1e-8 * expected.max() or method == "neighbours"
    coarse = SignalField(xy, 1.0, method="grid", scale=2.0, grid_factor=0.5).apply(values)
    assert 1e-4 < np.abs(coarse - expected).max() / expected.max() < 0.05


def test_describe_and_repr(rng):
    field = SignalField(rng.uniform(0, 30, (2000, 2)), 1.0, tol=1e-4)
    facts = field.describe()
    assert facts["method"] == field.method == "gridded"
    assert 0 < facts["error_bound"] == field.error_bound <= facts["tol"] == 1e-4
    assert facts["ns_per_value"] > 0
    assert {"width", "spacing", "nx", "ny", "reason", "requested"} <= facts.keys()
    assert "2000 cells" in repr(field)


def test_small_tissues_load_no_compiler():
    code = (
        "import sys, numpy as np; from spacetravlr.signaling import SignalField;"
        "SignalField(np.random.default_rng(0).random((900, 2)), 1.0).apply(np.ones(900)); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
