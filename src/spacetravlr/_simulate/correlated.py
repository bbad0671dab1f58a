"""Modulators that vary together, as genes of one programme do."""

from __future__ import annotations

import numpy as np

from spacetravlr._simulate.fields import Array, SmoothField, standardised
from spacetravlr._simulate.terms import Indices

_FIELD_LENGTH = 250.0
_SMOOTH = 0.5
"""Part of the variance of the programme that is a smooth field; the rest is each cell's own."""


def correlate(draws: Array, genes: Indices, share: float, *, xy: Array, rng: np.random.Generator) -> None:
    """Let some genes share a part of their draws, in place; the spread of every gene stays what it was.

    The draws e of a gene become ``sqrt(1 - share) e + sqrt(share) sd(e) F`` with one programme F for all of them, half
    a smooth field and half noise of the cell. So the draws of any two of the genes correlate by `share`, besides what
    they had in common before.

    Parameters
    ----------
    draws
        (n_cells, n_genes), input units.
    genes
        Columns that take part.
    share
        0 to 1.
    xy
        (n_cells, 2), micrometres.
    rng
        Source of the randomness.
    """
    field = standardised(SmoothField.draw(_FIELD_LENGTH, rng).at(xy)[:, None])[:, 0]
    programme = np.sqrt(_SMOOTH) * field + np.sqrt(1.0 - _SMOOTH) * rng.standard_normal(len(xy))
    programme = standardised(programme[:, None])[:, 0]
    own = draws[:, genes]
    size = own.std(axis=0)
    mixed = np.sqrt(1.0 - share) * own + np.sqrt(share) * size * programme[:, None]
    # two smooth patterns may happen to be alike
    draws[:, genes] = mixed * (size / mixed.std(axis=0))
