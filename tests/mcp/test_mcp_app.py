"""The page as an app, in a real browser, inside a small host that speaks the protocol."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.mcp import _page as page_module

sync_api = pytest.importorskip("playwright.sync_api", reason="the app needs playwright")
expect = sync_api.expect

REPOSITORY = Path(__file__).resolve().parents[2]
APP = REPOSITORY / "src" / "spacetravlr" / "mcp" / "app" / "index.html"
GENE = "Sox9"
URI = "ui://spacetravlr/spatial-viewer.html"


@pytest.fixture(scope="module", autouse=True)
def app(build_page: Callable[[str, Path], None]) -> None:
    """The built page, built now if it is not there: servers that are started later give it to hosts."""
    build_page("build:single", APP)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(Path(__file__).parent))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Host:
    """A page of a host; tools are called by the real client."""

    def __init__(self, page: Any, origin: str, assistant: Any) -> None:
        self.page = page
        self.assistant = assistant
        self.errors: list[str] = []
        page.set_default_timeout(20_000)
        page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.expose_function("callTool", self.result)
        page.goto(f"{origin}/host.html")
        self.frame = page.frame_locator("iframe")

    def result(self, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer of a tool as it is on the wire."""
        answer = self.assistant.call(tool, **(arguments or {}))
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True)  # type: ignore[no-any-return]

    def open(self, *, html: str | None = None, blocked: bool = False, **context: Any) -> Host:
        found = self.assistant.get("read_resource", URI).contents[0]
        asked = {"html": html or found.text, "csp": found.meta["ui"]["csp"], "blocked": blocked, "context": context}
        self.page.evaluate("(asked) => host.open(asked)", asked)
        self.until("host.heard.some((m) => m.method === 'ui/notifications/initialized')")
        return self

    def tell(self, method: str, params: dict[str, Any]) -> None:
        self.page.evaluate("([method, params]) => host.tell(method, params)", [method, params])

    def give(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Let the assistant call a tool of which this page is told."""
        self.tell("tool-input", {"arguments": arguments})
        answer = self.result(tool, arguments)
        self.tell("tool-result", answer)
        return answer

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def heard(self, method: str) -> list[dict[str, Any]]:
        return [one for one in self.page.evaluate("host.heard") if one.get("method") == method]

    def ready(self) -> Host:
        expect(self.frame.locator(".app")).to_have_attribute("data-status", "ready")
        return self

    def coloured_by(self, title: str) -> None:
        expect(self.frame.locator(".head h2").first).to_have_text(title)


@pytest.fixture
def host(browser: Any, origin: str, assistant: Any) -> Iterator[Host]:
    """A host of its own; afterwards nothing may have been complained about."""
    context = browser.new_context(viewport={"width": 1000, "height": 680}, reduced_motion="reduce")
    shown = Host(context.new_page(), origin, assistant)
    yield shown
    context.close()
    assert shown.errors == []


def test_opens_follows_and_tells(host: Host, assistant: Any) -> None:
    host.open(theme="dark")
    hello = host.heard("ui/initialize")[0]["params"]
    assert hello["protocolVersion"] == "2026-01-26"
    assert hello["appInfo"]["name"] == "spacetravlr-viewer"
    assert host.heard("ui/notifications/size-changed")[0]["params"]["height"] > 300
    expect(host.frame.locator("html")).to_have_attribute("data-theme", "dark")

    # input that streams in
    host.tell("tool-input-partial", {"arguments": {"run_toml": "my_run", "layer": "X"}})
    expect(host.frame.locator(".mcp-doing")).to_have_text("The assistant fills in layer (2 of 6)")
    assert float(host.frame.locator(".mcp-doing progress").get_attribute("value")) == pytest.approx(2 / 6)

    host.give("show_spatial_viewer")
    host.ready()
    expect(host.frame.locator(".mcp-doing")).to_have_count(0)
    expect(host.frame.locator(".statusbar")).to_contain_text("390 cells")
    host.coloured_by("cell_type")
    assert "viewer_request" not in host.page.evaluate("host.calls")

    # the assistant steers
    host.give("spatial_viewer_control", expression_gene=GENE, status_message="Look at <b>this</b>")
    host.coloured_by(GENE)
    expect(host.frame.locator(".toast")).to_contain_text("Look at <b>this</b>")
    job = assistant.data("perturb", targets=[{"gene": GENE}], scope={"type": "all"})["job"]
    changed = host.give("spatial_viewer_control", job=job)["structuredContent"]["gene"]
    host.coloured_by(f"Δ {changed}")

    if folder := os.environ.get("SPACETRAVLR_SCREENSHOTS"):
        host.page.wait_for_timeout(7000)
        host.page.screenshot(path=Path(folder) / "app.png")

    # the user answers
    host.frame.get_by_role("button", name="Send to chat").click()
    host.until("host.heard.some((m) => m.method === 'ui/message')")
    sent = host.heard("ui/message")[0]["params"]
    assert sent["role"] == "user"
    said = sent["content"][0]["text"]
    assert said.startswith("What the viewer shows (data")
    assert f"(job {job})" in said
    assert f"coloured by Δ {changed}" in said
    assert host.page.evaluate("host.calls").count("spatial_viewer_report_context") == 1

    host.tell("host-context-changed", {"theme": "light"})
    expect(host.frame.locator("html")).to_have_attribute("data-theme", "light")
    host.page.evaluate("host.send({ id: 99, method: 'ui/resource-teardown', params: { reason: 'test' } })")
    host.until("host.heard.some((m) => m.id === 99 && m.result)")


def test_selected_cells_become_a_scope(host: Host, assistant: Any) -> None:
    host.open()
    host.give("show_spatial_viewer")
    host.ready()
    box = host.frame.locator("main.stage").bounding_box()
    host.frame.get_by_role("button", name="Box", exact=False).first.click()
    host.page.mouse.move(box["x"] + 5, box["y"] + 60)
    host.page.mouse.down()
    host.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 5, steps=4)
    host.page.mouse.up()
    expect(host.frame.locator(".statusbar")).to_contain_text("selected")
    host.page.evaluate("host.refuse.push('ui/message')")
    host.frame.get_by_role("button", name="Send to chat").click()
    host.until("host.heard.some((m) => m.method === 'ui/update-model-context')")
    said = host.heard("ui/update-model-context")[0]["params"]["content"][0]["text"]
    n, identifier = (
        said.partition(" cells are selected: scope ")[0].rpartition("\n")[2],
        said.partition('"id": "')[2].partition('"')[0],
    )
    found = assistant.data(
        "perturb", targets=[{"gene": GENE}], scope={"type": "selection", "id": identifier}, n_propagation=1
    )
    assert found["n_cells_perturbed"] == int(n) > 0


def test_where_nothing_may_be_fetched_data_come_through_the_tools(host: Host) -> None:
    host.open(blocked=True)
    host.give("show_spatial_viewer")
    host.ready()
    expect(host.frame.locator(".statusbar")).to_contain_text("390 cells")
    host.give("spatial_viewer_control", expression_gene=GENE)
    host.coloured_by(GENE)
    assert host.page.evaluate("host.calls").count("viewer_request") > 3
    # only the first try was stopped by the policy
    assert len([one for one in host.errors if "connect-src" in one or "violates" in one]) <= 2
    host.errors.clear()


def test_an_error_of_the_tool_is_shown_with_what_is_open(host: Host) -> None:
    host.open()
    host.tell("tool-result", host.result("show_spatial_viewer", {"adata_path": "/etc/passwd"}))
    expect(host.frame.locator(".toast.error")).to_contain_text("no such file in the data roots")
    host.ready()


def test_the_rules_of_access_are_kept(host: Host, inaccessible: Callable[[Any], list[str]]) -> None:
    host.open(theme="dark")
    host.tell("tool-input-partial", {"arguments": {"run_toml": "my_run", "layer": "X"}})
    expect(host.frame.locator(".mcp-doing")).to_be_visible()
    found = inaccessible(host.page.frames[1])
    host.give("show_spatial_viewer")
    host.ready()
    for theme in ("light", "dark"):
        host.tell("host-context-changed", {"theme": theme})
        expect(host.frame.locator("html")).to_have_attribute("data-theme", theme)
        found += inaccessible(host.page.frames[1])
    assert not found, "\n".join(found)


def test_without_a_built_page_one_says_how_to_make_it(host: Host) -> None:
    host.open(html=page_module._NO_PAGE)
    expect(host.frame.locator("body")).to_contain_text("make web")
