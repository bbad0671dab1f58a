"""Downloads over HTTP that go on where they were interrupted."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from spacetravlr.atomic import write_text
from spacetravlr.errors import ConfigError, InputError, RunDirectoryError
from spacetravlr.networks._store import refused

_BLOCK = 1 << 18
_ABSENT = (403, 404, 410)
_NO_CHANGE = 304
_PARTIAL = 206
_BEYOND_END = 416
_BROKEN = 500
_BUSY = (408, 429)
_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+|\*)")
_TEXT_LIMIT = 1 << 20


class UnreachableError(InputError):
    """The server does not answer, or is out of order, so nothing is known about the file."""


@dataclass(frozen=True)
class Answer:
    """What a download brought."""

    validator: str
    """Strong ETag or date of change by which the server tells versions apart; empty if it has neither."""
    resumed_at: int
    """Bytes that were there from an earlier attempt and were kept."""


def check_url(url: str) -> str:
    """Return the URL of a directory without a slash at its end, and with signs escaped that HTTP does not know.

    Raises
    ------
    ConfigError
        It is none of http or https, has no host, or is that of a file or query.
    """
    try:
        parts = urllib.parse.urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address of a server ({error}): expected https://HOST/DIRECTORY") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigError(f"{url!r} is no address of a server: expected https://HOST/DIRECTORY")
    if parts.username is not None:
        raise ConfigError(f"the address of {parts.hostname} holds a user name, which is not supported; leave it out")
    if parts.query or parts.fragment or parts.path.endswith(".parquet"):
        raise ConfigError(f"{url!r} is not the address of a directory: leave out what follows its last slash")
    path = urllib.parse.quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def read_text(url: str, *, timeout: float) -> str | None:
    """Return a small text from a server, None if it has no such file.

    Raises
    ------
    InputError
        The server does not answer, or answers with an error.
    """
    try:
        with _open(url, {}, timeout) as answer:
            return str(answer.read(_TEXT_LIMIT).decode("utf-8", errors="replace"))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _ABSENT:
            return None
        kind = UnreachableError if error.code >= _BROKEN else InputError
        raise kind(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def unchanged(url: str, validator: str, *, timeout: float) -> bool:
    """Tell whether the server still has the version that a validator belongs to.

    Raises
    ------
    UnreachableError
        The server does not answer, or is out of order.
    """
    header = "If-None-Match" if validator.startswith('"') else "If-Modified-Since"
    try:
        with _open(url, {header: validator}, timeout):
            return False
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= _BROKEN:
            raise UnreachableError(f"{url}: the server answers {error.code} {error.reason}") from error
        return error.code == _NO_CHANGE
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def download(url: str, part: Path, *, tries: int = 4, pause: float = 0.5, timeout: float = 30.0) -> Answer:
    """Download a file, going on with what an earlier attempt left.

    What is there is kept only if the server can tell that its file is still the same one (a strong ETag, else the date
    of change); otherwise the download starts again. An interrupted transfer is taken up a few times by itself.

    Parameters
    ----------
    url
        The file.
    part
        Where it goes; besides the file there is a note on its version, `{name}.json`, while it is incomplete.
    tries
        Attempts without any progress before giving up.
    pause
        Seconds before the first repetition; longer each time.
    timeout
        Seconds without an answer.

    Raises
    ------
    UnreachableError
        The server does not answer.
    InputError
        It has no such file, refuses, or breaks off each time; what arrived is kept for the next attempt.
    RunDirectoryError
        The file cannot be written.
    """
    failures, resumed = 0, _size(part)
    while True:
        before = _size(part)
        try:
            finished = _attempt(url, part, timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < _BROKEN and error.code not in _BUSY:
                raise InputError(f"{url}: the server answers {error.code} {error.reason}; check the address") from error
            problem: Exception = InputError(f"{url}: the server answers {error.code} {error.reason}; try again later")
        except RunDirectoryError:
            raise
        except (OSError, http.client.HTTPException) as error:
            problem = _unreachable(url, error)
        else:
            if finished is not None:
                _note(part).unlink(missing_ok=True)
                return Answer(finished.validator, min(resumed, finished.resumed_at) if resumed else 0)
            problem = InputError(
                f"{url}: the transfer broke off after {_size(part):,} bytes; repeat the command to go on from there"
            )
        failures = 0 if _size(part) > before else failures + 1
        if failures >= tries:
            raise problem
        time.sleep(pause * (failures + 1))


def _attempt(url: str, part: Path, timeout: float) -> Answer | None:
    """Fetch what is missing; None if the transfer ended before the file did."""
    known = _known_version(url, part)
    offset = _size(part) if known else 0
    headers = {"Range": f"bytes={offset}-", "If-Range": known} if offset else {}
    try:
        answer = _open(url, headers, timeout)
    except urllib.error.HTTPError as error:
        if error.code != _BEYOND_END:
            raise
        found = _RANGE.match(error.headers.get("Content-Range", ""))
        error.close()
        if found and found["total"] == str(offset):
            return Answer(known, offset)  # nothing was missing
        _forget(part)
        return None
    with answer:
        found = _RANGE.match(answer.headers.get("Content-Range", "")) if answer.status == _PARTIAL else None
        goes_on = found is not None and found["start"] == str(offset)
        if answer.status == _PARTIAL and not goes_on:
            raise http.client.HTTPException("the server sent another part of the file than was asked for")
        if found is not None:
            total = int(found["total"]) if found["total"] != "*" else None
        else:
            offset = 0
            length = answer.headers.get("Content-Length")
            total = int(length) if length else None
        validator = _validator(answer.headers) or (known if goes_on else "")
        if goes_on and validator != known:
            _forget(part)  # some servers send the range asked for even if the file is another one by now
            return None
        if not goes_on:
            _forget(part)  # before the note: the old bytes must not be taken for those of the new version
        write_text(_note(part), json.dumps({"url": url, "validator": validator}))
        _append(answer, part)
    return Answer(validator, offset) if total is None or _size(part) == total else None


def _append(answer: http.client.HTTPResponse, part: Path) -> None:
    """Write what a server sends; what arrived before it broke off stays."""
    try:
        with part.open("ab") as stream:
            while block := _next_block(answer):
                stream.write(block)
    except OSError as error:
        raise refused(part, error) from error


def _next_block(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_BLOCK)
    except OSError as error:  # it must not be taken for one of the disk
        raise http.client.HTTPException(str(error) or type(error).__name__) from error


def _forget(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise refused(part, error) from error


def _known_version(url: str, part: Path) -> str:
    """Return the validator of what is there, empty if it is of another file or cannot be told."""
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        return str(note["validator"]) if note["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _validator(headers: Message) -> str:
    tag = headers.get("ETag") or ""
    # a weak tag does not promise the same bytes
    return tag if tag.startswith('"') else headers.get("Last-Modified") or ""


def _open(url: str, headers: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
    asked = {"Accept-Encoding": "identity", "User-Agent": "spacetravlr-py", **headers}
    answer = urllib.request.urlopen(urllib.request.Request(url, headers=asked), timeout=timeout)
    if not isinstance(answer, http.client.HTTPResponse):
        raise http.client.HTTPException("it redirects to an address of another kind than http or https")
    return answer


def _unreachable(url: str, error: Exception) -> UnreachableError:
    host = urllib.parse.urlsplit(url).netloc
    reason = getattr(error, "reason", None) or error
    return UnreachableError(
        f"{host} cannot be reached ({' '.join(str(reason).split()) or type(error).__name__}); check the connection and "
        "the address, or copy the file by hand"
    )


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
