"""The flags of `spacetravlr run-summary`."""

from __future__ import annotations

from typing import Annotated

import typer

from spacetravlr.cli._errors import Guard
from spacetravlr.cli._program import RUNS


def _run_summary(
    directory: Annotated[
        str | None, typer.Argument(metavar="DIR", help="Run directory, finished or not, or the TOML of a run.")
    ] = None,
    *,
    h5ad: Annotated[
        str | None, typer.Option(metavar="FILE", help="The sample. Default: the one the run was trained on.")
    ] = None,
    output_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Run directory, as DIR. Default: \\[execution].output_dir of the configuration."
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Configuration that names sample and run, if they are not given; that of the run is never changed.",
        ),
    ] = None,
    cluster_key: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="obs column to colour the map by. Default: that of the run.")
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Layer to name. Default: that of the run.")] = None,
    run_id: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the run on the page.")] = None,
    manifest: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON whose keys win over those of run_manifest.json.")
    ] = None,
    betadata_pattern: Annotated[
        str, typer.Option(metavar="GLOB", help="Names of the coefficient files to count.")
    ] = "*_betadata.feather",
) -> None:
    """Write spacetravlr_run_summary.html into a run: everything about it on one page that opens offline."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._run_summary import Asked, run_summary

        return run_summary(
            Asked(
                directory=directory,
                h5ad=h5ad,
                output_dir=output_dir,
                config=config,
                cluster_key=cluster_key,
                layer=layer,
                run_id=run_id,
                manifest=manifest,
                pattern=betadata_pattern,
            )
        )

    raise typer.Exit(Guard().run(action))


def register(app: typer.Typer) -> None:
    """Add the command to a program."""
    app.command("run-summary", rich_help_panel=RUNS)(_run_summary)
