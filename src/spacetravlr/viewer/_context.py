"""Cell context: which ligand-receptor pairs connect a cell with its neighbours, for one gene of interest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.prior import Modulators, PriorNetwork

MOST_LIGANDS = 120
"""Ligands kept, those of the highest expression in the sender."""
MOST_EDGES = 48
"""Edges of one neighbour."""
MOST_WITHIN = 500
"""Neighbours within a radius."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The neighbours of a cell, nearest first (of cells at one distance that of lower index)."""

    rows: NDArray[np.int64]
    squared: NDArray[np.float64]


def neighbours(
    tree: Any, placed: NDArray[np.int64], xy: NDArray[np.float64], cell: int, *, k: int | None, radius: float | None
) -> Neighbours:
    """Return the neighbours of a cell, itself not among them.

    Parameters
    ----------
    tree, placed
        A tree of the cells that have a position, and their rows.
    xy
        ``(n, 2)`` positions.
    cell
        The row.
    k
        How many; None takes all within the radius, at most `MOST_WITHIN`.
    radius
        Distance up to which, inclusive.
    """
    reach = float(radius or 0.0)
    if not np.isfinite(xy[cell]).all():
        return Neighbours(np.empty(0, dtype=np.int64), np.empty(0))
    if k is None:
        found = np.asarray(tree.query_ball_point(xy[cell], reach * (1 + 1e-9)), dtype=np.int64)
    else:
        # some more, so that ties at the end are settled by index
        several = min(len(placed), k + 65)
        found = np.atleast_1d(np.asarray(tree.query(xy[cell], k=several)[1], dtype=np.int64))
    rows = placed[found]
    rows = np.sort(rows[rows != cell])
    squared = ((xy[rows] - xy[cell]) ** 2).sum(axis=1)
    if k is None:
        inside = squared <= reach * reach
        rows, squared = rows[inside], squared[inside]
    order = np.argsort(squared, kind="stable")[: MOST_WITHIN if k is None else k]
    return Neighbours(rows[order], squared[order])


def context_modulators(
    network: PriorNetwork, gene: str, expression: Mapping[str, float], *, cutoff: float
) -> Modulators:
    """Return what may act on a gene, given what the sender expresses.

    All ligand-receptor pairs of the network that do not touch the gene, of the 120 ligands that the sender expresses
    most, sorted by their text; regulators of the gene; and for each regulator the five strongest of those ligands.
    """
    return network.modulators(gene, tf_ligand_cutoff=cutoff, max_ligands=MOST_LIGANDS, gene_means=dict(expression))


def edges_between(
    pairs: Sequence[tuple[str, str]],
    sends: Mapping[str, float],
    receives: Mapping[str, float],
    *,
    threshold: float,
) -> list[tuple[str, str, float, float, float]]:
    """Return the pairs whose ligand is sent and whose receptor is there, strictly above the threshold.

    Returns
    -------
    Ligand, receptor, expression of both, and the square root of their product.
    """
    found = []
    for ligand, receptor in pairs:
        sent, taken = sends[ligand], receives[receptor]
        if sent > threshold and taken > threshold:
            found.append((ligand, receptor, sent, taken, float(np.sqrt(sent * taken))))
    return found


def linked_tf(
    modulators: Modulators, expression: Mapping[str, float], *, threshold: float
) -> dict[str, tuple[str, float]]:
    """Return, for each ligand, the regulator joined to it by a ligand-TF pair that a cell expresses most.

    Only where that is strictly above the threshold; of equal ones the first.
    """
    best: dict[str, tuple[str, float]] = {}
    for ligand, tf in zip(modulators.tfl_ligands, modulators.tfl_regulators, strict=True):
        value = expression[tf]
        if value > threshold and (ligand not in best or value > best[ligand][1]):
            best[ligand] = tf, value
    return best


def strongest(
    edges: list[tuple[str, str, float, float, float]], most: int = MOST_EDGES
) -> list[tuple[str, str, float, float, float]]:
    """Return the edges of largest support, then by ligand and receptor."""
    return sorted(edges, key=lambda edge: (-edge[4], edge[0], edge[1]))[:most]
