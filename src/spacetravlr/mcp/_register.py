"""How a tool is registered, and what it promises."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
COMPUTES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
"""It keeps a result in memory, changes no data, and gives another id each time."""
CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)
"""It can cancel and forget results."""
OPENS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
"""It changes what is shown."""


def register(server: MCPServer[Any], tool: Callable[..., Any], title: str, hints: ToolAnnotations) -> None:
    """Register a tool under its own name; its text for assistants is its docstring."""
    server.add_tool(tool, title=title, annotations=hints, description=inspect.getdoc(tool))
