"""Simulated tissues shared by the tests of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spacetravlr import datasets
from spacetravlr._simulate.build import starter_edges
from spacetravlr._simulate.settings import Settings
from spacetravlr._simulate.simulation import Simulation

if TYPE_CHECKING:
    from anndata import AnnData

SETTINGS = Settings(n_cells=700, n_genes=80, n_types=4, seed=3, radius=120.0, false_prior=0.5, kernel="exponential")


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    return Simulation.run(SETTINGS, starter_edges())


@pytest.fixture(scope="session")
def tissue() -> AnnData:
    return datasets.simulated_tissue(700, 80, 4, 3, radius=120.0)
