"""Which data there are, opening them, and showing the token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._deps import HubOf, SessionOf
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._open import OpenRequest
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._roots import clean
from spacetravlr.viewer._security import cookie_name, same_text

router = APIRouter(prefix="/api/v2", tags=["session"])
Identifier = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=200)]
Named = Annotated[str, Field(max_length=4096)]


class LoginBody(BaseModel):
    """The token that the server has printed."""

    token: Annotated[str, Field(max_length=200)]


class OpenBody(BaseModel):
    """What is to be opened: by ids of the listing, or by paths in the data roots; or the id of data that are open."""

    h5ad_id: Identifier | None = None
    run_id: Identifier | None = None
    adata_path: Named | None = None
    run_toml: Named | None = None
    network_dir: Named | None = None
    layer: Name | None = None
    cluster_column: Name | None = None
    show: bool = True
    """False only opens them: the session sees them when it asks for them by the id that is answered."""
    dataset: Identifier | None = None


@router.post("/login")
def login(request: Request, hub: HubOf, body: LoginBody) -> Response:
    """Exchange the token for a cookie that scripts cannot read."""
    token = hub.options.token
    answer = json_answer(request, {"ok": True, "needed": token is not None})
    if token is None:
        return answer
    if not same_text(body.token, token):
        raise ProblemError(401, "this is not the token: open the address that the server has printed")
    name = cookie_name(request.headers.get("host", ""))
    answer.set_cookie(name, token, httponly=True, samesite="strict", path="/api", secure=request.url.scheme == "https")
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
    if body.dataset is not None:
        return json_answer(request, {"dataset": hub.show_known(body.dataset, session=session).id})
    wanted = OpenRequest(
        h5ad=_path(hub, body.h5ad_id, body.adata_path, kind="h5ad", what="adata_path"),
        run_toml=_path(hub, body.run_id, body.run_toml, kind="run", what="run_toml"),
        layer=body.layer or None,
        cluster_annot=body.cluster_column or None,
        network_dir=_path(hub, None, body.network_dir, kind="", what="network_dir") or hub.options.network_dir,
    )
    if wanted.h5ad is None and wanted.run_toml is None:
        raise ProblemError(400, "name a sample (h5ad_id or adata_path) or a run (run_id or run_toml)")
    made = hub.open(wanted, session=session) if body.show else hub.set_aside(wanted, session=session)
    return json_answer(request, {"dataset": made.id})


@router.delete("/session")
def leave(request: Request, hub: HubOf, session: SessionOf) -> Response:
    """End the session: its jobs are cancelled, and its results, selections and data are forgotten."""
    hub.leave(session)
    return json_answer(request, {"ok": True})


def _path(hub: Hub, identifier: str | None, given: str | None, *, kind: str, what: str) -> Path | None:
    """Return the file that an id or a path means; None where neither is given."""
    if identifier is not None:
        return hub.roots.file(identifier, kind).path
    if given is None or not clean(given):
        return None
    found = hub.roots.find(given, what=what)
    if kind == "h5ad" and not found.is_file():
        raise ProblemError(400, f"{what} is no file")
    return found
