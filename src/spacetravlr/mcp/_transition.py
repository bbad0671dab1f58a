"""A field of arrows in words: which way the cells of each type go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.mcp._api import part
from spacetravlr.mcp._blocks import blocks
from spacetravlr.mcp._desk import Desk, categories
from spacetravlr.mcp._models import Drift, Transition
from spacetravlr.mcp._text import count, joined, number, signed, table

Floats = NDArray[np.float64]


async def summarise(desk: Desk, meta: dict[str, Any], job: str, *, field_job: str, embedding: str) -> Transition:
    """Return which way the cells of each type go in a field that is done."""
    points, vectors = (
        one.astype(np.float64) for one in blocks((await desk.api.content(f"/jobs/{part(field_job)}/field")).body)
    )
    own = blocks((await desk.api.content(f"/columns/obsm/{part(embedding)}", dtype="f32")).body)[0]
    column = meta["cell_type_column"] or meta["cluster_column"]
    labels = categories(meta, column)
    codes = blocks((await desk.api.content(f"/columns/obs/{part(column)}")).body)[0][:, 0].astype(np.int64)
    types = drifts(points, vectors, own[:, :2].astype(np.float64), codes, labels)
    moving = (vectors != 0).any(axis=1)
    return Transition(
        job=job,
        field_job=field_job,
        embedding=embedding,
        n_arrows=int(moving.sum()),
        largest=float(np.hypot(*vectors.T).max(initial=0.0)),
        types=types,
    )


def drifts(points: Floats, vectors: Floats, places: Floats, codes: NDArray[np.int64], labels: list[str]) -> list[Drift]:
    """Return the mean arrow of each type, the longest first; a cell has the arrow of the nearest grid point.

    Parameters
    ----------
    points, vectors
        ``(n_points, 2)`` the grid and its arrows.
    places, codes
        ``(n_cells, 2)`` and ``(n_cells,)`` where the cells are, and their types, as places in `labels`.
    """
    from scipy.spatial import cKDTree

    known = np.isfinite(places).all(axis=1)
    arrows = np.zeros_like(places)
    arrows[known] = vectors[cKDTree(points).query(places[known])[1]]
    members = [np.flatnonzero(known & (codes == code)) for code in range(len(labels))]
    centres = np.array([places[rows].mean(axis=0) if len(rows) else (np.nan, np.nan) for rows in members])
    found = []
    for code, rows in enumerate(members):
        if not len(rows):
            continue
        mean, lengths = arrows[rows].mean(axis=0), np.hypot(*arrows[rows].T)
        length = float(lengths.mean())
        found.append(
            Drift(
                label=labels[code],
                n_cells=len(rows),
                mean_x=float(mean[0]),
                mean_y=float(mean[1]),
                length=length,
                coherence=float(np.hypot(*mean)) / length if length > 0 else 0.0,
                towards=_towards(mean, centres, code, labels),
            )
        )
    return sorted(found, key=lambda one: (-one.length, one.label))


def _towards(mean: Floats, centres: Floats, own: int, labels: list[str]) -> str | None:
    """Return the type whose centre lies within 60 degrees of an arrow, the best aligned one."""
    steps = centres - centres[own]
    distance, size = np.hypot(*steps.T), float(np.hypot(*mean))
    possible = np.isfinite(distance) & (distance > 0)
    if size == 0 or not possible.any():
        return None
    cosine = np.full(len(labels), -1.0)
    cosine[possible] = steps[possible] @ mean / (distance[possible] * size)
    best = int(cosine.argmax())
    return labels[best] if cosine[best] > 0.5 else None


def transition_text(found: Transition) -> str:
    """Return a field in words."""
    head = (
        f"Arrows of perturbation {found.job} on {found.embedding}: {count(found.n_arrows, 'grid point')} with arrows, "
        f"the longest {number(found.largest)}, in units of the embedding (their scale means nothing by itself)."
    )
    rows = []
    for one in found.types:
        mean = f"({signed(one.mean_x)}, {signed(one.mean_y)})"
        cells = (one.label, f"{one.n_cells:,}", number(one.length), mean, number(one.coherence), one.towards or "-")
        rows.append(cells)
    columns = ("type", "cells", "mean length", "mean arrow", "coherence", "towards")
    last = "Coherence: 1 if all arrows of a type point the same way, 0 if they cancel. Field job: "
    return joined(head, table(columns, rows), f"{last}{found.field_job}.")
