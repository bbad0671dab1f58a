"""What jobs have found: top genes, rings, fields, comparisons, files."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation import Effect
from spacetravlr.perturbation._groups import distance_rings
from spacetravlr.perturbation.transition import TransitionField
from spacetravlr.viewer._answers import bytes_answer, json_answer
from spacetravlr.viewer._blocks import joined, number_block
from spacetravlr.viewer._deps import ChosenOf, HubOf, SessionOf
from spacetravlr.viewer._problem import ProblemError, of_error
from spacetravlr.viewer._results import grouped_top, rings, scope_mask
from spacetravlr.viewer._simulate import check_memory
from spacetravlr.viewer._v2_cells import groups_of

router = APIRouter(prefix="/api/v2", tags=["results"])
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_COMPARED = 2000


@router.get("/jobs/{identifier}/top")
def top(
    request: Request,
    hub: HubOf,
    session: SessionOf,
    data: ChosenOf,
    identifier: str,
    *,
    by: Annotated[str, Query(max_length=200)] = "cell_type",
    n: Annotated[int, Query(ge=1, le=1000)] = 20,
    scope_only: bool = False,
    include_targets: bool = False,
) -> Response:
    """Genes that change most: in all cells, by the names of a column, or in rings around the perturbed cells."""
    effect: Effect = hub.jobs.result(session, identifier, "perturb", sample=str(data.file.path)).result
    labels: tuple[str, ...]
    if by == "all":
        labels, codes = ("all",), np.zeros(len(effect.cells), dtype=np.int64)
    elif by == "ring":
        try:
            groups = distance_rings(effect)
        except SpaceTravLRError as error:
            raise of_error(error) from error
        labels, codes = groups.labels, groups.codes
    else:
        found = groups_of(data, by)
        if len(found.codes) != len(effect.cells):
            raise ProblemError(409, "the perturbation is about other cells", code="wrong_job")
        labels, codes = found.categories, found.codes
    if scope_only:
        codes = np.where(scope_mask(effect), codes, -1)
    return json_answer(request, {"groups": grouped_top(effect, labels, codes, n, include_targets=include_targets)})


@router.get("/jobs/{identifier}/rings")
def distance(
    request: Request,
    hub: HubOf,
    session: SessionOf,
    data: ChosenOf,
    *,
    identifier: str,
    gene: Annotated[str, Query(max_length=200)],
) -> Response:
    """Mean change of a gene by the distance from the perturbed cells."""
    effect: Effect = hub.jobs.result(session, identifier, "perturb", sample=str(data.file.path)).result
    try:
        found = rings(effect, gene)
    except SpaceTravLRError as error:
        raise of_error(error) from error
    scale = data.scale
    unit = "um" if scale is not None and scale.um_per_unit == 1.0 else "units"
    return json_answer(request, {"gene": gene, "rings": found, "unit": unit, "radius": effect.radius})


@router.get("/jobs/{identifier}/field", response_class=Response)
def field(request: Request, hub: HubOf, session: SessionOf, identifier: str) -> Response:
    """Return a field as two blocks: positions of the grid points, and their arrows; facts in the header X-Field."""
    job = hub.jobs.result(session, identifier, "field")
    found: TransitionField = job.result
    facts = {
        "nx": len(found.grid_x),
        "ny": len(found.grid_y),
        "embedding": job.request["embedding"],
        "n_neighbors": found.params["n_neighbors"],
        "n_nonzero": int((found.vectors != 0).any(axis=1).sum()),
        "largest": float(np.abs(found.vectors).max(initial=0.0)),
    }
    body = joined([number_block(found.points, "f32"), number_block(found.vectors, "f32")])
    return bytes_answer(request, body, headers={"X-Field": json.dumps(facts)})


@router.get("/compare")
def compare(
    request: Request,
    hub: HubOf,
    session: SessionOf,
    job_a: Annotated[str, Query(max_length=64)],
    job_b: Annotated[str, Query(max_length=64)],
) -> Response:
    """Two perturbations, gene by gene; r is the correlation of the mean changes."""
    job = hub.jobs.result(session, job_a, "perturb")
    one: Effect = job.result
    other: Effect = hub.jobs.result(session, job_b, "perturb", sample=job.sample).result
    try:
        table = one.compare(other)
    except SpaceTravLRError as error:
        raise of_error(error, 409, code="wrong_job") from error
    a, b = table["mean_delta"].to_numpy(dtype=float), table["mean_delta_other"].to_numpy(dtype=float)
    varies = len(a) > 1 and a.std() > 0 and b.std() > 0
    shown = table.head(_MOST_COMPARED)
    rows = [
        {"gene": gene, "mean_a": mean_a, "mean_b": mean_b, "correlation": r}
        for gene, mean_a, mean_b, r in zip(
            shown["gene"], shown["mean_delta"], shown["mean_delta_other"], shown["correlation"], strict=True
        )
    ]
    r = float(np.corrcoef(a, b)[0, 1]) if varies else None
    return json_answer(request, {"r": r, "n_genes": len(table), "rows": rows})


@router.get("/jobs/{identifier}/export", response_class=FileResponse)
def export(
    hub: HubOf,
    session: SessionOf,
    identifier: str,
    form: Literal["feather", "csv", "h5ad"] = "feather",
) -> FileResponse:
    """Return a file: simulated expression (feather), everything (h5ad), or changes by cell type (csv)."""
    job = hub.jobs.result(session, identifier, "perturb")
    effect: Effect = job.result
    if form != "csv":
        check_memory(8 * effect.baseline.size * (1 if form == "feather" else 3), "the file")
    name = f"{_NOT_IN_NAMES.sub('_', job.title)[:64]}_perturb_expr.{form}"
    folder = Path(tempfile.mkdtemp(prefix="spacetravlr-viewer-"))
    try:
        path = folder / f"effect.{form}"
        with hub.heavy.passed():
            if form == "csv":
                effect.differential(by=_groups(effect), include_targets=True).to_csv(path, index=False)
            else:
                effect.write(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(path, filename=name, background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True))


def _groups(effect: Effect) -> str | None:
    return "cell_type" if effect.obs is not None and "cell_type" in effect.obs.columns else "cluster"
