"""Columns as binary blocks: encoded once, kept encoded, and never sent again to a client that has them."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from spacetravlr.viewer._answers import OCTETS, accepted, bytes_answer, compressed, has_already
from spacetravlr.viewer._blocks import Precision, joined, label_block, number_block
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._deps import ChosenOf, HubOf, SessionOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._obs import Labels
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._results import delta_column
from spacetravlr.viewer._v2_meta import MAX_COLUMNS

router = APIRouter(prefix="/api/v2", tags=["columns"])
Kind = Literal["obsm", "obs", "expr", "beta", "delta", "received"]
Name = Annotated[str, Field(max_length=200)]
_FOREVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"


class Wanted(BaseModel):
    """One column."""

    kind: Kind
    name: Name
    layer: Name | None = None
    column: Name | None = None
    job: Name | None = None
    matrix: Literal["lr", "tfl"] = "lr"


class WantedColumns(BaseModel):
    """Several columns in one answer."""

    columns: Annotated[list[Wanted], Field(min_length=1, max_length=MAX_COLUMNS)]
    dtype: Precision = "f32"


@router.get("/columns/{kind}/{name:path}", response_class=Response, responses={304: {"description": "not modified"}})
def column(
    request: Request,
    hub: HubOf,
    session: SessionOf,
    data: ChosenOf,
    *,
    kind: Kind,
    name: str,
    dtype: Precision = "f32",
    layer: Annotated[str | None, Query(max_length=200)] = None,
    column: Annotated[str | None, Query(max_length=200)] = None,
    job: Annotated[str | None, Query(max_length=64)] = None,
    matrix: Literal["lr", "tfl"] = "lr",
) -> Response:
    """One column as a block (a header of 32 bytes, then values)."""
    wanted = Wanted(kind=kind, name=name[:200], layer=layer, column=column, job=job, matrix=matrix)
    key = key_of(data, wanted, dtype)
    encoding = accepted(request)
    tag = f'"{sha256(repr(key).encode()).hexdigest()[:24]}{"-" + encoding if encoding else ""}"'
    # an address that does not name the data can mean others tomorrow; a run that goes on writes tables anew
    lasting = _FOREVER if "dataset" in request.query_params and kind != "beta" else _ASK_AGAIN
    headers = {"ETag": tag, "Cache-Control": lasting, "Vary": "Accept-Encoding, X-Session"}
    if has_already(request, tag):
        check(hub, session, data, wanted)  # nobody is told that the results of others exist
        return Response(None, 304, headers)
    check(hub, session, data, wanted)
    body, used = encoded(hub, session, data, wanted, dtype, encoding=encoding)
    if used:
        headers["Content-Encoding"] = used
    return Response(body, 200, headers, OCTETS)


@router.post("/columns", response_class=Response)
def columns(request: Request, hub: HubOf, session: SessionOf, data: ChosenOf, wanted: WantedColumns) -> Response:
    """Several columns, one block after the other, each padded to 8 bytes."""
    for one in wanted.columns:
        check(hub, session, data, one)
    blocks = [encoded(hub, session, data, one, wanted.dtype)[0] for one in wanted.columns]
    return bytes_answer(request, joined(blocks))


def key_of(data: Dataset, wanted: Wanted, dtype: Precision) -> tuple[object, ...]:
    """Return what a block depends on."""
    key = (data.id, wanted.kind, wanted.name, wanted.layer, wanted.column, wanted.job, wanted.matrix, dtype)
    if wanted.kind == "beta" and data.coefficients is not None:
        return (*key, *data.coefficients.stamp(wanted.name))
    return key


def encoded(
    hub: Hub, session: str, data: Dataset, wanted: Wanted, dtype: Precision, *, encoding: str = ""
) -> tuple[bytes, str]:
    """Return a block as it is sent, and its compression; kept, so `check` has to come before."""

    def make() -> tuple[tuple[bytes, str], int]:
        body, used = compressed(block(hub, session, data, wanted, dtype), encoding)
        return (body, used), len(body)

    return hub.encoded.take((key_of(data, wanted, dtype), encoding), make)


def check(hub: Hub, session: str, data: Dataset, wanted: Wanted) -> None:
    """Refuse the results of other sessions, and those about other samples."""
    if wanted.kind == "delta":
        hub.jobs.result(session, wanted.job or "", "perturb", sample=str(data.file.path))


def block(hub: Hub, session: str, data: Dataset, wanted: Wanted, dtype: Precision) -> bytes:
    """Return a column as a block.

    Raises
    ------
    ProblemError
        404 for what does not exist, 400 for what makes no sense.
    """
    match wanted.kind:
        case "obsm":
            if wanted.name not in data.embeddings:
                raise ProblemError(404, f"there is no embedding {wanted.name!r}")
            return number_block(data.embedding(wanted.name), dtype)
        case "obs":
            return _obs(data, wanted.name, dtype)
        case "expr":
            return number_block(expression(data, wanted.name, wanted.layer), dtype)
        case "beta":
            if data.coefficients is None:
                raise ProblemError(404, "no run is open: there are no coefficients", code="no_run")
            found = data.coefficients.values(wanted.name, wanted.column or "intercept")
            return number_block(found.values, dtype, unmatched=found.unmatched)
        case "delta":
            job = hub.jobs.result(session, wanted.job or "", "perturb")
            return number_block(delta_column(job.result, wanted.name), dtype)
        case "received":
            return number_block(received(data, wanted.name, wanted.matrix), dtype)


def expression(data: Dataset, gene: str, layer: str | None) -> NDArray[np.float32]:
    """Return the expression of a gene in a layer of the sample.

    Raises
    ------
    ProblemError
        404 if gene or layer do not exist.
    """
    if gene not in data.file.gene_index:
        raise ProblemError(404, f"gene {gene[:100]!r} is not measured", code="no_such_gene")
    chosen = layer or data.layer
    if chosen not in data.file.layers:
        raise ProblemError(404, f"there is no layer {chosen[:100]!r}", code="no_such_layer")
    return data.expression.column(gene, chosen)


def received(data: Dataset, ligand: str, matrix: str) -> NDArray[np.float64]:
    """Return what every cell receives of a ligand of the run.

    Raises
    ------
    ProblemError
        503 without a model, 404 if no model listens to that ligand.
    """
    if data.runtime is None:
        raise ProblemError(404, "no run is open: there are no ligands", code="no_run")
    model = data.runtime.ready()
    betas = data.runtime.run.betabase
    known = betas.ligands if matrix == "lr" else betas.tfl_ligands
    if ligand not in known or ligand not in model.ligand_radii:
        raise ProblemError(404, f"no model listens to {ligand[:100]!r} as a ligand of this kind")
    layer = data.runtime.run.config.data.layer or "X"
    values = data.expression.column(ligand, layer).astype(np.float64)
    return np.asarray(data.field(model.ligand_radii[ligand]).apply(values), dtype=np.float64)


def _obs(data: Dataset, name: str, dtype: Precision) -> bytes:
    if name not in data.file.obs_columns and (data.annotation is None or name != data.cell_type_column):
        raise ProblemError(404, f"obs has no column {name[:100]!r}")
    found = data.shown(name)
    return label_block(found) if isinstance(found, Labels) else number_block(found.values, dtype)
