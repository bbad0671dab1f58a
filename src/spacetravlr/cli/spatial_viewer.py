"""`spatial_viewer`: a tissue, its coefficients and its knock-outs in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from spacetravlr.cli._errors import Guard, run_app
from spacetravlr.cli._flags import Flag, with_flags
from spacetravlr.cli._program import Command, program
from spacetravlr.cli._version import version_flag

DATA, SERVER, LIMITS = ("Data", "Server", "Limits")
_HELP = """
Show a tissue in the browser: positions and UMAP coloured by genes, coefficients, cell types; what connects a cell with
its neighbours; and what a knock-out changes, while it is computed.

The address is printed. Without data, choose some in the page.
"""
_EPILOG = """
Examples:

$ spatial_viewer --h5ad sample.h5ad

$ spatial_viewer --run-toml my_run

$ spatial_viewer --data-root /data/tissues

Exit status: 0 stopped, 1 error, 2 wrong usage.
"""
VIEWER_FLAGS = (
    Flag(
        ("--h5ad",),
        DATA,
        help="The sample. Without it, that of the run; or choose one in the page.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--run-toml",),
        DATA,
        help="spacetravlr_run_repro.toml of a trained run, or the directory it is in: coefficients and perturbations. "
        "The sample that it names wins over --h5ad.",
        kind="path",
        metavar="FILE",
    ),
    Flag(
        ("--layer",),
        DATA,
        help="Expression layer; X is the main matrix. Default: that of the run, else imputed_count.",
        metavar="NAME",
    ),
    Flag(
        ("--cluster-annot",),
        DATA,
        help="obs column of the clusters. Default: that of the run, else cell_type.",
        metavar="COLUMN",
    ),
    Flag(
        ("--network-dir",),
        DATA,
        help="Directory with {mouse,human}_network.parquet, for what connects a cell with others. Default: as in "
        "training.",
        kind="path",
        metavar="DIR",
    ),
    Flag(
        ("--data-root",),
        DATA,
        help="Directory whose files may be opened in the page; may be given several times. Default: those of the "
        "files given, else the working directory.",
        kind="path",
        metavar="DIR",
        repeatable=True,
    ),
    Flag(
        ("--bind",),
        SERVER,
        help="IP address to listen on. Any but that of this machine alone asks for a token. Default: 127.0.0.1.",
        metavar="ADDRESS",
    ),
    Flag(("--port",), SERVER, help="Port to listen on; 0 takes a free one. Default: 8080.", kind="integer"),
    Flag(
        ("--static-dir",),
        SERVER,
        help="Directory of a built page. Default: the one that comes along.",
        kind="path",
        metavar="DIR",
    ),
    Flag(
        ("--allow-cors",),
        SERVER,
        help="Let pages of other origins use the API, with the token that is printed (for hosts of MCP apps). Also "
        "SPATIAL_VIEWER_ALLOW_CORS=1.",
        kind="flag",
    ),
    Flag(
        ("--allow-host",),
        SERVER,
        help="Further host name by which the server is addressed; may be given several times.",
        metavar="NAME",
        repeatable=True,
    ),
    Flag(("--read-only",), SERVER, help="The data cannot be exchanged or renamed from the page.", kind="flag"),
    Flag(
        ("--perturb-cache-dir",),
        LIMITS,
        help="Directory for columns on the disk. Default: spacetravlr/viewer in the cache directory of the user.",
        kind="path",
        metavar="DIR",
    ),
    Flag(("--column-cache-mb",), LIMITS, help="Its size; 0 writes nothing. Default: 20000.", kind="integer"),
    Flag(("--foyer-grn-memory-mb",), LIMITS, help="Memory for perturbation results. Default: 256.", kind="integer"),
    Flag(
        ("--foyer-grn-disk-mb",),
        LIMITS,
        help="Accepted for scripts of the earlier server: results are not written to the disk.",
        kind="integer",
    ),
    Flag(("--foyer-grid-memory-mb",), LIMITS, help="Memory for UMAP fields. Default: 64.", kind="integer"),
    Flag(("--foyer-grid-disk-mb",), LIMITS, help="Accepted, as --foyer-grn-disk-mb.", kind="integer"),
    Flag(("--workers",), LIMITS, help="Simulations at once. Default: 2.", kind="integer"),
    version_flag("spatial_viewer", SERVER),
)

app = program()


def _view(ctx: typer.Context, **given: Any) -> None:  # noqa: ARG001 - the signature of a command
    from spacetravlr.cli._viewer import run_viewer

    raise typer.Exit(Guard().run(lambda _: run_viewer(given)))


app.command(cls=Command, help=_HELP, epilog=_EPILOG)(with_flags(_view, VIEWER_FLAGS))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `spatial_viewer` and return its exit code.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of this process.
    """
    return run_app(app, "spatial_viewer", arguments)
