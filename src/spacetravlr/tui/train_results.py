"""Results of a run that other processes have written, as the events that they told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import InputError
from spacetravlr.events import ClusterFitted, GeneWritten

if TYPE_CHECKING:
    from spacetravlr.run import GeneScores, RunDirectory


def result_events(directory: RunDirectory, gene: str) -> list[ClusterFitted | GeneWritten]:
    """Return the scores of a target by cluster, and its result; what its files do not tell is NaN or 0."""
    scores = _scores(directory, gene)
    columns: Mapping[str, Iterable[object]] = {} if scores is None else scores.clusters
    n_modulators = max((n for n in columns.get("n_modulators", ()) if isinstance(n, int)), default=0)
    n_kept = _n_columns(directory.files.betadata(gene))
    means = _mean(columns, "r2_in"), _mean(columns, "r2_out")
    return [*_by_cluster(gene, scores), GeneWritten(gene, n_modulators, n_kept, *means, math.nan)]


def cluster_events(directory: RunDirectory, gene: str) -> list[ClusterFitted]:
    """Return the scores of a target by cluster, which one without a model has too."""
    return _by_cluster(gene, _scores(directory, gene))


def _scores(directory: RunDirectory, gene: str) -> GeneScores | None:
    from spacetravlr.run import gene_scores

    try:
        return gene_scores(directory.files, gene)
    except InputError:
        # damaged, or being replaced: the result itself is there all the same
        return None


def _by_cluster(gene: str, scores: GeneScores | None) -> list[ClusterFitted]:
    if scores is None:
        return []
    table = scores.clusters
    rows = zip(table["cluster"], table["n_cells"], table["r2_in"], table["r2_out"], strict=True)
    return [ClusterFitted(gene, str(label), int(n or 0), _real(a), _real(b)) for label, n, a, b in rows]


def _n_columns(path: Path) -> int:
    """Return the number of modulators in a coefficient file; 0 if it cannot be read."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            names = pa.ipc.open_file(source).schema.names
    except (OSError, pa.ArrowInvalid):
        return 0
    return sum(name.startswith("beta_") and name != "beta_0" for name in names)


def _mean(columns: Mapping[str, Iterable[object]], name: str) -> float:
    known = [value for value in map(_real, columns.get(name, ())) if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
