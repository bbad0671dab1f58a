"""What all programs have in common: how help looks, and where flags of a command belong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import typer

from spacetravlr.cli._flags import Flag
from spacetravlr.errors import UsageError

BEGIN, NETWORKS, RUNS, MORE = (
    "Commands before training",
    "Commands for networks",
    "Commands for runs",
    "Further commands",
)
"""Groups of commands in the help of `spacetravlr`, in its order."""


def program(**settings: Any) -> typer.Typer:
    """Return a program, or a group of commands, without any command yet.

    Parameters
    ----------
    settings
        Further settings of `typer.Typer`.
    """
    return typer.Typer(
        add_completion=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


def refuse_stray(flags: Iterable[Flag], given: Mapping[str, Any], command: str) -> None:
    """Refuse flags of the program that were given before the name of a command.

    Raises
    ------
    UsageError
        If there are any.
    """
    stray = [flag.names[0] for flag in flags if given[flag.name] not in (None, [])]
    if stray:
        raise UsageError(f"{', '.join(stray)}: no flag of {command}; the flags of a command come after its name")
