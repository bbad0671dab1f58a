"""What does not depend on a target, computed once: modulators, received ligands, columns, clusters, folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, listing
from spacetravlr.events import Listener, Notice
from spacetravlr.prior import Modulators, PriorNetwork, TfPriors, infer_species
from spacetravlr.regression import Catalogue, deal_folds, spatial_blocks
from spacetravlr.training.signals import receive
from spacetravlr.training.stages import stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue


@dataclass(frozen=True)
class Plan:
    """Everything that all targets share.

    Notes
    -----
    Memory: n_cells x (genes used + ligands) values, in the precision the layer is stored in.
    """

    tissue: Tissue
    config: RunConfig
    targets: tuple[str, ...]
    modulators: Mapping[str, Modulators]
    """Of every target, also those that have none."""
    catalogue: Catalogue
    expression: NDArray[np.floating]
    """(n_cells, len(gene_at)), expression units."""
    gene_at: Mapping[str, int]
    received: NDArray[np.float64]
    """(n_cells, len(catalogue.ligands)), expression units."""
    blocks: NDArray[np.int64]
    """(n_cells,), square of tissue of each cell."""
    folds: NDArray[np.int64]
    """(n_cells,), held-out fold of each cell."""
    rows: tuple[NDArray[np.int64], ...]
    """Per cluster, its cells in file order."""
    ligand_radii: Mapping[str, float]
    """Ligands that do not use `[spatial].radius`."""
    network_source: str

    def columns(self, genes: Sequence[str], rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
        """Return the expression of some genes in some cells, float64."""
        at = [self.gene_at[gene] for gene in genes]
        return np.ascontiguousarray(self.expression[rows][:, at], dtype=np.float64)

    def design(self, cluster: int) -> NDArray[np.float64]:
        """Return the raw design of one cluster, (n, P)."""
        rows = self.rows[cluster]
        return self.catalogue.design(self.columns(self.catalogue.genes, rows), self.received[rows])

    def responses(self, targets: Sequence[str], cluster: int) -> NDArray[np.float64]:
        """Return the response of some targets in one cluster, (n, T), expression units."""
        layer = self.config.data.response_layer
        rows = self.rows[cluster]
        if layer is None:
            return self.columns(targets, rows)
        return self.tissue.columns(targets, layer=layer)[rows]

    def mask(self, target: str, cluster: int) -> NDArray[np.bool_] | None:
        """Return which modulators of a target are allowed in a cluster (by TF priors), or None for all."""
        modulators = self.modulators[target]
        cell_type = self.tissue.cluster_cell_types.get(self.tissue.clusters.labels[cluster])
        allowed = None if cell_type is None else modulators.masks.get(cell_type)
        if allowed is None:
            return None
        mask = np.ones(len(modulators.names), dtype=np.bool_)
        mask[: len(allowed)] = allowed
        return mask


def choose_targets(tissue: Tissue, config: RunConfig, listener: Listener) -> tuple[str, ...]:
    """Return the targets in the order of the sample.

    Raises
    ------
    InputError
        If none is left.
    """
    wanted = config.training.genes
    targets = list(tissue.genes)
    if wanted is not None:
        unknown = [gene for gene in dict.fromkeys(wanted) if gene not in tissue.gene_index]
        if unknown:
            listener(Notice(f"not measured and therefore not trained: {listing(unknown, 10)}", "warning"))
        chosen = set(wanted)
        targets = [gene for gene in targets if gene in chosen]
    if config.training.max_genes is not None:
        targets = targets[: config.training.max_genes]
    if not targets:
        raise InputError("no target gene is left; widen [training].genes and max_genes (--genes, --max-genes)")
    return tuple(targets)


def load_network(tissue: Tissue, config: RunConfig, listener: Listener) -> PriorNetwork:
    """Load the prior network of the sample's species, restricted to its genes, and tell where it came from."""
    species = config.data.spatial_species or infer_species(tissue.genes)
    network = PriorNetwork.load(species, config.grn.network_data_dir).restrict(tissue.genes)
    for notice in network.notices:
        listener(Notice(notice, "warning"))
    if not sum(network.counts().values()):
        raise InputError(
            f"the {species} network has no relation among the {tissue.n_genes} measured genes ({network.source})"
        )
    return network


