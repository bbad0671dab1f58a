"""How well the change of a knock-out was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spacetravlr.bench._ranking import auroc, correlation, gene_correlation, same_shape, sign_agreement
from spacetravlr.errors import InputError


@dataclass(frozen=True)
class KnockOutRecovery:
    """How well the change of all other genes was predicted, in standard deviations of each gene.

    Attributes
    ----------
    r
        Correlation over the entries (cell, gene) that truly change; 0 for a prediction without variation.
    sign
        Share of right signs where the true change is sizable; a predicted 0 is wrong.
    auroc
        Whether the truly affected genes are those with the larger mean predicted size.
    size
        Root mean square of the prediction over that of the truth, all entries.
    within_gene_r
        Mean over the affected genes of the correlation over cells: does it know in which cells.
    n_affected, n_genes
        Number of affected genes, and of all genes other than the one knocked out.
    """

    r: float
    sign: float
    auroc: float
    size: float
    within_gene_r: float
    n_affected: int
    n_genes: int


def knock_out_recovery(
    predicted: ArrayLike,
    true: ArrayLike,
    *,
    sd: ArrayLike,
    clamped: Sequence[int] = (),
    changed: float = 0.02,
    sizable: float = 0.1,
) -> KnockOutRecovery:
    """Compare the predicted with the true change of a knock-out.

    Parameters
    ----------
    predicted, true
        (n_cells, n_genes) changes, expression units.
    sd
        (n_genes,) standard deviation of every gene in the untouched tissue; genes with 0 are left out.
    clamped
        Columns of the knocked-out genes, which are left out.
    changed
        An entry changes if its absolute true change is larger, in standard deviations.
    sizable
        The same for entries whose sign counts; a gene is affected if its mean absolute true change is larger.

    Returns
    -------
    The scores; NaN where nothing counts.

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    guess, known = same_shape(predicted, true)
    spread = np.asarray(sd, dtype=np.float64)
    if spread.shape != known.shape[1:]:
        raise InputError(f"sd has shape {spread.shape}; the changes are of {known.shape[1:]} genes")
    kept = spread > 0.0
    kept[list(clamped)] = False
    guess, known = guess[:, kept] / spread[kept], known[:, kept] / spread[kept]
    moves = np.abs(known) > changed
    affected = np.abs(known).mean(axis=0) > sizable
    r = correlation(guess[moves], known[moves])
    # a prediction without variation knows nothing; a truth without any cannot be scored
    if np.isnan(r) and moves.any() and np.ptp(known[moves]) > 0.0:
        r = 0.0
    known_rms = float(np.sqrt((known**2).mean())) if known.size else 0.0
    inside = np.nan_to_num(gene_correlation(guess[:, affected], known[:, affected]))
    return KnockOutRecovery(
        r=r,
        sign=sign_agreement(guess, known, above=sizable),
        auroc=auroc(np.abs(guess).mean(axis=0), affected),
        size=float(np.sqrt((guess**2).mean())) / known_rms if known_rms > 0.0 else float("nan"),
        within_gene_r=float(inside.mean()) if len(inside) else float("nan"),
        n_affected=int(affected.sum()),
        n_genes=int(kept.sum()),
    )
