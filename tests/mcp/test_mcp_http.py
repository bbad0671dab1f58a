"""Over HTTP: the token, guards against foreign pages, a viewer that runs elsewhere, progress and cancellation."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

GENE = "Sox9"
ALL = {"type": "all"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
TAKES = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


def ask(server: Any, **headers: str) -> httpx.Response:
    return httpx.post(server.url, json=HELLO, headers={**TAKES, **headers}, timeout=30.0)


def test_without_the_token_nothing_is_answered(http_server: Any) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Bearer {http_server.token}x"},
        {"Authorization": http_server.token},
    ):
        answer = ask(http_server, **headers)
        assert answer.status_code == 401
        assert "token" in answer.json()["error"]
    for method in ("GET", "DELETE", "OPTIONS"):
        assert httpx.request(method, http_server.url).status_code == 401
    assert ask(http_server, Authorization=f"Bearer {http_server.token}").status_code == 200


def test_a_token_of_the_user_is_asked_for_and_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    from spacetravlr.mcp import AssistantOptions
    from spacetravlr.mcp.server import serve_http

    served: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda own, **_: served.append(own.config.app))
    monkeypatch.setenv("SPACETRAVLR_MCP_TOKEN", "of-the-user")
    said: list[str] = []
    for token in ("of-the-user", "another"):
        serve_http(AssistantOptions(api_base="http://127.0.0.1:1", port=0, token=token), say=said.append)
    assert [line.split()[-1] for line in said[1::2]] == ["$SPACETRAVLR_MCP_TOKEN", "another"]
    transport = httpx.ASGITransport(app=served[0])

    async def status() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.post("/mcp", json=HELLO)).status_code

    assert anyio.run(status) == 401


def test_other_names_and_pages_are_refused_even_with_the_token(http_server: Any) -> None:
    shown = {"Authorization": f"Bearer {http_server.token}"}
    assert ask(http_server, **shown, Host="rebound.example").status_code in (403, 421)
    assert ask(http_server, **shown, Origin="https://evil.example").status_code in (400, 403)
    assert ask(http_server, **shown, Origin="null").status_code in (400, 403)


def test_takes_the_viewer_that_runs_already(over_http: Any, assistant: Any, connection: dict[str, str]) -> None:
    assert over_http.data("describe_dataset") == assistant.data("describe_dataset")
    shown = over_http.call("show_spatial_viewer")
    own = shown.meta["spacetravlr/connection"]
    assert own["base"] == connection["base"]
    assert own["session"] != connection["session"]
    # the token of somebody else's viewer is for the page, and stays out of the conversation
    assert connection["token"] == own["token"]
    assert connection["token"] not in shown.content[0].text
    assert f"{own['base']}/#session={own['session']}" in shown.content[0].text
    page = over_http.get("read_resource", "ui://spacetravlr/spatial-viewer.html").contents[0]
    assert page.meta["ui"]["csp"]["connectDomains"] == [
        connection["base"],
        "https://tissue.example",
        "http://localhost:5173",
    ]


def test_works_as_over_standard_streams(over_http: Any, assistant: Any) -> None:
    assert {one.name for one in over_http.get("list_tools").tools} == {
        one.name for one in assistant.get("list_tools").tools
    }
    asked = {"targets": [{"gene": GENE}], "scope": ALL, "n_genes": 5}
    one, other = over_http.data("perturb", **asked), assistant.data("perturb", **asked)
    assert over_http.progress[-1] == (1.0, 1.0, "done")
    apart = {"job", "seconds"}
    assert {k: v for k, v in one.items() if k not in apart} == {k: v for k, v in other.items() if k not in apart}
    # jobs belong to their conversation
    assert "there is no perturbation" in over_http.error("top_effects", job=other["job"])
    assert "no cell type 'x'" in over_http.error(
        "perturb", targets=[{"gene": GENE}], scope={"type": "cell_type", "names": ["x"]}
    )


def test_cancelling_reaches_the_viewer(over_http: Any) -> None:
    before = {one["id"] for one in over_http.data("run_status")["jobs"]}
    over_http.cancel("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=31)
    for _ in range(200):
        new = [one["state"] for one in over_http.data("run_status")["jobs"] if one["id"] not in before]
        if new == ["cancelled"]:
            return
    pytest.fail(str(new))


def test_what_a_client_leaves_in_a_viewer_that_runs_elsewhere_goes_with_it(http_server: Any, new_client: Any) -> None:
    with new_client(http_server) as client:
        client.data("perturb", targets=[{"gene": GENE}], scope=ALL, n_propagation=1)
        own = client.call("show_spatial_viewer").meta["spacetravlr/connection"]
        headers = {"Authorization": f"Bearer {own['token']}", "X-Session": own["session"]}
        asked = f"{own['base']}/api/v2/jobs"
        assert len(httpx.get(asked, headers=headers).json()) == 1
    for _ in range(200):
        left = httpx.get(asked, headers=headers).json()
        if left == []:
            return
    pytest.fail(str(left))
