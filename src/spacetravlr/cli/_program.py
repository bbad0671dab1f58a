"""What all programs have in common: how help looks, and where flags of a command belong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from spacetravlr.cli._facts import shown_value
from spacetravlr.cli._flags import Flag
from spacetravlr.errors import UsageError

BEGIN, NETWORKS, RUNS, MORE = (
    "Commands before training",
    "Commands for networks",
    "Commands for runs",
    "Further commands",
)
"""Groups of commands in the help of `spacetravlr`, in its order."""


class Commands(TyperGroup):
    """A group of commands whose help is in the words of the help of settings."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for command in (self, *self.commands.values()):
            _plain(command)


class Command(TyperCommand):
    """The same for a program that is a single command."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        _plain(self)


def _plain(command: Any) -> None:
    """Let the help of a command tell defaults in words, and no types of Python: names and texts say what is meant."""
    for parameter in command.params:
        _tell_default(parameter)
        if parameter.param_type_name == "argument":
            word = parameter.metavar or parameter.name
            parameter.display_type_rich = _no_type
            parameter.get_usage_pieces = partial(_pieces, [word if parameter.required else f"[{word}]"])
    command.get_help_option = partial(_help_option, command.get_help_option)


def _tell_default(parameter: Any) -> None:
    default = parameter.default
    told = not parameter.show_default or getattr(parameter, "hidden", False)
    parameter.show_default = False
    if not told and default is not None and default is not False and default != "":
        parameter.help = f"{parameter.help} Default: {shown_value(default)}."


def _no_type(ctx: Any) -> None:  # noqa: ARG001 - the signature of what it replaces
    return None


def _pieces(words: list[str], ctx: Any) -> list[str]:  # noqa: ARG001
    return words


def _help_option(make: Callable[[Any], Any], ctx: Any) -> Any:
    option = make(ctx)
    if option is not None:
        option.metavar = " "
    return option


def program(**settings: Any) -> typer.Typer:
    """Return a program, or a group of commands, without any command yet.

    Parameters
    ----------
    settings
        Further settings of `typer.Typer`.
    """
    settings.setdefault("cls", Commands)
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
