"""The coefficients an arm arrived at, ready to be scored and to simulate with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.betas import Betabase, Betas
from spacetravlr.errors import NothingWrittenError
from spacetravlr.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.bench._truth_arms import Arm
    from spacetravlr.perturbation import ProfileName, PropagationModel
    from spacetravlr.training import Plan

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """Coefficients of all targets that got a model.

    Attributes
    ----------
    betas
        Target -> coefficients, a row per cluster.
    stability
        Target -> how often each coefficient kept its sign over bootstraps; None where nothing was drawn.
    r2_in, r2_out
        Median over all targets of the mean over clusters, within the fitted cells and in held-out regions.
    profile
        Rules by which knock-outs are simulated with them.
    p_space
        Target -> p value for "the place of a cell matters"; of targets that were tested.
    """

    betas: Mapping[str, Betas]
    stability: Mapping[str, Array] | None
    r2_in: float
    r2_out: float
    profile: ProfileName = "default"
    p_space: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Plan,
        coefficients: Mapping[str, Array],
        intercepts: Mapping[str, Array],
        *,
        r2_in: Array,
        r2_out: Array,
    ) -> Estimate:
        """Return arrays as tables.

        Parameters
        ----------
        plan
            Names of modulators and clusters.
        coefficients, intercepts
            Target -> (n_clusters, n_modulators) and (n_clusters,), original units.
        r2_in, r2_out
            (n_targets, n_clusters).
        """
        betas = {
            target: Betas(
                target=target,
                by="cluster",
                row_labels=plan.tissue.clusters.labels,
                intercept=intercepts[target],
                modulators=plan.inputs.modulators[target].names,
                values=values,
            )
            for target, values in coefficients.items()
            if values.size
        }
        return cls(betas, None, _typical(r2_in), _typical(r2_out))


def train_arm(adata: AnnData, arm: Arm, folder: Path, *, settings: Mapping[str, Any], workers: int) -> Estimate:
    """Train a tissue with the settings of an arm.

    Parameters
    ----------
    adata
        The tissue.
    arm
        Its settings, and whether the cells of a type exchange places.
    folder
        Where the run is written.
    settings
        Those of the tissue: network, radius.
    workers
        Threads.
    """
    from spacetravlr.training import train

    sample = shuffled_within_types(adata) if arm.shuffled else adata
    options = {**settings, "n_parallel": workers, "held_out": True, **arm.settings}
    try:
        run = train(sample, folder, **options)
    except NothingWrittenError:
        run = Run.open(folder)
    scores = run.scores()
    betas: Mapping[str, Betas] = dict(run.betabase) if run.genes else {}
    return Estimate(
        betas,
        _stabilities(run, betas),
        _per_target(scores, "r2_in"),
        _per_target(scores, "r2_out"),
        p_space={str(gene): float(p) for gene, p in scores.groupby("gene")["p_space"].first().dropna().items()},
    )


def shuffled_within_types(adata: AnnData) -> AnnData:
    """Return the tissue with the cells of each type in each other's places."""
    rng = np.random.default_rng(np.random.SeedSequence(int(adata.uns["truth"]["seed"]), spawn_key=(7,)))
    moved = adata.copy()
    places = np.array(adata.obsm["spatial"])
    codes = adata.obs["cell_type_int"].to_numpy()
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        places[rows] = places[rng.permutation(rows)]
    moved.obsm["spatial"] = places
    return moved


def propagation_model(plan: Plan, betas: Mapping[str, Betas], profile: ProfileName = "default") -> PropagationModel:
    """Return the model that simulates with some coefficients, in the tissue as it is."""
    from spacetravlr.perturbation import PropagationModel

    tissue = plan.tissue
    return PropagationModel(
        tissue.columns(tissue.genes),
        tissue.genes,
        tissue.xy,
        Betabase(betas.values()),
        radii=plan.inputs.ligand_radii,
        default_radius=plan.config.spatial.radius,
        cluster_labels=tissue.row_keys,
        profile=profile,
    )


def _stabilities(run: Run, betas: Mapping[str, Betas]) -> Mapping[str, Array] | None:
    from spacetravlr.bench._demo_scores import stability_of

    if run.config.lasso.solver == "fista" or run.config.lasso.select == "fixed":
        return None
    return {gene: stability_of(run, table) for gene, table in betas.items()}


def _per_target(scores: pd.DataFrame, column: str) -> float:
    return float(scores.groupby("gene")[column].mean().median())


def _typical(r2: Array) -> float:
    known: Sequence[float] = [float(row[np.isfinite(row)].mean()) for row in r2 if np.isfinite(row).any()]
    return float(np.median(known)) if known else float("nan")
