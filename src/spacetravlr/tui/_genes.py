"""Targets and clusters of a dashboard: what has become of each, and how well it is fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from spacetravlr.events import ClusterFitted, GeneWritten
from spacetravlr.tui._ranking import Ranking
from spacetravlr.tui.dashboard_view import CellType, Fate, GeneRecord, RankBy, Ranked


class Genes:
    """Keeps what is known; a few hundred bytes a target."""

    def __init__(self) -> None:
        self.ranked: dict[RankBy, Ranking] = {"in": Ranking(), "out": Ranking()}
        self.latest = ""
        """The target that was written last."""
        self._records: dict[str, GeneRecord] = {}
        self._codes: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._names: Mapping[str, str] = {}
        self._foreign: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def get(self, gene: str) -> GeneRecord | None:
        """Return what is known about a target, if there was any word of it."""
        return self._records.get(gene)

    def put(self, gene: str, fate: Fate, reason: str = "") -> None:
        """Take what has become of a target."""
        record = self._records.setdefault(gene, GeneRecord())
        record.fate, record.reason = fate, reason
        if fate in ("done before", "by others"):
            self._foreign.append(gene)

    def unknown(self, most: int) -> list[str]:
        """Return some targets that others have finished, each of them once."""
        found, self._foreign = self._foreign[:most], self._foreign[most:]
        return found

    def set_clusters(self, sizes: Mapping[str, int], names: Mapping[str, str] | None) -> None:
        """Take the clusters in the order of their colours, and names of those that are numbers."""
        for label in sizes:
            self._codes.setdefault(label, len(self._codes))
        self._sizes = dict(sizes)
        if names is not None:
            self._names = names

    def score(self, event: ClusterFitted) -> None:
        """Take the scores of a target in a cluster."""
        code = self._codes.setdefault(event.cluster, len(self._codes))
        self._sizes.setdefault(event.cluster, event.n_cells)
        row = self._records.setdefault(event.gene, GeneRecord()).clusters
        while len(row) < 2 * code + 2:
            row.append(math.nan)
        row[2 * code], row[2 * code + 1] = event.r2_in, event.r2_out

    def result(self, event: GeneWritten) -> None:
        """Take the scores of a target; one that is written again gets a new place in the order."""
        record = self._records.setdefault(event.gene, GeneRecord())
        self.ranked["in"].put(event.gene, event.r2_in, before=record.r2_in)
        self.ranked["out"].put(event.gene, event.r2_out, before=record.r2_out)
        record.r2_in, record.r2_out, record.seconds = event.r2_in, event.r2_out, event.seconds
        record.n_modulators, record.n_kept = event.n_modulators, event.n_kept

    def first(self, n: int, *, by: RankBy, best: bool) -> tuple[Ranked, ...]:
        """Return the targets that are fitted best, or worst, the most extreme first."""
        chosen = self.ranked[by].first(n, best=best)
        records = [(gene, self._records[gene]) for gene in chosen]
        return tuple(Ranked(gene, one.r2_in, one.r2_out, one.n_kept) for gene, one in records)

    def by_cluster(self, gene: str) -> dict[str, tuple[float, float]]:
        """Return R2 in and out of sample of a target by cluster."""
        record = self._records.get(gene)
        row = () if record is None else record.clusters
        pairs = {
            label: (row[2 * code], row[2 * code + 1]) for label, code in self._codes.items() if 2 * code < len(row)
        }
        return {label: pair for label, pair in pairs.items() if any(map(math.isfinite, pair))}

    def cell_types(self) -> tuple[CellType, ...]:
        """Return the clusters, the largest first."""
        found = [CellType(self._codes[label], self._named(label), n) for label, n in self._sizes.items()]
        return tuple(sorted(found, key=lambda one: (-one.n_cells, one.label)))

    def _named(self, label: str) -> str:
        name = self._names.get(label)
        return label if name is None or name == label else f"{label} {name}"


def search(text: str, names: Iterable[str], most: int) -> list[str]:
    """Return names that have a text in them, those that begin with it first; capitals do not matter."""
    wanted = text.casefold()

    def order(name: str) -> tuple[bool, bool, str]:
        folded = name.casefold()
        return folded != wanted, not folded.startswith(wanted), name

    return sorted((name for name in dict.fromkeys(names) if wanted in name.casefold()), key=order)[:most]
