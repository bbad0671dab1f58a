"""A short text that changes when a model would give other results."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spacetravlr.perturbation.model import PropagationModel

# rows of a table by cell that are looked at: such tables may be larger than the memory
_SAMPLED_ROWS = 256


def fingerprint(model: PropagationModel) -> str:
    """Return 16 hexadecimal digits that tell models apart by their content.

    They depend on names, coordinates, labels, profile, settings, coefficients (of tables by cell: of some rows) and on
    the observed range of every gene, not on file names or dates. Cost: one pass over coefficients and coordinates.

    Parameters
    ----------
    model
        The model.
    """
    engine = model._engine
    rules, coefficients = engine.rules, engine.rules.coefficients
    digest = hashlib.sha256()

    def add(*arrays: NDArray[np.generic]) -> None:
        for array in arrays:
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())

    masks = engine.tissue.masks, engine.tissue.reception.masks
    words = (engine.profile, model._settings, rules.scale, sorted(model.ligand_radii.items()))
    for text in (*map(repr, words), *model.genes, *model.cells):
        digest.update(text.encode() + b"\0")
    add(model.xy, engine.expression.lowest, engine.expression.highest, coefficients.order, coefficients.trained)
    features, grouped = rules.features, coefficients.grouped
    add(features.tf, features.lr_ligand, features.lr_receptor, features.tfl_ligand, features.tfl_regulator)
    add(grouped.bounds, grouped.feature, grouped.target, grouped.data)
    for table in coefficients.rowwise:
        step = max(1, len(table.values) // _SAMPLED_ROWS)
        add(table.features, table.rows[::step], table.values[::step])
    add(*(mask for mask in masks if mask is not None))
    if model.samples is not None:
        add(model.samples)
    return digest.hexdigest()[:16]
