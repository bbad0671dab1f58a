"""A server on the loopback interface, and small tables in the formats of the tools that people use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacetravlr.networks import fetch

NAME = "mouse_network.parquet"
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text file; return its path."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return make


@dataclass
class Site:
    """What a server on the loopback interface has, and how it behaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and range of each request."""
    tag: str | None = '"v1"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next transfers of the big file break off."""
    redirect: dict[str, str] = field(default_factory=dict)
    """Where the requests of a file are sent on to."""
    heeds_versions: bool = True
    """Whether it sends the whole file if another version is asked for than it has."""
    held: threading.Event | None = None
    """The big file is sent when this happens."""
    status: dict[str, list[int]] = field(default_factory=dict)
    """Errors to answer the next requests of a file with."""
    with_length: bool = True
    wrong_range: bool = False
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site, name = self.site, self.path.lstrip("/").removeprefix("dir/")
        site.asked.append((name, self.headers.get("Range", "")))
        if site.status.get(name):
            self.send_error(site.status[name].pop(0))
            return
        if name in site.redirect:
            self.send_response(302)
            self.send_header("Location", site.redirect[name])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if name == NAME and site.held:
            site.held.wait(10)
        if name not in site.files:
            self.send_error(404)
            return
        body = site.files[name]
        if site.tag and self.headers.get("If-None-Match") == site.tag:
            self.send_response(304)
            self.end_headers()
            return
        start = self._start()
        if start is not None and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(body, start, name)

    def _start(self) -> int | None:
        asked = self.headers.get("Range")
        if not asked or not self.site.ranges:
            return None
        if self.site.heeds_versions and self.headers.get("If-Range") != self.site.tag:
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _send(self, body: bytes, start: int | None, name: str) -> None:
        site = self.site
        self.send_response(200 if start is None else 206)
        if start is not None:
            first = start + 1 if site.wrong_range else start
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        part = body[start or 0 :]
        if site.tag:
            self.send_header("ETag", site.tag)
        if site.with_length:
            self.send_header("Content-Length", str(len(part)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if name == NAME and site.break_after:
            part = part[: site.break_after.pop(0)]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": found}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/dir"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A network file of some 300 kB."""
    rng = np.random.default_rng(0)
    n = 40_000
    frame = pd.DataFrame(
        {
            "source": [f"G{i}" for i in rng.integers(0, 9000, n)],
            "target": [f"G{i}" for i in rng.integers(0, 9000, n)],
            "edge_type": "grn",
            "weight": rng.random(n),
        }
    )
    path = tmp_path_factory.mktemp("content") / NAME
    frame.to_parquet(path)
    return path.read_bytes()


@pytest.fixture
def get(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("spacetravlr.networks._http.time.sleep", lambda seconds: None)

    def ask(**options: object):
        settings = {"cache": tmp_path / "cache", "timeout": 5, **options}
        return fetch("mouse", site.url + "/", tmp_path / "data", **settings)

    return ask
