"""The application: guard, routes of both versions, errors, page."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.viewer import (
    _v1_betas,
    _v1_data,
    _v1_field,
    _v1_network,
    _v1_perturb,
    _v1_session,
    _v1_signals,
    _v2_cells,
    _v2_columns,
    _v2_context,
    _v2_data,
    _v2_jobs,
    _v2_meta,
    _v2_results,
    _v2_run,
)
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._options import ViewerOptions
from spacetravlr.viewer._problem import ProblemError, code_of, of_error, plain_message
from spacetravlr.viewer._security import Guard
from spacetravlr.viewer._static import bundle, page_routes

_LOG = logging.getLogger("spacetravlr")
_V1 = (_v1_session, _v1_data, _v1_betas, _v1_network, _v1_perturb, _v1_field, _v1_signals)
_V2 = (_v2_meta, _v2_columns, _v2_cells, _v2_context, _v2_jobs, _v2_results, _v2_data, _v2_run)


def create_app(options: ViewerOptions, *, hub: Hub | None = None) -> FastAPI:
    """Return the application of a server.

    Parameters
    ----------
    options
        Its settings.
    hub
        Its state; by default a new one in which nothing is open yet.

    Raises
    ------
    UsageError
        If the directory of the page has none.
    """
    folder = bundle(options.static_dir)
    state = Hub(options) if hub is None else hub

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    app = FastAPI(
        title="SpaceTravLR viewer",
        version="2",
        openapi_url="/api/v2/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        redirect_slashes=False,
    )
    app.state.hub = state
    for module in (*_V2, *_V1):
        app.include_router(module.router)
    _api_ends_here(app)
    app.include_router(page_routes(folder))
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(SpaceTravLRError, _own_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(Guard, options=options)
    return app


def _api_ends_here(app: FastAPI) -> None:
    """Answer unknown paths below /api with 404 and wrong methods with 405, never with the page."""
    known = [route.path_regex for module in (*_V2, *_V1) for route in module.router.routes if isinstance(route, Route)]

    @app.api_route(
        "/api/{rest:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    @app.api_route("/api", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def unknown(request: Request) -> Response:
        if any(pattern.match(request.url.path) for pattern in known):
            raise HTTPException(405)
        raise ProblemError(404, "there is no such route")


def answer_of(request: Request, status: int, code: str, message: str) -> Response:
    """Return an error in the form of the version that was asked: JSON, or plain text."""
    if request.url.path.startswith("/api/v2"):
        return JSONResponse({"code": code, "message": message}, status)
    if status == 405:
        return Response(b"", status)
    return PlainTextResponse(message, status)


async def _problem(request: Request, error: Any) -> Response:
    return answer_of(request, error.status, error.code, error.message)


async def _own_error(request: Request, error: Any) -> Response:
    found = of_error(error)
    return answer_of(request, found.status, found.code, found.message)


async def _http(request: Request, error: Any) -> Response:
    return answer_of(request, error.status_code, code_of(error.status_code), plain_message(str(error.detail)))


async def _invalid(request: Request, error: Any) -> Response:
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"][1:]) or "the body"
    kind = str(found["loc"][0])
    status = 400 if kind in ("query", "path", "header") or found["type"] == "json_invalid" else 422
    if status == 422 and kind == "body" and not _is_json(request):
        return answer_of(request, 415, "not_json", "the body must be JSON, with Content-Type: application/json")
    if request.url.path.startswith("/api/v2"):
        status = 400
    return answer_of(request, status, "bad_request", plain_message(f"{where}: {found['msg']}"))


async def _unexpected(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer_of(request, 500, "internal", "internal error, see the log of the server")


def _is_json(request: Request) -> bool:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")
