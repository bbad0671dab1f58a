"""From flags and environment to a running server for assistants."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from spacetravlr.cli._viewer import options_of
from spacetravlr.cli.spatial_viewer import VIEWER_FLAGS
from spacetravlr.errors import MissingExtraError, UsageError

_NEEDED = ("mcp", "fastapi", "uvicorn", "zstandard")
_DATA = ("h5ad", "run_toml", "data_root", "layer", "cluster_annot", "network_dir")
_FILES = ("h5ad", "run_toml", "network_dir")
_OF_THE_VIEWER = (*_DATA, "read_only", "workers")
_DEMO = Path("demo_spacetravlr")


def run_mcp(given: Mapping[str, Any]) -> int:
    """Serve until the assistant hangs up; returns the exit code.

    Parameters
    ----------
    given
        Values of the flags by name; None is a flag that was not given.

    Raises
    ------
    MissingExtraError
        If the extra is not installed.
    UsageError, InputError
        For flags that make no sense, files that are not there, or a port that is taken.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError.of("mcp", "assistants need the extra mcp")
    # an assistant's program shows nobody why a server has not started, and starts it once: the tools have to say it
    typed = bool(given["http"]) or (sys.stdin is not None and sys.stdin.isatty())
    settings = assistant_options(given, os.environ, typed=typed)
    from spacetravlr.mcp import AssistantOptions
    from spacetravlr.mcp.server import serve_http, serve_stdio

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if given["http"]:
        serve_http(AssistantOptions(**settings), say=typer.echo)
    else:
        serve_stdio(AssistantOptions(**settings))
    return 0


def assistant_options(
    given: Mapping[str, Any], environment: Mapping[str, str], *, typed: bool = True
) -> dict[str, Any]:
    """Return the fields of `AssistantOptions` that flags and environment set.

    Parameters
    ----------
    given
        Values of the flags by name; None is a flag that was not given.
    environment
        Variables.
    typed
        Whether a person has typed the command and reads what it says: a file that is not there is then refused at once.

    Raises
    ------
    UsageError
        For flags that contradict each other.
    InputError
        If a file is not there.
    """
    from spacetravlr.mcp import options_of_environment

    found = options_of_environment(environment)
    named = _given(given, _DATA)
    if given["port"] is not None and not given["http"]:
        raise UsageError("--port goes together with --http")
    if given["demo"] and named:
        raise UsageError(f"--demo shows the demo: leave out {', '.join(named)}, or --demo")
    lost = _given(given, (*_OF_THE_VIEWER, "demo"))
    if found.get("api_base") and lost:
        raise UsageError(
            f"SPATIAL_VIEWER_API_BASE names a viewer that runs already: leave out {', '.join(lost)}, or the variable"
        )
    nothing = dict.fromkeys(flag.name for flag in VIEWER_FLAGS)
    absent = {} if typed else _absent(given)
    shown = {name: given[name] for name in nothing if name in given and name not in absent}
    viewer = options_of({**nothing, **shown, "port": None}, {}) | absent
    # on this machine only, with a token of its own: the server for assistants decides that
    found["viewer"] = {name: value for name, value in viewer.items() if name != "allow_cors"}
    if given["demo"]:
        found["demo"] = demo_directory(environment)
    if given["port"] is not None:
        found["port"] = given["port"]
    return found


def _given(given: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if given[name] not in (None, False, [])]


def _absent(given: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files named that are not there."""
    named = {name: Path(given[name]).expanduser() for name in _FILES if given[name] is not None}
    return {name: path for name, path in named.items() if not path.exists()}


def demo_directory(environment: Mapping[str, str]) -> Path:
    """Return where the demo is, or is to be made: here if it is here, else in the cache directory of the user."""
    if (_DEMO / "demo.json").is_file():
        return _DEMO.absolute()
    named = environment.get("XDG_CACHE_HOME", "").strip()
    cache = Path(named) if named else Path.home() / ".cache"
    return cache / "spacetravlr" / "demo"
