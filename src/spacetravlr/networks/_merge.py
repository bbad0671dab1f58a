"""From the edges of several sources to one network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spacetravlr.networks._ledger import Ledger
from spacetravlr.prior import EDGE_TYPES

_KEYS = ["edge_type", "source", "target"]


@dataclass(frozen=True)
class Part:
    """The edges of one source."""

    frame: pd.DataFrame
    ledger: Ledger
    weight: float


def prune_ligands(parts: Sequence[Part]) -> list[Part]:
    """Leave out ligand -> TF edges that training would ignore.

    It looks at those whose ligand has a receptor and whose TF regulates a gene. Where the sources have no edges of that
    kind at all, nothing is known about it, and all stay.
    """
    tfs, ligands = names_of(parts, "grn"), names_of(parts, "lr")
    pruned = []
    for part in parts:
        frame = part.frame
        mine = frame["edge_type"] == "nichenet"
        no_tf = mine & ~frame["target"].isin(tfs) if tfs else mine & False
        part.ledger.lose("the target is no TF of the network", int(no_tf.sum()))
        no_ligand = mine & ~no_tf & ~frame["source"].isin(ligands) if ligands else mine & False
        part.ledger.lose("no pair of the network has the ligand", int(no_ligand.sum()))
        pruned.append(Part(frame[~(no_tf | no_ligand)].reset_index(drop=True), part.ledger, part.weight))
    return pruned


def names_of(parts: Sequence[Part], edge_type: str) -> frozenset[str]:
    """Return the sources (TFs, ligands) of all edges of a type."""
    return frozenset(
        name for part in parts for name in part.frame.loc[part.frame["edge_type"] == edge_type, "source"].unique()
    )


def merge(parts: Sequence[Part], *, min_support: float) -> pd.DataFrame:
    """Put the edges of all sources together.

    Parameters
    ----------
    parts
        Edges of each source, each edge once.
    min_support
        TF -> target and ligand -> receptor edges need this much weight from their sources together.

    Returns
    -------
    Columns source, target, edge_type, weight, signaling (if known of any), sources (names joined by `;`). Edge types in
    the order of the specification, then edges as they first occur. The weight of a TF -> target or ligand -> receptor
    edge is the sum of the weights of its sources, that of a ligand -> TF edge the largest of source weight times value.
    """
    total = pd.concat(
        [
            part.frame.assign(
                origin=number,
                weight=np.where(
                    part.frame["edge_type"] == "nichenet",
                    part.weight * part.frame["weight"].fillna(1.0),
                    part.weight * part.frame["share"],
                ),
            )
            for number, part in enumerate(parts)
        ],
        ignore_index=True,
    )
    total["edge_type"] = pd.Categorical(total["edge_type"], categories=EDGE_TYPES)
    edge = total.groupby(_KEYS, sort=False, observed=True).ngroup().to_numpy()
    n = int(edge.max()) + 1 if len(edge) else 0
    _, first = np.unique(edge, return_index=True)
    weights = total["weight"].to_numpy(np.float64)
    summed = np.bincount(edge, weights=weights, minlength=n)
    largest = np.full(n, -np.inf)
    np.maximum.at(largest, edge, weights)
    edges = total.iloc[first][["source", "target", "edge_type"]].reset_index(drop=True)
    nichenet = (edges["edge_type"] == "nichenet").to_numpy()
    edges["weight"] = np.where(nichenet, largest, summed)
    edges["signaling"] = _first_known(total["signaling"], edge, n)
    edges["sources"] = _names(total["origin"].to_numpy(), edge, n, [part.ledger.name for part in parts])
    # a hair of tolerance, so that three thirds make one
    kept = nichenet | (edges["weight"].to_numpy() >= min_support - 1e-9)
    for number, part in enumerate(parts):
        mine = edge[total["origin"].to_numpy() == number]
        part.ledger.lose(f"support below {min_support:g}", int((~kept[mine]).sum()))
        part.ledger.kept = int(kept[mine].sum())
    edges = edges[kept].sort_values("edge_type", kind="stable").reset_index(drop=True)
    if edges["signaling"].isna().all():
        edges = edges.drop(columns="signaling")
    return edges.assign(edge_type=edges["edge_type"].astype(object))


def _first_known(column: pd.Series, edge: np.ndarray, n: int) -> list[str | None]:
    found: list[str | None] = [None] * n
    known = column.notna().to_numpy()
    for at, value in zip(edge[known][::-1], column[known].to_numpy()[::-1], strict=True):
        found[at] = value
    return found


def _names(origin: np.ndarray, edge: np.ndarray, n: int, names: Sequence[str]) -> list[str]:
    """Return for each edge the names of its sources; there are few combinations, so they are made once each."""
    order = np.lexsort((origin, edge))
    starts = np.searchsorted(edge[order], np.arange(n + 1))
    made: dict[bytes, str] = {}
    found = []
    for start, stop in itertools.pairwise(starts):
        mine = origin[order[start:stop]]
        key = mine.tobytes()
        if key not in made:
            made[key] = ";".join(names[number] for number in mine)
        found.append(made[key])
    return found
