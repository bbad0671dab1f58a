"""The page of the app: one file of HTML, or one that says how to make it."""

from __future__ import annotations

import re
from importlib.resources import files

from mcp.server.apps import Apps, ResourceCsp

from spacetravlr.mcp._app_tools import URI

_NO_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>SpaceTravLR viewer</title>
<style>body{font:14px/1.5 system-ui,sans-serif;margin:1.5rem;color-scheme:light dark}</style></head>
<body><h1>SpaceTravLR viewer</h1>
<p>The assistant's tools work, but this installation has no page to show: it was installed from the source without it.
Build it with Node 20 or later and <code>make web</code> in the source tree. Wheels carry the page.</p>
<script>
const send = (message) => parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
addEventListener("message", ({ source, data }) => {
  if (source !== parent || !data || data.jsonrpc !== "2.0") return;
  if (data.id === 1 && "result" in data) send({ method: "ui/notifications/initialized", params: {} });
  if (data.method === "ui/resource-teardown") send({ id: data.id, result: {} });
});
send({ id: 1, method: "ui/initialize", params: { protocolVersion: "2026-01-26", appCapabilities: {},
  appInfo: { name: "spacetravlr-viewer", version: "0" } } });
send({ method: "ui/notifications/size-changed", params: { width: 640, height: 160 } });
</script></body></html>
"""


def page() -> str:
    """Return the page as one file of HTML."""
    built = files("spacetravlr.mcp").joinpath("app", "index.html")
    if not built.is_file():
        return _NO_PAGE
    # one file has no other files beside it, and the host's policy would only complain about one
    return re.sub(r"<link rel=\"icon\"[^>]*>", "", built.read_text(encoding="utf-8"))


def add_page(apps: Apps, *, connect: list[str]) -> None:
    """Register the page; it may speak with the origins in `connect` and nothing else."""
    apps.add_html_resource(
        URI,
        page(),
        name="spatial-viewer",
        title="Spatial viewer",
        description="The tissue, its coefficients and its knock-outs.",
        csp=ResourceCsp(connect_domains=connect, resource_domains=[]),
        prefers_border=False,
    )