def select_modulators(
    tissue: Tissue, config: RunConfig, network: PriorNetwork, targets: Sequence[str]
) -> dict[str, Modulators]:
    """Return the modulators of every target by the `[grn]` settings."""
    grn = config.grn
    means = tissue.gene_means(sorted(network.ligand_radii(1.0, 1.0))) if grn.max_ligands else None
    priors = TfPriors.read(grn.tf_priors_feather, tissue.genes) if grn.tf_priors_feather else None
    return {
        one.target: one
        for one in network.all_modulators(
            targets,
            tf_ligand_cutoff=grn.tf_ligand_cutoff,
            max_ligands=grn.max_ligands,
            gene_means=means,
            use_tf=grn.use_tf_modulators,
            use_lr=grn.use_lr_modulators,
            use_tfl=grn.use_tfl_modulators,
            extra_modulators=grn.extra_modulators,
            extra_lr=grn.extra_lr,
            tf_priors=priors,
        )
    }


def make_plan(tissue: Tissue, config: RunConfig, listener: Listener) -> Plan:
    """Compute everything that all targets share.

    Parameters
    ----------
    tissue
        The sample.
    config
        Resolved settings.
    listener
        Receives notices and the time of each stage.

    Raises
    ------
    InputError
        If no target is left, the network does not fit the genes, or the expression that is needed is not finite.
    """
    targets = choose_targets(tissue, config, listener)
    with stage("prior network", listener) as done:
        network = load_network(tissue, config, listener)
        modulators = select_modulators(tissue, config, network, targets)
        sizes = [len(one.names) for one in modulators.values()]
        spread = f"{min(sizes)} / {int(np.median(sizes))} / {max(sizes)}"
        done(f"{network.source}; modulators per target {spread} (min / median / max)")
    with stage("expression", listener) as done:
        catalogue = Catalogue.from_modulators(modulators.values())
        genes = list(dict.fromkeys([*catalogue.genes, *catalogue.ligands, *targets]))
        expression = _read(tissue, genes)
        done(f"{len(genes)} genes")
    gene_at = {gene: index for index, gene in enumerate(genes)}
    with stage("received ligands", listener) as done:
        radii = network.ligand_radii(config.spatial.radius, config.spatial.contact_distance)
        other = {ligand: r for ligand, r in radii.items() if r != config.spatial.radius and ligand in catalogue.ligands}
        values = np.ascontiguousarray(expression[:, [gene_at[name] for name in catalogue.ligands]], dtype=np.float64)
        received, method = receive(tissue, config, catalogue.ligands, values, other)
        done(f"{len(catalogue.ligands)} ligands, {method}")
    blocks = spatial_blocks(tissue.xy, radius=config.spatial.radius)
    codes = tissue.clusters.codes
    return Plan(
        tissue=tissue,
        config=config,
        targets=targets,
        modulators=modulators,
        catalogue=catalogue,
        expression=expression,
        gene_at=gene_at,
        received=received,
        blocks=blocks,
        folds=deal_folds(blocks, config.lasso.n_folds, seed=config.execution.random_seed),
        rows=tuple(np.flatnonzero(codes == code) for code in range(len(tissue.clusters.labels))),
        ligand_radii=other,
        network_source=network.source,
    )


def _read(tissue: Tissue, genes: list[str]) -> NDArray[np.floating]:
    """Read genes in float32 where that is how they are stored: half the memory, the same numbers."""
    parts = []
    for start in range(0, len(genes), 1024):
        block = tissue.columns(genes[start : start + 1024])
        single = block.astype(np.float32)
        parts.append(single if np.array_equal(single, block) else block)
    return np.concatenate(parts, axis=1) if parts else np.zeros((tissue.n_cells, 0))
