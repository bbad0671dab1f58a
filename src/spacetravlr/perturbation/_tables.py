"""What an effect does to genes and groups of cells, as numbers and as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation._groups import Groups

if TYPE_CHECKING:
    import pandas as pd

    from spacetravlr.perturbation.effect import Effect

FloatArray = NDArray[np.float64]
# bytes of the arrays of one block of genes
_BLOCK = 32 << 20


@dataclass(frozen=True, eq=False)
class GroupStats:
    """Means over groups of cells; arrays ``(n_rows, n_groups)``, NaN for a group without cells.

    Attributes
    ----------
    delta, magnitude
        Mean change, and mean absolute change.
    before, after
        Mean expression.
    spread
        Standard deviation of the baseline.
    moved
        Share of cells whose change exceeds the limit.
    """

    delta: FloatArray
    magnitude: FloatArray
    before: FloatArray
    after: FloatArray
    spread: FloatArray
    moved: FloatArray


def group_stats(effect: Effect, rows: NDArray[np.int64], groups: Groups, *, changed: float = 0.0) -> GroupStats:
    """Return means over groups of cells.

    Parameters
    ----------
    effect
        The effect.
    rows
        ``(n_rows,)`` rows of `Effect.values`.
    groups
        The groups.
    changed
        A cell counts as moved if its change exceeds this share of the gene's standard deviation in its group.

    Returns
    -------
    The means. Cost: one pass over the values, whatever the number of groups.
    """
    sizes = groups.sizes
    order, starts, filled = _sorted_cells(groups)
    counts = sizes[filled]
    out = np.full((6, len(rows), len(sizes)), np.nan)
    if not len(order):
        return GroupStats(*out)
    step = max(1, _BLOCK // (40 * len(order)))

    def means(values: NDArray[np.generic]) -> FloatArray:
        return np.add.reduceat(values, starts, axis=1, dtype=np.float64) / counts

    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        after = effect.values[part][:, order]
        before = np.asarray(effect.baseline[np.ix_(order, effect.columns[part])].T, dtype=np.float64)
        delta = after - before
        level = means(before)
        spread = np.sqrt(means(np.square(before - np.repeat(level, counts, axis=1))))
        moved = means(np.abs(delta) > np.repeat(changed * spread, counts, axis=1))
        found = (means(delta), means(np.abs(delta)), level, means(after), spread, moved)
        out[:, first : first + len(part), filled] = found
    return GroupStats(*out)


def mean_magnitude(
    baseline: NDArray[Any], columns: NDArray[np.int64], values: FloatArray, rows: NDArray[np.int64], groups: Groups
) -> FloatArray:
    """Return ``(n_rows, n_groups)`` mean absolute changes of some rows of simulated values; NaN without cells.

    Parameters
    ----------
    baseline
        ``(n_cells, n_genes)`` expression before.
    columns, values
        ``(n_changeable,)`` genes, and ``(n_changeable, n_cells)`` their simulated expression.
    rows
        ``(n_rows,)`` rows of `values`.
    groups
        The groups.
    """
    order, starts, filled = _sorted_cells(groups)
    out = np.full((len(rows), len(groups.labels)), np.nan)
    step = max(1, _BLOCK // (24 * max(1, len(order))))
    for first in range(0, len(rows) if len(order) else 0, step):
        part = rows[first : first + step]
        delta = values[part][:, order]
        delta -= baseline[np.ix_(order, columns[part])].T
        sums = np.add.reduceat(np.abs(delta, out=delta), starts, axis=1)
        out[first : first + len(part), filled] = sums / groups.sizes[filled]
    return out


def _sorted_cells(groups: Groups) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells sorted by group, where each group that has cells begins, and which groups these are."""
    inside = np.flatnonzero(groups.codes >= 0)
    order = inside[np.argsort(groups.codes[inside], kind="stable")]
    sizes = groups.sizes
    filled = np.flatnonzero(sizes)
    return order, np.concatenate([[0], np.cumsum(sizes[filled])])[:-1].astype(np.int64), filled


def changeable(effect: Effect, *, include_targets: bool) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return the rows of the genes that can change, with or without the perturbed ones, and their names."""
    perturbed = {target.gene for target in effect.targets}
    rows = [row for row, gene in enumerate(effect.columns) if include_targets or effect.genes[gene] not in perturbed]
    names = np.array([effect.genes[effect.columns[row]] for row in rows], dtype=object).astype(str)
    return np.array(rows, dtype=np.int64), names


def top_table(effect: Effect, groups: Groups, n: int, *, include_targets: bool) -> pd.DataFrame:
    """Return the genes that change most in each group (see `Effect.top`)."""
    rows, names = changeable(effect, include_targets=include_targets)
    stats = group_stats(effect, rows, groups)
    chosen, where = [], []
    for group in range(len(groups.labels)):
        order = np.lexsort((names, -stats.magnitude[:, group]))
        order = order[stats.magnitude[order, group] > 0][: max(n, 0)]
        chosen.append(order)
        where.append(np.full(len(order), group))
    gene, group_of = np.concatenate([*chosen]).astype(np.int64), np.concatenate(where).astype(np.int64)
    columns = {
        "mean_delta": stats.delta,
        "mean_abs_delta": stats.magnitude,
        "baseline_mean": stats.before,
        "simulated_mean": stats.after,
    }
    return _tidy(names, gene, groups, group_of, {name: values[gene, group_of] for name, values in columns.items()})


def differential_table(effect: Effect, groups: Groups, *, changed: float, include_targets: bool) -> pd.DataFrame:
    """Return effect sizes of every gene in every group (see `Effect.differential`)."""
    rows, names = changeable(effect, include_targets=include_targets)
    stats = group_stats(effect, rows, groups, changed=changed)
    whole = group_stats(effect, rows, Groups(None, ("",), np.where(groups.codes >= 0, 0, -1))).spread
    spread = np.where(stats.spread > 0, stats.spread, whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(spread > 0, stats.delta / spread, np.where(stats.delta == 0, 0.0, np.nan))
    sizes = groups.sizes
    parts, ranks = [], []
    for group in np.flatnonzero(sizes):
        # genes without any spread come after the others, by their mean change
        known = np.isfinite(size[:, group])
        strength = np.where(known, np.abs(size[:, group]), np.abs(stats.delta[:, group]))
        order = np.lexsort((names, -strength, ~known))
        order = order[stats.magnitude[order, group] > 0]
        parts.append((order, np.full(len(order), group)))
        ranks.append(np.arange(1, len(order) + 1))
    empty = np.empty(0, dtype=np.int64)
    gene = np.concatenate([empty, *(order for order, _ in parts)])
    group_of = np.concatenate([empty, *(group for _, group in parts)])
    at = (gene, group_of)
    table = {
        "n_cells": sizes[group_of],
        "mean_delta": stats.delta[at],
        "effect_size": size[at],
        "fraction_changed": stats.moved[at],
        "baseline_mean": stats.before[at],
        "baseline_sd": stats.spread[at],
        "simulated_mean": stats.after[at],
        "rank": np.concatenate([empty, *ranks]),
    }
    return _tidy(names, gene, groups, group_of, table)


def _tidy(
    names: NDArray[np.str_],
    gene: NDArray[np.int64],
    groups: Groups,
    group_of: NDArray[np.int64],
    values: dict[str, NDArray[np.generic]],
) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame({"gene": names[gene].astype(object)})
    if groups.name is not None:
        table[groups.name] = np.array(groups.labels, dtype=object)[group_of]
    return table.assign(**values)
