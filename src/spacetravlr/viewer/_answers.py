"""Answers: JSON without NaN, bytes, compressed where the client takes it; made in the thread of the handler."""

from __future__ import annotations

import gzip
import json
import math
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

_SHORT = 256
_LONG, _SAMPLE, _WORTH = 1 << 18, 1 << 16, 0.8
OCTETS = "application/octet-stream"


def json_answer(request: Request, content: Any, *, status: int = 200, zstd: bool = True) -> Response:
    """Return content as JSON; numbers that are not finite become null."""
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_plain)
    except ValueError:
        text = json.dumps(_finite(content), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return bytes_answer(request, text.encode(), media="application/json", status=status, zstd=zstd)


def bytes_answer(
    request: Request,
    content: bytes,
    *,
    media: str = OCTETS,
    status: int = 200,
    zstd: bool = True,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return bytes, compressed if that pays and the client takes it."""
    body, encoding = compressed(content, accepted(request, zstd=zstd))
    extra = {**(headers or {}), "Vary": "Accept-Encoding"}
    if encoding:
        extra["Content-Encoding"] = encoding
    return Response(body, status, extra, media)


def accepted(request: Request, *, zstd: bool = True) -> str:
    """Return the compression that the client takes: zstd, gzip or none ("")."""
    offered: dict[str, str] = {}
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.strip().partition(";")
        offered[name.strip()] = weight.replace(" ", "")
    refused = {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    for name in ("zstd", "gzip") if zstd else ("gzip",):
        if name in offered and offered[name] not in refused:
            return name
    return ""


def has_already(request: Request, tag: str) -> bool:
    """Say whether the client holds the answer of an entity tag (If-None-Match)."""
    shown = request.headers.get("if-none-match", "")
    return shown.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in shown.split(",")]


def compressed(content: bytes, encoding: str) -> tuple[bytes, str]:
    """Return content in an encoding, or as it is if that is no shorter."""
    if not encoding or len(content) < _SHORT:
        return content, ""
    if len(content) > _LONG:
        # coordinates and other noise: a look at the middle tells that the time would be wasted
        middle = content[len(content) // 2 :][:_SAMPLE]
        if len(_compress(middle, encoding)) > _WORTH * len(middle):
            return content, ""
    body = _compress(content, encoding)
    return (body, encoding) if len(body) < len(content) else (content, "")


def _compress(content: bytes, encoding: str) -> bytes:
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress(content)
    return gzip.compress(content, compresslevel=1, mtime=0)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _finite(value.tolist()) if value.dtype.kind == "f" and not np.isfinite(value).all() else value.tolist()
    if isinstance(value, np.generic):
        return _finite(value.item())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
