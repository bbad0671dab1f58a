"""Coefficients that depend on where a cell lies: how strong every edge is in every cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spacetravlr._simulate.fields import Array, SmoothField
from spacetravlr._simulate.received import gaussian_mean
from spacetravlr._simulate.terms import Indices

PositionPattern = Literal["density", "field"]

_FIELD_LENGTH = 250.0
_NEIGHBOURHOOD = 0.5
"""Reach of the density that acts on the coefficients, in radii of the ligands: narrower than what is received."""


@dataclass(frozen=True)
class Modulation:
    """Factors on the coefficients.

    Attributes
    ----------
    factors
        (n_cells, n_patterns), around 1 inside every type, between 0 and 2.
    pattern
        (n_terms, n_genes), which factor acts on an edge.
    """

    factors: Array
    pattern: Indices

    @classmethod
    def draw(
        cls,
        xy: Array,
        cells_of: Sequence[Indices],
        *,
        shape: tuple[int, int],
        strength: float,
        kind: PositionPattern,
        radius: float,
        rng: np.random.Generator,
    ) -> Modulation:
        """Draw which pattern acts on which edge.

        A pattern is ``1 + strength tanh(z)``: z is, inside every type, the standardised Gaussian density of the cells
        of one type around the cell (as many patterns as types), or a smooth random field.

        Parameters
        ----------
        xy
            (n_cells, 2), micrometres.
        cells_of
            The cells of every type.
        shape
            (n_terms, n_genes).
        strength
            0 (none) to 1 (from nothing to double).
        kind
            Where the patterns come from.
        radius
            Reach of the ligands, micrometres.
        rng
            Source of the randomness.
        """
        if kind == "density":
            present = np.zeros((len(xy), len(cells_of)))
            for code, cells in enumerate(cells_of):
                present[cells, code] = 1.0
            raw = gaussian_mean(xy, _NEIGHBOURHOOD * radius).apply(present)
        else:
            raw = np.column_stack([SmoothField.draw(_FIELD_LENGTH, rng).at(xy) for _ in cells_of])
        factors = np.ones_like(raw)
        for cells in cells_of:
            centred = raw[cells] - raw[cells].mean(axis=0)
            sd = centred.std(axis=0)
            shift = np.tanh(centred / np.where(sd > 0.0, sd, 1.0))
            factors[cells] += strength * shift
        return cls(factors, rng.integers(factors.shape[1], size=shape))

    def combine(self, values: Array, cells: Indices, weights: Array, pattern: Indices) -> Array:
        """Return the modulated sum of the terms in some cells: (len(cells), n_genes).

        Parameters
        ----------
        values
            (len(cells), n_terms) of these cells.
        cells
            Their indices.
        weights, pattern
            (n_terms, n_genes) coefficients of the type of these cells, and the pattern of every edge.
        """
        total = np.zeros((len(cells), weights.shape[1]))
        for number in range(self.factors.shape[1]):
            chosen = np.where(pattern == number, weights, 0.0)
            total += self.factors[cells, number, None] * (values @ chosen)
        return total
