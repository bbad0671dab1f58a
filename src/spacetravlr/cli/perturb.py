"""`spacetravlr-perturb`: simulate a knock-out or an over-expression in a trained tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from spacetravlr.cli._errors import Guard, run_app
from spacetravlr.cli._flags import with_flags
from spacetravlr.cli._perturb_flags import CELLS_CSV_FLAGS, PERTURB_FLAGS, SCREEN_FLAGS
from spacetravlr.cli._program import Commands, program, refuse_stray
from spacetravlr.errors import did_you_mean

_HELP = """
Set a gene to a value and follow the consequences: through the models that training has found, and through the ligands
that cells send to each other.

The result has the simulated expression of every gene in every cell.
"""
_EPILOG = """
Examples, with the directory my_run of a finished training:

$ spacetravlr-perturb --run-toml my_run --gene Foxo1 --out ko.feather --top 10

$ spacetravlr-perturb --run-toml my_run --gene Ccl19 --desired-expr x2 --cell-type Fibroblast --out oe.h5ad

$ spacetravlr-perturb --run-toml my_run --gene Foxo1,Pax5 --desired-expr 0,q95 --out both.feather

$ spacetravlr-perturb --run-toml my_run --batch-toml batch.toml

$ spacetravlr-perturb screen --run-toml my_run

Exit status: 0 done, 1 error, 2 wrong usage, 130 stopped by Ctrl-C.
"""
_SCREEN_HELP = """
Perturb one gene after the other, and rank them by what follows.

Every gene has a file of its own, and a row in screen_summary.feather.

Ctrl-C finishes the genes at work; the same command goes on later.
"""
_SCREEN_EPILOG = """
Examples:

$ spacetravlr-perturb screen --run-toml my_run

$ spacetravlr-perturb screen --run-toml my_run --genes Foxo1,Pax5,Ccl19 --dose x2 --cell-type Fibroblast --out-dir oe
"""
_CELLS_CSV_HELP = """
Write a table of cell names for --cells-csv, one column for each cell type (or other label of --annot).

Edit it as you like: a column is a list of cells to perturb.
"""
_CELLS_CSV_EPILOG = """
Example:

$ spacetravlr-perturb make-cells-csv --run-toml my_run --annot cell_type --out cells.csv
"""


class _Commands(Commands):
    """A group whose first argument may also be the file of `--config`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `--config` before a file name in the place of a command."""
        rest = self.make_parser(ctx).parse_args(args=list(args))[1]
        if rest and rest[0] not in self.commands and rest[0].casefold().endswith(".toml"):
            args = [*args[: len(args) - len(rest)], "--config", *rest]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or say which there are."""
        if args[0] not in self.commands:
            hint = did_you_mean(args[0], self.commands, f"; there are {' and '.join(self.commands)}")
            ctx.fail(f"No command is called {args[0]!r}{hint} (A gene is given as --gene NAME)")
        return super().resolve_command(ctx, args)


app = program(cls=_Commands, subcommand_metavar="[CONFIG.toml | COMMAND [ARGS]...]")


def _perturb(ctx: typer.Context, **given: Any) -> None:
    command = ctx.invoked_subcommand

    def action(_: Guard) -> int:
        if command is not None:
            refuse_stray(PERTURB_FLAGS, given, command)
            return 0
        from spacetravlr.cli._perturb import run_perturbation

        return run_perturbation(given)

    code = Guard().run(action)
    # a command that is named comes now
    if command is None or code:
        raise typer.Exit(code)


def _screen(ctx: typer.Context, **given: Any) -> None:  # noqa: ARG001 - the signature of a command
    from spacetravlr.cli._screen import run_screen

    raise typer.Exit(Guard().run(lambda _: run_screen(given)))


def _make_cells_csv(ctx: typer.Context, **given: Any) -> None:  # noqa: ARG001 - the signature of a command
    from spacetravlr.cli._cells_csv import make_cells_csv

    raise typer.Exit(Guard().run(lambda _: make_cells_csv(given)))


app.callback(invoke_without_command=True, help=_HELP, epilog=_EPILOG)(with_flags(_perturb, PERTURB_FLAGS))
app.command("screen", help=_SCREEN_HELP, epilog=_SCREEN_EPILOG)(with_flags(_screen, SCREEN_FLAGS))
app.command("make-cells-csv", help=_CELLS_CSV_HELP, epilog=_CELLS_CSV_EPILOG)(
    with_flags(_make_cells_csv, CELLS_CSV_FLAGS)
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `spacetravlr-perturb` and return its exit code.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of this process.
    """
    return run_app(app, "spacetravlr-perturb", arguments)
