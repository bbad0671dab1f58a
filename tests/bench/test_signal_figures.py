"""What the signal benchmark reports of a point."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.bench import signal
from spacetravlr.signaling import SignalField


@pytest.mark.parametrize(("tol", "precision"), [(1e-3, "single"), (1e-6, "double")])
def test_figures_of_a_point(tol, precision, tmp_path):
    point = {"cells": 2000, "ligands": 4, "extent": 5, "method": "gridded", "tol": tol, "repeats": 3, "limit": 60.0}
    found = signal.measure({**point, "reference": str(tmp_path / "exact.npy")})
    assert found["precision"] == precision
    assert 0 < found["error"] <= found["error_bound"] <= tol
    assert len(found["walls"]) == 3
    assert found["copies"] == pytest.approx(np.median(found["walls"]) / found["copy_s"])
    assert min(found["fewest_copies"], found["cpu_ns_per_value"], found["new_copy_s"]) > 0


def test_the_error_reported_is_that_of_the_checked_cells(tmp_path):
    """The reference holds the exact rows: the error follows from it and a field of the same settings."""
    point = {"cells": 1500, "ligands": 3, "extent": 25, "method": "gridded", "tol": 1e-3, "repeats": 1, "limit": 60.0}
    found = signal.measure({**point, "reference": str(tmp_path / "exact.npy")})
    xy, values = signal.make_tissue(1500, 3, 25)
    received = SignalField(xy, 200.0, method="gridded", tol=1e-3).apply(values)
    weights = np.exp(-((xy[:, None] - xy[None]) ** 2).sum(axis=2) / (2 * 200.0**2))
    everywhere = (np.abs(received - weights @ values / 1500) / received.max(axis=0)).max()
    assert 0.2 * everywhere <= found["error"] <= everywhere * (1 + 1e-6)
