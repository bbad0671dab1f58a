"""Errors as answers: a status, a word for programs, and one line for people without any path of the server."""

from __future__ import annotations

import re

from spacetravlr.errors import SpaceTravLRError

# an absolute path, kept up to its last part; what stands before it tells it from a slash within a word
_PATH = re.compile(r"(?<![\w./:])(?:[A-Za-z]:[\\/]|~?/)(?:[^\s'\"`,;:()\[\]]+[\\/])*([^\s'\"`,;:()\[\]]*)")
_CODES = {
    400: "bad_request",
    401: "token_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "cancelled",
    409: "conflict",
    413: "too_large",
    415: "not_json",
    421: "wrong_host",
    422: "bad_request",
    503: "not_ready",
    507: "not_enough_memory",
}
LONGEST = 600


class ProblemError(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status
        HTTP status.
    message
        One line: what, where, what to do.
    code
        A word for programs; by default one for the status.
    """

    def __init__(self, status: int, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or code_of(status)
        self.message = plain_message(message)


def code_of(status: int) -> str:
    """Return the word that stands for a status."""
    return _CODES.get(status, "internal" if status >= 500 else "bad_request")


def plain_message(text: str) -> str:
    """Return a message on one line, of bounded length, in which paths are cut down to their last part."""
    line = " ".join(_PATH.sub(lambda match: match[1] or "...", text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def of_error(error: SpaceTravLRError, status: int = 400, *, code: str | None = None) -> ProblemError:
    """Return an error of a lower room as an answer."""
    return ProblemError(status, str(error), code=code)
