"""Answers as text: tables and numbers that read well in a conversation."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent
from pydantic import BaseModel


def answer(
    text: str, content: BaseModel, *, meta: dict[str, Any] | None = None, png: bytes | None = None
) -> CallToolResult:
    """Return a tool's answer: complete text, the same as structured content, and what only the app is told.

    A picture comes after the text.
    """
    parts: list[ContentBlock] = [TextContent(type="text", text=text)]
    if png is not None:
        parts.append(ImageContent(type="image", data=base64.b64encode(png).decode(), mime_type="image/png"))
    return CallToolResult(
        content=parts,
        structured_content=content.model_dump(mode="json", by_alias=True),
        _meta=meta,
    )


def number(value: float | None) -> str:
    """Return a number with four digits, or `-` where there is none."""
    return "-" if value is None else f"{value:.4g}"


def signed(value: float | None) -> str:
    """Return a change, with its sign."""
    return "-" if value is None else f"{value:+.4g}"


def count(n: int, noun: str) -> str:
    """Return a number of things."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def joined(*parts: str) -> str:
    """Return paragraphs, the empty ones left out."""
    return "\n\n".join(part for part in parts if part)


def names(given: Sequence[str], most: int = 20) -> str:
    """Return names in a line, the first ones of many."""
    if not given:
        return "none"
    more = f" (and {len(given) - most:,} more)" if len(given) > most else ""
    return ", ".join(given[:most]) + more
