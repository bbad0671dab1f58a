"""A small random tissue for tests that need a working model and no particular numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betas
from spacetravlr.perturbation import PropagationModel

N_CELLS = 60
GENES = tuple(f"G{k:02d}" for k in range(14))
IDLE = "G13"


def random_parts(seed: int = 11):
    """Expression, coordinates, types and coefficients; G00 to G03 are ligands, no model listens to G13."""
    rng = np.random.default_rng(seed)
    expression = np.where(rng.random((N_CELLS, len(GENES))) < 0.25, 0.0, rng.exponential(1.0, (N_CELLS, len(GENES))))
    xy = rng.uniform(0, 9, (N_CELLS, 2))
    types = np.array(["B cell", "T cell", "Stroma"])[rng.integers(0, 3, N_CELLS)]
    known = GENES[:13]
    betas = []
    for target in GENES[::2]:
        tfs = rng.choice(known, 4, replace=False).tolist()
        pairs = [f"{a}{mark}{b}" for mark in "$#" for a in GENES[:4] for b in rng.choice(known, 2, replace=False)]
        modulators = tuple(dict.fromkeys([*tfs, *pairs]))
        labels = ("B cell", "T cell", "Stroma")
        betas.append(
            Betas(target, "cluster", labels, np.zeros(3), modulators, rng.normal(0, 0.15, (3, len(modulators))))
        )
    return expression, xy, types, betas


@pytest.fixture(scope="session")
def build():
    """Return a function that builds the model, with options of its own."""

    def make(**options) -> PropagationModel:
        expression, xy, types, betas = random_parts(options.pop("seed", 11))
        names = [f"cell{k}" for k in range(N_CELLS)]
        settings = {
            "radii": 3.0,
            "cluster_labels": types,
            "cell_names": names,
            "obs": pd.DataFrame({"cell_type": pd.Categorical(types), "half": np.arange(N_CELLS) % 2}, index=names),
            **options,
        }
        return PropagationModel(
            settings.pop("expression", expression),
            GENES,
            settings.pop("xy", xy),
            settings.pop("betas", betas),
            **settings,
        )

    return make


@pytest.fixture(scope="session")
def model(build) -> PropagationModel:
    return build()
