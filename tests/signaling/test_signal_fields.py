"""Ligands of several radii."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.errors import InputError
from spacetravlr.signaling import SignalField, SignalFields

LIGANDS = ["Tgfb1", "Efna1", "Wnt5a", "Dll1", "Cxcl12"]
RADII = {"Tgfb1": 2.0, "Efna1": 0.5, "Wnt5a": 2, "Dll1": 0.5}


@pytest.fixture
def tissue():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 9, (120, 2)), rng.lognormal(size=(120, 5))


def test_every_ligand_at_its_radius(tissue):
    xy, values = tissue
    received = SignalFields(xy, scale=2.0).received(values, LIGANDS, RADII)
    for column, ligand in enumerate(LIGANDS[:4]):
        expected = SignalField(xy, RADII[ligand], method="exact", scale=2.0).apply(values[:, column])
        np.testing.assert_allclose(received[:, column], expected, rtol=1e-13)
    assert not received[:, 4].any()


def test_one_radius_for_all(tissue):
    xy, values = tissue
    received = SignalFields(xy, kernel="truncated").received(values, LIGANDS, 2.0)
    np.testing.assert_array_equal(received, SignalField(xy, 2.0, kernel="truncated").apply(values))


def test_fields_are_built_once_and_kept(tissue):
    xy, values = tissue
    fields = SignalFields(xy, tol=1e-4)
    fields.received(values, LIGANDS, RADII)
    assert fields.radii == (2.0, 0.5)
    kept = fields.get(2)
    fields.received(values, LIGANDS, 2.0)
    assert fields.get(2.0) is kept
    assert kept.tol == 1e-4


def test_results_in_float32(tissue):
    xy, values = tissue
    fields = SignalFields(xy, dtype=np.float32)
    for radii in (RADII, 2.0):
        received = fields.received(values, LIGANDS, radii)
        assert received.dtype == np.float32
        np.testing.assert_allclose(received, SignalFields(xy).received(values, LIGANDS, radii), rtol=1e-6)


def test_no_ligands(tissue):
    xy, _ = tissue
    assert SignalFields(xy).received(np.empty((120, 0)), [], {}).shape == (120, 0)


@pytest.mark.parametrize("shape", [(120, 4), (120,), (120, 6)])
def test_columns_must_match_the_ligands(tissue, shape):
    with pytest.raises(InputError, match="5 ligands"):
        SignalFields(tissue[0]).received(np.ones(shape), LIGANDS, 1.0)


def test_wrong_radius_is_named(tissue):
    with pytest.raises(InputError, match="radius"):
        SignalFields(tissue[0]).received(tissue[1], LIGANDS, {"Tgfb1": -1.0})
