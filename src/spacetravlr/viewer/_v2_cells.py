"""Single cells, selections, the context of a cell, and what groups of cells express."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool

from spacetravlr.errors import InputError
from spacetravlr.perturbation import Region
from spacetravlr.viewer._answers import OCTETS, bytes_answer, json_answer
from spacetravlr.viewer._coefficients import kind_of
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import ChosenOf, HubOf, SessionOf
from spacetravlr.viewer._obs import Labels, as_labels
from spacetravlr.viewer._problem import ProblemError, plain_message
from spacetravlr.viewer._scopes import Everywhere, Scope, scope_rows
from spacetravlr.viewer._security import BODY_LIMIT
from spacetravlr.viewer._selections import Selection, unpack
from spacetravlr.viewer._v1_betas import AGGREGATES, aggregated
from spacetravlr.viewer._v2_meta import MAX_CELLS_BATCH, MAX_GENES_BATCH

router = APIRouter(prefix="/api/v2", tags=["cells"])
Name = Annotated[str, Field(max_length=200)]
Index = Annotated[int, Field(ge=0, lt=2**53)]
_MOST_INTERACTIONS = 80_000


class CellsBody(BaseModel):
    """Cells and genes whose values are wanted."""

    indices: Annotated[list[Index], Field(min_length=1, max_length=MAX_CELLS_BATCH)]
    genes: Annotated[list[Name], Field(min_length=1, max_length=MAX_GENES_BATCH)]
    layer: Name | None = None


class SelectionBody(BaseModel):
    """Cells by rows, by a polygon on an embedding, or by names in a column of obs: one of the three."""

    indices: Annotated[list[Index], Field(max_length=1_000_000)] | None = None
    polygon: Annotated[list[tuple[float, float]], Field(min_length=3, max_length=10_000)] | None = None
    embedding: Name = "spatial"
    obs: Name | None = None
    categories: Annotated[list[Name], Field(max_length=10_000)] | None = None

    @model_validator(mode="after")
    def _one(self) -> SelectionBody:
        given = (self.indices is not None, self.polygon is not None, self.obs is not None)
        if sum(given) != 1 or (self.obs is not None) != (self.categories is not None):
            raise ValueError("give indices, or polygon, or obs with categories")
        return self


class InteractionsBody(BaseModel):
    """Which coefficients, over which cells."""

    genes: Annotated[list[Name], Field(max_length=4096)] | None = None
    scope: Scope = Everywhere(type="all")
    aggregate: Literal["mean", "min", "max", "sum", "mean_positive", "mean_negative"] = "mean"
    limit: Annotated[int, Field(ge=1, le=_MOST_INTERACTIONS)] = 200


@router.get("/cells/{index}")
def cell(request: Request, data: ChosenOf, index: int) -> Response:
    """One cell."""
    if not 0 <= index < data.n_obs:
        raise ProblemError(404, f"cells go from 0 to {data.n_obs - 1}")
    types = data.cell_types
    values: dict[str, Any] = {}
    for name in data.file.obs_columns[:200]:
        column = data.memory.get(("obs", id(data.file), name))
        values[name] = _value(data, name, index) if column is None else _at(column, index)
    answer = {
        "index": index,
        "name": data.file.cell(index),
        "cell_type": None if types is None or types.codes[index] < 0 else types.categories[types.codes[index]],
        "cluster": _at(data.cluster_labels, index),
        "xy": data.xy[index],
        "obs": values,
    }
    return json_answer(request, answer)


@router.post("/cells")
def cells(request: Request, data: ChosenOf, body: CellsBody) -> Response:
    """Expression of some genes in some cells."""
    if max(body.indices) >= data.n_obs:
        raise ProblemError(400, f"cells go from 0 to {data.n_obs - 1}")
    for gene in body.genes:
        if gene not in data.file.gene_index:
            raise ProblemError(404, f"gene {gene[:100]!r} is not measured", code="no_such_gene")
    layer = body.layer or data.layer
    if layer not in data.file.layers:
        raise ProblemError(404, f"there is no layer {layer[:100]!r}", code="no_such_layer")
    values = data.expression.rows(np.asarray(body.indices), body.genes, layer)
    names = [data.file.cell(index) for index in body.indices]
    return json_answer(request, {"genes": body.genes, "values": values, "names": names})


@router.post(
    "/selections",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                OCTETS: {"schema": {"type": "string", "format": "binary"}},
                "application/json": {"schema": SelectionBody.model_json_schema()},
            },
        }
    },
)
async def select(request: Request, hub: HubOf, session: SessionOf, data: ChosenOf) -> Response:
    """Keep a selection: a bitmap (a bit for each cell, lowest first), or what describes one in JSON."""
    content = await _content(request, max(BODY_LIMIT, (data.n_obs + 7) // 8))

    def keep() -> Selection:
        return hub.selections.add(session, str(data.file.path), _mask(request, data, content))

    made = await run_in_threadpool(keep)
    return json_answer(request, {"id": made.id, "n": made.n})


@router.get("/selections/{identifier}", response_class=Response)
def selection(request: Request, hub: HubOf, session: SessionOf, data: ChosenOf, identifier: str) -> Response:
    """Return a selection as a bitmap."""
    return bytes_answer(request, hub.selections.get(session, identifier, str(data.file.path)).bits)


@router.get("/selections/{identifier}/summary")
def selection_summary(request: Request, hub: HubOf, session: SessionOf, data: ChosenOf, identifier: str) -> Response:
    """How many cells of each type are in a selection."""
    found = hub.selections.get(session, identifier, str(data.file.path))
    return json_answer(request, {"n": found.n, "by_type": by_type(data, found.rows())})


@router.get("/selections/{identifier}/names")
def selection_names(request: Request, hub: HubOf, session: SessionOf, data: ChosenOf, identifier: str) -> Response:
    """Names of the cells in a selection, in file order."""
    found = hub.selections.get(session, identifier, str(data.file.path))
    return json_answer(request, {"names": data.file.cells[found.rows()].tolist()})


@router.post("/interactions")
def interactions(request: Request, hub: HubOf, session: SessionOf, data: ChosenOf, body: InteractionsBody) -> Response:
    """Coefficients of many targets over some cells, the largest first."""
    if data.coefficients is None:
        raise ProblemError(404, "no run is open: there are no coefficients", code="no_run")
    rows = scope_rows(body.scope, data, hub.selections, session)
    cells = np.arange(data.n_obs) if rows is None else rows
    known = data.coefficients.genes
    wanted = known[:4096] if body.genes is None else tuple(dict.fromkeys(body.genes))
    unknown = set(wanted) - set(known)
    if unknown:
        raise ProblemError(404, f"there is no model of {min(unknown)[:100]!r}")
    aggregate = AGGREGATES[body.aggregate.removeprefix("mean_")]
    with hub.heavy.passed():
        found = [
            (gene, name, value)
            for gene in wanted
            for name, value in aggregated(data.coefficients, data.coefficients.table(gene), cells, aggregate)
        ]
    found.sort(key=lambda one: (-abs(one[2]), one[0], one[1]))
    shown = [
        {
            "gene": gene,
            "modulator": name,
            "kind": kind_of(name),
            "beta": value,
            "stability": data.coefficients.mean_stability(gene, name, cells),
        }
        for gene, name, value in found[: body.limit]
    ]
    return json_answer(request, {"rows": shown, "total": len(found)})


@router.get("/expression-by-type")
def expression_by_type(
    request: Request,
    data: ChosenOf,
    genes: Annotated[str, Query(max_length=10_000)],
    by: Annotated[str, Query(max_length=200)] = "cell_type",
) -> Response:
    """Mean expression, and the share of cells that express, of some genes by the names of a column of obs."""
    wanted = [gene for gene in dict.fromkeys(genes.split(",")) if gene]
    if not 1 <= len(wanted) <= MAX_GENES_BATCH:
        raise ProblemError(400, f"name 1 to {MAX_GENES_BATCH} genes, with commas between")
    for gene in wanted:
        if gene not in data.file.gene_index:
            raise ProblemError(404, f"gene {gene[:100]!r} is not measured", code="no_such_gene")
    labels = groups_of(data, by)
    member = labels.codes >= 0
    codes, n_groups = labels.codes[member], len(labels.categories)
    sizes = np.bincount(codes, minlength=n_groups)
    mean, share = np.zeros((2, len(wanted), n_groups))
    for place, gene in enumerate(wanted):
        values = data.expression.column(gene, data.layer)[member].astype(np.float64)
        mean[place] = np.bincount(codes, weights=values, minlength=n_groups) / np.maximum(sizes, 1)
        share[place] = np.bincount(codes, weights=values > 0, minlength=n_groups) / np.maximum(sizes, 1)
    groups = [
        {"label": labels.categories[group], "n": sizes[group], "mean": mean[:, group], "fraction": share[:, group]}
        for group in range(n_groups)
        if sizes[group]
    ]
    return json_answer(request, {"genes": wanted, "groups": groups})


def groups_of(data: Dataset, by: str) -> Labels:
    """Return cells by the names of a column: `cell_type` and `cluster` are those of the dataset.

    Raises
    ------
    ProblemError
        400 for an unknown column, or one of numbers.
    """
    if by == "cell_type" and data.cell_types is not None:
        return data.cell_types
    if by == "cluster":
        return data.cluster_labels
    if by not in data.file.obs_columns:
        raise ProblemError(400, f"obs has no column {by[:100]!r}")
    found = data.obs(by)
    labels = found if isinstance(found, Labels) else as_labels(found)
    if len(labels.categories) > 1000:
        raise ProblemError(400, f"the column {by[:100]!r} has too many different values for groups")
    return labels


def by_type(data: Dataset, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the number of cells of each type among some cells, the most frequent first."""
    types = data.cell_types if data.cell_types is not None else data.cluster_labels
    counts = np.bincount(types.codes[rows] + 1, minlength=len(types.categories) + 1)
    names = ("(unknown)", *types.categories)
    found = [{"label": name, "n": int(count)} for name, count in zip(names, counts, strict=True) if count]
    return sorted(found, key=lambda one: -int(str(one["n"])))


