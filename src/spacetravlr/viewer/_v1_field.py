"""Version 1: fields of arrows on the UMAP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from spacetravlr.perturbation import Effect, Target
from spacetravlr.perturbation.transition import TransitionField
from spacetravlr.perturbation.transition._grid import choose_size, grid_axis, scaled
from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import DataOf, HubOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._jobs import Job
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._simulate import arrows, direct_effect
from spacetravlr.viewer._v1_bodies import Perturb, SignatureField, UmapField
from spacetravlr.viewer._v1_run import as_job, check_perturb, effect_of
from spacetravlr.viewer._v1_session import umap_of

router = APIRouter(prefix="/api", tags=["version 1"])
_MOST_CELLS = 40_000
_MOST_POINTS = 100_000
"""Points of a grid; the rule of this version has no limit of its own."""
_MOST_GENES = 128
_LONGEST = 1e6


@router.post("/perturb/umap-field")
async def umap_field(request: Request, hub: HubOf, data: DataOf, body: UmapField) -> Response:
    """Simulate, and show which way cells move on the UMAP."""
    await run_in_threadpool(check_size, data)
    await run_in_threadpool(check_perturb, data, body)
    cells = await run_in_threadpool(_limit, data, body)

    def work(job: Job) -> TransitionField:
        return field_of(hub, data, body, cells, job=job)

    found = await as_job(request, hub, data, work, title=f"field of {body.gene}", kind="field")
    return await run_in_threadpool(
        lambda: json_answer(request, _drawn(found, with_cells=body.include_cell_vectors), zstd=False)
    )


@router.post("/umap/signature_field")
async def signature_field(request: Request, hub: HubOf, data: DataOf, body: SignatureField) -> Response:
    """Return the slope of the sum of some genes on the UMAP."""
    await run_in_threadpool(check_size, data)
    xy = await run_in_threadpool(umap_of, data)
    genes = await run_in_threadpool(_known, data, body.genes)
    mask: NDArray[np.bool_] | None = None
    if body.mask_with_perturb_quiver:
        given = body.mask_perturb
        if given is None:
            raise ProblemError(400, "mask_with_perturb_quiver needs mask_perturb")
        await run_in_threadpool(check_perturb, data, given)
        wanted = UmapField(**given.model_dump(), quick_ko_sanity=body.mask_quick_ko)

        def work(job: Job) -> TransitionField:
            return field_of(hub, data, wanted, None, job=job, grid_scale=body.grid_scale)

        found = await as_job(request, hub, data, work, title=f"mask of {given.gene}", kind="field")
        mask = (found.vectors != 0).any(axis=1)
    return await run_in_threadpool(lambda: json_answer(request, _signature(data, xy, body, genes, mask), zstd=False))


def field_of(
    hub: Hub,
    data: Dataset,
    body: UmapField,
    cells: NDArray[np.int64] | None,
    *,
    job: Job,
    grid_scale: float | None = None,
) -> TransitionField:
    """Return the field of a perturbation, kept from an earlier request if it is still there."""
    effect = _direct(data, body) if body.quick_ko_sanity else effect_of(hub, data, body, job, share=0.5)
    scale = body.grid_scale if grid_scale is None else grid_scale
    settings = {
        "n_neighbors": min(max(body.n_neighbors, 3), 500),
        "temperature": max(body.temperature, 1e-6),
        "remove_null": body.remove_null,
        "unit_directions": body.unit_directions,
        "grid_scale": min(max(scale, 1e-6), _LONGEST),
        "vector_scale": max(body.vector_scale, 1e-9),
        "delta_rescale": body.delta_rescale,
        "magnitude_threshold": max(body.magnitude_threshold, 0.0),
        "full_graph": body.use_full_graph,
        "full_graph_max_cells": min(max(body.full_graph_max_cells, 64), 8192),
    }
    key = (data.id, id(effect), tuple(settings.items()), None if cells is None else cells.tobytes())
    kept = hub.fields.get(key)
    if kept is not None and kept.effect is effect:
        return kept
    found = arrows(
        effect,
        umap_of(data),
        at=lambda progress, step: job.at(0.5 + 0.5 * progress, step),
        cancelled=job.cancelled.is_set,
        cells=cells,
        max_grid_points=_MOST_POINTS,
        **settings,
    )
    hub.fields.put(key, found, int(found.vectors.nbytes + found.cell_vectors.nbytes + effect.values.nbytes))
    return found


def check_size(data: Dataset) -> None:
    """Refuse samples that are too large for these routes with 413, and those without a UMAP with 400."""
    if data.n_obs > _MOST_CELLS:
        raise ProblemError(
            413, f"fields of this version are for {_MOST_CELLS:,} cells at most; those of version 2 may have more"
        )
    if data.umap_key is None:
        raise ProblemError(400, "the sample has no UMAP")


def _known(data: Dataset, genes: list[str]) -> list[str]:
    known = [gene for gene in genes[:_MOST_GENES] if gene in data.file.gene_index]
    if not known:
        raise ProblemError(400, "none of the genes is measured")
    return known


def _direct(data: Dataset, body: Perturb) -> Effect:
    model, rows = check_perturb(data, body)
    return direct_effect(model.simulate([Target(body.gene, body.desired_expr)], n_propagation=0, cells=rows))


def _limit(data: Dataset, body: UmapField) -> NDArray[np.int64] | None:
    """Return the cells whose change counts; None for all."""
    if not body.limit_clusters:
        return None
    if not body.highlight_cell_types or data.cell_types is None:
        raise ProblemError(400, "limit_clusters needs cell types (highlight_cell_types)")
    rows = data.cell_types.rows(set(body.highlight_cell_types))
    if not len(rows):
        raise ProblemError(400, "no cell has one of these cell types")
    return rows


def _drawn(found: TransitionField, *, with_cells: bool) -> dict[str, Any]:
    answer = {
        "nx": len(found.grid_x),
        "ny": len(found.grid_y),
        "grid_x": found.grid_x,
        "grid_y": found.grid_y,
        "u": found.vectors[:, 0],
        "v": found.vectors[:, 1],
    }
    if with_cells:
        answer |= {"cell_u": found.cell_vectors[:, 0], "cell_v": found.cell_vectors[:, 1]}
    return answer


def _signature(
    data: Dataset, xy: NDArray[np.float64], body: SignatureField, genes: list[str], mask: NDArray[np.bool_] | None
) -> dict[str, Any]:
    total = np.zeros(data.n_obs)
    for gene in genes:
        total += data.expression.column(gene, data.layer)
    size = choose_size(
        xy, grid_scale=min(max(body.grid_scale, 1e-6), _LONGEST), grid_size=None, max_points=_MOST_POINTS
    )
    grid_x, grid_y = (grid_axis(xy[:, axis], size[axis]) for axis in (0, 1))
    vectors = slope(xy, total, grid_x, grid_y, k=min(max(body.n_knn, 3), 200)) * body.gradient_gain
    if mask is not None:
        vectors[~mask] = 0.0
    vectors = scaled(
        vectors, vector_scale=max(body.vector_scale, 1e-9), magnitude_threshold=max(body.magnitude_threshold, 0.0)
    )
    return {
        "nx": size[0],
        "ny": size[1],
        "grid_x": grid_x,
        "grid_y": grid_y,
        "u": vectors[:, 0],
        "v": vectors[:, 1],
        "signature_per_cell": total,
    }


def slope(
    xy: NDArray[np.float64],
    values: NDArray[np.float64],
    grid_x: NDArray[np.float64],
    grid_y: NDArray[np.float64],
    *,
    k: int,
) -> NDArray[np.float64]:
    """Return ``(nx * ny, 2)`` slopes of the mean of the k nearest cells, over the root of their length."""
    from scipy.spatial import cKDTree

    across, along = np.meshgrid(grid_x, grid_y, indexing="ij")
    near = cKDTree(xy).query(np.stack([across.ravel(), along.ravel()], axis=1), k=min(k, len(xy)))[1]
    mean = values[near.reshape(across.size, -1)].mean(axis=1).reshape(across.shape)
    gradient: Callable[..., Any] = np.gradient
    parts = [
        gradient(mean, axis_values, axis=axis) if axis_values[-1] > axis_values[0] else np.zeros(mean.shape)
        for axis, axis_values in enumerate((grid_x, grid_y))
    ]
    vectors = np.stack([part.ravel() for part in parts], axis=1)
    length = np.hypot(vectors[:, 0], vectors[:, 1])
    return np.asarray(vectors / np.sqrt(np.where(length > 0, length, 1.0))[:, None], dtype=np.float64)
