"""Version 1: simulations, their summaries, and their files."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from spacetravlr.perturbation import Effect, Target
from spacetravlr.viewer._answers import OCTETS, bytes_answer, json_answer
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import DataOf, HubOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._jobs import Job
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._results import delta_column, gene_stats, top_changes
from spacetravlr.viewer._simulate import simulate
from spacetravlr.viewer._v1_bodies import NeighborSanity, Perturb, ReferenceSimilarity
from spacetravlr.viewer._v1_run import (
    as_job,
    check_gene,
    check_perturb,
    effect_of,
    model_of,
    n_propagation,
    rows_of,
)

router = APIRouter(prefix="/api/perturb", tags=["version 1"])
_TINY = 1e-12
_MOST_TOP = 50
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_MORE, _LESS = 1.15, 0.9
"""Ratios above and below which neighbours count as more, or less, affected."""


async def _effect(request: Request, hub: Hub, data: Dataset, body: Perturb) -> Effect:
    await run_in_threadpool(check_perturb, data, body)
    return await as_job(
        request, hub, data, lambda job: effect_of(hub, data, body, job), title=f"{body.gene} to {body.desired_expr:g}"
    )


@router.post("/preview", response_class=Response)
async def preview(request: Request, hub: HubOf, data: DataOf, body: Perturb) -> Response:
    """Change of the perturbed gene in every cell, f32."""
    effect = await _effect(request, hub, data, body)

    def answer() -> Response:
        return bytes_answer(request, delta_column(effect, body.gene).astype("<f4").tobytes(), zstd=False)

    return await run_in_threadpool(answer)


@router.post("/summary")
async def summary(request: Request, hub: HubOf, data: DataOf, body: Perturb) -> Response:
    """Say what changes, and how much, over all cells."""
    effect = await _effect(request, hub, data, body)
    return await run_in_threadpool(lambda: json_answer(request, summarised(effect, body.gene), zstd=False))


@router.post("/export_feather", response_class=Response)
async def export_feather(request: Request, hub: HubOf, data: DataOf, body: Perturb) -> Response:
    """Return simulated expression of all genes as an Arrow file."""
    effect = await _effect(request, hub, data, body)
    name = f"{_NOT_IN_NAMES.sub('_', body.gene)[:64]}_perturb_simulated_expr.feather"
    content = await run_in_threadpool(feather_bytes, effect)
    return Response(content, 200, {"Content-Disposition": f'attachment; filename="{name}"'}, OCTETS)


@router.post("/reference_similarity")
async def reference_similarity(request: Request, hub: HubOf, data: DataOf, body: ReferenceSimilarity) -> Response:
    """Whether the perturbed cells become more like the mean of some other cells."""
    reference = await run_in_threadpool(_reference, data, body)
    effect = await _effect(request, hub, data, body)
    rows = await run_in_threadpool(rows_of, data, body.scope)
    return await run_in_threadpool(lambda: json_answer(request, _similarity(effect, body, reference, rows), zstd=False))


@router.post("/neighbor_sanity")
async def neighbor_sanity(request: Request, hub: HubOf, data: DataOf, body: NeighborSanity) -> Response:
    """Perturb one cell, and compare what follows near it with what follows far away."""
    model = model_of(data)
    cluster = await run_in_threadpool(_check_cell, data, body)
    steps = n_propagation(data, body.n_propagation)

    def work(job: Job) -> Effect:
        return simulate(
            model,
            [Target(body.gene, body.desired_expr)],
            n_propagation=steps,
            cells=np.array([body.cell_index]),
            at=job.at,
            cancelled=job.cancelled.is_set,
        )

    effect = await as_job(request, hub, data, work, title=f"{body.gene} in cell {body.cell_index}")
    return await run_in_threadpool(lambda: json_answer(request, _sanity(data, effect, body, cluster), zstd=False))


def summarised(effect: Effect, gene: str) -> dict[str, Any]:
    """Return the counts of the perturbed gene, and the genes that change most."""
    delta = delta_column(effect, gene)
    top = top_changes(gene_stats(effect), _MOST_TOP, by="max_abs_delta")
    return {
        "gene": gene,
        "n_obs": len(delta),
        "mean_delta": float(delta.mean()),
        "max_abs_delta": float(np.abs(delta).max()),
        "n_positive": int((delta > _TINY).sum()),
        "n_negative": int((delta < -_TINY).sum()),
        "n_zero": int((np.abs(delta) <= _TINY).sum()),
        "top_affected_genes": [{key: one[key] for key in ("gene", "mean_delta", "max_abs_delta")} for one in top],
    }


def feather_bytes(effect: Effect) -> bytes:
    """Return the file of an effect: `CellID`, and a float64 column of simulated expression for each gene."""
    with tempfile.TemporaryDirectory(prefix="spacetravlr-viewer-") as folder:
        return effect.write(Path(folder) / "effect.feather").read_bytes()


def _reference(data: Dataset, body: ReferenceSimilarity) -> NDArray[np.int64]:
    check_perturb(data, body)
    wanted = rows_of(data, body.reference)
    reference = np.arange(data.n_obs) if wanted is None else wanted
    if body.exclude_perturb_cells_from_reference:
        perturbed = rows_of(data, body.scope)
        reference = reference[:0] if perturbed is None else np.setdiff1d(reference, perturbed)
    if not len(reference):
        raise ProblemError(400, "the reference holds no cell")
    if body.genes and not set(body.genes) & set(data.genes):
        raise ProblemError(400, "none of the genes is measured")
    return reference


def _similarity(
    effect: Effect, body: ReferenceSimilarity, reference: NDArray[np.int64], rows: NDArray[np.int64] | None
) -> dict[str, Any]:
    cells = np.arange(len(effect.cells)) if rows is None else rows
    wanted = set(body.genes)
    places = [at for at, gene in enumerate(effect.genes) if not wanted or gene in wanted]
    simulated = {int(column): row for row, column in enumerate(effect.columns)}
    # gene by gene: no array of cells x genes is made
    before, after = np.zeros((2, len(cells))), np.zeros((2, len(cells)))
    norm = 0.0
    for place in places:
        own = np.asarray(effect.baseline[:, place], dtype=np.float64)
        mean = float(own[reference].mean())
        norm += mean * mean
        old = own[cells]
        new = effect.values[simulated[place]][cells] if place in simulated else old
        before += old * mean, old * old
        after += new * mean, new * new
    if norm <= 0:
        raise ProblemError(400, "the reference profile is zero")

    def cosine(parts: NDArray[np.float64]) -> NDArray[np.float64]:
        length = np.sqrt(parts[1] * norm)
        return np.where(length > 0, parts[0] / np.where(length > 0, length, 1.0), 0.0)

    was, now = cosine(before), cosine(after)
    return {
        "n_genes_used": len(places),
        "n_reference_cells": len(reference),
        "n_eval_cells": len(cells),
        "exclude_perturb_cells_from_reference": body.exclude_perturb_cells_from_reference,
        "mean_cosine_before": float(was.mean()),
        "mean_cosine_after": float(now.mean()),
        "median_cosine_before": float(np.median(was)),
        "median_cosine_after": float(np.median(now)),
        "mean_delta_cosine": float((now - was).mean()),
    }


def _sanity(data: Dataset, effect: Effect, body: NeighborSanity, cluster: int) -> dict[str, Any]:
    radius = body.neighbor_radius
    if radius is None or not math.isfinite(radius) or radius <= 0:
        radius = effect.radius or 0.0
    distance = np.sqrt(((data.xy - data.xy[body.cell_index]) ** 2).sum(axis=1))
    others = np.arange(data.n_obs) != body.cell_index
    near, remote = others & (distance <= radius), others & (distance > radius)
    far = others & (distance > 2 * radius)
    own = np.abs(delta_column(effect, body.gene))
    total = np.zeros(data.n_obs)
    for place, column in enumerate(effect.columns):
        total += np.abs(effect.values[place] - effect.baseline[:, column])

    def mean(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
        return float(values[mask].mean()) if mask.any() else 0.0

    near_own, remote_own = mean(own, near), mean(own, remote)
    near_all, remote_all = mean(total, near), mean(total, remote)
    ratios = {
        "neighbors_vs_remote_ratio_perturbed_gene": near_own / remote_own if remote_own > 0 else None,
        "neighbors_vs_remote_ratio_l1": near_all / remote_all if remote_all > 0 else None,
    }
    sample = np.flatnonzero(near)
    sample = sample[np.argsort(distance[sample], kind="stable")][:100]
    ligands = set() if data.runtime is None else set(data.runtime.run.betabase.ligands)
    return {
        "gene": body.gene,
        "desired_expr": body.desired_expr,
        "cell_index": body.cell_index,
        "cluster_id_at_cell": cluster,
        "neighbor_radius_used": radius,
        "n_propagation": effect.n_propagation,
        "n_neighbors_within_radius": int(near.sum()),
        "neighbor_sample": sample.tolist(),
        "ligand_gene_in_lr_model": body.gene in ligands,
        "sender_abs_delta_perturbed_gene": float(own[body.cell_index]),
        "neighbors_mean_abs_delta_perturbed_gene": near_own,
        "remote_mean_abs_delta_perturbed_gene": remote_own,
        "neighbors_mean_l1_delta": near_all,
        "remote_mean_l1_delta": remote_all,
        **{name: value for name, value in ratios.items() if value is not None},
        "far_gt_2r_mean_l1_delta": mean(total, far),
        "n_remote": int(remote.sum()),
        "n_far": int(far.sum()),
        "interpretation": _words(ratios["neighbors_vs_remote_ratio_l1"], near_all),
    }


def _check_cell(data: Dataset, body: NeighborSanity) -> int:
    """Return the cluster of the cell, or refuse what makes no sense."""
    check_gene(model_of(data), body.gene)
    if not 0 <= body.cell_index < data.n_obs:
        raise ProblemError(400, f"cells go from 0 to {data.n_obs - 1}")
    if body.desired_expr < 0:
        raise ProblemError(400, "desired_expr must not be negative")
    cluster = int(data.clusters[0][body.cell_index])
    if body.require_cluster_id is not None and body.require_cluster_id != cluster:
        raise ProblemError(400, f"the cell is in cluster {cluster}, not {body.require_cluster_id}")
    return cluster


def _words(ratio: float | None, near: float) -> str:
    if ratio is None:
        if near > 0:
            return "Only cells within the radius change: the effect is local."
        return "Neither neighbours nor remote cells change: no model listens to this gene across cells."
    if ratio >= _MORE:
        return f"Neighbours change {ratio:.2f} times as much as remote cells: the effect is local."
    if ratio <= _LESS:
        return f"Neighbours change {ratio:.2f} times as much as remote cells: the effect is not local."
    return f"Neighbours and remote cells change alike (ratio {ratio:.2f})."
