"""What training reads: targets, their modulators, and the expression of every gene that takes part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.events import Listener, Notice
from spacetravlr.prior import Modulators, PriorNetwork, TfPriors
from spacetravlr.regression import Catalogue
from spacetravlr.training.stages import stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue


@dataclass(frozen=True)
class Inputs:
    """Everything read from files, checked.

    Notes
    -----
    Memory: n_cells x genes used, in the precision the layer is stored in; the same again for the targets if there is
    a response layer.
    """

    targets: tuple[str, ...]
    modulators: Mapping[str, Modulators]
    """Of every target, also those that have none."""
    catalogue: Catalogue
    expression: NDArray[np.floating]
    """(n_cells, len(gene_at)), expression units."""
    gene_at: Mapping[str, int]
    response: NDArray[np.floating] | None
    """(n_cells, n_targets) of `[data].response_layer`; None where that is the layer itself."""
    ligand_radii: Mapping[str, float]
    """Ligands of the network that do not use `[spatial].radius`."""
    fingerprint: str
    """Tells samples apart, see `Tissue.fingerprint`."""

    def columns(self, genes: Sequence[str], rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64]:
        """Return the expression of some genes in some cells, (n, len(genes)) float64."""
        at = [self.gene_at[gene] for gene in genes]
        return np.ascontiguousarray(self.expression[rows][:, at], dtype=np.float64)


def read_inputs(tissue: Tissue, config: RunConfig, network: PriorNetwork, listener: Listener) -> Inputs:
    """Choose targets and modulators, and read what they need.

    Parameters
    ----------
    tissue, network
        The sample, and the network restricted to its genes.
    config
        Resolved settings.
    listener
        Receives notices and the time of each stage.

    Raises
    ------
    InputError
        If no target is left, a layer is missing, or expression that is needed is not finite.
    """
    with stage("prior network", listener) as done:
        targets = choose_targets(tissue, config, listener)
        modulators = select_modulators(tissue, config, network, targets)
        sizes = [len(one.names) for one in modulators.values()]
        spread = f"{min(sizes)} / {int(np.median(sizes))} / {max(sizes)}"
        done(f"{network.source}; modulators per target {spread} (min / median / max)")
    with stage("expression", listener) as done:
        catalogue = Catalogue.from_modulators(modulators.values())
        needed = list(dict.fromkeys([*catalogue.genes, *catalogue.ligands, *targets]))
        genes = list(dict.fromkeys([*needed, *tissue.fingerprint_genes]))
        expression = _read(tissue, genes, config.data.layer)
        layer = config.data.own_response
        response = None if layer is None else _read(tissue, list(targets), layer)
        done(f"{len(needed)} genes")
    gene_at = {gene: index for index, gene in enumerate(genes)}
    radii = network.ligand_radii(config.spatial.radius, config.spatial.contact_distance)
    sample = expression[:, [gene_at[gene] for gene in tissue.fingerprint_genes]]
    _tell_counts(sample, config.data.layer, listener)
    return Inputs(
        targets=targets,
        modulators=modulators,
        catalogue=catalogue,
        expression=expression,
        gene_at=gene_at,
        response=response,
        ligand_radii={ligand: r for ligand, r in radii.items() if r != config.spatial.radius},
        fingerprint=tissue.fingerprint(sample.astype(np.float64)),
    )


def _tell_counts(values: NDArray[np.floating], layer: str, listener: Listener) -> None:
    """Warn of a layer of counts: deep cells would pass for cells in which everything is up."""
    if values.size and values.min() >= 0 and values.max() > 1 and np.array_equal(values, np.rint(values)):
        listener(
            Notice(
                f"layer {layer!r} holds whole numbers, so probably raw counts: models want normalised logarithms "
                "(spacetravlr prepare makes them)",
                "warning",
            )
        )


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
            hint = did_you_mean(unknown[0], tissue.genes)
            if len(unknown) == len(set(wanted)):
                verb = "is" if len(unknown) == 1 else "are"
                raise InputError(
                    f"no target gene is left: {listing(unknown, 5)} {verb} not among the measured genes{hint}"
                )
            listener(Notice(f"not measured and therefore not trained: {listing(unknown, 10)}{hint}", "warning"))
        chosen = set(wanted)
        targets = [gene for gene in targets if gene in chosen]
    if config.training.max_genes is not None:
        targets = targets[: config.training.max_genes]
    if not targets:
        raise InputError("no target gene is left; widen [training].genes and max_genes (--genes, --max-genes)")
    return tuple(targets)


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


def _read(tissue: Tissue, genes: list[str], layer: str) -> NDArray[np.floating]:
    """Read genes in float32 where that is how they are stored: half the memory, the same numbers."""
    parts = []
    for start in range(0, len(genes), 1024):
        block = tissue.columns(genes[start : start + 1024], layer=layer)
        single = block.astype(np.float32)
        parts.append(single if np.array_equal(single, block) else block)
    return np.concatenate(parts, axis=1)
