"""Version 1: the coefficients of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray

from spacetravlr.betas import Betas
from spacetravlr.viewer._answers import bytes_answer, json_answer
from spacetravlr.viewer._coefficients import Coefficients, kind_of
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import DataOf, HubOf
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._scopes import cluster_rows
from spacetravlr.viewer._v1_bodies import Collect, PairLr, Top

router = APIRouter(prefix="/api/betadata", tags=["version 1"])
_MOST_INDICES = 250_000
_MOST_ROWS = 80_000
_MOST_GENES = 4096
Values = NDArray[np.float64]
Gene = Annotated[str, Query(max_length=4096)]
_NO_RUN = "no run is open: there are no coefficients"


def of_run(data: Dataset) -> Coefficients:
    """Return the coefficients of the run.

    Raises
    ------
    ProblemError
        400 without one.
    """
    if data.coefficients is None:
        raise ProblemError(400, _NO_RUN)
    return data.coefficients


@router.get("/genes")
def genes(request: Request, data: DataOf) -> Response:
    """Targets with coefficients, sorted."""
    return json_answer(request, [] if data.coefficients is None else list(data.coefficients.genes), zstd=False)


@router.get("/columns")
def columns(request: Request, data: DataOf, gene: Gene) -> Response:
    """Columns of a target, sorted."""
    return json_answer(request, of_run(data).columns(gene), zstd=False)


@router.get("/values", response_class=Response)
def values(request: Request, data: DataOf, gene: Gene, column: Gene) -> Response:
    """One coefficient for every cell, f32; 0 for cells without a row, which a header counts."""
    found = of_run(data).values(gene, column)
    body = np.nan_to_num(found.values, nan=0.0).astype("<f4").tobytes()
    return bytes_answer(request, body, zstd=False, headers={"X-Unmatched-Cells": str(found.unmatched)})


@router.post("/top")
def top(request: Request, data: DataOf, body: Top) -> Response:
    """Coefficients of a target by their mean size over some cells."""
    if len(body.indices) > _MOST_INDICES:
        raise ProblemError(400, f"at most {_MOST_INDICES} indices")
    coefficients = of_run(data)
    table = coefficients.table(body.gene)
    cells = np.array([one for one in body.indices if 0 <= one < data.n_obs], dtype=np.int64)
    if not len(cells):
        return json_answer(request, [])
    own, weights = _weights(coefficients.rows(table)[cells], len(table.row_labels))
    used = np.asarray(table.values[own], dtype=np.float64)
    mean, size = weights @ used / len(cells), weights @ np.abs(used) / len(cells)
    found = [
        {"column": f"beta_{name}", "mean": mean[at], "mean_abs": size[at]} for at, name in enumerate(table.modulators)
    ]
    found.sort(key=lambda one: (-float(one["mean_abs"]), str(one["column"])))
    return json_answer(request, found[: min(body.top_k or 25, 100)], zstd=False)


@router.post("/collect_interactions")
def collect_interactions(request: Request, hub: HubOf, data: DataOf, body: Collect) -> Response:
    """All coefficients over the cells of a type or cluster, the largest first."""
    aggregate = AGGREGATES.get(body.aggregate.lower())
    if aggregate is None:
        raise ProblemError(400, f"aggregate must be {'|'.join(AGGREGATES)}")
    coefficients, cells = of_run(data), _cells(data, body)
    with hub.heavy.passed():
        found = [
            (f"beta_{name}", table.target, value)
            for table in _tables(coefficients, body.gene_subset, body.max_genes)
            for name, value in aggregated(coefficients, table, cells, aggregate)
        ]
    found.sort(key=lambda one: (-abs(one[2]), one[1], one[0]))
    rows = [
        {"interaction": name, "gene": gene, "beta": value, "interaction_type": kind_of(name.removeprefix("beta_"))}
        for name, gene, value in found[:_MOST_ROWS]
    ]
    answer = {
        "interactions": rows,
        "n_reported": len(rows),
        "n_total": len(found),
        "capped": len(found) > len(rows),
    }
    return json_answer(request, answer, zstd=False)


@router.post("/pair_lr")
def pair_lr(request: Request, data: DataOf, body: PairLr) -> Response:
    """Ligand-receptor coefficients of two cells, the largest first."""
    if body.cell_a == body.cell_b:
        raise ProblemError(400, "cell_a and cell_b must differ")
    pair = np.array([body.cell_a, body.cell_b], dtype=np.int64)
    if pair.min() < 0 or pair.max() >= data.n_obs:
        raise ProblemError(400, f"cells go from 0 to {data.n_obs - 1}")
    coefficients = of_run(data)
    rows: list[dict[str, Any]] = []
    scanned = 0
    for table in _tables(coefficients, body.gene_subset, body.max_genes):
        scanned += 1
        own = coefficients.rows(table)[pair]
        columns = list(table.roles.lr_columns)
        both = np.zeros((2, len(columns)))
        known = own >= 0
        both[known] = np.asarray(table.values[own[known]], dtype=np.float64)[:, columns]
        for at, column in enumerate(columns):
            a, b = float(both[0, at]), float(both[1, at])
            entry = {"target_gene": table.target, "interaction": f"beta_{table.modulators[column]}"}
            rows.append({**entry, "beta_cell_a": a, "beta_cell_b": b, "score": max(abs(a), abs(b))})
    rows.sort(key=lambda one: (-one["score"], one["target_gene"], one["interaction"]))
    answer = {
        "cell_a": body.cell_a,
        "cell_b": body.cell_b,
        **({} if coefficients.row_label is None else {"betadata_row_id": coefficients.row_label}),
        "rows": rows[: min(max(body.top_n, 1), 200)],
        "n_genes_scanned": scanned,
    }
    return json_answer(request, answer, zstd=False)


def aggregated(
    coefficients: Coefficients, table: Betas, cells: NDArray[np.int64], aggregate: Callable[[Values, Values], Values]
) -> Iterator[tuple[str, float]]:
    """Yield modulator and aggregate over some cells, where that is neither 0 nor undefined.

    Cells without a row count as 0. Cost: rows of the table, not cells, times columns.
    """
    own, weights = _weights(coefficients.rows(table)[cells], len(table.row_labels))
    used = np.asarray(table.values[own], dtype=np.float64)
    missing = len(cells) - weights.sum()
    if missing:
        used = np.vstack([used, np.zeros(used.shape[1])])
        weights = np.append(weights, missing)
    found = aggregate(used, weights)
    for at in np.flatnonzero(np.isfinite(found) & (found != 0)).tolist():
        yield table.modulators[at], float(found[at])


def _weights(rows: NDArray[np.int64], n_rows: int) -> tuple[NDArray[np.int64], Values]:
    """Return the rows that occur, and how often each does."""
    counts = np.bincount(rows[rows >= 0], minlength=n_rows)
    own = np.flatnonzero(counts)
    return own, counts[own].astype(np.float64)


def _mean(values: Values, weights: Values) -> Values:
    return np.asarray(weights @ values / weights.sum())


def _sum(values: Values, weights: Values) -> Values:
    return np.asarray(weights @ values)


def _of_sign(sign: float) -> Callable[[Values, Values], Values]:
    def mean(values: Values, weights: Values) -> Values:
        chosen = sign * values > 0
        count = weights @ chosen
        total = weights @ np.where(chosen, values, 0.0)
        return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)

    return mean


AGGREGATES: dict[str, Callable[[Values, Values], Values]] = {
    "mean": _mean,
    "min": lambda values, _: values.min(axis=0),
    "max": lambda values, _: values.max(axis=0),
    "sum": _sum,
    "positive": _of_sign(1.0),
    "negative": _of_sign(-1.0),
}
"""What becomes of the coefficients of several cells, given ``(n_rows, n)`` values and how often each row counts."""


def _cells(data: Dataset, body: Collect) -> NDArray[np.int64]:
    word = body.filter.lower()
    if word in ("cell_type", "celltype"):
        types = data.cell_types
        if body.cell_type is None or types is None or body.cell_type not in types.categories:
            raise ProblemError(400, f"there is no cell type {str(body.cell_type)[:100]!r}")
        cells = types.rows({body.cell_type})
    elif word == "cluster":
        if body.cluster_id is None:
            raise ProblemError(400, "name a cluster_id")
        cells = cluster_rows(data, [body.cluster_id])
    else:
        raise ProblemError(400, "filter must be cell_type|cluster")
    if not len(cells):
        raise ProblemError(400, "no matching cells")
    return cells


def _tables(coefficients: Coefficients, subset: Sequence[str] | None, most: int) -> Iterator[Betas]:
    """Yield the tables of the targets asked for that have one."""
    wanted = list(coefficients.genes) if subset is None else list(dict.fromkeys(subset))
    wanted = wanted[: min(max(most, 1), _MOST_GENES)]
    if not wanted:
        raise ProblemError(400, "no gene is named")
    known = frozenset(coefficients.genes)
    for gene in wanted:
        if gene in known:
            yield coefficients.table(gene)
