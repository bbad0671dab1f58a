"""What a simulated effect says: columns, top genes, distance rings, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError
from spacetravlr.perturbation import Effect
from spacetravlr.viewer._problem import ProblemError

_TINY = 1e-12


def delta_column(effect: Effect, gene: str) -> NDArray[np.float64]:
    """Return ``(n_cells,)`` change of a gene.

    Raises
    ------
    ProblemError
        404 for a gene that is not measured.
    """
    try:
        return effect.gene(gene) - np.asarray(effect.baseline[:, effect.genes.index(gene)], dtype=np.float64)
    except (InputError, ValueError) as error:
        raise ProblemError(404, f"gene {gene[:100]!r} is not measured", code="no_such_gene") from error


def effect_size(effect: Effect) -> int:
    """Return the bytes that an effect holds beside its baseline."""
    return int(effect.values.nbytes + sum(16 * len(one.rows) for one in effect.interventions))


def scope_mask(effect: Effect) -> NDArray[np.bool_]:
    """Return ``(n_cells,)`` cells in which something was done."""
    mask = np.zeros(len(effect.cells), dtype=bool)
    for item in effect.interventions:
        mask[item.rows] = True
    return mask


def gene_stats(effect: Effect, rows: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
    """Return means of every changeable gene over all or some cells.

    Returns
    -------
    ``gene`` (names), ``mean_delta``, ``mean_abs_delta``, ``max_abs_delta``, ``baseline_mean``. Cost: one pass, gene by
    gene, so no array of cells x genes is made.
    """
    names = np.array(effect.genes, dtype=object)[effect.columns]
    out = np.zeros((4, len(names)))
    for place, column in enumerate(effect.columns):
        before = np.asarray(effect.baseline[:, column], dtype=np.float64)
        delta = effect.values[place] - before
        if rows is not None:
            delta, before = delta[rows], before[rows]
        if len(delta):
            size = np.abs(delta)
            out[:, place] = delta.mean(), size.mean(), size.max(), before.mean()
    return {
        "gene": names,
        "mean_delta": out[0],
        "mean_abs_delta": out[1],
        "max_abs_delta": out[2],
        "baseline_mean": out[3],
    }


def top_changes(stats: dict[str, NDArray[Any]], n: int, *, by: str) -> list[dict[str, Any]]:
    """Return the genes of largest change, with the sign of their mean."""
    order = sorted(range(len(stats["gene"])), key=lambda at: (-stats[by][at], stats["gene"][at]))
    return [
        {
            **{name: values[at] if name == "gene" else float(values[at]) for name, values in stats.items()},
            "direction": "up" if stats["mean_delta"][at] > 0 else "down" if stats["mean_delta"][at] < 0 else "none",
        }
        for at in order[:n]
        if stats["max_abs_delta"][at] > _TINY
    ]


def summary(effect: Effect, scope: dict[str, Any], *, n: int = 50) -> dict[str, Any]:
    """Return what a page shows when a perturbation is done."""
    stats = gene_stats(effect)
    return {
        "targets": [{"gene": one.gene, "dose": one.dose.label} for one in effect.targets],
        "scope": scope,
        "n_cells_perturbed": int(scope_mask(effect).sum()),
        "n_propagation": effect.n_propagation,
        "profile": effect.profile,
        "notes": list(effect.notes),
        "steps": [change.norm for change in effect.changes],
        "genes_changed": int((stats["max_abs_delta"] > _TINY).sum()),
        "top": top_changes(stats, n, by="max_abs_delta"),
    }


def grouped_top(
    effect: Effect, labels: tuple[str, ...], codes: NDArray[np.int64], n: int, *, include_targets: bool
) -> list[dict[str, Any]]:
    """Return the genes that change most in each group of cells.

    Parameters
    ----------
    effect
        The effect.
    labels, codes
        Names of the groups, and ``(n_cells,)`` the group of each cell, -1 for none.
    n
        Genes of each group.
    include_targets
        Whether to list the perturbed genes too.
    """
    groups = []
    targets = {one.gene for one in effect.targets}
    sizes = np.bincount(codes[codes >= 0], minlength=len(labels))
    table = _group_means(effect, codes, len(labels))
    names = [effect.genes[column] for column in effect.columns]
    for group in range(len(labels)):
        if not sizes[group]:
            continue
        mean, magnitude, before = table[:, :, group]
        order = sorted(range(len(names)), key=lambda at, size=magnitude: (-size[at], names[at]))  # type: ignore[misc]
        genes = [
            {
                "gene": names[at],
                "mean_delta": float(mean[at]),
                "mean_abs_delta": float(magnitude[at]),
                "baseline_mean": float(before[at]),
            }
            for at in order
            if magnitude[at] > _TINY and (include_targets or names[at] not in targets)
        ]
        groups.append({"label": labels[group], "n_cells": int(sizes[group]), "genes": genes[:n]})
    return groups


def rings(effect: Effect, gene: str) -> list[dict[str, Any]]:
    """Return the mean change of a gene in the perturbed cells and in rings around them.

    Raises
    ------
    ProblemError
        404 for an unknown gene.
    InputError, UsageError
        If no perturbed cell has a position, or there is no radius.
    """
    from spacetravlr.perturbation._groups import distance_rings

    delta = delta_column(effect, gene)
    groups = distance_rings(effect)
    found = []
    for code, label in enumerate(groups.labels):
        own = delta[groups.codes == code]
        low, high = _edges(label)
        entry = {"from": low, "to": high, "n_cells": len(own), "label": label}
        found.append({**entry, "mean_delta": float(own.mean()), "mean_abs_delta": float(np.abs(own).mean())})
    return found


def _edges(label: str) -> tuple[float | None, float | None]:
    if label == "perturbed":
        return 0.0, 0.0
    if label.startswith(">"):
        return float(label[1:]), None
    low, _, high = label.rpartition("-")
    return float(low), float(high)


def _group_means(effect: Effect, codes: NDArray[np.int64], n_groups: int) -> NDArray[np.float64]:
    """Return ``(3, n_changeable, n_groups)``: mean change, mean absolute change, mean before."""
    member = codes >= 0
    own = codes[member]
    sizes = np.maximum(np.bincount(own, minlength=n_groups), 1)
    out = np.zeros((3, len(effect.columns), n_groups))
    for place, column in enumerate(effect.columns):
        before = np.asarray(effect.baseline[:, column], dtype=np.float64)
        delta = effect.values[place] - before
        for kind, values in enumerate((delta, np.abs(delta), before)):
            out[kind, place] = np.bincount(own, weights=values[member], minlength=n_groups) / sizes
    return out
