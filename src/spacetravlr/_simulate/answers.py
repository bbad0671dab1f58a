"""The answer key: what every true edge does, in the units of the model's coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr._simulate.fields import Array
from spacetravlr._simulate.terms import KINDS, Indices, Terms

if TYPE_CHECKING:
    import pandas as pd


def modulator_columns(terms: Terms, expression: Array, received: Array) -> Array:
    """Return (n_cells, n_terms) columns of the linear model under test: E_T, r_L E_R and r_L E_T.

    Parameters
    ----------
    terms
        Which columns.
    expression
        (n_cells, n_genes).
    received
        (n_cells, n_genes) received ligands as that model defines them; only columns of ligands are read.
    """
    partner = np.where(terms.kind == 1, terms.receptor, terms.tf)
    columns = expression[:, partner]
    paired = np.flatnonzero(terms.ligand >= 0)
    columns[:, paired] *= received[:, terms.ligand[paired]]
    return columns


def edge_effects(
    values: Array, columns: Array, coefficients: Array, slopes: Array, cells_of: Sequence[Indices]
) -> Array:
    """Return the local linear effect of every edge: (n_types, n_terms, n_genes), expression per unit of the column.

    An edge adds ``a f`` to the input of its target. Its effect is the mean slope of the output there, times a, times
    the least-squares slope of the curved term f on the model's column x, each over the cells of the type:
    ``mean(dE/du) a cov(f, x) / var(x)``. It is what a regression would find if nothing else moved.

    Parameters
    ----------
    values
        (n_cells, n_terms), f.
    columns
        (n_cells, n_terms), x.
    coefficients
        (n_types, n_terms, n_genes), a.
    slopes
        (n_cells, n_genes), dE/du.
    cells_of
        The cells of every type.
    """
    effects = coefficients.copy()
    for code, cells in enumerate(cells_of):
        x = columns[cells] - columns[cells].mean(axis=0)
        variance = (x**2).sum(axis=0)
        slope = (x * values[cells]).sum(axis=0) / np.where(variance > 0.0, variance, np.inf)
        effects[code] *= slope[:, None] * slopes[cells].mean(axis=0)
    return effects


def spread_in_types(values: Array, cells_of: Sequence[Indices]) -> Array:
    """Return (n_types, k) standard deviations of the columns of (n_cells, k) values inside every type."""
    return np.stack([values[cells].std(axis=0) for cells in cells_of])


def edge_table(
    terms: Terms,
    genes: Sequence[str],
    labels: Sequence[str],
    effects: Array,
    *,
    sd_columns: Array,
    sd_genes: Array,
    pattern: Indices | None = None,
) -> pd.DataFrame:
    """Return one row for each edge and type in which it is active, ordered by target, modulator and type.

    Parameters
    ----------
    terms, genes, labels
        Names of terms, targets and types.
    effects
        (n_types, n_terms, n_genes), from `edge_effects`.
    sd_columns
        (n_types, n_terms) spread of the modulator columns.
    sd_genes
        (n_types, n_genes) spread of the targets.
    pattern
        (n_terms, n_genes) number of the factor on every edge, where coefficients depend on the position.

    Returns
    -------
    Columns target, modulator, kind, cell_type, effect, effect_sd = effect * sd(modulator) / sd(target), and, if given,
    pattern.
    """
    import pandas as pd

    target, term, code = np.nonzero(effects.transpose(2, 1, 0))
    effect = effects[code, term, target]
    sd_target = sd_genes[code, target]
    names = np.array(terms.names(genes), dtype=object)
    table = pd.DataFrame(
        {
            "target": np.array(genes, dtype=object)[target],
            "modulator": names[term],
            "kind": np.array(KINDS, dtype=object)[terms.kind[term]],
            "cell_type": np.array(labels, dtype=object)[code],
            "effect": effect,
            "effect_sd": effect * sd_columns[code, term] / np.where(sd_target > 0.0, sd_target, np.inf),
        }
    )
    if pattern is not None:
        table["pattern"] = pattern[term, target]
    return table
