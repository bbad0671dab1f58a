"""How large the simulated slide is, the names of its genes, and its prior network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    Indices = NDArray[np.int64]


@dataclass(frozen=True)
class SlideShape:
    """Sizes of a slide; every gene is a target.

    Attributes
    ----------
    cluster_sizes
        Cells of each cluster.
    n_genes
        All genes, the signalling ones among them.
    n_ligands
        Number of ligands, and of receptors.
    n_pairs
        Ligand-receptor pairs of the network; every ligand and receptor is in one.
    n_tfs, tfs_per_target, ligands_per_tf
        Transcription factors in all, of each target, and ligands that act on each of them.
    extent
        Axes of the ellipse that the cells fill, micrometres.
    """

    cluster_sizes: tuple[int, ...]
    n_genes: int
    n_ligands: int
    n_pairs: int
    n_tfs: int
    tfs_per_target: int
    ligands_per_tf: int
    extent: tuple[float, float]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return sum(self.cluster_sizes)

    @property
    def n_signal(self) -> int:
        """Number of genes that depend on their modulators: half of all."""
        return self.n_genes // 2


FULL = SlideShape((5552, 3231, 1210, 680, 448, 332, 219, 96, 87, 82, 3), 2905, 120, 560, 120, 20, 5, (4000.0, 3000.0))
"""The slide that is quoted: 11,940 cells, 2,905 targets, about 680 modulators each."""
QUICK = SlideShape((220, 110, 50, 40, 3), 60, 8, 24, 8, 5, 3, (1000.0, 750.0))
"""A slide to try things with."""


@dataclass(frozen=True)
class SlideNetwork:
    """Who may act on whom; genes are named by their position in `genes`.

    Attributes
    ----------
    genes
        In file order: genes with and without signal take turns, so that the first N are half and half.
    ligands, receptors, tfs
        Positions in `genes`.
    signal
        Positions of the genes that depend on their modulators; none of them is a ligand, a receptor or a TF.
    pairs
        (n_pairs, 2) ligand and receptor, numbers within `ligands` and `receptors`.
    regulators
        (n_genes, tfs_per_target), numbers within `tfs`; a gene is no regulator of its own.
    senders
        (n_tfs, ligands_per_tf) numbers within `ligands`.
    """

    genes: tuple[str, ...]
    ligands: Indices
    receptors: Indices
    tfs: Indices
    signal: Indices
    pairs: Indices
    regulators: Indices
    senders: Indices

    def table(self, rng: np.random.Generator) -> pd.DataFrame:
        """Return the edges in the columns of a network file, ligand-TF weights drawn above the usual cut-off."""
        import pandas as pd

        names = np.array(self.genes, dtype=object)
        tfs = names[self.tfs]
        ends = {
            "grn": (tfs[self.regulators].ravel(), np.repeat(names, self.regulators.shape[1])),
            "lr": (names[self.ligands[self.pairs[:, 0]]], names[self.receptors[self.pairs[:, 1]]]),
            "nichenet": (names[self.ligands[self.senders]].ravel(), np.repeat(tfs, self.senders.shape[1])),
        }
        weights = {kind: np.ones(len(source)) for kind, (source, _) in ends.items()}
        weights["nichenet"] = rng.uniform(0.25, 1.0, self.senders.size)
        return pd.concat(
            [
                pd.DataFrame({"source": source, "target": target, "edge_type": kind, "weight": weights[kind]})
                for kind, (source, target) in ends.items()
            ],
            ignore_index=True,
        )


def wire_slide(shape: SlideShape, rng: np.random.Generator) -> SlideNetwork:
    """Draw names, roles and edges.

    Parameters
    ----------
    shape
        The sizes.
    rng
        Source of the randomness.
    """
    n = shape.n_ligands
    roles = [
        *(f"Lig{number:03d}" for number in range(n)),
        *(f"Rec{number:03d}" for number in range(n)),
        *(f"Tf{number:03d}" for number in range(shape.n_tfs)),
    ]
    others = [f"Gene{number:04d}" for number in range(shape.n_genes - len(roles))]
    without = np.array([*roles, *others[shape.n_signal :]], dtype=object)
    names = np.empty(shape.n_genes, dtype=object)
    names[1::2] = others[: shape.n_signal]
    names[0::2] = without[rng.permutation(len(without))]
    position = {name: index for index, name in enumerate(names)}
    at = np.array([position[name] for name in roles], dtype=np.int64)
    ligands, receptors, tfs = at[:n], at[n : 2 * n], at[2 * n :]
    number_of_tf = {gene: number for number, gene in enumerate(tfs)}
    drawn = _choose(shape.n_genes, shape.n_tfs, shape.tfs_per_target + 1, rng)
    regulators = np.array(
        [[tf for tf in row if tf != number_of_tf.get(gene)][: shape.tfs_per_target] for gene, row in enumerate(drawn)]
    )
    return SlideNetwork(
        genes=tuple(map(str, names)),
        ligands=ligands,
        receptors=receptors,
        tfs=tfs,
        signal=np.arange(1, shape.n_genes, 2),
        pairs=_pairs(n, shape.n_pairs, rng),
        regulators=regulators,
        senders=_choose(shape.n_tfs, n, shape.ligands_per_tf, rng),
    )


def _choose(rows: int, among: int, count: int, rng: np.random.Generator) -> Indices:
    """Return (rows, count) numbers below `among`, without repeats in a row."""
    return np.argsort(rng.random((rows, among)), axis=1)[:, :count].astype(np.int64)


def _pairs(n: int, wanted: int, rng: np.random.Generator) -> Indices:
    """Return distinct pairs of `n` ligands and `n` receptors, all of which occur about as often."""
    receptors = rng.permutation(n)
    turns = [(ligand, receptors[(ligand + shift) % n]) for shift in rng.permutation(n) for ligand in range(n)]
    return np.array(turns[:wanted], dtype=np.int64)