async def _content(request: Request, most: int) -> bytes:
    """Return the body, never holding more of it than a selection of this sample can have."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise ProblemError(413, f"the body has more than {most:,} bytes: a selection of these cells has fewer")
    return bytes(content)


def _mask(request: Request, data: Dataset, content: bytes) -> NDArray[np.bool_]:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == OCTETS:
        return unpack(content, data.n_obs)
    if media != "application/json" and not media.endswith("+json"):
        raise ProblemError(415, f"the body must be JSON or a bitmap ({OCTETS})", code="not_json")
    if len(content) > BODY_LIMIT:
        raise ProblemError(413, f"the body has more than {BODY_LIMIT:,} bytes: send a bitmap")
    try:
        body = SelectionBody.model_validate(json.loads(content))
    except ValidationError as error:
        raise ProblemError(400, plain_message(str(error.errors()[0]["msg"]))) from error
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "the body is neither JSON nor a bitmap (application/octet-stream)") from error
    mask = np.zeros(data.n_obs, dtype=bool)
    if body.indices is not None:
        rows = np.asarray(body.indices, dtype=np.int64)
        if len(rows) and rows.max() >= data.n_obs:
            raise ProblemError(400, f"cells go from 0 to {data.n_obs - 1}")
        mask[rows] = True
    elif body.polygon is not None:
        if body.embedding not in data.embeddings:
            raise ProblemError(404, f"there is no embedding {body.embedding!r}")
        if not all(math.isfinite(value) for point in body.polygon for value in point):
            raise ProblemError(400, "the corners of a polygon are finite numbers")
        mask |= Region.from_points(body.polygon).contains(data.embedding(body.embedding))
    elif body.obs is not None and body.categories is not None:
        labels = groups_of(data, body.obs)
        unknown = set(body.categories) - set(labels.categories)
        if unknown:
            raise ProblemError(400, f"{body.obs} has no {min(unknown)[:100]!r}", code="unknown_label")
        mask[labels.rows(set(body.categories))] = True
    return mask


def _at(column: Any, index: int) -> Any:
    if isinstance(column, Labels):
        return None if column.codes[index] < 0 else column.categories[column.codes[index]]
    return float(column.values[index])


def _value(data: Dataset, name: str, index: int) -> Any:
    """Return one value of a column of obs without reading the column, where the file permits; None if it is damaged."""
    node = data.file.handle["obs"][name]
    try:
        if not hasattr(node, "dtype") or node.shape != (data.n_obs,):
            return _at(data.obs(name), index)
        value = node[index]
    except (InputError, OSError):
        return None
    plain = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    return plain.item() if hasattr(plain, "item") else str(plain)
