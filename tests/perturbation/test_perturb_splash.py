"""A step as a matrix product against derivatives that are materialised and then multiplied."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from spacetravlr.betas import Betas
from spacetravlr.perturbation import PropagationModel, Target
from spacetravlr.signaling import SignalField

N, RADIUS = 60, 3.0
GENES = [f"G{k:02d}" for k in range(14)]


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(11)
    expression = np.where(rng.random((N, len(GENES))) < 0.25, 0.0, rng.exponential(1.0, (N, len(GENES))))
    expression[rng.random(expression.shape) < 0.05] = 1e-10
    labels = rng.integers(0, 3, N)
    betas = []
    for target in GENES[::2]:
        tfs = rng.choice(GENES, 5, replace=False).tolist()
        pairs = [f"{a}{mark}{b}" for mark in "$#" for a in GENES[:4] for b in rng.choice(GENES, 2, replace=False)]
        modulators = tuple(dict.fromkeys([*tfs, *pairs]))
        betas.append(
            Betas(target, "cluster", ("0", "1", "2"), np.zeros(3), modulators, rng.normal(0, 0.3, (3, len(modulators))))
        )
    return expression, rng.uniform(0, 9, (N, 2)), labels, betas


def model(parts, **options) -> PropagationModel:
    expression, xy, labels, betas = parts
    return PropagationModel(expression, GENES, xy, betas, radii=RADIUS, cluster_labels=labels, **options)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("cap", [None, 0.1, 1.0])
def test_one_step(parts, scale, cap):
    expression, xy, labels, betas = parts
    targets = [Target("G01", 0.0), Target("G05", 3.0, list(range(20))), Target("G02", 0.0, [0, 1])]
    found = model(parts, beta_scale_factor=scale, beta_cap=cap).simulate(targets, n_propagation=1)

    delta = np.zeros(expression.shape)
    for target in targets:
        rows = np.arange(N) if target.cells is None else np.array(target.cells)
        delta[rows, GENES.index(target.gene)] = target.value - expression[rows, GENES.index(target.gene)]
    ligands = GENES[:4]  # every ligand of the tables
    field = SignalField(xy, RADIUS, method="exact")
    before, after = (field.apply(np.where(x > 1e-9, x, 0.0)[:, :4]) for x in (expression, expression + delta))
    change = delta.copy()
    change[:, :4] = after - before
    received = pd.DataFrame(before, columns=ligands)
    expected = np.zeros(expression.shape)
    for table in betas:
        derivatives = table.splash(
            received, received, pd.DataFrame(expression, columns=GENES), rows=labels, scale=scale, cap=cap
        )
        places = [GENES.index(name.removeprefix("beta_")) for name in derivatives.columns]
        expected[:, GENES.index(table.target)] = (derivatives.to_numpy() * change[:, places]).sum(axis=1)
    for target in targets:
        rows = np.arange(N) if target.cells is None else np.array(target.cells)
        expected[rows, GENES.index(target.gene)] = delta[rows, GENES.index(target.gene)]
    expected = np.maximum(0.0, expression + expected) - expression
    np.testing.assert_allclose(found.delta, expected, rtol=0, atol=2e-13)
    assert np.abs(expected[:, GENES.index("G00")]).max() > 0.05


def test_a_wide_cap_is_no_cap(parts):
    free, wide = (model(parts, beta_cap=cap).simulate({"G01": 0.0, "G02": 0.0}).simulated for cap in (None, 1e6))
    np.testing.assert_allclose(wide, free, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("cap", [None, 0.2])
def test_same_bits_on_any_number_of_threads(parts, cap, monkeypatch):
    monkeypatch.setattr("spacetravlr.perturbation._step._CACHE_BYTES", 1)
    monkeypatch.setattr("spacetravlr.perturbation._step._MIN_BLOCK", 7)
    monkeypatch.setattr("spacetravlr.perturbation._coefficients._DENSE", 0.0)
    runs = []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="blas"):
            runs.append(model(parts, beta_cap=cap).simulate({"G01": 0.0, "G02": 0.0}).simulated)
    assert np.array_equal(*runs)


def test_per_cell_tables_equal_the_cluster_tables_they_repeat(parts):
    expression, xy, labels, betas = parts
    names = [f"cell {i}" for i in range(N)]
    shuffled = np.random.default_rng(0).permutation(N)
    mixed = [
        table
        if k % 2
        else Betas(
            table.target,
            "cell",
            tuple(names[i] for i in shuffled),
            np.zeros(N),
            table.modulators,
            table.values[labels[shuffled]],
        )
        for k, table in enumerate(betas)
    ]
    for cap in (None, 0.2):
        one = model(parts, beta_cap=cap).simulate({"G01": 0.0, "G02": 0.0}).simulated
        other = model((expression, xy, labels, mixed), beta_cap=cap, cell_names=names).simulate(
            {"G01": 0.0, "G02": 0.0}
        )
        np.testing.assert_allclose(other.simulated, one, rtol=1e-11, atol=1e-12)


def test_one_model_in_several_threads(parts):
    shared = model(parts)
    genes = ["G01", "G02", "G05", "G00"]
    alone = [shared.simulate({gene: 0.0}).simulated for gene in genes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda gene: shared.simulate({gene: 0.0}).simulated, genes))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
