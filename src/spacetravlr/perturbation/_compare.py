"""Two effects side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from spacetravlr.perturbation.effect import Effect

FloatArray = NDArray[np.float64]
_ROUNDING = 1e-12


def compare_effects(one: Effect, other: Effect) -> pd.DataFrame:
    """Return how two effects agree, gene by gene (see `Effect.compare`)."""
    import pandas as pd

    rows = _rows(one, other)
    mine, theirs = _moving(one), _moving(other)
    genes = sorted((mine.keys() | theirs.keys()) & set(one.genes) & set(other.genes))
    records = []
    for gene in genes:
        first = _delta(one, mine.get(gene), len(one.cells))
        second = _delta(other, theirs.get(gene), len(other.cells))[rows]
        if not first.any() and not second.any():
            continue
        difference = first - second
        records.append(
            (
                *(gene, _correlation(first, second)),
                *(first.mean(), second.mean(), np.abs(first).mean(), np.abs(second).mean()),
                np.sqrt(np.square(difference).mean()),
            )
        )
    columns = ["gene", "correlation", "mean_delta", "mean_delta_other", "mean_abs_delta", "mean_abs_delta_other"]
    table = pd.DataFrame(records, columns=[*columns, "rms_difference"])
    return table.sort_values(["rms_difference", "gene"], ascending=[False, True], ignore_index=True)


def _rows(one: Effect, other: Effect) -> slice | NDArray[np.int64]:
    """Return the rows of the cells of one effect in another."""
    if one.cells == other.cells:
        return slice(None)
    places = {cell: row for row, cell in enumerate(other.cells)}
    if len(one.cells) != len(places) or any(cell not in places for cell in one.cells):
        shared = len(places.keys() & set(one.cells))
        raise InputError(
            f"the effects are of different tissues ({len(one.cells)} and {len(other.cells)} cells, {shared} in both): "
            "compare effects of the same cells"
        )
    return np.array([places[cell] for cell in one.cells], dtype=np.int64)


def _moving(effect: Effect) -> dict[str, int]:
    return {effect.genes[gene]: row for row, gene in enumerate(effect.columns)}


def _delta(effect: Effect, row: int | None, n_cells: int) -> FloatArray:
    if row is None:
        return np.zeros(n_cells)
    delta: FloatArray = effect.values[row] - np.asarray(effect.baseline[:, effect.columns[row]], dtype=np.float64)
    return delta


def _correlation(one: FloatArray, other: FloatArray) -> float:
    """Return Pearson's correlation; NaN where one of the two does not vary but for rounding."""
    if any(np.ptp(values) <= _ROUNDING * np.abs(values).max() for values in (one, other)):
        return float("nan")
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / np.sqrt(np.square(one).sum() * np.square(other).sum()))
