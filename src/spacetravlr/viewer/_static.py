"""The page: the built bundle, or a built-in page that says how to build it."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from spacetravlr.errors import UsageError
from spacetravlr.viewer._answers import OCTETS, accepted, compressed, has_already
from spacetravlr.viewer._memory import ByteCache

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
_MEDIA = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
"""What files are; not what a system says, where somebody may have registered scripts as plain text."""
_KEPT = 32 << 20
"""Bytes of files kept as they are sent."""


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
    sent: ByteCache[tuple[bytes, str, str]] = ByteCache(_KEPT)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def page(request: Request, path: str) -> Response:
        if folder is None:
            return HTMLResponse(_NO_BUNDLE, headers={"cache-control": "no-cache"})
        return await run_in_threadpool(_answer, request, folder, path, sent=sent)

    return router


def _answer(request: Request, folder: Path, path: str, *, sent: ByteCache[tuple[bytes, str, str]]) -> Response:
    """Return a file, compressed if the client takes that, or the word that it has not changed."""
    file = _find(folder, path)
    facts, encoding = file.stat(), accepted(request)

    def read() -> tuple[tuple[bytes, str, str], int]:
        content = file.read_bytes()
        body, used = compressed(content, encoding)
        tag = f'"{sha256(content).hexdigest()[:24]}{"-" + used if used else ""}"'
        return (body, used, tag), len(body)

    body, used, tag = sent.take((str(file), facts.st_size, facts.st_mtime_ns, encoding), read)
    # names in assets/ change with what is in them
    lasting = _FOREVER if file.parent.name == "assets" else "no-cache"
    headers = {"ETag": tag, "Cache-Control": lasting, "Vary": "Accept-Encoding"}
    if has_already(request, tag):
        return Response(None, 304, headers)
    if used:
        headers["Content-Encoding"] = used
    return Response(body, 200, headers, _MEDIA.get(file.suffix, OCTETS))


def _find(folder: Path, path: str) -> Path:
    try:
        file = (folder / path).resolve() if "\0" not in path else folder
        if file.is_relative_to(folder) and file.is_file():
            return file
    except OSError:  # a name that no file system takes
        pass
    return folder / "index.html"
