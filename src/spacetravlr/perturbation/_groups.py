"""Groups of cells: by label, or by distance from the perturbed cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError
from spacetravlr.perturbation._labels import labelled, text_labels

if TYPE_CHECKING:
    import pandas as pd

    from spacetravlr.perturbation.effect import Effect

_DEFAULT_RINGS = (0.25, 0.5, 1.0, 2.0)
"""Outer edges of the rings around the perturbed cells, in radii."""


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of cells.

    Attributes
    ----------
    name
        What the groups are called in tables; None for one group of all cells, which tables do not name.
    labels
        ``(n_groups,)`` their names, in the order of tables.
    codes
        ``(n_cells,)`` group of each cell, -1 for none.
    """

    name: str | None
    labels: tuple[str, ...]
    codes: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """``(n_groups,)`` cells in each group."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.labels)).astype(np.int64)


def group_cells(effect: Effect, by: str | NDArray[Any] | None, rings: Sequence[float] | None = None) -> Groups:
    """Return the groups that a table is to be made of.

    Parameters
    ----------
    effect
        The effect.
    by
        None, the name of a column of obs (or ``"cluster"``, ``"cell_type"``, ``"ring"``), or ``(n_cells,)`` labels.
    rings
        Edges of the rings, in coordinate units; see `distance_rings`.

    Raises
    ------
    InputError
        If `by` is no known grouping, or there is nothing from which distances could be measured.
    UsageError
        If rings are given for another grouping.
    """
    if isinstance(by, str) and by == "ring":
        return distance_rings(effect, rings)
    if rings is not None:
        raise UsageError("rings are edges of distance rings: give them with by='ring'")
    return label_groups(by, len(effect.cells), effect.obs, effect.labels)


def label_groups(
    by: str | NDArray[Any] | None, n_cells: int, obs: pd.DataFrame | None, labels: NDArray[Any] | None
) -> Groups:
    """Return the groups of cells that share a label, sorted by label (see `group_cells`)."""
    if by is None:
        return Groups(None, ("",), np.zeros(n_cells, dtype=np.int64))
    values = labelled(by, obs, labels, n_cells) if isinstance(by, str) else np.asarray(by)
    if values.shape != (n_cells,):
        raise InputError(f"labels must have shape ({n_cells},), not {values.shape}")
    codes, known = text_labels(values)
    return Groups(by if isinstance(by, str) else "group", known, codes)


def distance_rings(effect: Effect, rings: Sequence[float] | None = None) -> Groups:
    """Return the perturbed cells, and rings of cells by the distance to the nearest perturbed cell.

    Parameters
    ----------
    effect
        The effect, with coordinates and what was done where.
    rings
        Ascending edges in coordinate units, the inner one 0 (it may be left out); a last ring holds what is beyond.
        None takes 0.25, 0.5, 1 and 2 radii.

    Returns
    -------
    The groups ``perturbed``, ``0-50``, ``50-100``, ..., ``>400``; those without cells are left out. A cell on an edge
    is in the inner ring. Cells without a position are in no group, nor are those of pieces of tissue (samples) in
    which no cell is perturbed: the nearest perturbed cell is looked for in the same piece only.

    Raises
    ------
    InputError
        If no perturbed cell has a position, or the edges do not ascend.
    UsageError
        If coordinates, or a radius for the default edges, are missing.
    """
    from scipy.spatial import cKDTree

    if effect.xy is None:
        raise UsageError("distance rings need the coordinates of the cells, which this effect does not hold")
    edges = _edges(effect, rings)
    placed = np.isfinite(effect.xy).all(axis=1)
    perturbed = np.zeros(len(effect.cells), dtype=bool)
    for item in effect.interventions:
        perturbed[item.rows] = True
    if not (perturbed & placed).any():
        raise InputError("there are no distance rings: no cell with a position is perturbed")
    codes = np.where(perturbed & placed, 0, -1)
    samples = np.zeros(len(effect.cells), dtype=np.int64) if effect.samples is None else effect.samples
    for sample in np.unique(samples[perturbed & placed]):
        sources = effect.xy[perturbed & placed & (samples == sample)]
        others = np.flatnonzero(placed & ~perturbed & (samples == sample))
        if len(others):
            distance = cKDTree(sources).query(effect.xy[others])[0]
            codes[others] = 1 + np.searchsorted(edges[1:], distance, side="left")
    names = ("perturbed", *(f"{low:g}-{high:g}" for low, high in pairwise(edges)), f">{edges[-1]:g}")
    used = np.unique(codes[codes >= 0])
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    return Groups("ring", tuple(names[code] for code in used), place[codes])


def _edges(effect: Effect, rings: Sequence[float] | None) -> NDArray[np.float64]:
    if rings is None:
        if effect.radius is None:
            raise UsageError("this effect knows no radius: give the edges of the rings in coordinate units")
        return effect.radius * np.array([0.0, *_DEFAULT_RINGS])
    edges = np.asarray(list(rings), dtype=np.float64)
    edges = edges[np.isfinite(edges)] if len(edges) and edges[-1] == np.inf else edges
    if len(edges) and edges[0] != 0:
        edges = np.concatenate([[0.0], edges])
    if len(edges) < 2 or not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
        raise InputError(f"the edges of rings must be positive and ascend, for example [50, 100, 200], not {rings!r}")
    return edges
