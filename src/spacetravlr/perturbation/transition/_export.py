"""Transition fields in AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError
from spacetravlr.perturbation.transition._align import check_embedding, rows_by_name

if TYPE_CHECKING:
    import anndata

    from spacetravlr.perturbation.transition.field import TransitionField


def write_field(field: TransitionField, adata: anndata.AnnData, name: str, *, layer: bool) -> str:
    """Write a field; see `TransitionField.to_obsm`."""
    rows = rows_by_name(list(adata.obs_names), field.effect.cells, "the effect")
    velocity, basis = f"delta_{name}", field.basis.removeprefix("X_")
    positions = field.embedding[rows]
    held = next((key for key in (f"X_{basis}", basis) if key in adata.obsm), None)
    if held is not None:
        there = check_embedding(adata.obsm[held], adata.n_obs, f"obsm[{held!r}]")
        if not np.allclose(there, positions, rtol=1e-5, atol=1e-8):
            raise InputError(
                f"obsm[{held!r}] is not the embedding that the arrows belong to: compute the field with this one, "
                "or name its basis differently"
            )
    delta = _layer(field, adata, rows) if layer else None
    if held is None:
        adata.obsm[field.basis] = positions
    if delta is not None:
        adata.layers[velocity] = delta
    key = f"{velocity}_{basis}"
    adata.obsm[key] = field.cell_vectors[rows]
    known: dict[str, Any] = adata.uns.setdefault("spacetravlr", {})
    known.setdefault("transition_fields", {})[name] = _plain(field)
    return key


def _layer(field: TransitionField, adata: anndata.AnnData, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the change of the counted cells for the genes of an AnnData, written column by column."""
    effect = field.effect
    place = {str(gene): column for column, gene in enumerate(adata.var_names)}
    if not any(gene in place for gene in effect.genes):
        raise InputError("adata and the effect have no gene in common: compare var_names with the genes of the effect")
    delta = np.zeros(adata.shape, dtype=np.float32)
    still = None if field.in_scope is None else ~field.in_scope[rows]
    for values, gene in zip(effect.values, effect.columns, strict=True):
        column = place.get(effect.genes[gene])
        if column is not None:
            change = values[rows] - effect.baseline[rows, gene]
            if still is not None:
                change[still] = 0.0
            delta[:, column] = change
    return delta


def _plain(field: TransitionField) -> dict[str, Any]:
    """Return the settings as h5ad files take them: arrays for pairs."""
    params = {name: np.array(value) if isinstance(value, tuple) else value for name, value in field.params.items()}
    return {"basis": field.basis, **params}
