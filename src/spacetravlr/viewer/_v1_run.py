"""What the perturbation routes of version 1 share: scopes, results kept, and waiting for a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from spacetravlr.perturbation import MAX_PROPAGATION, Effect, PropagationModel, Target
from spacetravlr.viewer import _v1_bodies as bodies
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._jobs import MOST_OPEN_IN_ALL, Job, JobKind
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._results import effect_size
from spacetravlr.viewer._scopes import cluster_rows
from spacetravlr.viewer._simulate import simulate

R = TypeVar("R")
V1_SESSION = "v1"
"""Session of the jobs of these routes; no client can have it."""
_PAUSE = 0.02


def model_of(data: Dataset) -> PropagationModel:
    """Return the loaded model.

    Raises
    ------
    ProblemError
        503 without one.
    """
    if data.runtime is None:
        raise ProblemError(503, "perturbation needs a run: open one by its run TOML", code="no_run")
    return data.runtime.ready()


async def as_job(
    request: Request, hub: Hub, data: Dataset, work: Callable[[Job], R], *, title: str, kind: JobKind = "perturb"
) -> R:
    """Do some work as a job and wait for it; a client that goes away, or `/api/cancel`, stops it.

    Raises
    ------
    ProblemError
        408 if it was cancelled, else what went wrong.
    """
    holder: list[R] = []

    def run(job: Job) -> tuple[None, int]:
        holder.append(work(job))
        return None, 0

    job = hub.jobs.submit(V1_SESSION, kind, run, title=title, dataset=data.id, request={}, most=MOST_OPEN_IN_ALL)
    try:
        while not job.over.is_set():
            await asyncio.sleep(_PAUSE)
            if await request.is_disconnected():
                hub.jobs.cancel(job)
                break
    finally:
        if not job.over.is_set():
            hub.jobs.cancel(job)
            await run_in_threadpool(job.over.wait, 60.0)
        hub.jobs.forget(job)
    if holder and job.state == "done":
        return holder[0]
    if job.state == "cancelled":
        raise ProblemError(408, "Perturbation cancelled")
    raise ProblemError(job.status if job.status >= 400 else 500, job.message or "internal error")


def effect_of(hub: Hub, data: Dataset, body: bodies.Perturb, job: Job, *, share: float = 1.0) -> Effect:
    """Return the effect of a perturbation, kept from an earlier request if it is still there.

    Parameters
    ----------
    hub, data
        State and data.
    body
        What is asked for.
    job
        Told how far it is; its cancelling is heard.
    share
        Part of the job that this is.

    Raises
    ------
    ProblemError
        As `check_perturb`.
    """
    model, rows = check_perturb(data, body)
    steps = n_propagation(data, body.n_propagation)
    key = (data.id, body.gene, body.desired_expr, _digest(rows), steps)
    kept = hub.effects.get(key)
    if kept is not None:
        return kept
    effect = simulate(
        model,
        [Target(body.gene, body.desired_expr)],
        n_propagation=steps,
        cells=rows,
        at=lambda progress, step: job.at(share * progress, step),
        cancelled=job.cancelled.is_set,
    )
    hub.effects.put(key, effect, effect_size(effect))
    return effect


def check_perturb(data: Dataset, body: bodies.Perturb) -> tuple[PropagationModel, NDArray[np.int64] | None]:
    """Return the model and the rows of a perturbation, None for all.

    Raises
    ------
    ProblemError
        503 without a model, 404 for an unknown gene, 400 for a blank one, a negative dose, or an impossible scope.
    """
    model = model_of(data)
    check_gene(model, body.gene)
    if body.desired_expr < 0:
        raise ProblemError(400, "desired_expr must not be negative")
    return model, rows_of(data, body.scope)


def check_gene(model: PropagationModel, gene: str) -> None:
    """Refuse a blank gene with 400 and an unknown one with 404."""
    if not gene.strip():
        raise ProblemError(400, "name a gene")
    if gene not in model.genes:
        raise ProblemError(404, f"gene {gene[:100]!r} is not in the model")


def n_propagation(data: Dataset, given: int | None) -> int:
    """Return a number of steps, by default that of the run, at least 1 and at most 32."""
    steps = given
    if steps is None:
        steps = 4 if data.run is None else data.run.config.perturbation.n_propagation
    return min(max(steps, 1), MAX_PROPAGATION)


def rows_of(data: Dataset, scope: Any) -> NDArray[np.int64] | None:
    """Return the cells of a scope, at least one; None for all.

    Raises
    ------
    ProblemError
        400 if it holds none or names something unknown.
    """
    match scope:
        case bodies.ScopeAll():
            return None
        case bodies.ScopeIndices():
            rows = np.unique(np.asarray(scope.indices, dtype=np.int64))
            if len(rows) and (rows[0] < 0 or rows[-1] >= data.n_obs):
                raise ProblemError(400, f"indices go from 0 to {data.n_obs - 1}")
        case bodies.ScopeType():
            types = data.cell_types
            if types is None or not 0 <= scope.category < len(types.categories):
                raise ProblemError(400, f"there is no cell type with the code {scope.category}")
            rows = np.flatnonzero(types.codes == scope.category)
        case bodies.ScopeTypeName():
            types = data.cell_types
            if types is None or scope.name not in types.categories:
                raise ProblemError(400, f"there is no cell type {scope.name[:100]!r}")
            rows = types.rows({scope.name})
        case bodies.ScopeCluster():
            rows = cluster_rows(data, [scope.cluster_id])
        case _:
            raise ProblemError(422, "unknown scope")
    if not len(rows):
        raise ProblemError(400, "no cells in the scope")
    return rows


def _digest(rows: NDArray[np.int64] | None) -> str:
    return "all" if rows is None else sha256(rows.tobytes()).hexdigest()
