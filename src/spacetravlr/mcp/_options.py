"""What the assistant's server is told when it starts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spacetravlr.errors import UsageError

API_BASE = "SPATIAL_VIEWER_API_BASE"
API_TOKEN = "SPATIAL_VIEWER_TOKEN"
CONNECT_ORIGINS = "SPATIAL_VIEWER_CONNECT_ORIGINS"
HTTP_TOKEN = "SPACETRAVLR_MCP_TOKEN"


@dataclass(frozen=True, kw_only=True)
class AssistantOptions:
    """Settings of one server for assistants."""

    viewer: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `ViewerOptions` for the viewer that is started."""
    demo: Path | None = None
    """Directory of the demo to show, made if it is not there; None shows what `viewer` says."""
    api_base: str | None = None
    """Address of a viewer that runs already; None starts one."""
    api_token: str | None = field(default=None, repr=False)
    """Its token, if it asks for one."""
    connect_origins: tuple[str, ...] = ()
    """Further origins with which the app may speak."""
    port: int = 8790
    """Port for HTTP; 0 takes a free one."""
    sessions: int = 64
    """Clients over HTTP at once."""
    idle: float = 2 * 3600.0
    """Seconds after which the session of a client that asks for nothing, and is not connected, ends."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Secret that every HTTP request has to show."""


def options_of_environment(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the fields of `AssistantOptions` that the environment sets.

    Raises
    ------
    UsageError
        If an address is none.
    """
    found: dict[str, Any] = {}
    base = environment.get(API_BASE, "").strip().rstrip("/")
    if base:
        found["api_base"] = origin_of(base, API_BASE)
    if environment.get(API_TOKEN, "").strip():
        found["api_token"] = environment[API_TOKEN].strip()
    origins = [text.strip() for text in environment.get(CONNECT_ORIGINS, "").split(",") if text.strip()]
    found["connect_origins"] = tuple(origin_of(text, CONNECT_ORIGINS) for text in origins)
    if environment.get(HTTP_TOKEN, "").strip():
        found["token"] = environment[HTTP_TOKEN].strip()
    return found


def origin_of(text: str, where: str) -> str:
    """Return scheme, host and port of an address; anything more is refused, as it could change what a policy means.

    Raises
    ------
    UsageError
        If it is no address of that form.
    """
    try:
        parts = urlsplit(text.rstrip("/"))
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{where}: {text[:100]!r} is no address such as http://127.0.0.1:8080") from error
    extra = parts.path or parts.query or parts.fragment or parts.username
    odd = any(sign in text for sign in " ;,'\"*")
    if parts.scheme not in ("http", "https") or not parts.hostname or extra or odd:
        raise UsageError(f"{where}: {text[:100]!r} is no address such as http://127.0.0.1:8080")
    return f"{parts.scheme}://{parts.netloc}"
