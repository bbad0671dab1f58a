"""`spacetravlr prepare`, `peek`, `init` and `doctor`: from a raw file to a training that can begin."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from spacetravlr.cli._errors import Guard
from spacetravlr.cli._facts import facts
from spacetravlr.cli._prepare_flags import PREPARE_FLAGS, with_raw
from spacetravlr.cli._program import BEGIN

# one line for each paragraph: the help wraps them
_PREPARE = """Make a raw sample ready: quality filters, normalisation, genes, clusters, imputation, micrometres.

RAW is an .h5ad file, a 10x .h5 file, a 10x folder (matrix.mtx), an output folder of Visium, Visium HD or Xenium, or a \
SpatialData .zarr. Preparing what is prepared already changes nothing.
"""
_PREPARE_EPILOG = """
Examples:

$ spacetravlr prepare raw.h5ad -o sample.h5ad

$ spacetravlr prepare visium_run/outs -o sample.h5ad --cluster-key annotation --um-per-unit 0.5

$ spacetravlr --h5ad sample.h5ad --output-dir my_run
"""
_RADIUS_EPILOG = """
Example:

$ spacetravlr radius --h5ad sample.h5ad --radii 50,100,200
"""
_Length = Annotated[
    float | None, typer.Option(metavar="NUMBER", help="Micrometres per unit of the coordinates, if you know it.")
]


def _said(key: str) -> str:
    """Return what the help of training says of a setting."""
    return facts()[key].help.replace("[", r"\[")


def _prepare(ctx: typer.Context, raw: str, **given: Any) -> None:  # noqa: ARG001 - commands with a table of flags get it

    def action(_: Guard) -> int:
        from spacetravlr.cli._prepare import run_prepare

        return run_prepare(raw, given)

    raise typer.Exit(Guard().run(action))


def _peek(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An .h5ad file.")],
    radius: Annotated[
        float, typer.Option(metavar="NUMBER", help="Radius to count cells in, units of the coordinates.")
    ] = 200.0,
    network_data_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory with {mouse,human}_network.parquet.")
    ] = None,
    um_per_unit: _Length = None,
) -> None:
    """Show what a file holds, without loading it: shape, layers, columns, units, network, and what to do next."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._peek import peek

        return peek(file, radius=radius, network_data_dir=network_data_dir, um_per_unit=um_per_unit)

    raise typer.Exit(Guard().run(action))


def _init(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The .h5ad file to train on.")],
) -> None:
    """Write a commented configuration for a file to standard output: spacetravlr init FILE > spaceship_config.toml."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._init import write_config

        return write_config(file)

    raise typer.Exit(Guard().run(action))


def _doctor(
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Also look at this .h5ad file.")] = None,
    *,
    um_per_unit: _Length = None,
    as_json: Annotated[bool, typer.Option("--json", metavar=" ", help="One JSON object, for scripts.")] = False,
) -> None:
    """Check the installation and the machine, with a fix for each problem; exit status 1 if there is one."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._doctor import run_doctor

        return run_doctor(file, as_json=as_json, um_per_unit=um_per_unit)

    raise typer.Exit(Guard().run(action))


def _radius(
    *,
    h5ad: Annotated[str, typer.Option(metavar="FILE", help="The AnnData file that is to be trained on.")],
    radii: Annotated[
        str | None, typer.Option(metavar="R,R,...", help="Radii to compare. Default: 25,50,100,200,400.")
    ] = None,
    targets: Annotated[int | None, typer.Option(metavar="N", help="Targets to look at. Default: 30.")] = None,
    config: Annotated[str | None, typer.Option("--config", "-c", metavar="FILE", help="Settings in TOML.")] = None,
    network_data_dir: Annotated[
        str | None, typer.Option(metavar="DIR", help="Directory with {mouse,human}_network.parquet.")
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help=_said("data.layer"))] = None,
    response_layer: Annotated[str | None, typer.Option(metavar="NAME", help=_said("data.response_layer"))] = None,
    cluster_annot: Annotated[str | None, typer.Option(metavar="COLUMN", help=_said("data.cluster_annot"))] = None,
    sample: Annotated[str | None, typer.Option(metavar="COLUMN", help=_said("data.sample"))] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar=" ", help="One JSON object, for scripts.")] = False,
    json_out: Annotated[str | None, typer.Option(metavar="FILE", help="Also write it to a file.")] = None,
) -> None:
    """Suggest the radius: which one predicts regions that were held out best, if any does."""

    def action(_: Guard) -> int:
        from spacetravlr.cli._radius import tell_radius

        settings: dict[str, object] = {
            "network_data_dir": network_data_dir,
            "layer": layer,
            "response_layer": response_layer,
            "cluster_annot": cluster_annot,
            "sample": sample,
        }
        return tell_radius(
            h5ad, radii=radii, targets=targets, config=config, settings=settings, as_json=as_json, json_out=json_out
        )

    raise typer.Exit(Guard().run(action))


def register(app: typer.Typer) -> None:
    """Add the commands to a program."""
    command = partial(app.command, rich_help_panel=BEGIN)
    command("doctor")(_doctor)
    command("peek")(_peek)
    command("prepare", help=_PREPARE, epilog=_PREPARE_EPILOG)(with_raw(_prepare, PREPARE_FLAGS))
    command("radius", epilog=_RADIUS_EPILOG)(_radius)
    command("init")(_init)
