"""Several clients over HTTP: each has its own data, jobs and results, and what a client leaves behind is cleared up."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import numpy as np
import pytest

GENE = "Sox9"
ALL = {"type": "all"}
SLOW = {"targets": [{"gene": GENE}], "scope": ALL, "n_propagation": 31}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
TAKES = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


class Raw:
    """A client that writes every request by hand, and tidies nothing up."""

    def __init__(self, server: Any) -> None:
        self.url = server.url
        # nothing is encrypted here, and reading the certificates of the system takes its time
        self.http = httpx.Client(
            headers={**TAKES, "Authorization": f"Bearer {server.token}"}, timeout=30.0, verify=False
        )

    def greet(self) -> int:
        """Ask for a session."""
        self.http.headers.pop("mcp-session-id", None)
        answer = self.http.post(self.url, json=message("initialize", HELLO, 1))
        if answer.status_code == 200:
            self.http.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        return answer.status_code

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Structured answer of a tool."""
        answer = self.http.post(self.url, json=message("tools/call", {"name": tool, "arguments": arguments}, 2))
        assert answer.status_code == 200, answer.text
        lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        return dict(json.loads(lines[-1])["result"])


def message(method: str, params: dict[str, Any], identifier: int | None = None) -> dict[str, Any]:
    told = {"jsonrpc": "2.0", "method": method, "params": params}
    return told if identifier is None else {**told, "id": identifier}


def viewer_of(answer: Any) -> httpx.Client:
    """The viewer as the page of a session asks it."""
    own = answer.meta if hasattr(answer, "meta") else answer["_meta"]
    place = own["spacetravlr/connection"]
    headers = {"Authorization": f"Bearer {place['token']}", "X-Session": place["session"]}
    return httpx.Client(base_url=f"{place['base']}/api/v2", headers=headers, timeout=30.0)


def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it has not come to pass"
        time.sleep(0.05)


def states(viewer: httpx.Client) -> list[str]:
    return [one["state"] for one in viewer.get("/jobs").json()]


@pytest.fixture
def raw(busy_server: Any) -> Iterator[Callable[[], Raw]]:
    """Make clients by hand."""
    made: list[Raw] = []

    def make() -> Raw:
        made.append(Raw(busy_server))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


@pytest.fixture
def pair(busy_server: Any, new_client: Any) -> Iterator[tuple[Any, Any]]:
    with new_client(busy_server) as one, new_client(busy_server) as other:
        yield one, other


