"""What the original Python package computes (kernel="truncated")."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr.signaling import SignalField, SignalFields


@pytest.fixture(scope="module")
def figures(golden):
    with np.load(golden / "received_ligands.npz") as received, np.load(golden / "tissue.npz") as tissue:
        return dict(received), dict(tissue)


@pytest.fixture(scope="module")
def radii(figures):
    """The first row of a ligand decides its radius."""
    found: dict[str, float] = {}
    for ligand, radius in zip(figures[0]["lr_ligand"], figures[0]["lr_radius"], strict=True):
        found.setdefault(str(ligand), float(radius))
    assert set(found.values()) == {50.0, 200.0}
    return found


@pytest.mark.parametrize("method", ["auto", "exact", "neighbours"])
@pytest.mark.parametrize(
    ("expression", "output", "scale"),
    [
        ("filtered_expr", "received", 1.0),
        ("unfiltered_expr", "received_tfl", 1.0),
        ("filtered_expr", "received_scale2p5", 2.5),
    ],
)
def test_received_ligands(figures, radii, expression, output, scale, method):
    reference, tissue = figures
    columns = [str(name) for name in reference["columns"]]
    received = SignalFields(tissue["xy"], kernel="truncated", scale=scale, method=method).received(
        reference[expression], columns, radii
    )
    np.testing.assert_allclose(received, reference[output], rtol=0, atol=1e-12)


@pytest.mark.parametrize("radius", [50, 200])
def test_weights_of_one_cell(figures, radius):
    """A single sender shows its row of the kernel."""
    reference, tissue = figures
    n_cells = len(tissue["xy"])
    sender = np.zeros(n_cells)
    sender[0] = n_cells
    weights = SignalField(tissue["xy"], radius, kernel="truncated").apply(sender)
    np.testing.assert_allclose(weights, reference[f"kernel_cell0_r{radius}"], rtol=0, atol=1e-12)


def test_cached_ligands_of_the_whole_tissue(figures):
    """Their radii are not in the file: every column must match one of the two."""
    reference, tissue = figures
    names = [str(name) for name in tissue["var_names"]]
    values = tissue["imputed_count"][:, [names.index(str(name)) for name in reference["init_columns"]]]
    near, far = (SignalField(tissue["xy"], radius, kernel="truncated").apply(values) for radius in (50.0, 200.0))
    apart = [np.abs(each - reference["init_received_tfl"]).max(axis=0) < 1e-12 for each in (near, far)]
    assert (apart[0] ^ apart[1]).all()
    assert apart[0].any()
    assert apart[1].any()
