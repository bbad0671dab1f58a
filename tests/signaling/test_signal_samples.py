"""Several samples in one field: nobody hears the cells of another sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import InputError
from spacetravlr.signaling import SignalField, SignalFields


def literal(xy, radius, values, samples):
    """Every pair of cells of one sample, over the number of all cells."""
    received = np.zeros_like(values, dtype=float)
    for i in range(len(xy)):
        for j in range(len(xy)):
            squared = ((xy[i] - xy[j]) ** 2).sum()
            if samples[i] == samples[j] and np.isfinite(squared):
                received[i] += np.exp(-squared / (2 * radius**2)) * values[j]
    return received / len(xy)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 60),
    st.integers(1, 8),
    st.sampled_from(["auto", "exact", "neighbours", "spectral", "gridded"]),
)
def test_against_every_pair(seed, n_cells, n_samples, method):
    """All samples on one spot; some of one cell; some cells without coordinates."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 5, (n_cells, 2))
    xy[rng.uniform(size=n_cells) < 0.1, rng.integers(2)] = np.nan
    samples = rng.integers(n_samples, size=n_cells)
    samples[0] = 99
    values = rng.lognormal(size=(n_cells, 3))
    received = SignalField(xy, 1.0, method=method, samples=samples, tol=1e-9).apply(values)
    expected = literal(xy, 1.0, values, samples)
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-9 * expected.max())


@pytest.fixture(scope="module")
def slides():
    """A large sample, a small one and a single cell, interleaved, with overlapping coordinates."""
    rng = np.random.default_rng(4)
    samples = np.array(["large"] * 3000 + ["small"] * 300 + ["alone"])
    rng.shuffle(samples)
    xy = rng.uniform(0, 20, (3301, 2))
    xy[7] = np.nan
    values = np.stack([rng.lognormal(size=3301), rng.normal(size=3301), np.zeros(3301)], axis=1)
    expected = np.zeros_like(values)
    for label in ("large", "small", "alone"):
        mine = samples == label
        expected[mine] = SignalField(xy[mine], 1.0, method="exact").apply(values[mine]) * mine.sum() / 3301
    return xy, values, samples, expected


@pytest.mark.parametrize("method", ["auto", "exact", "neighbours", "spectral", "gridded"])
def test_samples_of_all_sizes(slides, method):
    xy, values, samples, expected = slides
    field = SignalField(xy, 1.0, method=method, samples=samples, tol=1e-5)
    received = field.apply(values)
    one_sign, mixed = (np.abs(received - expected)[:, column].max() for column in (0, 1))
    assert field.error_bound <= 1e-5
    assert one_sign <= (field.error_bound + 1e-13) * expected[:, 0].max()
    assert mixed <= 1e-5 * np.abs(expected).max()
    assert not received[7].any()
    assert not received[:, 2].any()


def test_mixed_signs_alone_keep_the_bound(slides):
    xy, values, samples, _ = slides
    values = np.sign(values[:, 1:2])
    expected = SignalField(xy, 1.0, method="exact", samples=samples).apply(values)
    received = SignalField(xy, 1.0, method="gridded", samples=samples, tol=1e-4).apply(values)
    assert 0 < np.abs(received - expected).max() <= 1e-4 * np.abs(expected).max()


def test_each_sample_is_summed_by_the_method_that_suits_it(slides):
    xy, _, samples, _ = slides
    facts = SignalField(xy, 1.0, samples=samples).describe()
    found = {part["sample"]: (part["method"], part["n_located"]) for part in facts["by_sample"]}
    located = {label: int(((samples == label) & np.isfinite(xy[:, 0])).sum()) for label in found}
    assert found == {
        "alone": ("exact", 1),
        "large": ("gridded", located["large"]),
        "small": ("exact", located["small"]),
    }
    assert facts["samples"] == 3
    assert facts["method"] == "gridded"
    assert facts["error_bound"] == max(part["error_bound"] for part in facts["by_sample"])
    assert facts["reason"].startswith("3 samples: ")


def test_moving_one_sample_changes_nothing(slides):
    xy, values, samples, _ = slides
    moved = xy + np.where(samples == "small", 1e5, 0.0)[:, None]
    before, after = (SignalField(where, 1.0, samples=samples).apply(values) for where in (xy, moved))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-10 * np.abs(before).max())


@pytest.mark.parametrize(
    "labels", [np.array([3, 1, 3, 1]), ["b", "a", "b", "a"], np.array(["b", "a"] * 2, object), [True, False] * 2]
)
def test_labels_of_any_kind(labels):
    values = np.arange(4.0)
    received = SignalField(np.zeros((4, 2)), 1.0, samples=labels).apply(values)
    np.testing.assert_allclose(received, np.array([2.0, 4.0, 2.0, 4.0]) / 4)


def test_one_sample_is_none(slides):
    xy, values, _, _ = slides
    fields = [SignalField(xy, 1.0, samples=labels) for labels in (None, np.zeros(3301, dtype=int))]
    np.testing.assert_array_equal(*(field.apply(values) for field in fields))
    assert "by_sample" not in fields[1].describe()


def test_a_sample_without_any_coordinates():
    xy = np.array([[0.0, 0.0], [np.nan, 0.0], [0.0, 0.0]])
    field = SignalField(xy, 1.0, samples=["a", "b", "a"])
    np.testing.assert_allclose(field.apply(np.ones(3)), [2 / 3, 0.0, 2 / 3])
    assert [part["sample"] for part in field.describe()["by_sample"]] == ["a"]


def test_grid_of_each_sample(slides):
    xy, values, samples, expected = slides
    field = SignalField(xy, 5.0, grid_factor=0.5, samples=samples)
    assert field.method == "grid"
    assert field.error_bound is None
    exact = SignalField(xy, 5.0, method="exact", samples=samples).apply(values[:, :1])
    assert 1e-4 < np.abs(field.apply(values[:, :1]) - exact).max() / exact.max() < 0.05
    assert expected.shape == values.shape


def test_several_radii_share_the_samples(slides):
    xy, values, samples, expected = slides
    fields = SignalFields(xy, samples=samples)
    received = fields.received(values[:, [0, 0]], ["Tgfb1", "Wnt5a"], {"Tgfb1": 1.0, "Wnt5a": 2.0})
    np.testing.assert_allclose(received[:, 0], expected[:, 0], rtol=0, atol=1e-6 * expected[:, 0].max())
    wider = SignalField(xy, 2.0, method="exact", samples=samples).apply(values[:, 0])
    np.testing.assert_allclose(received[:, 1], wider, rtol=0, atol=1e-6 * wider.max())


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (["a", "b"], "one label for each of the 3 cells"),
        ([["a"], ["b"], ["c"]], "one label"),
        ([1.0, 2.0, np.nan], "whole numbers or texts"),
        (np.array(["a", None, "b"], dtype=object), "NoneType"),
        (np.array(["a", 1, "b"], dtype=object), "int, str"),
    ],
)
def test_wrong_labels_are_refused(labels, word):
    with pytest.raises(InputError, match=word):
        SignalField(np.zeros((3, 2)), 1.0, samples=labels)
