"""The single terms of the derivatives of a target by its modulator genes, before any coefficient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spacetravlr.perturbation._features import Block, Features, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Terms:
    """The single terms of the derivatives, sorted by the modulator gene they belong to.

    A pair has two terms: one for its ligand and one for its receptor or regulator. They are needed one by one where
    the sum over the terms of one modulator gene is limited.

    Attributes
    ----------
    kind
        0 TF, 1 receptor of LR, 2 ligand of LR, 3 ligand of TFL, 4 regulator of TFL.
    feature
        Position in `Features`.
    modulator
        Modulator identity (as in `Features.tf`), ascending.
    gene
        Gene whose change multiplies the term.
    received_row, expression_row
        Rows of a `Block` that the term reads, 0 where it reads none.
    """

    kind: IntArray
    feature: IntArray
    modulator: IntArray
    gene: IntArray
    received_row: IntArray
    expression_row: IntArray

    def take(self, index: IntArray) -> Terms:
        """Return some of the terms."""
        return Terms(*(values[index] for values in vars(self).values()))


def list_terms(features: Features) -> Terms:
    """Return the terms of all derivatives.

    Parameters
    ----------
    features
        All features.

    Returns
    -------
    ``n_tf + 2 n_lr + 2 n_tfl`` terms sorted by modulator, then kind, then feature.
    """
    n_tf, n_lr, n_tfl = len(features.tf), len(features.lr_ligand), len(features.tfl_ligand)
    rows = features.rows
    tf, lr, tfl = np.arange(n_tf), n_tf + np.arange(n_lr), n_tf + n_lr + np.arange(n_tfl)
    none = {n: np.zeros(n, dtype=np.int64) for n in (n_tf, n_lr, n_tfl)}
    parts = [  # kind, feature, modulator, row of received, row of expression
        (0, tf, features.tf, none[n_tf], none[n_tf]),
        (1, lr, features.lr_receptor, rows["lr_ligand"], rows["lr_receptor"]),
        (2, lr, features.lr_ligand, none[n_lr], rows["lr_receptor"]),
        (3, tfl, features.tfl_ligand, none[n_tfl], rows["tfl_regulator"]),
        (4, tfl, features.tfl_regulator, rows["tfl_ligand"], none[n_tfl]),
    ]
    kind = np.concatenate([np.full(len(part[1]), part[0], dtype=np.int64) for part in parts])
    feature, modulator, received_row, expression_row = (
        np.concatenate([part[column] for part in parts]).astype(np.int64) for column in (1, 2, 3, 4)
    )
    gene = np.where(modulator < features.n_genes, modulator, 0)
    terms = Terms(kind, feature, modulator, gene, received_row, expression_row)
    return terms.take(np.lexsort((feature, kind, modulator)))


def term_values(terms: Terms, block: Block, scale: float) -> FloatArray:
    """Return the value of each term, before its coefficient.

    Parameters
    ----------
    terms
        Which terms.
    block
        The cells.
    scale
        Factor ``s`` of all pair terms.

    Returns
    -------
    ``(n_terms, n_cells)`` values.
    """
    out = np.ones((len(terms.kind), block.n_cells))
    gated, level, regulated = terms.kind == 1, (terms.kind == 2) | (terms.kind == 3), terms.kind == 4
    out[gated] = block.received[terms.received_row[gated]] * (block.expression[terms.expression_row[gated]] > 0.0)
    out[level] = block.expression[terms.expression_row[level]]
    out[regulated] = block.received_tfl[terms.received_row[regulated]]
    if scale != 1.0:
        out[terms.kind != 0] *= scale
    return out
