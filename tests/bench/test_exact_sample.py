"""The error in a sample of cells, against the error in all of them."""

from __future__ import annotations

import numpy as np

from spacetravlr.bench import _exact_sample, perturb
from spacetravlr.bench._mock import mock_tissue
from spacetravlr.signaling import SignalField


def test_sums_of_pairs(monkeypatch):
    rng = np.random.default_rng(2)
    xy, values, cells = rng.uniform(0, 9, (50, 2)), rng.random((50, 3)), np.array([3, 40])
    monkeypatch.setattr(_exact_sample, "_SENDERS", 7)
    expected = SignalField(xy, 2.0, method="exact").apply(values)[cells]
    np.testing.assert_allclose(_exact_sample.exact_sums(xy, cells, values, 2.0), expected, rtol=1e-12)


def test_the_error_of_a_coarse_grid():
    tissue = mock_tissue(1500, n_targets=10)
    knock_out = {perturb.most_used(tissue): 0.0}
    errors = {}
    for variant in ("tol 1e-6", "grid 0.5", "exact"):
        model = perturb._model(tissue, perturb._VARIANTS[variant])
        before = model.simulate(knock_out, n_propagation=3).delta
        errors[variant] = _exact_sample.sample_error(model, knock_out, 3)
        assert np.array_equal(model.simulate(knock_out, n_propagation=3).delta, before)
        whole = perturb._error(tissue, model, knock_out)
        assert errors[variant] <= 3 * whole + 1e-12
        assert errors[variant] >= whole / 50
    assert errors["exact"] < 1e-12
    assert 1e-12 < errors["tol 1e-6"] < 1e-6
    assert 1e-4 < errors["grid 0.5"] < 0.1
