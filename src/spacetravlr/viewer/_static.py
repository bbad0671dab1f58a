"""The page: the built bundle, or a built-in page that says how to build it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse

from spacetravlr.errors import UsageError

_NO_BUNDLE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>SpaceTravLR viewer</title></head>
<body><main>
<h1>SpaceTravLR viewer</h1>
<p>The server is running, but this installation has no page: it was installed from the source without it.</p>
<p>Build it with Node 20 or later and <code>make web</code> in the source tree, or name the directory of a built page
with <code>--static-dir</code>. Wheels carry the page.</p>
<p>The API answers: <a href="/api/v2/meta">/api/v2/meta</a>, described in
<a href="/api/v2/openapi.json">/api/v2/openapi.json</a>.</p>
</main></body></html>
"""
_FOREVER = "public, max-age=31536000, immutable"


def bundle(static_dir: Path | None) -> Path | None:
    """Return the directory of the built page: the one named, else that of the package; None if there is none.

    Raises
    ------
    UsageError
        If the one named has no page.
    """
    if static_dir is not None:
        found = static_dir.expanduser().resolve()
        if not (found / "index.html").is_file():
            raise UsageError(f"--static-dir {static_dir}: there is no index.html in it; build the page with make web")
        return found
    own = Path(str(files("spacetravlr.viewer"))) / "static"
    return own.resolve() if (own / "index.html").is_file() else None


def page_routes(folder: Path | None) -> APIRouter:
    """Return the routes of the page; a path that is no file of it is answered with the page itself."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(path: str) -> Response:
        if folder is None:
            return HTMLResponse(_NO_BUNDLE, headers={"cache-control": "no-cache"})
        file = await run_in_threadpool(_find, folder, path)
        lasting = file.parent.name == "assets"
        headers = {"cache-control": _FOREVER if lasting else "no-cache"}
        return FileResponse(file, headers=headers)

    return router


def _find(folder: Path, path: str) -> Path:
    try:
        file = (folder / path).resolve() if "\0" not in path else folder
        if file.is_relative_to(folder) and file.is_file():
            return file
    except OSError:  # a name that no file system takes
        pass
    return folder / "index.html"
