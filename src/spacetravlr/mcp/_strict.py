"""Tools take exactly their inputs: one that is not understood could have meant a smaller scope."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mcp.server.apps import Apps
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, TextContent

from spacetravlr.errors import listing, nearest
from spacetravlr.mcp._clean import clean

_HEAD = re.compile(r"\d+ validation errors? for \w+\n")
_MORE = re.compile(r"\n\s+For further information visit \S+")
_KIND = re.compile(r" \[type=\w+, input_value=.*?, input_type=\w+\]", re.DOTALL)


class StrictApps(Apps):
    """The extension for apps, which looks at every call of a tool besides."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: Mapping[str, tuple[str, ...]] = {}
        """Inputs of each tool."""

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Refuse inputs that a tool does not have, and say in plain words what is wrong with others."""
        known = self.inputs.get(params.name)
        if known is None:
            return await call_next(ctx)
        for name in params.arguments or {}:
            if name not in known:
                close = nearest(name, known)
                hint = f"did you mean {close!r}" if close else f"it takes: {listing(known, 30)}"
                return _refused(f"{params.name} has no input {clean(name)!r}; {hint}; nothing was done.")
        result = await call_next(ctx)
        if isinstance(result, CallToolResult) and result.is_error:
            for one in result.content:
                if isinstance(one, TextContent) and _HEAD.search(one.text):
                    return _refused(f"{plain(one.text)} Nothing was done.")
        return result


def plain(text: str) -> str:
    """Return what a validation says, on one line and without what was given."""
    lines = _KIND.sub("", _MORE.sub("", _HEAD.sub("", text))).splitlines()
    head = lines[0].partition(": ")[0] if lines else ""
    # the first line still begins with the name of the tool
    rest = [lines[0].partition(": ")[2], *lines[1:]] if lines else []
    pairs = [f"{place.strip()}: {what.strip()}" for place, what in zip(rest[::2], rest[1::2], strict=False)]
    return f"{head}: {'; '.join(pairs)}."


def _refused(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
