"""A small run on a simulated tissue, and effects of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spacetravlr as stl


@dataclass(frozen=True)
class Plotted:
    run: stl.Run
    effect: stl.Effect
    """A knock-out everywhere."""
    near: stl.Effect
    """A ligand in a few cells."""
    adata: Any
    target: str
    """A gene with a model, with a TF and a pair."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Plotted:
    place = tmp_path_factory.mktemp("pl")
    adata = stl.datasets.simulated_tissue(n_cells=300, n_genes=60, seed=2)
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(adata.n_obs, 2))
    path = Path(place / "tissue.h5ad")
    adata.write_h5ad(path)
    stl.datasets.write_network(adata, place / "network")
    run = stl.tl.train(
        str(path),
        out=place / "run",
        network_data_dir=str(place / "network"),
        n_bootstraps=2,
        n_folds=3,
        n_parallel=1,
        diagnostics=False,
    )
    truth = adata.uns["truth"]["knock_outs"]
    roles = {role: next(gene for gene in truth if adata.var.loc[gene, "role"] == role) for role in ("TF", "ligand")}
    xy = np.asarray(adata.obsm["spatial"])
    middle = np.hypot(*(xy - xy.mean(axis=0)).T) < 80
    near = run.perturb({roles["ligand"]: "q99"}, cells=middle)
    target = next(gene for gene in run.genes if run.betas(gene).tfs and run.betas(gene).lr_pairs)
    return Plotted(run, run.perturb({roles["TF"]: 0.0}), near, adata, target)
