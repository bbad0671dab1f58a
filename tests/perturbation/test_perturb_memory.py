"""Nothing of the size cells x cells, and nothing computed that has not changed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from spacetravlr.errors import ConfigError

N_CELLS = 50_000

PROGRAM = """
import sys
import numpy as np
from spacetravlr.bench._host import peak_memory_mb
from spacetravlr.bench._mock import mock_tissue
from spacetravlr.perturbation import PropagationModel
from spacetravlr.perturbation.transition import transition_field

def model(n, **options):
    tissue = mock_tissue(n, n_targets=6)
    options = {"radii": 60.0, "cluster_labels": tissue.labels, **options}
    return PropagationModel(tissue.expression, tissue.genes, tissue.xy, tissue.betas, **options)

def work(n):
    for options in ({}, {"signal_tol": 1e-3}, {"ligand_grid_factor": 0.5}, {"cutoff": 30.0}, {"profile": "python"}):
        one = effect = None  # not two models at once
        one = model(n, **options)
        effect = one.simulate({"G001": 0.0}, n_propagation=2)
    effect.top(5, by="ring")
    transition_field(effect, embedding=one.xy, n_neighbors=30, grid_size=20)

work(500)
before = peak_memory_mb()
work(int(sys.argv[1]))
print(before, peak_memory_mb())
"""


def test_no_array_of_cells_by_cells():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(N_CELLS)], capture_output=True, text=True, check=True, timeout=240
    )
    before, peak = map(float, done.stdout.split())
    of_pairs = N_CELLS**2 / 2**20  # MB if a pair took a single byte
    assert peak - before < of_pairs


def test_only_ligands_that_change_are_received_again(model):
    engine = model._engine
    asked: list[tuple[int, ...]] = []
    reception = engine.tissue.reception

    def counted(channel):
        def receive(values):
            asked.append(values.shape)
            return channel.receive(values)

        return replace(channel, receive=receive)

    own = replace(reception, channels=tuple(map(counted, reception.channels)))
    tissue = replace(engine.tissue, reception=own)
    n_cells, ligands = len(engine.order), engine.rules.features.ligands
    trained = np.isin(ligands, engine.rules.coefficients.trained).sum()

    def shapes(gene: str, n_steps: int) -> list[tuple[int, ...]]:
        asked.clear()
        _, interventions = model._resolve({gene: 0.0}, None)
        replace(engine, tissue=tissue).run(interventions, n_steps)
        return list(asked)

    assert 0 < trained < len(ligands)
    assert shapes("G01", 1) == [(n_cells, 1)]  # a ligand: its column only
    assert shapes("G05", 1) == []  # no ligand: no column
    later = shapes("G01", 3)
    assert later[0] == (n_cells, 1)
    assert all(width <= 1 + trained for _, width in later)
    assert shapes("G01", 0) == []


@pytest.mark.parametrize("n_steps", [0, 1, 32])
def test_numbers_of_steps(build, n_steps):
    small = build(bounds=(0.0, 20.0))
    effect = small.simulate({"G05": 0.0}, n_propagation=n_steps)
    assert effect.n_propagation == len(effect.steps) == n_steps
    assert not effect.simulated[:, 5].any()
    if n_steps == 0:
        assert np.flatnonzero(effect.delta.any(axis=0)).tolist() == [5]


@pytest.mark.parametrize("n_steps", [-1, 33, 2.0, True, "4"])
def test_refused_numbers_of_steps(model, n_steps):
    with pytest.raises(ConfigError, match="n_propagation must be"):
        model.simulate({"G05": 0.0}, n_propagation=n_steps)


def test_what_is_shown_of_it(model):
    effect = model.simulate({"G05": 0.0}, n_propagation=1)
    shown = repr(effect)
    assert shown.startswith("Effect(of G05: ")
    assert f"{len(effect.cells):,} cells" in shown
    assert shown.endswith("1 step)")
    assert len(shown) < 200
