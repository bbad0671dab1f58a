"""Coefficients that depend on where a cell lies."""

from __future__ import annotations

import numpy as np
import pytest

from spacetravlr import datasets
from spacetravlr._simulate.build import starter_edges
from spacetravlr._simulate.settings import Settings
from spacetravlr._simulate.simulation import Simulation
from spacetravlr.errors import InputError

SHAPE = {"n_cells": 400, "n_genes": 60, "n_types": 3, "seed": 5, "radius": 120.0}


@pytest.fixture(scope="module", params=["density", "field"])
def moved(request):
    return datasets.simulated_tissue(**SHAPE, position_effect=0.8, position_pattern=request.param)


@pytest.fixture(scope="module")
def still():
    return datasets.simulated_tissue(**SHAPE, position_effect=0.0)


def test_no_effect_is_the_tissue_without_the_option(still, moved):
    plain = datasets.simulated_tissue(**SHAPE)
    assert datasets.content_hash(plain) == datasets.content_hash(still)
    assert set(still.uns["truth"]) == {"version", "seed", "parameters", "edges", "knock_outs"}
    assert "pattern" not in still.uns["truth"]["edges"]
    assert datasets.content_hash(moved) != datasets.content_hash(still)
    # cells, types and network are the same: only what the edges do differs
    np.testing.assert_array_equal(moved.obsm["spatial"], still.obsm["spatial"])
    assert moved.uns["network"].equals(still.uns["network"])


def test_factors_lie_around_one_inside_every_type(moved):
    factors = moved.uns["truth"]["factors"]
    assert factors.shape == (400, 3)
    assert factors.dtype == np.float32
    assert 0.2 - 1e-6 <= factors.min() < 0.6
    assert 1.4 < factors.max() <= 1.8 + 1e-6
    for code in range(3):
        inside = factors[moved.obs["cell_type_int"] == code]
        assert np.abs(inside.mean(axis=0) - 1.0).max() < 0.25
        assert inside.std(axis=0).min() > 0.3


def test_the_density_pattern_is_the_density_around_the_cell():
    tissue = datasets.simulated_tissue(**SHAPE, position_effect=0.5, knock_outs=())
    xy, codes = tissue.obsm["spatial"], tissue.obs["cell_type_int"].to_numpy()
    squares = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
    density = np.exp(-squares / (2.0 * 60.0**2)) @ np.eye(3)[codes]
    expected = np.empty((400, 3))
    for code in range(3):
        inside = density[codes == code]
        expected[codes == code] = 1.0 + 0.5 * np.tanh((inside - inside.mean(axis=0)) / inside.std(axis=0))
    np.testing.assert_allclose(tissue.uns["truth"]["factors"], expected, atol=1e-5)


def test_the_tissue_is_at_rest_with_its_factors():
    """The input of a gene, term by term and cell by cell."""
    settings = Settings(400, 60, 3, 5, radius=120.0, false_prior=0.5, kernel="exponential", position_effect=0.8)
    simulation = Simulation.run(settings, starter_edges())
    process, expression = simulation.process, simulation.steady.expression
    values = process.features(simulation.steady, np.arange(len(process.terms)))
    gene = int(np.flatnonzero(simulation.wiring.regulated)[-1])
    total = process.draws[:, gene] + process.intercepts[simulation.codes, gene]
    for term in range(len(process.terms)):
        factor = process.modulation.factors[:, process.modulation.pattern[term, gene]]
        total += process.coefficients[simulation.codes, term, gene] * factor * values[:, term]
    np.testing.assert_allclose(expression[:, gene], np.logaddexp(0.0, total), rtol=0.0, atol=1e-7)


def test_effects_of_single_cells(moved, still):
    truth = moved.uns["truth"]
    target = truth["edges"]["target"].iloc[0]
    table = datasets.cell_effects(moved, target)
    edges = truth["edges"][truth["edges"]["target"] == target]
    assert set(table.columns) == set(edges["modulator"])
    types = moved.obs["cell_type"].astype(str).to_numpy()
    for row in edges.itertuples():
        here = types == row.cell_type
        np.testing.assert_allclose(
            table.loc[here, row.modulator], row.effect * truth["factors"][here, row.pattern], rtol=1e-6
        )
    active = set(zip(edges["modulator"], edges["cell_type"], strict=True))
    for modulator in table.columns:
        for cell_type in set(types):
            if (modulator, cell_type) not in active:
                np.testing.assert_array_equal(table.loc[types == cell_type, modulator], 0.0)
    some = datasets.cell_effects(moved[100:130].copy(), target)
    np.testing.assert_array_equal(some, table.iloc[100:130])
    constant = datasets.cell_effects(still, target)
    assert constant.groupby(still.obs["cell_type"].to_numpy(), observed=True).nunique().to_numpy().max() == 1


def test_a_knock_out_of_a_written_tissue(moved, tmp_path):
    import anndata

    path = tmp_path / "tissue.h5ad"
    moved.write_h5ad(path)
    read = anndata.read_h5ad(path)
    gene = next(iter(moved.uns["truth"]["knock_outs"]))
    np.testing.assert_allclose(
        datasets.knock_out_truth(read, gene), moved.uns["truth"]["knock_outs"][gene], rtol=0.0, atol=1e-6
    )


def test_a_file_of_before_the_option_is_still_understood(still):
    old = still.copy()
    old.uns["truth"] = {**old.uns["truth"], "parameters": dict(old.uns["truth"]["parameters"])}
    for name in ("position_effect", "position_pattern"):
        del old.uns["truth"]["parameters"][name]
    gene = next(iter(old.uns["truth"]["knock_outs"]))
    np.testing.assert_array_equal(datasets.knock_out_truth(old, gene), datasets.knock_out_truth(still, gene))
    del old.uns["truth"]["parameters"]["radius"]
    with pytest.raises(InputError, match="lacks radius; simulate the tissue anew"):
        datasets.knock_out_truth(old, gene)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"position_effect": 1.1}, r"position_effect = 1.1: must be between 0 and 1"),
        ({"position_effect": -0.1}, r"position_effect = -0.1"),
        ({"position_pattern": "stripes"}, r"position_pattern = 'stripes': must be density or field"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        datasets.simulated_tissue(**(SHAPE | options))


def test_effects_need_an_answer_key(still):
    bare = still.copy()
    del bare.uns["truth"]
    with pytest.raises(InputError, match="uns\\['truth'\\] is missing"):
        datasets.cell_effects(bare, still.var_names[0])
    with pytest.raises(InputError, match="gene 'Nope' is not in the simulated tissue"):
        datasets.cell_effects(still, "Nope")
