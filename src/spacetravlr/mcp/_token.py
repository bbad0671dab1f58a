"""HTTP requests without the token go no further."""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

_REFUSAL = b'{"error":"a token is needed: send the header Authorization: Bearer TOKEN that the server has printed"}'


class TokenGuard:
    """The outermost layer of the HTTP server.

    Parameters
    ----------
    app
        What is guarded.
    token
        What every request has to show.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._shown(scope):
            head = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(_REFUSAL)).encode()),
                (b"www-authenticate", b"Bearer"),
                (b"connection", b"close"),
            ]
            await send({"type": "http.response.start", "status": 401, "headers": head})
            await send({"type": "http.response.body", "body": _REFUSAL})
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _shown(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name.lower() == b"authorization":
                scheme, _, shown = value.partition(b" ")
                return scheme.lower() == b"bearer" and hmac.compare_digest(shown.strip(), self._token)
        return False