def test_two_clients_see_their_own_data_jobs_and_results(pair: tuple[Any, Any]) -> None:
    one, other = pair
    with viewer_of(one.call("show_spatial_viewer")) as mine, viewer_of(other.call("show_spatial_viewer")) as theirs:
        assert mine.headers["X-Session"] != theirs.headers["X-Session"]
        # what both are shown is loaded once
        shared = mine.get("/meta").json()["dataset"]
        assert theirs.get("/meta").json()["dataset"] == shared
        job = one.data("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=1)["job"]
        assert [found["id"] for found in one.data("run_status")["jobs"]] == [job]
        assert other.data("run_status")["jobs"] == []
        assert "there is no perturbation" in other.error("top_effects", job=job)
        with pytest.raises(Exception, match="no perturbation"):
            other.get("read_resource", f"spacetravlr://jobs/{job}/changes.csv")
        assert one.get("read_resource", f"spacetravlr://jobs/{job}/changes.csv").contents[0].text.startswith("gene,")
        shown = one.data("show_spatial_viewer", adata_path="tissue.h5ad", layer="X", cluster_annot="cell_type_int")
        assert (shown["dataset"]["layer"], shown["dataset"]["run"]) == ("X", None)
        assert other.data("describe_dataset")["layer"] == "imputed_count"
        assert "layer X" in one.get("read_resource", "spacetravlr://run/summary").contents[0].text
        assert "layer imputed_count" in other.get("read_resource", "spacetravlr://run/summary").contents[0].text
        assert theirs.get("/meta").json()["dataset"] == shared


def test_one_cancels_while_the_other_goes_on(pair: tuple[Any, Any]) -> None:
    one, other = pair
    with viewer_of(one.call("show_spatial_viewer")) as mine, viewer_of(other.call("show_spatial_viewer")) as theirs:
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(one.cancel, "perturb", told="nothing of the kind", **SLOW)
            until(lambda: states(mine) == ["running"])
            other.cancel("perturb", **SLOW)
            until(lambda: states(theirs) == ["cancelled"])
            assert other.data("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=1)["genes_changed"]
            assert states(mine) == ["running"]
            # nobody else can touch it
            job = mine.get("/jobs").json()[0]["id"]
            assert theirs.delete(f"/jobs/{job}").status_code == 404
            assert mine.delete(f"/jobs/{job}").json()["message"] == "cancelling"
            with pytest.raises(AssertionError, match="was not given up"):
                held.result(30)
        assert states(mine) == ["cancelled"]


def test_a_client_that_hangs_up_stops_its_job(raw: Callable[[], Raw]) -> None:
    one = raw()
    assert one.greet() == 200
    with viewer_of(one.call("show_spatial_viewer")) as mine:
        asked = message("tools/call", {"name": "perturb", "arguments": SLOW}, 3)
        with one.http.stream("POST", one.url, json=asked) as answer:
            assert answer.status_code == 200
            until(lambda: states(mine) == ["running"])
        one.http.close()
        until(lambda: states(mine) == ["cancelled"])


def test_the_end_of_a_session_clears_up_after_it(raw: Callable[[], Raw]) -> None:
    one = raw()
    assert one.greet() == 200
    one.call("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=1)
    opened = one.call("show_spatial_viewer", adata_path="tissue.h5ad", layer="X", cluster_annot="cell_type_int")
    with viewer_of(opened) as mine:
        own = mine.get("/meta").json()["dataset"]
        picked = mine.post("/selections", json={"indices": [1, 2]}).json()["id"]
        assert states(mine) == ["done"]
        assert one.http.delete(one.url).status_code == 200
        until(lambda: states(mine) == [])
        assert mine.get(f"/selections/{picked}/summary").status_code == 404
        assert mine.get("/meta", params={"dataset": own}).status_code == 404
    assert one.http.post(one.url, json=message("tools/list", {}, 4)).status_code == 404


def test_a_session_that_ends_in_mid_job_stops_it(raw: Callable[[], Raw]) -> None:
    one = raw()
    assert one.greet() == 200
    with viewer_of(one.call("show_spatial_viewer")) as mine, ThreadPoolExecutor(1) as pool:
        held = pool.submit(
            one.http.post, one.url, json=message("tools/call", {"name": "perturb", "arguments": SLOW}, 3)
        )
        until(lambda: states(mine) == ["running"])
        assert httpx.delete(one.url, headers=one.http.headers).status_code == 200
        until(lambda: states(mine) == [])
        held.result(20)


def test_a_session_that_nobody_uses_ends(raw: Callable[[], Raw]) -> None:
    one = raw()
    assert one.greet() == 200
    with viewer_of(one.call("show_spatial_viewer")) as mine:
        one.call("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=1)
        assert states(mine) == ["done"]
        until(lambda: states(mine) == [], 15)
    assert one.http.post(one.url, json=message("tools/list", {}, 4)).status_code == 404


def test_a_hundred_clients_come_and_go_without_a_word(
    busy_server: Any, new_client: Any, raw: Callable[[], Raw]
) -> None:
    with new_client(busy_server) as stays:
        before = stays.data("describe_dataset")
        last: list[Raw] = []
        for _ in range(100):
            one = raw()
            assert one.greet() == 200
            one.http.close()
            last = [*last[-1:], one]
        # whoever is connected keeps its session; of the others, those that came last have one
        assert stays.data("describe_dataset") == before
        found = [httpx.post(one.url, json=message("ping", {}, 5), headers=one.http.headers) for one in last]
        assert [answer.status_code for answer in found] == [200, 200]


def test_where_all_sessions_are_in_use_a_further_client_is_told(raw: Callable[[], Raw]) -> None:
    one = raw()
    with ExitStack() as open_ones:
        for held in (raw(), raw(), raw(), raw()):
            until(lambda held=held: held.greet() == 200)
            # whoever waits for news is connected
            assert open_ones.enter_context(held.http.stream("GET", held.url)).status_code == 200
        assert one.greet() == 503
    until(lambda: one.greet() == 200)


def test_versions_without_sessions_are_refused_and_clients_find_another(busy_server: Any, new_client: Any) -> None:
    with new_client(busy_server) as found:
        assert found.client.protocol_version == "2025-11-25"
    with new_client(busy_server, mode="2026-07-28") as pinned, pytest.raises(Exception, match="has no sessions") as no:
        pinned.get("list_tools")
    assert no.value.error.data["supported"][-1] == "2025-11-25"


NESTED = "[" * 50_000


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"1", b"\xff\xfe", b'"x"', NESTED.encode(), b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
        b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', b'{"jsonrpc":"2.0","id":1,"method":7}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', b'{"jsonrpc":"2.0","id":1,"result":{}}',
        b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}', b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"perturb","arguments":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":null}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)  # fmt: skip
def test_what_is_no_message_is_answered_and_forgotten(raw: Callable[[], Raw], body: bytes) -> None:
    one = raw()
    # without a session nothing but a greeting is taken
    assert 400 <= one.http.post(one.url, content=body).status_code < 500
    assert one.greet() == 200
    answer = one.http.post(one.url, content=body)
    assert answer.status_code in (200, 202) or 400 <= answer.status_code < 500
    assert "Traceback" not in answer.text
    modern = one.http.post(one.url, content=body, headers={"MCP-Protocol-Version": "2026-07-28"})
    assert modern.status_code in (202, 400, 404)
    assert one.http.post(one.url, json=message("ping", {}, 6)).status_code == 200
    one.http.delete(one.url)


def test_bodies_are_bounded_and_sessions_cannot_be_guessed(raw: Callable[[], Raw]) -> None:
    one = raw()
    assert one.http.post(one.url, content=b"x" * (5 << 20)).status_code == 413
    for name in ("0" * 32, "../..", "x" * 5000, "a,b"):
        answer = one.http.post(one.url, json=message("tools/list", {}, 1), headers={"mcp-session-id": name})
        assert answer.status_code == 404
        assert one.http.delete(one.url, headers={"mcp-session-id": name}).status_code == 404
    one.http.close()


# what is begun and not gone on with

HEAD = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n"


BODY = HEAD + b"Authorization: Bearer TOKEN\r\n"
BEGUN = {
    "silent": (b"", b""),
    "half a line": (b"POST /mcp HT", b""),
    "half a head": (HEAD, b""),
    "a head in drops": (HEAD, b"X-A: b\r\n"),
    "half a body": (BODY + b"Content-Length: 1000\r\n\r\n{", b""),
    "a body in drops": (BODY + b"Content-Length: 1000\r\n\r\n{", b" "),
    "chunks in drops": (BODY + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n"),
}


def seconds_open(server: Any, first: bytes, drops: bytes) -> float:
    """How long a connection is kept that begins with the one, and goes on with the other three times a second."""
    place = urlsplit(server.url)
    more = b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    first = first.replace(b"Host: 127.0.0.1\r\n", f"Host: {place.netloc}\r\n".encode() + more)
    begun = time.monotonic()
    with socket.create_connection((place.hostname, place.port), timeout=10) as wire:
        wire.sendall(first.replace(b"TOKEN", server.token.encode()))
        wire.settimeout(0.3)
        while time.monotonic() - begun < 20:
            try:
                if wire.recv(4096) == b"":
                    break
            except TimeoutError:
                try:
                    wire.sendall(drops)
                except OSError:
                    break
            except ConnectionResetError:
                break
    return time.monotonic() - begun


def test_connections_that_do_not_go_on_are_closed(busy_server: Any, raw: Callable[[], Raw]) -> None:
    assert raw().greet() == 200
    with ThreadPoolExecutor(len(BEGUN)) as pool:
        kept = pool.map(lambda one: seconds_open(busy_server, *one), BEGUN.values())
        # nobody else is kept waiting by them
        assert raw().greet() == 200
        found = dict(zip(BEGUN, kept, strict=True))
    assert all(0.9 < seconds < 10 for seconds in found.values()), found


def test_a_slow_but_steady_client_is_served(busy_server: Any) -> None:
    place = urlsplit(busy_server.url)
    body = json.dumps(message("initialize", HELLO, 1)).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {busy_server.token}\r\n"
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    for _ in range(5):
        pauses, answer = [], b""
        with contextlib.suppress(ConnectionError), socket.create_connection((place.hostname, place.port), 10) as wire:
            for piece in (head[:40], head[40:], body[:20], body[20:60], body[60:]):
                before = time.monotonic()
                wire.sendall(piece)
                time.sleep(0.3)
                pauses.append(time.monotonic() - before)
            answer = wire.recv(4096)
        # where this machine has paused for longer than it was meant to, nothing was tried
        if answer.startswith(b"HTTP/1.1 200") or max(pauses) < 0.5:
            break
    assert answer.startswith(b"HTTP/1.1 200"), pauses


# a call that is cancelled changes nothing


def test_a_cancelled_opening_changes_nothing(pair: tuple[Any, Any], run_flags: list[str]) -> None:
    one, _ = pair

    def shown() -> dict[str, Any]:
        # the model may still be loading when it begins
        return {name: value for name, value in one.data("describe_dataset").items() if name != "model"}

    before = shown()
    late = {"adata_path": "late.h5ad", "layer": "X", "cluster_annot": "cell_type_int"}
    one.cancel("show_spatial_viewer", told="opening", **late)
    time.sleep(1.5)  # by then it would be open
    assert shown() == before
    other = {**late, "adata_path": "tissue.h5ad"}
    back = {"run_toml": "spacetravlr_run_repro.toml", "network_dir": run_flags[3]}
    for seconds in np.linspace(0.01, 0.5, 10):

        async def give_up(after: float = float(seconds)) -> bool:
            with anyio.move_on_after(after) as scope:
                await one.client.call_tool("show_spatial_viewer", other)
            return scope.cancelled_caught

        # at whatever moment it comes, also when the answer is on its way
        if one.portal.call(give_up):
            assert shown() == before, seconds
        else:
            assert shown()["layer"] == "X"
            assert one.data("show_spatial_viewer", **back)["dataset"]["layer"] == before["layer"]
