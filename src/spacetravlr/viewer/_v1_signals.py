"""Version 1: received ligands, and the network of derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from spacetravlr.viewer._answers import bytes_answer, json_answer
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import DataOf, HubOf
from spacetravlr.viewer._jobs import Job
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._simulate import check_memory
from spacetravlr.viewer._splash_graph import Drawing, draw, mean_derivatives
from spacetravlr.viewer._v1_bodies import ReceivedLigand, SplashNetwork
from spacetravlr.viewer._v1_run import V1_SESSION, as_job, check_gene, model_of, rows_of

router = APIRouter(prefix="/api", tags=["version 1"])
_MOST_LIGANDS = 96
_MOST_ANCHORS = 4_000_000
_SMALLEST, _LARGEST = 1e-9, 1e12
"""Beyond these, squares and quotients of lengths are no numbers any more."""
_SPLASH = "derivatives"


@router.post("/spatial/received_ligand", response_class=Response)
def received_ligand(request: Request, hub: HubOf, data: DataOf, body: ReceivedLigand) -> Response:
    """Return what every cell receives of ligands, f32."""
    with hub.heavy.passed():
        values = (_of_model if body.source in ("runtime", "model") else _of_sample)(data, body)
    return bytes_answer(request, values.astype("<f4").tobytes(), zstd=False)


@router.post("/perturb/splash_network")
async def splash_network(request: Request, hub: HubOf, data: DataOf, body: SplashNetwork) -> Response:
    """Find a path of derivatives from one gene to another, and what surrounds it."""
    a, b = body.gene_a.strip(), body.gene_b.strip()
    if not a or not b:
        raise ProblemError(400, "name two genes")
    if a == b:
        raise ProblemError(400, "gene_a and gene_b must differ")
    model = await run_in_threadpool(model_of, data)
    for gene in (a, b):
        check_gene(model, gene)
    if b not in model.targets:
        raise ProblemError(400, f"{b} has no model: nothing leads to it")
    rows = await run_in_threadpool(rows_of, data, body.scope)

    def work(job: Job) -> dict[str, Any]:
        return _network(data, a, b, body=body, rows=rows, job=job)

    found = await as_job(request, hub, data, work, title=f"{_SPLASH} {a} to {b}")
    return await run_in_threadpool(lambda: json_answer(request, found, zstd=False))


@router.get("/perturb/splash_progress")
def splash_progress(request: Request, hub: HubOf) -> Response:
    """How far the derivatives of `/api/perturb/splash_network` are."""
    jobs = [job for job in hub.jobs.list(V1_SESSION) if job.ended is None and job.title.startswith(_SPLASH)]
    permille = round(1000 * jobs[0].progress) if jobs else 0
    return json_answer(request, {"active": bool(jobs), "permille": permille})


def _of_model(data: Dataset, body: ReceivedLigand) -> NDArray[np.float64]:
    if data.runtime is None or data.runtime.model is None:
        raise ProblemError(400, "no perturbation model is loaded")
    model, betas = data.runtime.model, data.runtime.run.betabase
    ligand = body.genes[0] if body.genes else ""
    known = betas.tfl_ligands if body.matrix.lower() == "tfl" else betas.ligands
    if ligand not in known or ligand not in model.ligand_radii:
        raise ProblemError(400, f"no model listens to {ligand[:100]!r}")
    layer = data.runtime.run.config.data.layer or "X"
    values = data.expression.column(ligand, layer).astype(np.float64)
    return np.asarray(data.field(model.ligand_radii[ligand]).apply(values), dtype=np.float64)


def _of_sample(data: Dataset, body: ReceivedLigand) -> NDArray[np.float64]:
    from spacetravlr.signaling import SignalField

    for name, value in (
        ("radius", body.radius),
        ("scale_factor", body.scale_factor),
        ("grid_factor", body.grid_factor),
    ):
        if not _SMALLEST <= value <= _LARGEST:
            raise ProblemError(400, f"{name} must be a number from {_SMALLEST:g} to {_LARGEST:g}")
    aggregate = body.aggregate.lower()
    if aggregate not in ("sum", "max", "mean"):
        raise ProblemError(400, "aggregate must be sum|max|mean")
    genes = [gene for gene in body.genes[:_MOST_LIGANDS] if gene in data.file.gene_index]
    if not genes:
        raise ProblemError(400, "none of the genes is measured")
    check_memory(3 * 8 * data.n_obs * len(genes), f"the received amount of {len(genes)} ligands")
    # a grid with more points than cells is no help, and a fine one would be huge
    width, height = np.ptp(data.xy[data.placed], axis=0) / (body.grid_factor * body.radius) + 2.0
    grid = body.use_grid and float(width) * float(height) < min(data.n_obs, _MOST_ANCHORS)
    options: dict[str, Any] = {"method": "grid", "grid_factor": body.grid_factor} if grid else {"tol": 1e-5}
    field = SignalField(data.xy, body.radius, scale=body.scale_factor, **options)
    values = np.stack([data.expression.column(gene, data.layer) for gene in genes], axis=1).astype(np.float64)
    values[~data.placed] = 0.0
    return np.asarray(getattr(np, aggregate)(field.apply(values), axis=1), dtype=np.float64)


def _network(
    data: Dataset, a: str, b: str, *, body: SplashNetwork, rows: NDArray[np.int64] | None, job: Job
) -> dict[str, Any]:
    runtime = data.runtime
    if runtime is None:
        raise ProblemError(503, "no perturbation model is loaded")
    model, run = runtime.ready(), runtime.run
    n_ligands = len(model.ligand_radii)
    check_memory(16 * data.n_obs * (n_ligands + len(model.modulators)), "the derivatives of all targets")
    layer = run.config.data.layer or "X"

    def received(ligand: str) -> NDArray[np.float64]:
        if ligand not in model.ligand_radii:
            return np.zeros(data.n_obs)
        values = data.expression.column(ligand, layer).astype(np.float64)
        return np.asarray(data.field(model.ligand_radii[ligand]).apply(values), dtype=np.float64)

    def step(share: float) -> None:
        job.at(share, "derivatives")
        job.check()

    key = (_SPLASH, data.id, None if rows is None else rows.tobytes())

    def make() -> tuple[Any, int]:
        found = mean_derivatives(run, rows, received=received, step=step)
        return found, 200 * len(found[0])

    kept = data.memory.get(key)
    if kept is None:
        kept, size = make()
        data.memory.put(key, kept, size)
    weights, plain = kept
    hops, most = min(max(body.surround_hops, 0), 4), min(max(body.max_nodes, 6), 64)
    return {
        "gene_a": a,
        "gene_b": b,
        "n_cells_used": data.n_obs if rows is None else len(rows),
        **_answer(draw(weights, a, b, hops=hops, most=most), weights, plain, ends=(a, b)),
        "surround_hops": hops,
        "max_nodes": most,
    }


def _answer(
    drawing: Drawing,
    weights: dict[tuple[str, str], float],
    plain: dict[tuple[str, str], float],
    *,
    ends: tuple[str, str],
) -> dict[str, Any]:
    on_path = set(drawing.path or ())
    roles = dict(zip(ends, ("source", "sink"), strict=True))
    return {
        "path": drawing.path,
        "path_found": drawing.path is not None,
        "nodes": [
            {"id": gene, "on_path": gene in on_path, "role": roles.get(gene, "path" if gene in on_path else "context")}
            for gene in drawing.nodes
        ],
        "links": [
            {
                "source": link[0],
                "target": link[1],
                "weight": weights[link],
                "abs_weight": abs(weights[link]),
                **({"beta_mean": plain[link]} if link in plain else {}),
            }
            for link in drawing.links
        ],
        "message": None if drawing.path else f"no path of derivatives leads from {ends[0]} to {ends[1]}",
    }
