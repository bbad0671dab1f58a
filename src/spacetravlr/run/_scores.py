"""How well each target is fitted: a record per target, and the tables that are made of them.

A record is written with the results of its target, so it survives whatever becomes of the process. `scores.feather`
and `path.feather` are made of the records when a process concludes: sorted by target and without a trace of who has
trained what, so they are the same bytes however a run came about.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr import atomic
from spacetravlr.betas.names import escape_gene
from spacetravlr.errors import InputError
from spacetravlr.run._log_parser import read_log
from spacetravlr.run.log import GeneLog

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from spacetravlr.run.paths import RunPaths, Scan

SCORES = "scores.feather"
PATH = "path.feather"
RECORDS = "scores"
"""Directory of the records."""

COLUMNS: Mapping[str, str] = {
    "gene": "string",
    "cluster": "string",
    "n_cells": "int64",
    "n_modulators": "int64",
    "n_kept": "int64",
    "r2_in": "double",
    "r2_out": "double",
    "r2_pooled": "double",
    "r2_local": "double",
    "p_model": "double",
    "r2_tf_only": "double",
    "r2_shuffled": "double",
    "p_space": "double",
    "train_mse": "double",
    "converged": "bool",
    "n_iter": "int64",
    "lambda": "double",
    "kept": "bool",
    "refined": "bool",
    "r2_niche_out": "double",
    "reason": "string",
}
"""Columns of `scores.feather`, with their Arrow types."""
PATH_COLUMNS: Mapping[str, str] = {
    "gene": "string",
    "lambda": "double",
    "error": "double",
    "error_se": "double",
    "chosen": "bool",
}
"""Columns of `path.feather`, with their Arrow types."""

Column = Sequence[str | float | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneScores:
    """The scores of one target."""

    gene: str
    clusters: Mapping[str, Column]
    """Columns of `scores.feather` without `gene`, a value per cluster; None where it is not known."""
    path: Mapping[str, Column] = field(default_factory=dict)
    """Columns of `path.feather` without `gene`, a value per penalty; empty without cross-validation."""

    @classmethod
    def of_log(cls, log: GeneLog, reason: str | None) -> GeneScores:
        """Return what a text log tells.

        Parameters
        ----------
        log
            Of this or of the compiled edition.
        reason
            Why the target has no model; None if it has one.
        """
        clusters = log.clusters
        n = len(clusters)
        return cls(
            gene=log.gene,
            clusters={
                "cluster": [one.cluster for one in clusters],
                "n_cells": [one.n_cells for one in clusters],
                "n_modulators": [one.n_modulators for one in clusters],
                "n_kept": [None] * n,
                "r2_in": [one.r2_in for one in clusters],
                "r2_out": [one.r2_out for one in clusters],
                "r2_pooled": [None] * n,
                "r2_local": [None] * n,
                "p_model": [None] * n,
                "r2_tf_only": [None] * n,
                "r2_shuffled": [None] * n,
                "p_space": [None] * n,
                "train_mse": [one.train_mse for one in clusters],
                "converged": [one.converged for one in clusters],
                "n_iter": [one.n_iter for one in clusters],
                "lambda": [one.penalty for one in clusters],
                "kept": [one.kept and reason is None for one in clusters],
                "refined": [one.refined for one in clusters],
                "r2_niche_out": [one.r2_niche for one in clusters],
                "reason": [reason] * n,
            },
        )

    def to_json(self) -> str:
        """Return the text of the record; numbers are written in full."""
        parts = {"gene": self.gene, "clusters": _plain(self.clusters), "path": _plain(self.path)}
        return json.dumps(parts, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> GeneScores:
        """Read what `to_json` returned.

        Raises
        ------
        InputError
            If it is something else.
        """
        try:
            parts = json.loads(text)
            found = cls(gene=str(parts["gene"]), clusters=dict(parts["clusters"]), path=dict(parts["path"]))
            for table in (found.clusters, found.path):
                if len({len(column) for column in table.values()}) > 1:
                    raise ValueError("columns of unequal length")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a record of scores: {error}") from error
        return found


def record_path(root: Path, gene: str) -> Path:
    """Return where the record of a target lies."""
    return root / RECORDS / f"{escape_gene(gene)}.json"


def write_record(root: Path, scores: GeneScores) -> Path:
    """Write the record of a target.

    Raises
    ------
    RunDirectoryError
        If the file system refuses; nothing half-written is left.
    """
    path = record_path(root, scores.gene)
    atomic.make_directory(path.parent)
    atomic.write_text(path, scores.to_json())
    return path


def gene_scores(files: RunPaths, gene: str) -> GeneScores | None:
    """Return the scores of one target; without a record, what its text log tells; None if there is neither.

    Parameters
    ----------
    files
        Of the run.
    gene
        The target.

    Raises
    ------
    InputError
        If the record is damaged or cannot be read.
    """
    path = record_path(files.root, gene)
    try:
        return GeneScores.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        log = files.log(gene)
        found = read_log(log) if log.exists() else None
        return None if found is None else GeneScores.of_log(found, None)
    except (InputError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; continue the training, which makes it again") from error


def read_records(files: RunPaths, found: Scan) -> list[GeneScores]:
    """Return the scores of the finished targets of a run.

    Parameters
    ----------
    files
        Of the run.
    found
        Its targets.

    Returns
    -------
    Sorted by target. What has no record is taken from its text log, as with runs of the compiled edition; what has
    neither, and what is damaged, is left out, the latter with a warning.
    """
    records: dict[str, GeneScores] = {}
    for gene in found.finished:
        path = record_path(files.root, gene)
        try:
            records[gene] = GeneScores.from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (InputError, OSError, UnicodeDecodeError) as error:
            why = "%s: %s; continue the training, which makes it again"
            logging.getLogger("spacetravlr").warning(why, path, error)
    if records.keys() != found.finished:
        for gene, log in read_logs(files.log_directory).items():
            if gene in found.finished and gene not in records:
                records[gene] = GeneScores.of_log(log, _reason(files, gene) if gene in found.orphan else None)
    return [records[gene] for gene in sorted(records)]


def read_logs(directory: Path) -> dict[str, GeneLog]:
    """Read all text logs of a run.

    Parameters
    ----------
    directory
        Its `log` directory; a missing one holds no logs.

    Returns
    -------
    Logs by gene, sorted; damaged ones are left out with a warning.
    """
    logs: dict[str, GeneLog] = {}
    for path in sorted(directory.glob("*.log")) if directory.is_dir() else []:
        try:
            log = read_log(path)
        except InputError as error:
            logging.getLogger("spacetravlr").warning("left out: %s", error)
            continue
        if log is not None:
            logs[log.gene] = log
    return dict(sorted(logs.items()))


def score_table(records: Iterable[GeneScores]) -> pd.DataFrame:
    """Return one row per target and cluster, with the columns `COLUMNS`; NaN or None where a value is not known."""
    table: pd.DataFrame = _table(((one.gene, one.clusters) for one in records), COLUMNS).to_pandas()
    return table


def path_table(records: Iterable[GeneScores]) -> pd.DataFrame:
    """Return one row per target and penalty that cross-validation has tried, with the columns `PATH_COLUMNS`."""
    table: pd.DataFrame = _table(((one.gene, one.path) for one in records), PATH_COLUMNS).to_pandas()
    return table


def write_tables(files: RunPaths, found: Scan) -> None:
    """Make `scores.feather` and `path.feather` of the records; the latter only if there was cross-validation.

    Parameters
    ----------
    files, found
        As for `read_records`.

    Raises
    ------
    RunDirectoryError
        If the file system refuses; an older table is left as it was.
    """
    records = read_records(files, found)
    if records:
        _write(files.root / SCORES, _table(((one.gene, one.clusters) for one in records), COLUMNS))
    if any(one.path for one in records):
        _write(files.root / PATH, _table(((one.gene, one.path) for one in records), PATH_COLUMNS))


def _table(parts: Iterable[tuple[str, Mapping[str, Column]]], types: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in types}
    for gene, part in parts:
        size = max((len(column) for column in part.values()), default=0)
        columns["gene"] += [gene] * size
        for name in columns.keys() - {"gene"}:
            columns[name] += part.get(name, [None] * size)
    # a value that is not known is null, also to readers that tell it from NaN
    arrays = [pa.array(columns[name], type=kind, from_pandas=True) for name, kind in types.items()]
    return pa.table(arrays, names=list(types))


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    atomic.write_bytes(path, memoryview(sink.getvalue()))


def _plain(table: Mapping[str, Column]) -> dict[str, list[Any]]:
    return {
        name: [None if isinstance(value, float) and not math.isfinite(value) else value for value in column]
        for name, column in table.items()
    }


def _reason(files: RunPaths, gene: str) -> str:
    try:
        return files.orphan(gene).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
