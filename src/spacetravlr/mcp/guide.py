"""The written guide for assistants."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from spacetravlr.atomic import write_text
from spacetravlr.errors import InputError

NAME = "SKILL.md"


def guide() -> str:
    """Return the guide, in Markdown."""
    return files("spacetravlr.mcp").joinpath("skill.md").read_text(encoding="utf-8")


def copy_guide(folder: Path) -> Path:
    """Write the guide into a directory as ``spacetravlr/SKILL.md``, and return the file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    target = folder / "spacetravlr" / NAME
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, guide())
    except OSError as error:
        raise InputError(f"cannot write {target} ({error.strerror}); name another directory") from error
    return target
