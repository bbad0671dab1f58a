"""What can be known about a network before any target or setting is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class PairList:
    """Ligand-receptor pairs as parallel columns."""

    names: tuple[str, ...]
    """``L$R``."""
    ligands: tuple[str, ...]
    receptors: tuple[str, ...]

    def take(self, positions: Iterable[int]) -> PairList:
        """Return the pairs at these positions, in this order."""
        at = list(positions)
        return PairList(
            names=tuple([self.names[i] for i in at]),
            ligands=tuple([self.ligands[i] for i in at]),
            receptors=tuple([self.receptors[i] for i in at]),
        )


class NetworkIndex:
    """Lookups by gene over one (restricted) network, built once.

    Parameters
    ----------
    edges
        A table made by `normalise`.

    Notes
    -----
    Cost: one pass over the ``grn`` and ``lr`` rows in Python and one sort of the ``nichenet`` rows in NumPy; about
    20 ms for the 40,000 edges of a panel of 6,500 genes.
    """

    def __init__(self, edges: pd.DataFrame) -> None:
        self.regulators: dict[str, tuple[str, ...]] = _regulators(edges)
        """Target -> its TFs in file order, without repeats and without itself."""
        self.pairs: PairList = _pairs(edges)
        """All ligand-receptor pairs in file order without repeats."""
        self.pairs_of: dict[str, frozenset[int]] = _positions(self.pairs)
        """Gene -> positions of the pairs it is the ligand or the receptor of."""
        self.by_name: tuple[int, ...] = tuple(sorted(range(len(self.pairs.names)), key=self.pairs.names.__getitem__))
        """Positions of the pairs in the order of their names (code points, the same as bytes of UTF-8)."""
        self.ligands: tuple[str, ...] = tuple(dict.fromkeys(self.pairs.ligands))
        """Ligands of the pairs, each once, file order."""
        self._senders = _Senders(edges, self.ligands)

    def candidates(self, tf: str, cutoff: float) -> list[str]:
        """Return the ligands that act on a TF with a weight strictly above the cut-off, strongest first.

        Only ligands of a ligand-receptor pair count; equal weights keep file order; a ligand occurs once, with its
        largest weight.
        """
        return self._senders.of(tf, cutoff)


class _Senders:
    """The ``nichenet`` rows as one array per column, sorted by TF and then by falling weight."""

    def __init__(self, edges: pd.DataFrame, ligands: tuple[str, ...]) -> None:
        rows = edges[(edges["edge_type"] == "nichenet") & edges["source"].isin(ligands) & edges["weight"].notna()]
        self._names: NDArray[np.object_] = np.asarray(rows["source"].cat.categories, dtype=object)
        tfs = rows["target"].cat.codes.to_numpy(np.int64)
        sources = rows["source"].cat.codes.to_numpy(np.int64)
        weights = rows["weight"].to_numpy(np.float64)
        # lexsort is stable, so rows of equal weight stay in file order.
        order = np.lexsort((-weights, tfs))
        _, first = np.unique(tfs[order] * len(self._names) + sources[order], return_index=True)
        order = order[np.sort(first)]
        self._sources = sources[order]
        self._falling = -weights[order]
        present, starts = np.unique(tfs[order], return_index=True)
        stops = np.append(starts, len(order))[1:]
        labels = np.asarray(rows["target"].cat.categories, dtype=object)[present]
        self._span = {str(tf): (int(a), int(b)) for tf, a, b in zip(labels, starts, stops, strict=True)}

    def of(self, tf: str, cutoff: float) -> list[str]:
        start, stop = self._span.get(tf, (0, 0))
        above = int(np.searchsorted(self._falling[start:stop], -cutoff, side="left"))
        names: list[str] = self._names[self._sources[start : start + above]].tolist()
        return names


def _regulators(edges: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for tf, target in _ends(edges, "grn"):
        if tf != target:
            found.setdefault(target, {})[tf] = None
    return {target: tuple(tfs) for target, tfs in found.items()}


def _pairs(edges: pd.DataFrame) -> PairList:
    distinct = list(dict.fromkeys(_ends(edges, "lr")))
    return PairList(
        names=tuple(f"{ligand}${receptor}" for ligand, receptor in distinct),
        ligands=tuple(ligand for ligand, _ in distinct),
        receptors=tuple(receptor for _, receptor in distinct),
    )


def _positions(pairs: PairList) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for position, ends in enumerate(zip(pairs.ligands, pairs.receptors, strict=True)):
        for gene in ends:
            found.setdefault(gene, set()).add(position)
    return {gene: frozenset(positions) for gene, positions in found.items()}


def _ends(edges: pd.DataFrame, edge_type: str) -> list[tuple[str, str]]:
    rows = edges[edges["edge_type"] == edge_type]
    return list(zip(rows["source"].tolist(), rows["target"].tolist(), strict=True))
