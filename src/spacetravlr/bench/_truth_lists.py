"""What a reader of coefficients sees: how many at the top of the list are right, and how many false ones look real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.bench._edges import Kind, kind_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.betas import Betas

    Array = NDArray[np.float64]

_LOOKS_REAL = 0.1
"""Standardised coefficient, |beta| sd(x) / sd(y), from which on an edge is taken for real."""

_FIRST = 0.25
"""How long the list is, in numbers of true edges."""


def edge_lists(
    betas: Mapping[str, Betas],
    edges: pd.DataFrame,
    *,
    candidates: Mapping[str, Sequence[str]],
    row_names: Mapping[str, str],
    sd_x: Mapping[str, Array],
    sd_y: Mapping[str, Array],
    stability: Mapping[str, Array] | None,
) -> dict[str, float]:
    """Return, by kind of edge, how far a list of edges can be trusted.

    Parameters
    ----------
    betas
        Target -> coefficients, a row per cluster; all tables have the same rows.
    edges
        The true ones: target, modulator, cell_type.
    candidates
        Target -> names of what it was offered.
    row_names
        Row label -> cell type, in the order of the arrays below.
    sd_x, sd_y
        Modulator (target) -> (n_clusters,) standard deviations.
    stability
        Target -> (n_clusters, n_modulators) in the layout of its table, or None.

    Returns
    -------
    ``top_TF``, ``top_LR``, ``top_TFL``
        share of true edges among the first ones of the list by |beta| sd(x) / sd(y) x stability, as many as a quarter
        of the true ones;
    ``false_TF``, ...
        share of the candidates that are not true whose |beta| sd(x) / sd(y) exceeds 0.1.

    A kind without true edges has no ``top``.
    """
    true = set(zip(edges["target"], edges["modulator"], edges["cell_type"], strict=True))
    sizes: dict[Kind, list[tuple[float, float, bool]]] = {}
    for target, names in candidates.items():
        table = betas.get(target)
        at = {} if table is None else {name: column for column, name in enumerate(table.modulators)}
        firm = None if stability is None or table is None else np.asarray(stability[target])
        for row, (label, cell_type) in enumerate(row_names.items()):
            spread = float(sd_y[target][row])
            own = -1 if table is None else table.row_labels.index(label)
            for name in names:
                size = score = 0.0
                if table is not None and name in at and spread > 0.0:
                    size = abs(float(table.values[own, at[name]])) * float(sd_x[name][row]) / spread
                    score = size if firm is None else size * float(firm[own, at[name]])
                entry = (size, score, (target, name, cell_type) in true)
                sizes.setdefault(kind_of(name), []).append(entry)
    return {name: value for kind, entries in sizes.items() for name, value in _of_kind(kind, entries).items()}


def _of_kind(kind: Kind, entries: Sequence[tuple[float, float, bool]]) -> dict[str, float]:
    size, score, is_true = (np.array(column) for column in zip(*entries, strict=True))
    out: dict[str, float] = {}
    if not is_true.all():
        out[f"false_{kind}"] = float((size[~is_true] > _LOOKS_REAL).mean())
    length = round(_FIRST * int(is_true.sum()))
    if length:
        first = np.argsort(-score, kind="stable")[:length]
        out[f"top_{kind}"] = float((is_true[first] & (score[first] > 0.0)).mean())
    return out
