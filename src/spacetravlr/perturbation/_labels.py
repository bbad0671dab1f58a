"""Labels of cells: columns of obs, and the cluster labels where there is no obs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, did_you_mean, listing

if TYPE_CHECKING:
    import pandas as pd


def labelled(column: str, obs: pd.DataFrame | None, labels: NDArray[Any] | None, n_cells: int) -> NDArray[Any]:
    """Return the labels ``(n_cells,)`` of a column of obs.

    Parameters
    ----------
    column
        Its name; ``cluster`` and ``cell_type`` mean `labels` where obs has no such column.
    obs
        Table of the cells, or None.
    labels
        ``(n_cells,)`` cluster labels, or None.
    n_cells
        Number of cells.

    Raises
    ------
    InputError
        If there is no such column, or it has another length.
    """
    if obs is not None and column in obs.columns:
        values = np.asarray(obs[column])
    elif column in ("cluster", "cell_type") and labels is not None:
        values = labels
    else:
        known = dict.fromkeys([*(map(str, obs.columns) if obs is not None else ()), "cluster"])
        hint = did_you_mean(str(column), known)
        raise InputError(f"cells cannot be grouped by {column!r}{hint}; known: {listing(known)}")
    if values.shape != (n_cells,):
        raise InputError(f"labels must have shape ({n_cells},), not {values.shape}")
    return values


def text_labels(values: NDArray[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as text, once each.

    Parameters
    ----------
    values
        ``(n,)`` text, numbers (3.0 is ``"3"``), truth values or a mixture; missing ones are ``""``.

    Returns
    -------
    ``(n,)`` number of each one's text, and the texts, sorted.
    """
    import pandas as pd

    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    texts = ["" if pd.isna(value) else _text(value) for value in distinct]
    known, place = np.unique(np.array(texts, dtype=object).astype(str), return_inverse=True)
    return place.reshape(-1)[codes].astype(np.int64), tuple(map(str, known))


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)
