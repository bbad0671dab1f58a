"""A tissue a hundred times larger, of the same density and composition, gives the same answers.

What a cell receives is divided by the number of cells, so it is a hundred times smaller there, and raw coefficients of
ligand terms are a hundred times larger: their effects, their penalties, the choice of the penalty, stability and the
consequences of a knock-out must not notice.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.betas import Betabase
from spacetravlr.config import RunConfig
from spacetravlr.perturbation import PropagationModel
from spacetravlr.tissue import Tissue
from spacetravlr.training import Plan, TargetFit, plan_training
from spacetravlr.training.fits import to_betas
from spacetravlr.training.solvers import make_regression

COPIES, SIDE = 100, 10
RADIUS = 150.0
GENES = ("Tf1", "Tf2", "Tf3", "Lig1", "Lig2", "Rec1", "Rec2", "T1", "T2", "T3", "T4")
TARGETS = ("T1", "T2", "T3")


@pytest.fixture(scope="module")
def small() -> anndata.AnnData:
    rng = np.random.default_rng(2)
    n = 90
    xy = rng.uniform(0, 600, (n, 2))
    E = {gene: np.exp(rng.normal(0, 0.5, n)) for gene in GENES}
    d2 = ((xy[:, None] - xy[None]) ** 2).sum(axis=-1)
    received = np.exp(-d2 / (2 * RADIUS**2)) @ E["Lig1"] / n
    E["T1"] = 1.0 + 0.8 * E["Tf1"] + 0.3 * rng.normal(size=n)
    E["T2"] = 1.0 + 6.0 * received * E["Rec1"] + 0.3 * E["Tf2"] + 0.2 * rng.normal(size=n)
    adata = anndata.AnnData(
        X=np.column_stack([E[gene] for gene in GENES]),
        obs=pd.DataFrame({"cell_type_int": np.repeat([0, 1], [50, 40])}, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=list(GENES)),
        obsm={"spatial": xy},
    )
    adata.layers["imputed_count"] = adata.X.copy()
    # what was measured is noisier than what is fitted
    adata.layers["normalized_count"] = adata.X + 0.3 * rng.normal(size=adata.shape)
    return adata


@pytest.fixture(scope="module")
def large(small: anndata.AnnData) -> anndata.AnnData:
    """Copies so far apart that no signal passes between them."""
    copy = np.repeat(np.arange(COPIES), small.n_obs)
    step = 600.0 + 40.0 * RADIUS
    offset = np.column_stack([copy % SIDE, copy // SIDE]) * step
    obs = pd.DataFrame(
        {"cell_type_int": np.tile(small.obs["cell_type_int"], COPIES)}, index=[f"d{i}" for i in range(len(copy))]
    )
    adata = anndata.AnnData(
        X=np.tile(small.X, (COPIES, 1)),
        obs=obs,
        var=small.var.copy(),
        obsm={"spatial": np.tile(small.obsm["spatial"], (COPIES, 1)) + offset},
    )
    for name, values in small.layers.items():
        adata.layers[name] = np.tile(values, (COPIES, 1))
    return adata


def _plan(adata: anndata.AnnData, network_dir: Path, **settings: object) -> Plan:
    fixed = {"network_data_dir": str(network_dir), "radius": RADIUS, "contact_distance": RADIUS / 2, "genes": TARGETS}
    config = RunConfig.from_flat({**fixed, "ligand_grid_factor": 0.0, "score_threshold": -1.0, **settings})
    return plan_training(Tissue.from_anndata(adata), config.resolved())


def _fit(plan: Plan) -> list[TargetFit]:
    return [fit for fit in make_regression(plan).fit(TARGETS, [True] * len(TARGETS)) if fit is not None]


def _copied(plan: Plan, of: Plan) -> Plan:
    """Use the regions of the small tissue: a copy of a cell is in the region of the cell."""
    return replace(plan, blocks=np.tile(of.blocks, COPIES), folds=np.tile(of.folds, COPIES))


def _factors(fit: TargetFit) -> np.ndarray:
    return np.array([float(COPIES) if "$" in name or "#" in name else 1.0 for name in fit.modulators.names])


SETTINGS = [
    {},
    {"response_layer": "same"},
    {"penalty": "sgl"},
    {"select": "fixed", "l1_reg": 0.02, "group_reg": 0.02, "held_out": True},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_coefficients_have_the_same_effect(
    small: anndata.AnnData, large: anndata.AnnData, network_dir: Path, settings: dict[str, object]
) -> None:
    one = _plan(small, network_dir, **settings)
    many = _copied(_plan(large, network_dir, **settings), one)
    assert np.allclose(np.tile(one.received, (COPIES, 1)), many.received * COPIES, rtol=1e-9)
    fits = _fit(one), _fit(many)
    assert all(fit.coef.any() for fit in fits[0][:2])
    for a, b in zip(*fits, strict=True):
        factor = _factors(a)
        size = np.abs(a.coef).max(axis=1, keepdims=True)
        assert np.allclose(a.coef * factor, b.coef, rtol=2e-3, atol=1e-4 * size.max() * COPIES)
        assert np.allclose(a.intercept, b.intercept, atol=2e-3)
        assert np.allclose(a.r2_in, b.r2_in, atol=1e-5)
        assert np.allclose(a.r2_out, b.r2_out, atol=2e-3)
        assert a.penalty == b.penalty or np.isnan([a.penalty, b.penalty]).all()
        if a.stability is not None and a.boot_mean is not None and b.boot_mean is not None:
            assert np.allclose(a.stability, b.stability, atol=0.051)
            assert np.allclose(a.boot_mean * factor, b.boot_mean, rtol=2e-2, atol=2e-3 * size.max() * COPIES)
        assert np.array_equal(a.groups, b.groups) or a.groups is None


def test_a_scale_factor_undoes_the_division(small: anndata.AnnData, large: anndata.AnnData, network_dir: Path) -> None:
    one = _plan(small, network_dir)
    many = _copied(_plan(large, network_dir, weighted_ligand_scale_factor=float(COPIES)), one)
    assert np.allclose(np.tile(one.received, (COPIES, 1)), many.received, rtol=1e-9)
    for a, b in zip(_fit(one), _fit(many), strict=True):
        assert np.allclose(a.coef, b.coef, rtol=2e-3, atol=1e-4 * np.abs(a.coef).max())


def test_knock_outs_have_the_same_consequences(
    small: anndata.AnnData, large: anndata.AnnData, network_dir: Path
) -> None:
    one = _plan(small, network_dir)
    many = _copied(_plan(large, network_dir), one)
    effects = []
    for plan in (one, many):
        kept = np.ones(len(plan.rows), dtype=np.bool_)
        betas = Betabase([to_betas(fit, kept, plan.tissue.clusters, plan.config) for fit in _fit(plan)])
        tissue = plan.tissue
        model = PropagationModel(
            tissue.columns(tissue.genes),
            tissue.genes,
            tissue.xy,
            betas,
            radii=plan.inputs.ligand_radii,
            default_radius=RADIUS,
            cluster_labels=tissue.row_keys,
            ligand_grid_factor=0.0,
        )
        effects.append([model.simulate({gene: 0.0}).delta for gene in ("Tf1", "Lig1")])
    for a, b in zip(*effects, strict=True):
        moved = np.abs(a).max()
        assert np.abs(a[:, GENES.index("T2")]).max() > 0.05 or np.abs(a[:, GENES.index("T1")]).max() > 0.05
        assert np.allclose(np.tile(a, (COPIES, 1)), b, atol=2e-3 * moved)


def test_the_readmes_raw_columns_do_notice(small: anndata.AnnData, large: anndata.AnnData, network_dir: Path) -> None:
    """Early-stopped steps on raw columns hardly move the coefficients of columns that are a hundred times smaller."""
    options = {"solver": "fista", "n_iter": 100, "l1_reg": 1e-9, "group_reg": 1e-9}
    a = _fit(_plan(small, network_dir, **options))[1]
    b = _fit(_plan(large, network_dir, **options))[1]
    at = list(a.modulators.names).index("Lig1$Rec1")
    assert abs(b.coef[0, at] / COPIES) < 0.5 * abs(a.coef[0, at])
