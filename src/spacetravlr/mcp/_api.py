"""The viewer's HTTP interface, asked from the assistant's server."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import anyio
from mcp.server.mcpserver.exceptions import ToolError

from spacetravlr.mcp._clean import clean, clean_all

_TIMEOUT = 120.0
LONGEST_ANSWER = 256 << 20


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: it would lead to a host that nobody named."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, so that the answer counts as an error."""


# loopback is never asked through a proxy
_OPENER = build_opener(ProxyHandler({}), _Stay)


class ApiError(ToolError):
    """What the viewer had to say against a request, in one line."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Switched:
    """That a call has shown other data."""

    call: str
    before: str | None
    after: str


class Api:
    """A client of one viewer; all its jobs and selections belong to one session.

    Parameters
    ----------
    base
        Origin of the viewer.
    token
        Its token, if it asks for one.
    dataset
        Id of the data that it asks about; None for those that the session is shown.
    """

    def __init__(self, base: str, token: str | None, *, dataset: str | None = None) -> None:
        self.base = base
        self.token = token
        self.session = secrets.token_hex(16)
        self.asked = False
        """Whether it has asked for anything, so that the viewer may know the session."""
        self.steady = anyio.Lock()
        """Held while what is shown changes."""
        self.switched: Switched | None = None
        """The last exchange of what is shown."""
        self._dataset = dataset

    def another(self) -> Api:
        """Return a client with a session of its own."""
        return Api(self.base, self.token)

    def about(self, dataset: str) -> Api:
        """Return a client of the same session that reads about other data than it is shown."""
        other = Api(self.base, self.token, dataset=dataset)
        other.session = self.session
        return other

    async def leave(self) -> None:
        """End the session; what the viewer keeps for it is forgotten.

        Raises
        ------
        ApiError
            If the viewer refuses, or does not answer.
        """
        if self.asked:
            await self.delete("/session")

    async def get(self, path: str, **query: Any) -> Any:
        """Return what a route answers; names in `path` are quoted by `part`.

        Raises
        ------
        ApiError
            If the viewer refuses, or does not answer.
        """
        return await self._json("GET", path, query, None)

    async def post(self, path: str, body: Any, **query: Any) -> Any:
        """Return what a route answers to a JSON body.

        Raises
        ------
        ApiError
            If the viewer refuses, or does not answer.
        """
        return await self._json("POST", path, query, json.dumps(body).encode())

    async def delete(self, path: str) -> Any:
        """Delete something.

        Raises
        ------
        ApiError
            If the viewer refuses, or does not answer.
        """
        return await self._json("DELETE", path, {}, None)

    async def raw(
        self, method: str, path: str, *, body: bytes | None = None, content_type: str = "application/json"
    ) -> Answer:
        """Return an answer of whatever status as it is; `path` begins with /api/ and may carry a query."""
        return await anyio.to_thread.run_sync(self._send, method, path, body, content_type, abandon_on_cancel=True)

    async def content(self, path: str, **query: Any) -> Answer:
        """Return the bytes that a route answers.

        Raises
        ------
        ApiError
            If the viewer refuses, or does not answer.
        """
        answer = await self.raw("GET", f"/api/v2{path}{self._query(query)}")
        if answer.status >= 300:
            raise _problem(answer)
        return answer

    async def _json(self, method: str, path: str, query: dict[str, Any], body: bytes | None) -> Any:
        prefix = "" if path.startswith("/api/") else "/api/v2"
        answer = await self.raw(method, f"{prefix}{path}{self._query(query)}", body=body)
        if answer.status >= 300:
            raise _problem(answer)
        try:
            return clean_all(json.loads(answer.body))
        except ValueError as error:
            raise ApiError(answer.status, "no_viewer", f"what answers at {self.base} is no viewer") from error

    def _query(self, query: dict[str, Any]) -> str:
        return _query(query if self._dataset is None else {**query, "dataset": self._dataset})

    def _send(self, method: str, path: str, body: bytes | None, content_type: str) -> Answer:
        self.asked = True
        headers = {"X-Session": self.session, "Accept-Encoding": "identity"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = content_type
        request = Request(f"{self.base}{path}", data=body, headers=headers, method=method)
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                found = answer.read(LONGEST_ANSWER + 1)
                if len(found) > LONGEST_ANSWER:
                    raise ApiError(413, "too_large", f"the answer has more than {LONGEST_ANSWER >> 20} MB")
                return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, found)
        except HTTPError as error:
            with error:
                head = {name.lower(): value for name, value in error.headers.items()}
                return Answer(error.code, head, error.read(1 << 20))
        except (URLError, OSError) as error:
            raise ApiError(
                0, "unreachable", f"the viewer at {self.base} does not answer: start this server again"
            ) from error


def part(name: str) -> str:
    """Return a name as one part of a path."""
    return quote(name, safe="")


def _query(query: dict[str, Any]) -> str:
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    text = urlencode({name: value for name, value in given.items() if value is not None})
    return f"?{text}" if text else ""


def _problem(answer: Answer) -> ApiError:
    text = answer.body.decode("utf-8", errors="replace")
    try:
        found = json.loads(text)
        message, code = str(found["message"]), str(found.get("code", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code = text or f"the viewer answered {answer.status}", ""
    return ApiError(answer.status, code, clean(message, 1000))
