"""Who talks over HTTP: every session of the protocol has its own data, jobs and results in the viewer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio import CancelScope
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION, UnsupportedProtocolVersionErrorData
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.requests import Request

from spacetravlr.mcp._api import Api, ApiError
from spacetravlr.mcp._desk import CURRENT

HEADER = "mcp-session-id"
WIRE = "spacetravlr.wire"
"""Where a request carries what knows whether its client has hung up."""
_LEAVING = 20.0


@dataclass(eq=False)
class _Session:
    api: Api
    at_work: int = 0
    """Requests that are being answered, the one on which a client waits for news among them."""
    since: float = field(default_factory=time.monotonic)
    """When it was used last."""


class Sessions:
    """The sessions that are open.

    Parameters
    ----------
    api
        How the viewer is reached; each session gets a client of its own like it.
    most
        How many may be open; a further one takes the place of the one that nobody has used for longest.
    idle
        Seconds after which one that nobody uses ends; one whose client is still connected is in use.
    """

    def __init__(self, api: Api, *, most: int, idle: float) -> None:
        self.most = most
        self.idle = idle
        self._api = api
        self._known: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, name: str) -> None:
        """Know a new session."""
        self._known[name] = _Session(self._api.another())

    @contextmanager
    def used(self, name: str | None) -> Iterator[None]:
        """Count a session as in use; None and unknown names are those of nobody."""
        own = self._known.get(name or "")
        if own is None:
            yield
            return
        own.at_work += 1
        try:
            yield
        finally:
            own.at_work -= 1
            own.since = time.monotonic()

    def idle_ones(self) -> list[str]:
        """Return the sessions that nobody has used for long."""
        before = time.monotonic() - self.idle
        return [name for name, one in self._known.items() if not one.at_work and one.since < before]

    def in_the_way(self) -> list[str]:
        """Return the sessions that have to end before another one can begin, those that were used last at the end."""
        free = sorted((one.since, name) for name, one in self._known.items() if not one.at_work)
        return [name for _, name in free[: max(0, len(self._known) + 1 - self.most)]]

    async def end(self, name: str) -> None:
        """Forget a session: its jobs are stopped and its results are dropped."""
        own = self._known.pop(name, None)
        if own is not None:
            with anyio.move_on_after(_LEAVING, shield=True), suppress(ApiError):
                await own.api.leave()

    async def serve(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Answer one message in its session; what is at work for a client that hangs up is given up.

        Raises
        ------
        MCPError
            For a version of the protocol that has no sessions, and a session that has ended.
        """
        request = ctx.request
        if not isinstance(request, Request):
            # standard streams: whoever is at the other end is the only one
            return await call_next(ctx)
        if ctx.protocol_version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise _without_sessions(ctx.protocol_version)
        name = request.headers.get(HEADER)
        if name is None:
            return await call_next(ctx)
        own = self._known.get(name)
        if own is None:
            raise MCPError(INVALID_REQUEST, "this session has ended: connect again")
        before = CURRENT.set(own.api)
        try:
            with CancelScope() as call:
                if ctx.request_id is not None:
                    request.scope[WIRE].carry(call)
                return await call_next(ctx)
        finally:
            CURRENT.reset(before)
        raise MCPError(INVALID_REQUEST, "the client has hung up")


def _without_sessions(version: str) -> MCPError:
    known = list(HANDSHAKE_PROTOCOL_VERSIONS)
    facts = UnsupportedProtocolVersionErrorData(supported=known, requested=version)
    return MCPError(
        UNSUPPORTED_PROTOCOL_VERSION,
        f"version {version} of the protocol has no sessions, and each client of this server needs one: "
        f"use {known[-1]}, or standard streams",
        facts.model_dump(mode="json"),
    )
