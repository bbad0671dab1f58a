"""Completing the path of a run while it is typed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from spacetravlr.run.nearby import path_completions


def complete(text: str) -> str:
    """Return a path completed as far as there is only one way to go on, as a shell does."""
    found = path_completions(text)
    # by letters, not by parts of the path
    first, last = min(found, default=text), max(found, default=text)
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:same]


def shown(path: Path) -> str:
    """Return a path as a person would type it: from the working directory if it is below, from `~` if it is there."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    with suppress(ValueError, RuntimeError):
        return f"~/{path.relative_to(Path.home())}"
    return str(path)
