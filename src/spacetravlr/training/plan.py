"""What does not depend on a target, computed once: received ligands, clusters, held-out regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.events import Listener
from spacetravlr.regression import MIN_CELLS, deal_folds, spatial_blocks
from spacetravlr.training.signals import receive
from spacetravlr.training.stages import stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue
    from spacetravlr.training.inputs import Inputs


@dataclass(frozen=True)
class Plan:
    """Everything that all targets share."""

    tissue: Tissue
    config: RunConfig
    inputs: Inputs
    received: NDArray[np.float64]
    """(n_cells, len(catalogue.ligands)), expression units."""
    blocks: NDArray[np.int64]
    """(n_cells,), square of tissue of each cell."""
    folds: NDArray[np.int64]
    """(n_cells,), held-out fold of each cell."""
    rows: tuple[NDArray[np.int64], ...]
    """Per cluster, its cells in file order."""

    def design(self, cluster: int, *, received_by: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the raw design of one cluster, (n, P).

        Parameters
        ----------
        cluster
            Number of the cluster.
        received_by
            (n,) cells whose received ligands are used in place of each cell's own.
        """
        rows = self.rows[cluster]
        catalogue = self.inputs.catalogue
        received = self.received[rows if received_by is None else received_by]
        return catalogue.design(self.inputs.columns(catalogue.genes, rows), received)

    def responses(self, targets: Sequence[str], cluster: int) -> NDArray[np.float64]:
        """Return what fits explain of some targets in one cluster, (n, T), expression units."""
        if self.inputs.response is None or self.judges:
            return self.inputs.columns(targets, self.rows[cluster])
        return self.measured(targets, cluster)

    @property
    def judges(self) -> bool:
        """Whether held-out cells are judged by another layer than the one that is fitted."""
        return self.inputs.response is not None and self.config.data.response_use == "score"

    def measured(self, targets: Sequence[str], cluster: int) -> NDArray[np.float64]:
        """Return what held-out scores predict of some targets in one cluster, (n, T), expression units."""
        rows = self.rows[cluster]
        if self.inputs.response is None:
            return self.inputs.columns(targets, rows)
        place = {target: at for at, target in enumerate(self.inputs.targets)}
        at = [place[target] for target in targets]
        return np.ascontiguousarray(self.inputs.response[rows][:, at], dtype=np.float64)

    def mask(self, target: str, cluster: int) -> NDArray[np.bool_] | None:
        """Return which modulators of a target are allowed in a cluster (by TF priors), or None for all."""
        modulators = self.inputs.modulators[target]
        cell_type = self.tissue.cluster_cell_types.get(self.tissue.clusters.labels[cluster])
        allowed = None if cell_type is None else modulators.masks.get(cell_type)
        if allowed is None:
            return None
        mask = np.ones(len(modulators.names), dtype=np.bool_)
        mask[: len(allowed)] = allowed
        return mask


def make_plan(tissue: Tissue, config: RunConfig, inputs: Inputs, listener: Listener) -> Plan:
    """Compute everything that all targets share.

    Parameters
    ----------
    tissue, inputs
        The sample, and what was read of it.
    config
        Resolved settings.
    listener
        Receives the time of each stage.

    Raises
    ------
    InputError
        If held-out regions are asked for and the sample has too few cells or regions for them.
    """
    blocks, folds = hold_out(tissue, config)
    with stage("received ligands", listener) as done:
        ligands = inputs.catalogue.ligands
        received, method = receive(tissue, config, ligands, inputs.columns(ligands), inputs.ligand_radii)
        done(f"{len(ligands)} ligands, {method}")
    codes = tissue.clusters.codes
    return Plan(
        tissue=tissue,
        config=config,
        inputs=inputs,
        received=received,
        blocks=blocks,
        folds=folds,
        rows=tuple(np.flatnonzero(codes == code) for code in range(len(tissue.clusters.labels))),
    )


def hold_out(tissue: Tissue, config: RunConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide the sample into regions, and deal them to folds.

    Parameters
    ----------
    tissue
        The sample. A region never joins cells of two pieces of tissue, whatever their coordinates.
    config
        Resolved settings.

    Returns
    -------
    blocks
        (n_cells,), region of each cell.
    folds
        (n_cells,), held-out fold of each cell; regions stay whole, a fold has regions of all pieces.

    Raises
    ------
    InputError
        If held-out regions are asked for and the sample has too few cells or regions for them.
    """
    samples = tissue.samples
    if samples is None:
        blocks = spatial_blocks(tissue.xy, radius=config.spatial.radius)
    else:
        blocks = np.zeros(tissue.n_cells, dtype=np.int64)
        first = 0
        for code in range(len(samples.labels)):
            rows = np.flatnonzero(samples.codes == code)
            blocks[rows] = first + spatial_blocks(tissue.xy[rows], radius=config.spatial.radius)
            first = int(blocks[rows].max()) + 1
    folds = deal_folds(blocks, config.lasso.n_folds, seed=config.execution.random_seed)
    if config.lasso.select == "cv" or config.training.held_out:
        _check_held_out(tissue, folds)
    return blocks, folds


def _check_held_out(tissue: Tissue, folds: NDArray[np.int64]) -> None:
    fix = 'use [lasso].select = "fixed" with penalties of your own, or merge clusters'
    largest = int(tissue.clusters.sizes.max())
    if largest < MIN_CELLS:
        raise InputError(f"held-out scores need a cluster of {MIN_CELLS} cells, and the largest has {largest}; {fix}")
    codes = tissue.clusters.codes
    for code in np.flatnonzero(tissue.clusters.sizes >= MIN_CELLS):
        if len(np.unique(folds[codes == code])) > 1:
            return
    raise InputError(f"held-out scores need cells in at least two regions, and every cluster lies in one; {fix}")
