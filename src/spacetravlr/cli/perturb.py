"""`spacetravlr-perturb`: simulate a knock-out or an over-expression in a trained tissue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from spacetravlr.cli._errors import Guard, run_app
from spacetravlr.cli._flags import with_flags
from spacetravlr.cli._perturb_flags import PERTURB_FLAGS

_HELP = """
Set a gene to a value and follow the consequences: through the models that training has found, and through the ligands
that cells send to each other.

\b
  spacetravlr-perturb --run-toml my_run/spacetravlr_run_repro.toml \\
      --gene Foxo1 --out foxo1_ko.feather
  spacetravlr-perturb --run-toml my_run/spacetravlr_run_repro.toml \\
      --gene Ccl19 --desired-expr 3.5 --cells-csv cells.csv \\
      --cells-csv-column fibroblasts --out ccl19.h5ad

The result has the simulated expression of every gene in every cell.
"""
_EPILOG = "Exit status: 0 done, 1 error, 2 wrong usage."

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _perturb(ctx: typer.Context, **given: Any) -> None:  # noqa: ARG001 - the signature of a command
    from spacetravlr.cli._perturb import run_perturbation

    raise typer.Exit(Guard().run(lambda _: run_perturbation(given)))


app.command(help=_HELP, epilog=_EPILOG)(with_flags(_perturb, PERTURB_FLAGS))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `spacetravlr-perturb` and return its exit code.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of this process.
    """
    return run_app(app, "spacetravlr-perturb", arguments)
