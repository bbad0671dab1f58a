"""The HTTP side of sessions: which requests belong to which, when one begins and ends, and who has hung up."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import anyio
from anyio import CancelScope
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacetravlr.mcp._sessions import HEADER, WIRE, Sessions

_LOG = logging.getLogger("spacetravlr")
_NAME = HEADER.encode()
_PATH = "/mcp"


@dataclass(eq=False)
class Wire:
    """The connection on which one request waits for its answer."""

    cut: bool = False
    """Whether the client has hung up."""
    calls: list[CancelScope] = field(default_factory=list)
    """What is at work for it."""

    def carry(self, call: CancelScope) -> None:
        """Give a call up when the client hangs up."""
        self.calls.append(call)
        if self.cut:
            call.cancel()

    def hang_up(self) -> None:
        """Give up what is at work: nobody is there any more to hear of it."""
        self.cut = True
        for call in self.calls:
            call.cancel()


class Ending(logging.Filter):
    """Leaves out of the log what a client tells a session that is just ending: that is no fault of anybody."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is for the log."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, anyio.ClosedResourceError | anyio.BrokenResourceError)


class SessionLayer:
    """The layer of the HTTP server that sees sessions begin and end, and ends those that nobody uses.

    Parameters
    ----------
    app
        The server of the protocol.
    sessions
        Told of them.
    host
        Name and port under which the server is asked.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, *, host: str) -> None:
        self._app = app
        self._sessions = sessions
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server from its start to its end."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            async with anyio.create_task_group() as group:
                group.start_soon(self._sweep)
                await self._app(scope, receive, send)
                group.cancel_scope.cancel()
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        # whoever does not send all of a request takes no place from others
        begun = await _whole(receive)
        if begun is None:
            return
        own = _name(scope["headers"])
        if own is None and scope["method"] == "POST":
            # it asks for a session, of which there are only so many
            for name in self._sessions.in_the_way():
                await self._end(name)
        wire, status, answered = Wire(), 0, False

        async def heard() -> Message:
            message = begun.popleft() if begun else await receive()
            if message["type"] == "http.disconnect" and not answered:
                wire.hang_up()
            return message

        async def said(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                given = _name(message.get("headers", ()))
                if own is None and given is not None and status < 300:
                    self._sessions.begin(given)
            elif message["type"] == "http.response.body":
                answered = not message.get("more_body", False)
            await send(message)

        with self._sessions.used(own):
            try:
                await self._app({**scope, WIRE: wire}, heard, said)
            except Exception:
                # what a client tells a session that is just ending has been answered, and reaches nobody
                if not answered:
                    raise
        ended = status == 404 or (scope["method"] == "DELETE" and 0 < status < 300)
        if own is not None and scope["path"] == _PATH and ended:
            await self._sessions.end(own)

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(self._sessions.idle / 10)
            for name in self._sessions.idle_ones():
                try:
                    await self._end(name)
                except Exception:  # noqa: BLE001 - one session must not keep the others
                    _LOG.exception("a session could not be ended")

    async def _end(self, name: str) -> None:
        """End a session as its client would."""
        left: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def nothing() -> Message:
            return left.pop() if left else {"type": "http.disconnect"}

        async def unheard(_: Message) -> None:
            """Nobody waits for this answer."""

        asked = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "DELETE",
            "scheme": "http",
            "path": _PATH,
            "raw_path": _PATH.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", self._host.encode()), (_NAME, name.encode())],
            "client": None,
            "server": None,
        }
        try:
            await self._app(asked, nothing, unheard)
        finally:
            await self._sessions.end(name)


async def _whole(receive: Receive) -> deque[Message] | None:
    """Return the messages of a request, the first ones if it is too long to be taken; None if its client has gone."""
    found: deque[Message] = deque()
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        found.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body", False) or size > DEFAULT_MAX_REQUEST_BODY_SIZE:
            return found


def _name(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == _NAME), None)
