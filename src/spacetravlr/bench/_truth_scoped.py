"""Knock-outs in a part of the tissue: the gene is off in one cell type, or in one region, and on elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.bench._truth_changes import Ring, change_scores, pooled_rings, ring_scores
from spacetravlr.bench._truth_fitted import propagation_model
from spacetravlr.bench._truth_tissues import ROLES, regulators_of
from spacetravlr.config import N_PROPAGATION

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.bench._truth_fitted import Estimate
    from spacetravlr.training import Plan

    Array = NDArray[np.float64]

Scope = Literal["type", "region"]
_PER_ROLE = 2
_REGION = 0.125
"""Share of the cells that lie in the region."""


@dataclass(frozen=True)
class ScopedKnockOut:
    """A gene held at 0 in some cells, and what truly follows.

    Attributes
    ----------
    gene, role
        What was held.
    scope
        Whether the cells are those of a type or of a region.
    cells
        (n_cells,), which they are.
    change
        (n_cells, n_genes), expression units.
    """

    gene: str
    role: str
    scope: Scope
    cells: NDArray[np.bool_]
    change: Array


def scoped_knock_outs(adata: AnnData) -> list[ScopedKnockOut]:
    """Return the true answers to the scoped knock-outs of the two strongest TFs and the two strongest ligands.

    Each is off once in the cell type that has most of it, and once in a disc: the eighth of the cells that lies nearest
    to the middle of the tissue. The process is run again with the same draws, the gene held at 0 in these cells only.

    Parameters
    ----------
    adata
        A simulated tissue; one in which nothing regulates anything has none.
    """
    from spacetravlr.datasets import knock_out_truth

    if adata.uns["truth"]["edges"].empty:
        return []
    disc, expression = _disc(adata), np.asarray(adata.X)
    codes = adata.obs["cell_type_int"].to_numpy()
    found = []
    for role in ROLES:
        for gene in regulators_of(adata, role)[:_PER_ROLE]:
            amount = np.bincount(codes, weights=expression[:, adata.var_names.get_loc(gene)])
            places: dict[Scope, NDArray[np.bool_]] = {"type": codes == int(amount.argmax()), "region": disc}
            for scope, cells in places.items():
                change = knock_out_truth(adata, gene, cells=cells)
                found.append(ScopedKnockOut(gene, role, scope, cells, change))
    return found


def score_scoped(
    estimate: Estimate, plan: Plan, knock_outs: Sequence[ScopedKnockOut], *, spread: Array, radius: float
) -> dict[str, float]:
    """Simulate scoped knock-outs with the default number of steps and compare them with the truth.

    Parameters
    ----------
    estimate, plan
        The coefficients and the tissue.
    knock_outs
        The true answers.
    spread
        (n_genes,) standard deviation of the true expression.
    radius
        Reach of the ligands, micrometres; the unit of the rings.

    Returns
    -------
    ``TF_type_r``, ``ligand_region_sign``, ...: means over the knock-outs of a role and a scope; and, for those in a
    region, ``ligand_ring1_error``, ``ligand_ring1_true``, ``ligand_ring1_r``, ...
    """
    model = propagation_model(plan, estimate.betas, estimate.profile) if estimate.betas else None
    unit = own_units(plan, spread)
    scores: dict[tuple[str, str], list[dict[str, float]]] = {}
    rings: dict[str, list[list[Ring]]] = {}
    for one in knock_outs:
        predicted = np.zeros_like(one.change)
        if model is not None:
            effect = model.simulate({one.gene: 0.0}, n_propagation=N_PROPAGATION, cells=one.cells)
            predicted = effect.delta * unit
        clamped = [plan.tissue.genes.index(one.gene)]
        own = change_scores(predicted, one.change, sd=spread, clamped=clamped)
        scores.setdefault((one.role, one.scope), []).append(own)
        if one.scope == "region":
            away = _distance(plan.tissue.xy, one.cells) / radius
            rings.setdefault(one.role, []).append(
                ring_scores(predicted, one.change, sd=spread, clamped=clamped, distance=away)
            )
    out: dict[str, float] = {}
    for (role, scope), found in scores.items():
        out |= {f"{role}_{scope}_{name}": value for name, value in means(found).items()}
    for role, each in rings.items():
        out |= {f"{role}_{name}": value for name, value in pooled_rings(each).items()}
    return out


def own_units(plan: Plan, spread: Array) -> Array:
    """Return (n_genes,) factors that bring predictions to the units of the true expression.

    Predictions and truths count each in standard deviations of their own: counts have other units than expression.
    """
    own = plan.tissue.columns(plan.tissue.genes).std(axis=0)
    unit: Array = np.where(own > 0.0, spread / np.where(own > 0.0, own, 1.0), 0.0)
    return unit


def means(records: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of every score over the records that have it."""
    names = dict.fromkeys(name for record in records for name in record)
    return {name: float(np.mean([record[name] for record in records if name in record])) for name in names}


def _disc(adata: AnnData) -> NDArray[np.bool_]:
    xy = np.asarray(adata.obsm["spatial"])
    away = np.hypot(*(xy - 0.5 * (xy.min(axis=0) + xy.max(axis=0))).T)
    inside = np.zeros(len(xy), dtype=bool)
    inside[np.argsort(away, kind="stable")[: max(1, round(_REGION * len(xy)))]] = True
    return inside


def _distance(xy: Array, cells: NDArray[np.bool_]) -> Array:
    from scipy.spatial import cKDTree

    away: Array = cKDTree(xy[cells]).query(xy)[0]
    away[cells] = 0.0
    return away
