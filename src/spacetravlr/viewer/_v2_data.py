"""Which data there are, opening them, and showing the token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._deps import HubOf, SessionOf
from spacetravlr.viewer._open import OpenRequest
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._security import COOKIE, same_text

router = APIRouter(prefix="/api/v2", tags=["session"])
Identifier = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=200)]


class LoginBody(BaseModel):
    """The token that the server has printed."""

    token: Annotated[str, Field(max_length=200)]


class OpenBody(BaseModel):
    """What is to be opened, by ids of the listing."""

    h5ad_id: Identifier | None = None
    run_id: Identifier | None = None
    layer: Name | None = None
    cluster_column: Name | None = None


@router.post("/login")
def login(request: Request, hub: HubOf, body: LoginBody) -> Response:
    """Exchange the token for a cookie that scripts cannot read."""
    token = hub.options.token
    answer = json_answer(request, {"ok": True, "needed": token is not None})
    if token is None:
        return answer
    if not same_text(body.token, token):
        raise ProblemError(401, "this is not the token: open the address that the server has printed")
    answer.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", path="/api", secure=request.url.scheme == "https"
    )
    return answer


@router.get("/data")
def data(request: Request, hub: HubOf) -> Response:
    """List samples and runs in the data roots."""
    roots = [
        {
            "name": name,
            "files": [{"id": one.id, "name": one.name, "kind": one.kind, "size": one.size} for one in files],
        }
        for name, files in hub.roots.files()
    ]
    return json_answer(request, {"roots": roots})


@router.post("/open")
def open_data(request: Request, hub: HubOf, session: SessionOf, body: OpenBody) -> Response:
    """Open data for the session."""
    if hub.options.read_only:
        raise ProblemError(403, "this server is read-only: the data cannot be exchanged", code="read_only")
    if body.h5ad_id is None and body.run_id is None:
        raise ProblemError(400, "name a sample (h5ad_id) or a run (run_id)")
    wanted = OpenRequest(
        h5ad=None if body.h5ad_id is None else hub.roots.file(body.h5ad_id, "h5ad").path,
        run_toml=None if body.run_id is None else hub.roots.file(body.run_id, "run").path,
        layer=body.layer or None,
        cluster_annot=body.cluster_column or None,
        network_dir=hub.options.network_dir,
    )
    return json_answer(request, {"dataset": hub.open(wanted, session=session).id})
