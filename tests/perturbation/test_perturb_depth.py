"""Tissues with three coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.errors import InputError

DOSE = {"G01": 0.0, "G05": 2.0}
N = 60


def positions(depth: float) -> np.ndarray:
    rng = np.random.default_rng(8)
    return np.column_stack([rng.uniform(0, 9, (N, 2)), depth * rng.uniform(0, 9, N)])


def received(build, xy: np.ndarray) -> np.ndarray:
    """What cells receive of the knocked-out ligand, pair by pair."""
    expression = build(xy=xy).simulate({"G13": 0.0}, n_propagation=0).simulated[:, 1]
    apart = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
    return np.exp(-apart / (2 * 3.0**2)) @ expression / N


def test_the_third_coordinate_counts(build):
    deep = positions(1.0)
    model = build(xy=deep)
    assert model.xy.shape == (N, 3)
    reception = model._engine.tissue.reception
    row = np.searchsorted(model._engine.rules.features.ligands, 1)
    np.testing.assert_allclose(reception.lr[row], received(build, deep)[model._engine.order], rtol=1e-5)
    apart, flat = model.simulate(DOSE).delta, build(xy=deep[:, :2]).simulate(DOSE).delta
    assert np.abs(apart - flat).max() > 1e-3


@pytest.mark.parametrize("options", [{}, {"signal_tol": 0.0}, {"cutoff": 4.0}])
def test_a_section_without_depth_is_flat(build, options):
    flat = positions(0.0)
    deep = build(xy=flat, **options).simulate(DOSE).delta
    np.testing.assert_allclose(deep, build(xy=flat[:, :2], **options).simulate(DOSE).delta, rtol=0, atol=1e-6)


def test_rings_around_cells_in_depth(build):
    deep = positions(1.0)
    effect = build(xy=deep).simulate(DOSE, cells=[0])
    rings = effect.top(1, by="ring")["ring"].unique().tolist()
    assert rings[0] == "perturbed"


def test_the_compiled_edition_looks_at_two(build):
    deep = positions(1.0)
    model = build(xy=deep, profile="v1")
    assert model.xy.shape == (N, 2)
    assert np.array_equal(model.simulate(DOSE).delta, build(xy=deep[:, :2], profile="v1").simulate(DOSE).delta)


def test_other_numbers_of_columns(build):
    four = np.column_stack([positions(1.0), np.ones(N)])
    assert build(xy=four).xy.shape == (N, 2)
    with pytest.raises(InputError, match=r"shape \(60, 2\) or \(60, 3\), not \(60, 1\)"):
        build(xy=four[:, :1])
