"""Connections that begin a request and do not go on with it are closed: each would keep a place for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True)
class Patience:
    """How long a server waits for the rest of a request, in seconds."""

    head: float = 20.0
    """From the first byte to the last one of a head; also for the first byte of a new connection."""
    pause: float = 30.0
    """Between two pieces of a body."""
    body: float = 600.0
    """For all of a body."""


def patient_protocol(patience: Patience | None = None) -> type[asyncio.Protocol]:
    """Return the protocol of uvicorn with these bounds, for ``uvicorn.Config(http=...)``; it has none of its own.

    Between two requests of a connection the server's own ``timeout_keep_alive`` counts. A client that is not read from,
    because the server is behind, is not late.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    base: Any = AutoHTTPProtocol
    bounds = patience or Patience()

    class Bounded(base):  # type: ignore[misc]
        """One connection."""

        def __init__(self, *args: Any, **rest: Any) -> None:
            super().__init__(*args, **rest)
            self._clock: asyncio.TimerHandle | None = None
            self._waits_for = "nothing"
            self._begun = 0.0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait("head", bounds.head)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            cycle = self.cycle
            if self.transport.is_closing():
                self._stop()
            elif cycle is None or cycle.response_complete:
                # a head that comes in drops is not given more time
                if self._waits_for != "head":
                    self._wait("head", bounds.head)
            elif cycle.more_body:
                if self._waits_for != "body":
                    self._begun = self.loop.time()
                self._wait("body", min(bounds.pause, self._begun + bounds.body - self.loop.time()))
            else:
                self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self, part: str, seconds: float) -> None:
            self._stop()
            self._waits_for = part
            self._clock = self.loop.call_later(max(0.0, seconds), self._late)

        def _stop(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
            self._clock, self._waits_for = None, "nothing"

        def _late(self) -> None:
            cycle, part = self.cycle, self._waits_for
            if self.transport.is_closing() or (part == "body" and cycle.response_complete):
                self._stop()
                return
            if part == "body" and (self.flow.read_paused or cycle.waiting_for_100_continue):
                self._begun = self.loop.time()
                self._wait("body", bounds.pause)
                return
            self._stop()
            if cycle is None or cycle.response_complete or not cycle.response_started:
                self.transport.write(_LATE)
            self.transport.close()

    return Bounded
