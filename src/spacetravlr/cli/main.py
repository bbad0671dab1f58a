"""`spacetravlr`: train, and the subcommands around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from spacetravlr.cli import _data_commands, _network_commands, _report_command, _skill_command
from spacetravlr.cli._errors import Guard, run_app
from spacetravlr.cli._flags import with_flags
from spacetravlr.cli._program import BEGIN, MORE, RUNS, program, refuse_stray
from spacetravlr.cli._train_flags import TRAIN_FLAGS
from spacetravlr.errors import UsageError

_HELP = """
Learn from a spatial transcriptomics sample how every gene depends on transcription factors and on ligands received
from neighbouring cells. Then simulate a knock-out with spacetravlr-perturb.

\b
  spacetravlr demo                                   see everything at work
  spacetravlr peek sample.h5ad                       what is in a file, and what to do with it
  spacetravlr prepare raw.h5ad -o sample.h5ad        make a raw sample ready
  spacetravlr --h5ad sample.h5ad --output-dir run    train on your sample
  spacetravlr --h5ad sample.h5ad --genes Pax5,Irf4   only some targets
  spacetravlr --join-output-dir run                  continue it, or join in
  spacetravlr status run                             how far it is
  spacetravlr run-summary run                        a page about it, also left by every training

The sample needs layers["imputed_count"] (or --layer), positions in obsm["spatial"] and clusters in obs["cell_type"] \
(or --cluster-annot): prepare makes them. A run that is there already is continued.
"""
_EPILOG = (
    "Ctrl-C finishes what is at work, a second Ctrl-C stops at once; the same command goes on later. "
    "Exit status: 0 done, 1 error, 2 wrong usage, 3 no gene could be modelled, 130 stopped at once."
)

_EDGES_EPILOG = """
Examples:

$ spacetravlr edges my_run --gene Pax5,Irf4

$ spacetravlr edges my_run --cluster Fibroblast --csv edges.csv
"""
_COLLECT_EPILOG = """
Example:

$ spacetravlr collect-interactions --run-toml my_run --out interactions.csv
"""

app = program()


def _train(ctx: typer.Context, **given: Any) -> None:
    command = ctx.invoked_subcommand

    def action(guard: Guard) -> int:
        if command is not None:
            refuse_stray(TRAIN_FLAGS, given, command)
            return 0
        from spacetravlr.cli._run_summary import leaving_a_report
        from spacetravlr.cli._train import run_training

        with leaving_a_report(given, guard):
            return run_training(given, guard)

    code = Guard().run(action)
    # a command that is named comes now
    if command is None or code:
        raise typer.Exit(code)


app.callback(invoke_without_command=True, help=_HELP, epilog=_EPILOG)(with_flags(_train, TRAIN_FLAGS))


# in the order of the help
@app.command("demo", rich_help_panel=BEGIN)
def _demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is written.")] = Path("demo_spacetravlr"),
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the simulated tissue.")] = 0,
    cells: Annotated[int, typer.Option(metavar="N", help="Number of cells of the simulated tissue.")] = 2000,
) -> None:
    """Simulate a tissue, train on it, knock genes out, and compare with the known answer: about half a minute."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._demo import show_demo

        return show_demo(out.expanduser(), seed=seed, n_cells=cells)

    raise typer.Exit(Guard().run(action))


_data_commands.register(app)
_network_commands.register(app)


@app.command("status", rich_help_panel=RUNS)
def _status(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="Run directory, or the TOML of a run.")],
    *,
    watch: Annotated[bool, typer.Option("--watch", metavar=" ", help="Go on until the run has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar=" ", help="JSON for scripts, one object a line.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", metavar=" ", help="With --watch: lines instead of the dashboard.")
    ] = False,
) -> None:
    """Show how far a run has come: genes done, orphan, failed, running; speed and time left."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._status import show_status

        return show_status(directory, watch=watch, as_json=as_json, plain=plain)

    raise typer.Exit(Guard().run(action))


_report_command.register(app)


@app.command("edges", rich_help_panel=RUNS, epilog=_EDGES_EPILOG)
def _edges(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="Run directory, or the TOML of a run.")],
    *,
    gene: Annotated[str | None, typer.Option(metavar="GENE,...", help="Only these targets.")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="LABEL", help="Only this cluster.")] = None,
    top: Annotated[int | None, typer.Option(metavar="N", help="How many. Default: 20, and all with --csv.")] = None,
    csv: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a .csv, .feather or .parquet instead of showing them.")
    ] = None,
    pooled: Annotated[
        bool,
        typer.Option(
            "--pooled",
            metavar=" ",
            help="Let what is found in other clusters count in the score: ranks more true edges first.",
        ),
    ] = False,
) -> None:
    """Show what regulates what, the firmest first: coefficient, interval, stability, and what cannot be told apart."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._edges import show_edges

        return show_edges(directory, gene=gene, cluster=cluster, top=top, csv=csv, pooled=pooled)

    raise typer.Exit(Guard().run(action))


@app.command("collect-interactions", rich_help_panel=RUNS, epilog=_COLLECT_EPILOG)
def _collect_interactions(
    run_toml: Annotated[str, typer.Option(metavar="FILE", help="TOML of a trained run, or the directory it is in.")],
    h5ad: Annotated[str | None, typer.Option(metavar="FILE", help="The sample, if it has moved.")] = None,
    annot: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs with the cell types. Default: cell_type or a similar name, else that of the clusters.",
        ),
    ] = None,
    aggregate: Annotated[
        str,
        typer.Option(
            metavar="WORD",
            help="What becomes of the coefficients of one cell type: mean, min, max, sum, or the mean of the positive "
            "or negative ones. Several (A,B) give a column each.",
        ),
    ] = "mean",
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A .feather, .csv or .parquet. Default: plucked_feathers.feather in the run."
        ),
    ] = None,
) -> None:
    """Write the coefficients of all targets as one table: interaction, target, type, cell type, beta."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._collect import collect

        return collect(run_toml, h5ad=h5ad, annot=annot, aggregate=aggregate, out=out)

    raise typer.Exit(Guard().run(action))


@app.command(
    "bench",
    rich_help_panel=MORE,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def _bench(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which benchmark; its own flags follow.")] = "list",
    json_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the figures as JSON.")] = None,
) -> None:
    """Measure speed, memory and error; without a name, list the benchmarks."""

    def action(_: Guard) -> int:
        from spacetravlr.bench import registry

        arguments, target = split_json_out(ctx.args)
        return registry.main(name, arguments, target or json_out) or 0

    raise typer.Exit(Guard().run(action))


_skill_command.register(app)


def split_json_out(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """Take `--json-out FILE` out of the arguments behind a benchmark's name.

    Raises
    ------
    UsageError
        If the file is missing.
    """
    rest: list[str] = []
    target: Path | None = None
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag != "--json-out":
            rest.append(word)
            continue
        value = value if equals else next(words, "")
        if not value:
            raise UsageError("--json-out needs a file")
        target = Path(value)
    return rest, target


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `spacetravlr` and return its exit code.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of this process.
    """
    return run_app(app, "spacetravlr", arguments)
