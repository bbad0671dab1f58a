"""What a network has, and what of it a sample can use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from spacetravlr.prior import PriorNetwork


@dataclass(frozen=True)
class Counts:
    """Numbers of edges and genes of a network."""

    tf_edges: int
    tfs: int
    targets: int
    pairs: int
    ligands: int
    receptors: int
    ligand_tf_edges: int
    symbols: int


@dataclass(frozen=True)
class Coverage:
    """What of a network the measured genes leave."""

    measured: int
    known: int
    """Measured genes that are in the network."""
    with_tf: int
    """Measured genes that have a measured TF in the network."""
    median_tfs: float
    """Median number of TFs of those."""
    left: Counts
    """Edges between measured genes."""
    ligand_tf_above: dict[float, int]
    """Ligand -> TF edges above some cut-offs."""


@dataclass(frozen=True)
class GeneRoles:
    """Everything the network says about one gene."""

    gene: str
    tfs: tuple[str, ...]
    """Its TFs."""
    targets: tuple[str, ...]
    """Genes it regulates as a TF."""
    receptors: tuple[str, ...]
    """Receptors it binds as a ligand."""
    ligands: tuple[str, ...]
    """Ligands it receives as a receptor."""
    tf_ligands: dict[str, tuple[tuple[str, float], ...]]
    """For each of its TFs the ligands that a model may use, strongest first, with their weight."""
    n_pairs: int
    """Ligand-receptor pairs that a model of it may use: all that do not contain it."""


CUTOFFS = (0.01, 0.05, 0.1, 0.2)


def count(network: PriorNetwork) -> Counts:
    """Count edges and genes."""
    table = network.table
    ends = {
        kind: (rows["source"].nunique(), rows["target"].nunique(), len(rows))
        for kind, rows in ((kind, table[table["edge_type"] == kind]) for kind in network.counts())
    }
    return Counts(
        tf_edges=ends["grn"][2],
        tfs=ends["grn"][0],
        targets=ends["grn"][1],
        pairs=ends["lr"][2],
        ligands=ends["lr"][0],
        receptors=ends["lr"][1],
        ligand_tf_edges=ends["nichenet"][2],
        symbols=len(network.symbols),
    )


def cover(network: PriorNetwork, genes: Collection[str]) -> Coverage:
    """Tell what measured genes leave of a network.

    Parameters
    ----------
    network
        The whole network.
    genes
        Measured genes.
    """
    measured = set(genes)
    left = network.restrict(measured)
    tf_rows = left.table[left.table["edge_type"] == "grn"]
    per_target = tf_rows[tf_rows["source"].astype(object) != tf_rows["target"].astype(object)]
    n_tfs = per_target.groupby("target", observed=True)["source"].nunique().to_numpy()
    weights = left.table.loc[left.table["edge_type"] == "nichenet", "weight"].to_numpy()
    return Coverage(
        measured=len(measured),
        known=len(measured.intersection(network.symbols)),
        with_tf=len(n_tfs),
        median_tfs=float(np.median(n_tfs)) if len(n_tfs) else 0.0,
        left=count(left),
        ligand_tf_above={cutoff: int((weights > cutoff).sum()) for cutoff in CUTOFFS},
    )


def roles(network: PriorNetwork, gene: str, *, tf_ligand_cutoff: float) -> GeneRoles:
    """Tell what a network says about a gene.

    Parameters
    ----------
    network
        The network, restricted to measured genes or not.
    gene
        The gene.
    tf_ligand_cutoff
        Ligand -> TF weights must be above it.

    Raises
    ------
    InputError
        The network is restricted and the gene is not measured.
    """
    mine = network.modulators(gene, tf_ligand_cutoff=tf_ligand_cutoff)
    table = network.table
    strength = table[(table["edge_type"] == "nichenet") & table["target"].isin(mine.regulators)]
    weight: dict[tuple[str, str], float] = {}
    for ligand, tf, value in strength[["source", "target", "weight"]].itertuples(index=False, name=None):
        weight[ligand, tf] = max(value, weight.get((ligand, tf), value))
    by_tf: dict[str, list[tuple[str, float]]] = {}
    for ligand, tf in zip(mine.tfl_ligands, mine.tfl_regulators, strict=True):
        by_tf.setdefault(tf, []).append((ligand, weight[ligand, tf]))
    return GeneRoles(
        gene=gene,
        tfs=mine.regulators,
        targets=_others(network, "grn", "source", gene),
        receptors=_others(network, "lr", "source", gene),
        ligands=_others(network, "lr", "target", gene),
        tf_ligands={tf: tuple(pairs) for tf, pairs in by_tf.items()},
        n_pairs=len(mine.lr_pairs),
    )


def _others(network: PriorNetwork, edge_type: str, end: str, gene: str) -> tuple[str, ...]:
    table = network.table
    rows = table[(table["edge_type"] == edge_type) & (table[end] == gene)]
    other = "target" if end == "source" else "source"
    return tuple(dict.fromkeys(rows[other].astype(object)))
