"""Why nothing follows a gene: whether some model listens to it, in the cells where that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._coefficients import Coefficients
from spacetravlr.perturbation._features import Features, IntArray


def why_unheard(
    gene: int,
    rows: IntArray,
    *,
    features: Features,
    coefficients: Coefficients,
    ligand_radii: Mapping[str, float],
    names: Sequence[str],
) -> str | None:
    """Return why a change of a gene cannot reach any model.

    A TF, receptor or regulator acts through the coefficients of the cells that it changes in; a ligand acts through
    those of all cells.

    Parameters
    ----------
    gene
        Index of the gene.
    rows
        The perturbed cells, original rows.
    features, coefficients
        The models.
    ligand_radii
        Radius of each ligand that is received.
    names
        Names of the genes.

    Returns
    -------
    The reason, or None if some model may answer.
    """
    n_models = len(coefficients.trained)
    if not n_models:
        return "there are no models"
    if gene not in features.named and gene not in features.modulators:
        return f"it is a modulator of none of the {n_models} models"
    mine = np.flatnonzero(_listening(gene, features))
    if not len(mine):
        return "it is a modulator, but all its coefficients are 0"
    received = np.array([name in ligand_radii for name in names])
    if gene in features.ligands and not received[gene]:
        return "it is a ligand without a radius, so no cell receives it"
    ligand = np.concatenate([np.full(len(features.tf), gene), features.lr_ligand, features.tfl_ligand])
    is_tf = np.arange(features.size) < len(features.tf)
    mine = mine[is_tf[mine] | received[ligand[mine]]]
    if not len(mine):
        return "the ligands of its pairs have no radius, so no cell receives them"
    if gene in features.ligands:
        return None
    if _any_coefficient(mine, rows, coefficients):
        return None
    return "all its coefficients are 0 in the clusters of the perturbed cells"


def _listening(gene: int, features: Features) -> NDArray[np.bool_]:
    return np.concatenate(
        [
            features.tf_gene == gene,
            (features.lr_ligand == gene) | (features.lr_receptor == gene),
            (features.tfl_ligand == gene) | (features.tfl_regulator == gene),
        ]
    )


def _any_coefficient(features: IntArray, rows: IntArray, coefficients: Coefficients) -> bool:
    """Say whether a feature has a coefficient other than 0 in some of the cells."""
    place = np.empty(len(coefficients.order), dtype=np.int64)
    place[coefficients.order] = np.arange(len(place))
    cells = place[rows]
    grouped = coefficients.grouped
    groups = np.unique(np.searchsorted(grouped.bounds, cells, side="right") - 1)
    if grouped.data[groups][:, np.isin(grouped.feature, features)].any():
        return True
    for model in coefficients.rowwise:
        columns = np.flatnonzero(np.isin(model.features, features))
        used = model.rows[cells]
        if len(columns) and model.values[np.ix_(used[used >= 0], columns)].any():
            return True
    return False
