"""What `--version` says."""

from __future__ import annotations

import platform
from typing import Any

import typer

from spacetravlr import __version__
from spacetravlr.cli._flags import Flag


def version_flag(program: str, panel: str) -> Flag:
    """Return the flag that writes program, version, Python and machine to standard output."""

    def show(wanted: Any) -> None:
        if wanted:
            machine = f"{platform.system()}-{platform.machine()}".lower()
            typer.echo(f"{program} {__version__} (Python {platform.python_version()}, {machine})")
            raise typer.Exit

    return Flag(("--version", "-V"), panel, help="Show the version and exit.", kind="flag", callback=show)
