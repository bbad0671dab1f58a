"""The parts: texts made harmless, columns, arrows in words, progress, and the way to the viewer."""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mcp")

from mcp.server.mcpserver.exceptions import ToolError

from spacetravlr.mcp._api import Api, ApiError, part
from spacetravlr.mcp._blocks import blocks
from spacetravlr.mcp._clean import clean, clean_all, clean_lines
from spacetravlr.mcp._page import _NO_PAGE
from spacetravlr.mcp._progress import Progress
from spacetravlr.mcp._strict import plain
from spacetravlr.mcp._text import table
from spacetravlr.mcp._transition import drifts

# texts


@given(st.text(max_size=300))
@settings(max_examples=25, deadline=None)
def test_names_become_one_short_line_that_shows_itself(text: str) -> None:
    found = clean(text, 50)
    assert len(found) <= 50
    assert found.isprintable() or not found
    assert clean(found, 50) == found


def test_texts_in_answers_are_clean_at_any_depth() -> None:
    nasty = "B\u200b cell\u202e\r\n\x1b[31m"
    assert clean_all({"a\n": [nasty, {"b": nasty}], "n": 1.5, "x": None}) == {
        "a": ["B cell [31m", {"b": "B cell [31m"}],
        "n": 1.5,
        "x": None,
    }
    assert clean_all(["B  cell ", "x" * 1001]) == ["B  cell ", "x" * 997 + "..."]
    assert clean_lines("a\u2028b\nc", 100) == "a b\nc" or clean_lines("a\u2028b\nc", 100) == "a\nb\nc"
    assert table(("a|b",), [("c|d",)]).count("|") == 2 + 2 + 2 + 1


def test_a_validation_is_told_without_what_was_given() -> None:
    text = (
        "Error executing tool perturb: 2 validation errors for perturbArguments\nscope\n  Field required [type=missing, "
        "input_value={'secret': '[x]'}, input_type=dict]\n    For further information visit https://errors.pydantic.dev/2/v/m\n"
        "targets.0.gene\n  Input should be a valid string [type=string_type, input_value=3, input_type=int]\n"
        "    For further information visit https://errors.pydantic.dev/2/v/s"
    )
    assert plain(text) == (
        "Error executing tool perturb: scope: Field required; targets.0.gene: Input should be a valid string."
    )


# columns and arrows


def block(values: np.ndarray, code: int) -> bytes:
    head = struct.pack("<4sHBBQIffI", b"STLC", 1, code, 0, len(values), values.shape[1], 0.0, 0.0, 0)
    body = head + values.tobytes()
    return body + b"\0" * (-len(body) % 8)


def test_columns_are_read_one_after_the_other() -> None:
    one = np.arange(6, dtype=np.float32).reshape(3, 2)
    other = np.array([[1], [255], [3]], dtype=np.uint8)
    read = blocks(block(one, 0) + block(other, 2))
    assert [got.tolist() for got in read] == [one.tolist(), other.tolist()]
    for broken in (b"short", b"X" * 64, block(one, 9)):
        with pytest.raises(ToolError):
            blocks(broken)


def test_arrows_are_summed_up_by_type() -> None:
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    vectors = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, -2.0]])
    places = np.array([[0.1, 0.1], [0.2, -0.1], [10.0, 0.1], [0.0, 9.0], [np.nan, 0.0], [1.0, 10.0]])
    codes = np.array([0, 0, 1, 2, 2, -1])
    found = {one.label: one for one in drifts(points, vectors, places, codes, ["a", "b", "c", "none"])}
    assert list(found) == ["c", "a", "b"]
    assert (found["a"].n_cells, found["a"].mean_x, found["a"].length, found["a"].coherence) == (2, 1.0, 1.0, 1.0)
    assert found["a"].towards == "b"
    assert (found["b"].length, found["b"].coherence, found["b"].towards) == (0.0, 0.0, None)
    assert (found["c"].n_cells, found["c"].mean_y, found["c"].towards) == (1, -2.0, "a")
    # arrows that cancel
    cancel = drifts(points[:2], np.array([[1.0, 0], [-1.0, 0]]), points[:2], np.array([0, 0]), ["a"])
    assert (cancel[0].length, cancel[0].coherence) == (1.0, 0.0)


# progress


def test_progress_only_grows_and_says_nothing_twice() -> None:
    told: list[tuple[float, float, str]] = []

    class Context:
        async def report_progress(self, share: float, total: float, text: str) -> None:
            told.append((share, total, text))

    async def work() -> None:
        progress: Any = Progress(Context())  # type: ignore[arg-type]
        for share, text in (
            (0.0, "open"),
            (0.0, "open"),
            (0.0, "load"),
            (0.5, "step 1"),
            (0.2, "step 1"),
            (0.2, "step 2"),
            (1.0, "done"),
            (1.0, "afterwards"),
        ):
            await progress.tell(share, text)
        await Progress().tell(0.5, "to nobody")

    anyio.run(work)
    assert [text for _, _, text in told] == ["open", "load", "step 1", "step 2", "done"]
    assert all(one[0] < other[0] for one, other in itertools.pairwise(told))
    assert told[-1][:2] == (1.0, 1.0)


# the way to the viewer


class Strange(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, dict(self.headers)))
        if self.path.startswith("/api/v2/moved"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/api/v2/elsewhere")
            self.end_headers()
            return
        if "other" in self.path:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")
            return
        self.send_response(500 if "broken" in self.path else 200)
        self.end_headers()
        self.wfile.write(b"<html>oops\n\n</html>" if "broken" in self.path else b'{"name":"a\\u202eb"}')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def strange() -> Iterator[str]:
    Strange.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Strange) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_asks_with_token_and_session_and_follows_nobody(strange: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    api = Api(strange, "secret")
    assert anyio.run(lambda: api.get(f"/genes/{part('a/../b')}", flag=True, nothing=None)) == {"name": "a b"}
    path, headers = Strange.seen[0]
    assert path == "/api/v2/genes/a%2F..%2Fb?flag=true"
    assert headers["Authorization"] == "Bearer secret"
    assert headers["X-Session"] == api.session
    with pytest.raises(ApiError) as moved:
        anyio.run(api.get, "/moved")
    assert moved.value.status == 302
    assert not any("elsewhere" in path for path, _ in Strange.seen)
    with pytest.raises(ApiError, match="is no viewer"):
        anyio.run(api.get, "/other")
    with pytest.raises(ApiError, match="<html>oops </html>"):
        anyio.run(api.get, "/broken")


def test_a_viewer_that_is_gone_is_one_line() -> None:
    with pytest.raises(ApiError, match=r"the viewer at http://127\.0\.0\.1:9 does not answer"):
        anyio.run(Api("http://127.0.0.1:9", None).get, "/meta")


def test_the_page_that_stands_in_greets_its_host() -> None:
    assert "make web" in _NO_PAGE
    assert "ui/initialize" in _NO_PAGE
