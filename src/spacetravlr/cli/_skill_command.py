"""The flags of `spacetravlr skill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spacetravlr.cli._errors import Guard
from spacetravlr.cli._program import MORE


def _skill(
    *,
    copy: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write it to DIR/spacetravlr/SKILL.md instead, where assistants look for skills."
        ),
    ] = None,
) -> None:
    """Print a guide for assistants: what the tools and commands do, in which order, and how far to believe them."""

    def action(_: Guard) -> int:
        from spacetravlr.mcp import copy_guide, guide

        if copy is None:
            typer.echo(guide(), nl=False)
        else:
            typer.echo(f"Wrote {copy_guide(copy.expanduser())}")
        return 0

    raise typer.Exit(Guard().run(action))


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command("skill", rich_help_panel=MORE)(_skill)
