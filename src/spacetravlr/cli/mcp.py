"""`spacetravlr-mcp`: what an assistant's program starts to look at a tissue and run a knock-out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from spacetravlr.cli._errors import Guard, run_app
from spacetravlr.cli._flags import Flag, with_flags
from spacetravlr.cli._program import Command, program
from spacetravlr.cli._version import version_flag
from spacetravlr.cli.spatial_viewer import VIEWER_FLAGS

DATA, SERVER = ("Data", "Server")
_FROM_THE_VIEWER = ("h5ad", "run_toml", "layer", "cluster_annot", "network_dir", "data_root", "read_only", "workers")
_HELP = """
Let an assistant look at a tissue and run knock-outs: a server of the Model Context Protocol.

The assistant's program starts it and talks to it over standard input and output; with --http it listens on this \
machine instead, and asks for a token. It brings a viewer along, on a free port of this machine.
"""
_EPILOG = """
Examples, as the assistant's program runs them:

$ spacetravlr-mcp --demo

$ spacetravlr-mcp --run-toml my_run

$ spacetravlr-mcp --http --port 8790 --run-toml my_run

SPATIAL_VIEWER_API_BASE=http://127.0.0.1:8080 takes a viewer that runs already (SPATIAL_VIEWER_TOKEN: its token); \
SPATIAL_VIEWER_CONNECT_ORIGINS=A,B adds origins that the app may speak with; SPACETRAVLR_MCP_TOKEN is the token for \
--http.

Exit status: 0 stopped, 1 error, 2 wrong usage.
"""
MCP_FLAGS = (
    Flag(
        ("--demo",),
        DATA,
        help="Show the demo, in demo_spacetravlr if it is here, else in the cache directory of the user; it is made if "
        "it is in neither (about a minute).",
        kind="flag",
    ),
    *(flag for flag in VIEWER_FLAGS if flag.name in _FROM_THE_VIEWER),
    Flag(("--http",), SERVER, help="Listen on 127.0.0.1 instead of talking over standard streams.", kind="flag"),
    Flag(("--port",), SERVER, help="Port for --http; 0 takes a free one. Default: 8790.", kind="integer"),
    version_flag("spacetravlr-mcp", SERVER),
)

app = program()


def _serve(ctx: typer.Context, **given: Any) -> None:  # noqa: ARG001 - the signature of a command
    from spacetravlr.cli._mcp import run_mcp

    raise typer.Exit(Guard().run(lambda _: run_mcp(given)))


app.command(cls=Command, help=_HELP, epilog=_EPILOG)(with_flags(_serve, MCP_FLAGS))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `spacetravlr-mcp` and return its exit code.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of this process.
    """
    return run_app(app, "spacetravlr-mcp", arguments)
