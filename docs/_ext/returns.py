"""Docstrings here have no types in their text; what is returned is a description, and is not to be read as a type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_UNDERLINE = re.compile(r"^-{3,}$")
_FIELD = {"Returns": ":returns:", "Yields": ":returns:"}


def rewrite(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Turn the sections about what is returned into fields, before the others are looked at."""
    result: list[str] = []
    at = 0
    while at < len(lines):
        if not heads(lines, at) or lines[at] not in _FIELD:
            result.append(lines[at])
            at += 1
            continue
        end = at + 2
        while end < len(lines) and not heads(lines, end):
            end += 1
        text = lines[at + 2 : end]
        result += ["", f"{_FIELD[lines[at]]} {text[0]}", *(f"    {line}" if line else "" for line in text[1:]), ""]
        at = end
    lines[:] = result


def heads(lines: list[str], at: int) -> bool:
    """Tell whether a section begins at a line."""
    return at + 1 < len(lines) and bool(lines[at]) and bool(_UNDERLINE.match(lines[at + 1]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, ahead of what reads the other sections."""
    app.connect("autodoc-process-docstring", rewrite, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
