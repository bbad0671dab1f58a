"""The gene-independent half of a propagation step: what every modulator contributes, before any coefficient.

With the change ``a`` of each gene, expression ``GX`` (0 at or below the threshold) and received ligands ``RL``, a
modulator contributes to each cell (times its coefficient)

* TF ``t``: ``a_t``
* pair ``l$r``: ``s * (RL_l * [GX_r > 0] * a_r + GX_r * a_l)``
* pair ``l#t``: ``s * (RL0_l * a_t + GX_t * a_l)``, with the unmasked baseline ``RL0``

All arrays of a block of cells are gene-major, ``(n_something, n_cells_of_block)``: rows are contiguous, so taking the
rows of a modulator is cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Features:
    """Every distinct modulator of a set of models, in the order TFs, LR pairs, ligand-TF pairs.

    Attributes
    ----------
    n_genes
        Number of measured genes.
    tf
        ``(n_tf,)`` modulator identities: a gene index, or ``n_genes + j`` for the j-th TF that is not measured but
        follows gene 0.
    lr_ligand, lr_receptor, tfl_ligand, tfl_regulator
        Gene indices of the pairs.
    lr_ligands, tfl_ligands
        Sorted ligands of all pairs of either kind, also of pairs that have no coefficient: being a ligand decides how
        a gene acts, even where it acts as a TF.
    named
        Sorted genes that take part in some modulator, also in modulators without a coefficient.
    """

    n_genes: int
    tf: IntArray
    lr_ligand: IntArray
    lr_receptor: IntArray
    tfl_ligand: IntArray
    tfl_regulator: IntArray
    lr_ligands: IntArray
    tfl_ligands: IntArray
    named: IntArray

    @property
    def size(self) -> int:
        """Number of features."""
        return len(self.tf) + len(self.lr_ligand) + len(self.tfl_ligand)

    @cached_property
    def tf_gene(self) -> IntArray:
        """Gene whose change a TF feature follows."""
        return np.where(self.tf < self.n_genes, self.tf, 0)

    @cached_property
    def expressed(self) -> IntArray:
        """Sorted genes whose expression level enters: receptors and regulators of pairs."""
        return np.unique(np.concatenate([self.lr_receptor, self.tfl_regulator]))

    @cached_property
    def modulators(self) -> IntArray:
        """Sorted genes to which some feature listens."""
        parts = [self.tf_gene, self.lr_ligand, self.lr_receptor, self.tfl_ligand, self.tfl_regulator]
        return np.unique(np.concatenate(parts))

    @cached_property
    def ligands(self) -> IntArray:
        """Sorted genes that act, as modulators of whatever kind, by the change of what cells receive of them."""
        return np.intersect1d(np.union1d(self.lr_ligands, self.tfl_ligands), self.modulators)

    @cached_property
    def rows(self) -> dict[str, IntArray]:
        """Positions of the pairs' ligands in `ligands` and of their partners in `expressed`."""
        return {
            "lr_ligand": np.searchsorted(self.ligands, self.lr_ligand),
            "tfl_ligand": np.searchsorted(self.ligands, self.tfl_ligand),
            "lr_receptor": np.searchsorted(self.expressed, self.lr_receptor),
            "tfl_regulator": np.searchsorted(self.expressed, self.tfl_regulator),
        }


@dataclass(frozen=True, eq=False)
class Block:
    """What a block of cells looks like in one step; all arrays ``(rows, cells of the block)``.

    Attributes
    ----------
    change
        Changes of the genes that changed, then one row of zeros for all others.
    expression
        Expression of `Features.expressed`, 0 where at or below the threshold or masked.
    received, received_tfl
        What cells receive of `Features.ligands`, in ligand-receptor and in ligand-TF pairs.
    """

    change: FloatArray
    expression: FloatArray
    received: FloatArray
    received_tfl: FloatArray

    @property
    def n_cells(self) -> int:
        """Number of cells of the block."""
        return int(self.change.shape[1])


@dataclass(frozen=True, eq=False)
class ActiveFeatures:
    """The features that can be non-zero in a step, with the rows of a block that each one needs.

    Attributes
    ----------
    index
        ``(n_active,)`` sorted positions in `Features`.
    tf_change
        Row of `Block.change` of each active TF.
    lr, tfl
        ``(4, n)`` for the active pairs: row of `received`, row of `expression`, row of `change` of the ligand, row of
        `change` of the partner.
    """

    index: IntArray
    tf_change: IntArray
    lr: IntArray
    tfl: IntArray

    @property
    def size(self) -> int:
        """Number of active features."""
        return len(self.index)

    def within(self, features: IntArray) -> ActiveFeatures:
        """Return those that are among some features."""
        kept = np.isin(self.index, features)
        n_tf, n_lr = len(self.tf_change), self.lr.shape[1]
        tf, lr, tfl = np.split(kept, [n_tf, n_tf + n_lr])
        return ActiveFeatures(self.index[kept], self.tf_change[tf], self.lr[:, lr], self.tfl[:, tfl])


def select_active(features: Features, change_row: IntArray, zero_row: int) -> ActiveFeatures:
    """Return the features that listen to a gene that changed.

    Parameters
    ----------
    features
        All features.
    change_row
        ``(n_genes,)`` row of `Block.change` of each gene; `zero_row` for genes that did not change.
    zero_row
        Number of that row.

    Returns
    -------
    The active ones.
    """
    rows = features.rows
    tf_change = change_row[features.tf_gene]
    lr = np.stack(
        [rows["lr_ligand"], rows["lr_receptor"], change_row[features.lr_ligand], change_row[features.lr_receptor]]
    )
    tfl = np.stack(
        [rows["tfl_ligand"], rows["tfl_regulator"], change_row[features.tfl_ligand], change_row[features.tfl_regulator]]
    )
    tf_on = tf_change != zero_row
    lr_on = (lr[2] != zero_row) | (lr[3] != zero_row)
    tfl_on = (tfl[2] != zero_row) | (tfl[3] != zero_row)
    return ActiveFeatures(
        index=np.flatnonzero(np.concatenate([tf_on, lr_on, tfl_on])),
        tf_change=tf_change[tf_on],
        lr=lr[:, lr_on],
        tfl=tfl[:, tfl_on],
    )


def fused_features(active: ActiveFeatures, block: Block, scale: float) -> FloatArray:
    """Return the active features of a block of cells.

    Parameters
    ----------
    active
        Which features, with their rows.
    block
        The cells.
    scale
        Factor ``s`` of all pair terms.

    Returns
    -------
    ``(n_active, n_cells)`` features; multiplied by coefficients and summed they give the change of a target.
    """
    out = np.empty((active.size, block.n_cells))
    n_tf, n_lr = len(active.tf_change), active.lr.shape[1]
    np.take(block.change, active.tf_change, axis=0, out=out[:n_tf])
    _pairs(out[n_tf : n_tf + n_lr], active.lr, block.received, block, gated=True)
    _pairs(out[n_tf + n_lr :], active.tfl, block.received_tfl, block, gated=False)
    if scale != 1.0:
        out[n_tf:] *= scale
    return out


def _pairs(out: FloatArray, rows: IntArray, received: FloatArray, block: Block, *, gated: bool) -> None:
    """Write ``received_l * [GX_p > 0, if gated] * a_p + GX_p * a_l`` of each pair (ligand l, partner p) into `out`."""
    ligand, partner, ligand_change, partner_change = rows
    np.take(received, ligand, axis=0, out=out)
    out *= block.change[partner_change]
    other = block.expression[partner]
    if gated:
        out *= other > 0.0
    other *= block.change[ligand_change]
    out += other
