"""Jobs: asking for them, following them, cancelling them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from spacetravlr.errors import InputError, did_you_mean
from spacetravlr.perturbation import MAX_PROPAGATION, Dose, Effect, PropagationModel, Target
from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import ChosenOf, HubOf, SessionOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._jobs import Job
from spacetravlr.viewer._problem import ProblemError, of_error
from spacetravlr.viewer._results import effect_size, summary
from spacetravlr.viewer._scopes import Everywhere, OfClusters, OfTypes, Scope, Selected, scope_rows, type_rows
from spacetravlr.viewer._simulate import arrows, check_memory, simulate, simulation_memory
from spacetravlr.viewer._v2_meta import MAX_CELLS_FIELD

router = APIRouter(prefix="/api/v2/jobs", tags=["jobs"])
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Name = Annotated[str, Field(max_length=200)]
_PAUSE = 0.05
_HEARTBEAT = 10.0
_LONG_AXIS = 48
_FEWEST_POINTS = 8
MOST_POINTS = 20_000
_LONGEST = 40
"""Letters of the names of groups in a title."""


class TargetBody(BaseModel):
    """A gene, and what becomes of it."""

    gene: Name
    dose: Finite | Annotated[str, Field(max_length=40)] = 0.0


class PerturbBody(BaseModel):
    """A perturbation."""

    kind: Literal["perturb"]
    targets: Annotated[list[TargetBody], Field(min_length=1, max_length=20)]
    scope: Scope = Everywhere(type="all")
    n_propagation: Annotated[int, Field(ge=0, le=MAX_PROPAGATION)] | None = None


class FieldBody(BaseModel):
    """A field of arrows of a perturbation that is done."""

    kind: Literal["field"]
    job: Name
    embedding: Name = "umap"
    n_neighbors: Annotated[int, Field(ge=3, le=500)] = 150
    grid_size: Annotated[int, Field(ge=4, le=140)] | None = None
    temperature: Annotated[Finite, Field(ge=1e-6)] = 0.05
    remove_null: bool = True
    unit_directions: bool = False
    limit_types: Annotated[list[Name], Field(max_length=1000)] = []
    delta_rescale: Finite = 1.0
    vector_scale: Annotated[Finite, Field(ge=1e-9, le=1e9)] = 0.85
    magnitude_threshold: Annotated[Finite, Field(ge=0)] = 0.0


@router.post("", status_code=202)
def submit(
    request: Request,
    hub: HubOf,
    session: SessionOf,
    data: ChosenOf,
    body: Annotated[PerturbBody | FieldBody, Field(discriminator="kind")],
) -> Response:
    """Begin a job; everything that can be known to be wrong is said at once."""
    job = _perturb(hub, session, data, body) if isinstance(body, PerturbBody) else _field(hub, session, data, body)
    return json_answer(request, {"id": job.id}, status=202)


@router.get("")
def jobs(
    request: Request,
    hub: HubOf,
    session: SessionOf,
    dataset: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """List the jobs of the session, the newest first: all, or those about the sample of a dataset."""
    found = hub.jobs.list(session)
    if dataset:
        sample = str(hub.dataset(session, dataset).file.path)
        found = [job for job in found if job.sample == sample]
    return json_answer(request, [job.facts() for job in found])


@router.get("/{identifier}")
def job(request: Request, hub: HubOf, session: SessionOf, identifier: str) -> Response:
    """How far a job is."""
    return json_answer(request, hub.jobs.get(session, identifier).facts())


@router.delete("/{identifier}")
def cancel(request: Request, hub: HubOf, session: SessionOf, identifier: str) -> Response:
    """Cancel a job, or forget one that has ended."""
    found = hub.jobs.get(session, identifier)
    if found.ended is None:
        hub.jobs.cancel(found)
        return json_answer(request, {"ok": True, "message": "cancelling"})
    hub.jobs.forget(found)
    return json_answer(request, {"ok": True, "message": "forgotten"})


@router.get("/{identifier}/events", response_class=StreamingResponse)
async def events(hub: HubOf, session: SessionOf, identifier: str) -> StreamingResponse:
    """Progress as server-sent events, the last one called `end`."""
    found = hub.jobs.get(session, identifier)
    return StreamingResponse(_events(found), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get("/{identifier}/result")
def result(request: Request, hub: HubOf, session: SessionOf, identifier: str) -> Response:
    """Say what came of a perturbation."""
    found = hub.jobs.result(session, identifier, "perturb")
    return json_answer(request, summary(found.result, found.request["scope"]))


async def _events(job: Job) -> AsyncIterator[str]:
    shown: tuple[Any, ...] = ()
    beat = time.monotonic()
    while job.ended is None:
        now = (job.state, round(job.progress, 3), job.step)
        if now != shown:
            shown, beat = now, time.monotonic()
            yield _event("progress", {"state": now[0], "progress": now[1], "step": now[2]})
        elif time.monotonic() - beat > _HEARTBEAT:
            beat = time.monotonic()
            yield ": still there\n\n"
        await asyncio.sleep(_PAUSE)
    yield _event("end", {"state": job.state, "message": job.message})


def _event(name: str, content: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(content)}\n\n"


def _perturb(hub: Hub, session: str, data: Dataset, body: PerturbBody) -> Job:
    if data.runtime is None:
        raise ProblemError(503, "perturbation needs a run: open one", code="no_run")
    model = data.runtime.ready()
    twice = [gene for gene, n in Counter(one.gene for one in body.targets).items() if n > 1]
    if twice:
        raise ProblemError(400, f"{twice[0][:100]!r} is a target twice: give each gene one dose", code="bad_dose")
    targets = [_target(model, one) for one in body.targets]
    rows = scope_rows(body.scope, data, hub.selections, session)
    check_memory(simulation_memory(model, len(targets)), f"a simulation of {data.n_obs:,} cells")
    usual = 4 if data.run is None else data.run.config.perturbation.n_propagation
    steps = usual if body.n_propagation is None else body.n_propagation

    def work(job: Job) -> tuple[Effect, int]:
        effect = simulate(model, targets, n_propagation=steps, cells=rows, at=job.at, cancelled=job.cancelled.is_set)
        return effect, effect_size(effect)

    scope = body.scope.model_dump()
    where = "" if rows is None else f" in {_where(body.scope, len(rows))}"
    title = " + ".join(f"{one.gene} {one.dose.label}" for one in targets) + where
    kept, sample = {"scope": scope}, str(data.file.path)
    return hub.jobs.submit(session, "perturb", work, title=title, dataset=data.id, sample=sample, request=kept)


def _where(scope: Scope, n_cells: int) -> str:
    """Return which cells are perturbed: a few groups by name, others by number."""
    groups: list[Any] = (
        scope.names if isinstance(scope, OfTypes) else scope.ids if isinstance(scope, OfClusters) else []
    )
    named = ", ".join(str(one) for one in groups)
    if not groups or len(named) > _LONGEST:
        return f"{n_cells:,} {'selected cells' if isinstance(scope, Selected) else 'cells'}"
    return named if isinstance(scope, OfTypes) else f"cluster{'s' if len(groups) > 1 else ''} {named}"


def _target(model: PropagationModel, body: TargetBody) -> Target:
    if body.gene not in model.genes:
        hint = did_you_mean(body.gene, model.genes)
        raise ProblemError(404, f"gene {body.gene[:100]!r} is not in the model{hint}", code="no_such_gene")
    try:
        return Target(body.gene, Dose.parse(body.dose, gene=body.gene))
    except InputError as error:
        raise of_error(error, code="bad_dose") from error


def _field(hub: Hub, session: str, data: Dataset, body: FieldBody) -> Job:
    source = hub.jobs.result(session, body.job, "perturb", sample=str(data.file.path))
    if body.embedding not in data.embeddings:
        raise ProblemError(404, f"there is no embedding {body.embedding!r}")
    effect: Effect = source.result
    if len(effect.cells) != data.n_obs:
        raise ProblemError(409, "the perturbation is about other cells", code="wrong_job")
    if data.n_obs > MAX_CELLS_FIELD:
        raise ProblemError(413, f"fields are for {MAX_CELLS_FIELD:,} cells at most")
    cells = type_rows(data, body.limit_types) if body.limit_types else None

    def work(job: Job) -> tuple[Any, int]:
        xy = data.embedding(body.embedding)[:, :2]
        settings = body.model_dump(exclude={"kind", "job", "embedding", "grid_size", "limit_types"})
        found = arrows(
            effect,
            xy,
            at=job.at,
            cancelled=job.cancelled.is_set,
            cells=cells,
            grid_size=grid_size(xy, body.grid_size),
            max_grid_points=MOST_POINTS,
            **settings,
        )
        return found, int(found.vectors.nbytes + found.cell_vectors.nbytes)

    return hub.jobs.submit(
        session,
        "field",
        work,
        title=f"field of {source.title} on {body.embedding}",
        dataset=data.id,
        sample=str(data.file.path),
        request={"embedding": body.embedding, "job": body.job},
    )


def grid_size(xy: NDArray[np.float64], long_axis: int | None) -> tuple[int, int]:
    """Return the points of a grid on both axes: as many on the longer one as said, squares as far as possible.

    It does not depend on the order of the cells.
    """
    most = long_axis or _LONG_AXIS
    spans = np.ptp(xy[np.isfinite(xy).all(axis=1)], axis=0)
    largest = float(spans.max())
    if largest <= 0:
        return most, most
    across, along = (max(min(_FEWEST_POINTS, most), round(most * float(span) / largest)) for span in spans)
    return across, along
