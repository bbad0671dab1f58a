"""Who may ask what: hosts, origins, token, sizes, and the headers that every answer carries."""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spacetravlr.viewer._options import ViewerOptions
from spacetravlr.viewer._problem import code_of

LOGIN = "/api/v2/login"
BODY_LIMIT = 2_097_152
"""Bytes of a JSON body, as in version 1."""
BITMAP_LIMIT = 64 << 20
"""Bytes of a bitmap of cells."""
_LONG_BODIES = re.compile(r"/api/v2/selections\Z")
_SAFE = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(:[0-9]*)?")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; worker-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
)


def is_loopback(address: str) -> bool:
    """Say whether nobody but this machine can reach an address."""
    return ipaddress.ip_address(address.strip("[]")).is_loopback


class Guard:
    """The outermost layer: refuses what must not reach a route, and adds headers to every answer.

    Parameters
    ----------
    app
        What is guarded.
    options
        Address, token, CORS and further host names.
    """

    def __init__(self, app: ASGIApp, *, options: ViewerOptions) -> None:
        self.app = app
        self._token = options.token
        self._cors = options.allow_cors
        self._hosts = frozenset(name.lower() for name in (*_LOOPBACK, *options.allow_hosts, *_own_names(options.bind)))
        self._any_address = not is_loopback(options.bind)
        frames = "'none'" if not options.allow_cors else "'self' https: http://127.0.0.1:* http://localhost:*"
        self._headers = [
            (b"content-security-policy", _CSP.format(frames=frames).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]
        if not options.allow_cors:
            self._headers += [(b"x-frame-options", b"DENY"), (b"cross-origin-resource-policy", b"same-origin")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        api = scope["path"] == "/api" or scope["path"].startswith("/api/")
        origin = headers.get("origin")
        extra = list(self._headers)
        if api and self._cors:
            extra += [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
        if api:
            extra.append((b"cache-control", b"no-store"))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message.get("headers", [])}
                added = [(name, value) for name, value in extra if name not in own]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        refusal = self._refusal(scope, headers, origin, api=api)
        if refusal is not None:
            await _refuse(scope, answer, *refusal)
        elif api and self._cors and scope["method"] == "OPTIONS":
            await _preflight(answer)
        else:
            limit = BITMAP_LIMIT if _LONG_BODIES.search(scope["path"]) else BODY_LIMIT
            await self._limited(scope, receive, answer, headers, limit)

    def _refusal(
        self, scope: Scope, headers: dict[str, str], origin: str | None, *, api: bool
    ) -> tuple[int, str] | None:
        """Return status and message for a request that must not go on."""
        if not self._known_host(headers.get("host", "")):
            return 421, "this server is not known by that name; allow it with --allow-host"
        if scope["method"] not in _SAFE or api:
            foreign = origin is not None and not self._same_origin(origin, headers.get("host", ""))
            if foreign and not self._cors and scope["method"] != "OPTIONS":
                return 403, "requests of pages from elsewhere are refused; --allow-cors permits them, with a token"
            # without the header, browsers tell by another one whether a page from elsewhere asks
            if headers.get("sec-fetch-site") == "cross-site" and not self._cors:
                return 403, "requests of pages from elsewhere are refused; --allow-cors permits them, with a token"
        if api and self._token is not None and scope["method"] != "OPTIONS" and scope["path"] != LOGIN:
            cookie_counts = origin is None or self._same_origin(origin, headers.get("host", ""))
            if not self._has_token(headers, cookie_counts=cookie_counts):
                return 401, "a token is needed: open the address that the server has printed"
        return None

    def _known_host(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        if name in self._hosts:
            return True
        # a page that rebinds its name to this machine still sends the name
        return self._any_address and _is_address(name)

    def _same_origin(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def _has_token(self, headers: dict[str, str], *, cookie_counts: bool) -> bool:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same_text(shown.strip(), self._token or ""):
            return True
        if not cookie_counts:
            return False
        wanted = cookie_name(headers.get("host", ""))
        # one by one: a cookie of another program on this host may be none that a strict reader takes
        for one in headers.get("cookie", "").split(";"):
            name, _, kept = one.strip().partition("=")
            if name == wanted and same_text(kept.strip('"'), self._token or ""):
                return True
        return False

    async def _limited(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], limit: int) -> None:
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            await _refuse(scope, send, 413, f"the body has more than {limit:,} bytes")
            return
        seen, started, too_long = 0, False, False

        async def counted() -> Message:
            nonlocal seen, too_long
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                too_long = True
                return {"type": "http.disconnect"}
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if too_long and not started:
                return
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except Exception:
            if not too_long:
                raise
        if too_long and not started:
            await _refuse(scope, send, 413, f"the body has more than {limit:,} bytes")


def cookie_name(host: str) -> str:
    """Return the name of the cookie with the token: all ports of a host share one jar, and two viewers may be there."""
    port = host.rpartition(":")[2]
    return f"spacetravlr_token_{port}" if port.isascii() and port.isdigit() else "spacetravlr_token"


def same_text(shown: str, wanted: str) -> bool:
    """Compare in a time that does not tell how much of it is right."""
    return bool(wanted) and hmac.compare_digest(shown.encode(), wanted.encode())


def _own_names(bind: str) -> Iterable[str]:
    address = ipaddress.ip_address(bind.strip("[]"))
    yield f"[{address}]" if address.version == 6 else str(address)
    if not address.is_loopback:
        yield socket.gethostname()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


async def _refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    if scope["path"].startswith("/api/v2"):
        body, media = json.dumps({"code": code_of(status), "message": message}).encode(), b"application/json"
    else:
        body, media = message.encode(), b"text/plain; charset=utf-8"
    head = [(b"content-type", media), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _preflight(send: Send) -> None:
    head = [
        (b"access-control-allow-methods", b"GET,POST,DELETE,OPTIONS"),
        (b"access-control-allow-headers", b"authorization,content-type,x-session,if-none-match"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b""})
