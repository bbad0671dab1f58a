"""From a table of flags to the parameters of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from spacetravlr.cli._facts import Fact, facts
from spacetravlr.errors import did_you_mean

_TYPES: Mapping[str, type] = {"number": float, "integer": int, "flag": bool}
_METAVARS: Mapping[str, str] = {
    "number": "NUMBER",
    "integer": "N",
    "path": "PATH",
    "list": "A,B,...",
    "text": "TEXT",
    "choice": "WORD",
    "flag": " ",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command."""

    names: tuple[str, ...]
    """All spellings, the main one first."""
    panel: str | None = None
    """Group in the help."""
    key: str | None = None
    """Setting that the flag gives a value to; its type, default, choices and description are those of the flag."""
    help: str = ""
    """Text of a flag without a setting; for one with a setting, what to say in place of its description."""
    more: str = ""
    """A sentence to add."""
    kind: str = "text"
    """Type of a flag without a setting, as for `Fact.kind`."""
    metavar: str | None = None
    """How the help shows the value."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Further accepted words of a choice, with what each means."""
    sets: bool | None = None
    """What a flag without a value sets its setting to; None is the value that was given."""
    hidden: bool = False
    """Whether it is accepted but not shown."""
    repeatable: bool = False
    """Whether it may be given several times; its value is a list then."""
    callback: Callable[[Any], Any] | None = None
    """Called with the value before anything else."""

    @property
    def name(self) -> str:
        """Name of the parameter that receives the value."""
        return self.names[0].removeprefix("--").replace("-", "_")


def with_flags(command: Callable[..., Any], flags: Iterable[Flag]) -> Callable[..., Any]:
    """Give a command that takes `(ctx, **values)` one parameter for each flag; None is a flag that was not given."""
    parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    parameters += [_parameter(flag) for flag in flags]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    return command


def _parameter(flag: Flag) -> inspect.Parameter:
    fact = facts()[flag.key] if flag.key else Fact(flag.kind, None, (), "")
    kind = _TYPES.get(fact.kind, str)
    settings: dict[str, Any] = {}
    if fact.choices:
        settings["parser"] = _chooser(fact.choices, dict(flag.aliases))
    option = typer.Option(
        *flag.names,
        # section names in brackets are no markup
        help=" ".join(filter(None, (flag.help or fact.help, flag.more))).replace("[", r"\["),
        metavar=flag.metavar or _METAVARS[fact.kind],
        rich_help_panel=flag.panel,
        hidden=flag.hidden,
        callback=flag.callback,
        is_eager=flag.callback is not None,
        show_default=False,
        **settings,
    )
    return inspect.Parameter(
        flag.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[list[kind] | None if flag.repeatable else kind | None, option],  # type: ignore[valid-type]
    )


def _chooser(choices: tuple[str, ...], aliases: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that accepts a choice or an alias of one, and refuses everything else with a suggestion."""

    def choose(text: str) -> str:
        word = aliases.get(text, text)
        if word in choices:
            return word
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(choices)}{did_you_mean(text, choices)}")

    return choose
