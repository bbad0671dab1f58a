"""What the demo found, compared with the answer key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.bench._edges import EdgeRecovery, Kind, edge_recovery
from spacetravlr.bench._knock_outs import KnockOutRecovery, knock_out_recovery
from spacetravlr.training import plan_training

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.betas import Betas
    from spacetravlr.perturbation import Effect
    from spacetravlr.run import Run
    from spacetravlr.training import Plan


@dataclass(frozen=True)
class KnockOut:
    """One knock-out, predicted and true.

    Attributes
    ----------
    gene, role
        What was knocked out.
    effect
        The simulation.
    true
        (n_cells, n_genes) true change, expression units.
    shown
        The other gene that truly changes most, in standard deviations.
    recovery
        How well the two agree.
    """

    gene: str
    role: str
    effect: Effect
    true: NDArray[np.float64]
    shown: str
    recovery: KnockOutRecovery


def score_edges(run: Run, adata: AnnData) -> dict[Kind, EdgeRecovery]:
    """Compare the coefficients of a run with the true edges.

    Parameters
    ----------
    run
        A finished run on the tissue.
    adata
        The simulated tissue with the answer key.

    Returns
    -------
    Scores by kind of edge; edges are ranked by stability x |beta| sd(x) / sd(y), within cell types.
    """
    plan = plan_training(run.tissue(), run.config)
    names = plan.tissue.cluster_cell_types
    betas = dict(run.betabase)
    sd_x, sd_y = spreads(plan)
    return edge_recovery(
        betas,
        adata.uns["truth"]["edges"],
        candidates={target: one.names for target, one in plan.inputs.modulators.items()},
        cell_types=[names[label] for label in plan.tissue.clusters.labels],
        row_names=names,
        sd_x=sd_x,
        sd_y=sd_y,
        stability={gene: stability_of(run, table) for gene, table in betas.items()},
    )


def spreads(plan: Plan) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Return the standard deviation of every modulator column and of every target, inside each cluster."""
    clusters = range(len(plan.rows))
    x = np.stack([plan.design(cluster).std(axis=0) for cluster in clusters], axis=1)
    y = np.stack([plan.responses(plan.inputs.targets, cluster).std(axis=0) for cluster in clusters], axis=1)
    return dict(zip(plan.inputs.catalogue.names, x, strict=True)), dict(zip(plan.inputs.targets, y, strict=True))


def stability_of(run: Run, table: Betas) -> NDArray[np.float64]:
    """Return how often each coefficient kept its sign over the bootstraps, in the layout of its table."""
    from spacetravlr.betas import Betas
    from spacetravlr.run.stability import stability_file

    path = stability_file(run.path, table.target)
    if not path.exists():
        return np.zeros(table.values.shape)
    kept = Betas.read(path)
    at = {name: column for column, name in enumerate(kept.modulators)}
    # a column without any agreement is not in the file
    values = np.column_stack([kept.values, np.zeros(len(kept.values))])
    return np.asarray(values[:, [at.get(name, -1) for name in table.modulators]], dtype=np.float64)


def choose_knock_outs(adata: AnnData) -> dict[str, str]:
    """Return the TF and the ligand of the answer key with the largest true effect, with their roles."""
    truth, spread = adata.uns["truth"]["knock_outs"], _spread(adata)
    chosen = {}
    for role in ("TF", "ligand"):
        genes = [gene for gene in truth if adata.var.loc[gene, "role"] == role]
        sizes = {gene: _others(adata, gene, np.asarray(truth[gene], dtype=np.float64), spread).mean() for gene in genes}
        chosen[max(sizes, key=lambda gene: (sizes[gene], gene))] = role
    return chosen


def knock_out(run: Run, adata: AnnData, gene: str, role: str) -> KnockOut:
    """Simulate a knock-out with the run and compare it with the truth."""
    true = np.asarray(adata.uns["truth"]["knock_outs"][gene], dtype=np.float64)
    effect = run.perturb({gene: 0.0})
    spread = _spread(adata)
    column = adata.var_names.get_loc(gene)
    return KnockOut(
        gene=gene,
        role=role,
        effect=effect,
        true=true,
        shown=str(adata.var_names[int(_others(adata, gene, true, spread).argmax())]),
        recovery=knock_out_recovery(effect.delta, true, sd=spread, clamped=[column]),
    )


def _spread(adata: AnnData) -> NDArray[np.float64]:
    return np.asarray(np.asarray(adata.layers["imputed_count"]).std(axis=0), dtype=np.float64)


def _others(adata: AnnData, gene: str, change: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean absolute change of every gene in standard deviations, 0 for the gene itself."""
    sizes = np.abs(change).mean(axis=0) / np.where(spread > 0.0, spread, np.inf)
    sizes[adata.var_names.get_loc(gene)] = 0.0
    return np.asarray(sizes, dtype=np.float64)


def training_facts(run: Run, adata: AnnData) -> dict[str, Any]:
    """Return what training achieved, from the files of the run, and which genes have no true regulator at all."""
    status, scores = run.status(), run.scores()
    free = set(adata.var_names[~adata.var["regulated"].to_numpy(dtype=bool)])
    written = scores[scores["gene"].isin(status.done)].groupby("gene")[["r2_in", "r2_out"]].mean()
    return {
        "targets": len(status.planned or ()),
        "written": len(status.done),
        "orphan": len(status.orphan),
        "unregulated": len(free),
        "unregulated_written": len(free & set(status.done)),
        "modulators_median": float(scores["n_modulators"].median()),
        "r2_in_median": float(written["r2_in"].median()),
        "r2_out_median": float(written["r2_out"].median()),
    }


def knock_out_facts(one: KnockOut) -> dict[str, Any]:
    """Return the numbers of a knock-out, with the ten genes that are predicted to change most."""
    top = one.effect.top(10)
    return {
        "role": one.role,
        "n_propagation": one.effect.n_propagation,
        **asdict(one.recovery),
        "most_changed_gene": one.shown,
        "predicted_top": {str(gene): float(delta) for gene, delta in zip(top["gene"], top["mean_delta"], strict=True)},
    }
