"""A tissue whose coefficients truly depend on the position, regressed, and how well networks recover them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr import datasets
from spacetravlr.niche import ClusterTargets, ClusterTask, NicheInputs, NicheRecord, niche_table
from spacetravlr.regression import deal_folds, spatial_blocks
from spacetravlr.signaling import SignalField
from spacetravlr.tl import train

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.betas import Betas

RADIUS = 200.0
_FEATURE_RADIUS = 100.0


@dataclass(frozen=True)
class Study:
    """What the networks are given, and the truth about it.

    Attributes
    ----------
    inputs, table
        Maps and counts, and the description of the neighbourhood.
    codes, folds
        (n_cells,) clusters, and folds of spatial blocks.
    columns
        Columns of the design by modulator, (n_cells,) each.
    responses
        Expression by target, (n_cells,) each.
    betas
        Coefficients by target, one row for each cluster.
    truth
        True coefficients by target, cells times modulators.
    """

    inputs: NicheInputs
    table: NDArray[np.float32]
    codes: NDArray[np.int64]
    folds: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    responses: Mapping[str, NDArray[np.float64]]
    betas: Mapping[str, Betas]
    truth: Mapping[str, pd.DataFrame]

    @property
    def genes(self) -> tuple[str, ...]:
        """Targets with coefficients that truly depend on the position, in the order of the sample."""
        return tuple(gene for gene in self.betas if self.truth[gene].shape[1])

    @property
    def clusters(self) -> range:
        """Codes of the clusters."""
        return range(int(self.codes.max()) + 1)

    def cells(self, cluster: int) -> NDArray[np.int64]:
        """Return the cells of a cluster."""
        return np.flatnonzero(self.codes == cluster)

    def task(self, gene: str, cluster: int) -> ClusterTask:
        """Return what the README's network is fitted to."""
        betas, cells = self.betas[gene], self.cells(cluster)
        row = betas.row_labels.index(str(cluster))
        X = np.column_stack([self.columns[name][cells] for name in betas.modulators])
        return ClusterTask(
            gene,
            cluster,
            cells,
            X,
            self.responses[gene][cells],
            betas.values[row],
            float(betas.intercept[row]),
            self.folds[cells],
        )

    def targets(self, genes: Sequence[str], cluster: int) -> ClusterTargets:
        """Return what the heads of the shared encoder are fitted to."""
        cells = self.cells(cluster)
        at = {name: number for number, name in enumerate(self.columns)}
        tables = [self.betas[gene] for gene in genes]
        rows = [table.row_labels.index(str(cluster)) for table in tables]
        return ClusterTargets(
            tuple(genes),
            np.column_stack([values[cells] for values in self.columns.values()]),
            tuple(np.array([at[name] for name in table.modulators], dtype=np.int64) for table in tables),
            tuple(table.values[row] for table, row in zip(tables, rows, strict=True)),
            np.array([table.intercept[row] for table, row in zip(tables, rows, strict=True)]),
            np.column_stack([self.responses[gene][cells] for gene in genes]),
        )


def make_study(
    folder: Path, *, n_cells: int, n_genes: int, n_types: int, side: int, effect: float, pattern: str
) -> Study:
    """Simulate a tissue, regress every target (default settings), and compute what networks read.

    Parameters
    ----------
    folder
        Where the run directory goes.
    n_cells, n_genes, n_types
        Size of the tissue.
    side
        Pixels along a side of a map.
    effect, pattern
        `position_effect` and `position_pattern` of the tissue.
    """
    options: dict[str, Any] = {"position_effect": effect, "position_pattern": pattern, "knock_outs": ()}
    adata = datasets.simulated_tissue(n_cells, n_genes, n_types, 0, radius=RADIUS, **options)
    datasets.write_network(adata, folder)
    run = train(adata, out=folder / "run", network_data_dir=str(folder), cluster_annot="cell_type_int", radius=RADIUS)
    names = list(adata.var_names)
    at = {name: number for number, name in enumerate(names)}
    expression = np.asarray(adata.layers["imputed_count"])
    xy, codes = np.asarray(adata.obsm["spatial"]), adata.obs["cell_type_int"].to_numpy().astype(np.int64)
    received = SignalField(xy, RADIUS).apply(expression)
    betas = {gene: run.betas(gene) for gene in run.genes}
    columns: dict[str, NDArray[np.float64]] = {}
    for name in dict.fromkeys(name for table in betas.values() for name in table.modulators):
        *ligand, gene = name.replace("#", "$").split("$")
        columns[name] = expression[:, at[gene]] * (received[:, at[ligand[0]]] if ligand else 1.0)
    ligands = np.flatnonzero(adata.var["role"] == "ligand")
    return Study(
        NicheInputs.build(xy, codes, n_clusters=n_types, side=side, radius=_FEATURE_RADIUS),
        niche_table(xy, codes, n_clusters=n_types, radius=RADIUS, received=received[:, ligands]),
        codes,
        deal_folds(spatial_blocks(xy, radius=RADIUS), 5),
        columns,
        {gene: expression[:, at[gene]] for gene in betas},
        betas,
        {gene: datasets.cell_effects(adata, gene) for gene in betas},
    )


class Recovery:
    """How well per-cell coefficients agree with the truth."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.within: list[tuple[str, float]] = []
        self.records: list[NicheRecord] = []

    def add(self, betas: NDArray[np.float32], record: NicheRecord) -> None:
        """Take in the coefficients (n_c, p + 1) of a target in the cells of a cluster."""
        self.records.append(record)
        truth, cells = self.study.truth[record.gene], self.study.cells(record.cluster)
        for column, name in enumerate(self.study.betas[record.gene].modulators, 1):
            values = betas[:, column].astype(np.float64)
            if name in truth and values.any():
                true = truth[name].to_numpy()[cells]
                if true.std() > 0.0:
                    self.within.append((record.gene, _correlation(true, values)))

    def summary(self, genes: Sequence[str] | None = None) -> dict[str, float]:
        """Return the figures of some targets, or of all.

        ``correlation``, within a cluster, of true and found coefficients of the edges that the regression has found
        (constant ones count as 0); ``r2_lasso`` and ``r2`` on held-out cells, the latter with the regression where the
        network was not kept; ``kept`` and ``modulated``, shares of targets and clusters.
        """
        chosen = set(self.study.betas if genes is None else genes)
        found = [value for gene, value in self.within if gene in chosen]
        known = [one for one in self.records if one.gene in chosen and np.isfinite(one.r2_lasso_out)]
        best = [record.r2_cnn_out if record.kept else record.r2_lasso_out for record in known]
        return {
            "edges": len(found),
            "correlation": _mean(found),
            "fits": len(known),
            "r2_lasso": _mean([record.r2_lasso_out for record in known]),
            "r2": _mean(best),
            "kept": _mean([record.kept for record in known]),
            "modulated": _mean([record.kept and record.modulated for record in known]),
        }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _correlation(true: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    # float32 coefficients that are the same in every cell have no spread beyond rounding
    if found.std() <= 1e-5 * np.abs(found).mean():
        return 0.0
    return float(np.corrcoef(true, found)[0, 1])
