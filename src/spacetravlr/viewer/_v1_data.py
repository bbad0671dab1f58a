"""Version 1: positions, clusters, cell types, genes, expression."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from spacetravlr.errors import InputError
from spacetravlr.viewer._answers import OCTETS, bytes_answer, json_answer
from spacetravlr.viewer._deps import DataOf
from spacetravlr.viewer._obs import NO_CLUSTER, NO_TYPE
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._v1_bodies import MeanExpression
from spacetravlr.viewer._v1_session import umap_of

router = APIRouter(prefix="/api", tags=["version 1"])
_MOST_LISTED = 50_000
_MOST_MEANS = 200
_BINARY: dict[int | str, dict[str, object]] = {200: {"content": {OCTETS: {}}}}


@router.get("/spatial", response_class=Response, responses=_BINARY)
def spatial(request: Request, data: DataOf) -> Response:
    """Positions: f32 x0, y0, x1, y1, ..."""
    return bytes_answer(request, data.xy.astype("<f4").tobytes(), zstd=False)


@router.get("/umap", response_class=Response, responses=_BINARY)
def umap(request: Request, data: DataOf) -> Response:
    """Positions on the UMAP, as those of `/api/spatial`; 404 without one."""
    return bytes_answer(request, umap_of(data).astype("<f4").tobytes(), zstd=False)


@router.get("/clusters", response_class=Response, responses=_BINARY)
def clusters(request: Request, data: DataOf) -> Response:
    """Cluster ids, u32; the largest number for a cell without one."""
    return bytes_answer(request, data.clusters[0].astype("<u4").tobytes(), zstd=False)


@router.get("/cell_type/codes", response_class=Response, responses=_BINARY)
def cell_type_codes(request: Request, data: DataOf) -> Response:
    """Codes of cell types, u16; 65535 for a cell without one; 404 without such a column."""
    if data.cell_types is None:
        raise ProblemError(404, "the sample has no column of cell types")
    if len(data.cell_types.categories) >= NO_TYPE:
        raise ProblemError(404, "there are more cell types than codes")
    codes = np.where(data.cell_types.codes < 0, NO_TYPE, data.cell_types.codes)
    return bytes_answer(request, codes.astype("<u2").tobytes(), zstd=False)


@router.get("/genes")
def genes(
    request: Request,
    data: DataOf,
    prefix: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=0)] = 500,
) -> Response:
    """Names of genes that begin with a text, in file order."""
    found = (gene for gene in data.genes if gene.startswith(prefix))
    wanted = min(limit, 10_000)
    return json_answer(request, [gene for gene, _ in zip(found, range(wanted), strict=False)], zstd=False)


@router.get("/genes/full")
def genes_full(request: Request, data: DataOf) -> Response:
    """Names of all genes."""
    if len(data.genes) > _MOST_LISTED:
        raise ProblemError(400, f"there are {len(data.genes)} genes: look them up by prefix")
    return json_answer(request, list(data.genes), zstd=False)


@router.get("/gene/expression", response_class=Response, responses=_BINARY)
def gene_expression(request: Request, data: DataOf, gene: Annotated[str, Query(max_length=4096)]) -> Response:
    """Expression of a gene, f32."""
    try:
        values = data.expression.column(gene, data.layer)
    except InputError as error:
        raise ProblemError(404, str(error)) from error
    return bytes_answer(request, values.astype("<f4", copy=False).tobytes(), zstd=False)


@router.post("/cluster/mean_expression")
def mean_expression(request: Request, data: DataOf, body: MeanExpression) -> Response:
    """Mean expression of genes in each cluster."""
    if not 1 <= len(body.genes) <= _MOST_MEANS:
        raise ProblemError(400, f"name 1 to {_MOST_MEANS} genes")
    unknown = [gene for gene in body.genes if gene not in data.file.gene_index]
    if unknown:
        raise ProblemError(400, f"gene {unknown[0][:100]!r} is not measured")
    ids, _ = data.clusters
    present, codes, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    kept = present != NO_CLUSTER
    means = {}
    for gene in body.genes:
        values = data.expression.column(gene, data.layer).astype(np.float64)
        means[gene] = (np.bincount(codes, weights=values, minlength=len(present)) / sizes)[kept]
    answer = {"cluster_ids": present[kept], "genes": means, "n_cells_per_cluster": sizes[kept]}
    return json_answer(request, answer, zstd=False)
