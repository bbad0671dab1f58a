"""From flags and environment to a running viewer."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from spacetravlr.errors import InputError, MissingExtraError, UsageError

_NEEDED = ("fastapi", "uvicorn", "zstandard")
_FOYER = {
    "foyer_grn_memory_mb": ("SPACETRAVLR_FOYER_GRN_MEMORY_MB", 256),
    "foyer_grid_memory_mb": ("SPACETRAVLR_FOYER_GRID_MEMORY_MB", 64),
}
_AT_LEAST = {"column_cache_mb": 0, "workers": 1}


def run_viewer(given: Mapping[str, Any]) -> int:
    """Serve until told to stop; returns the exit code.

    Parameters
    ----------
    given
        Values of the flags by name; None is a flag that was not given.

    Raises
    ------
    MissingExtraError
        If the extra is not installed.
    UsageError, InputError
        For flags that make no sense, files that are not there, or an address that is taken.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError.of("viewer", f"the viewer needs {', '.join(missing)}")
    from spacetravlr.viewer import ViewerOptions, serve

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    serve(ViewerOptions(**options_of(given, os.environ)), say=typer.echo)
    return 0


def options_of(given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of `ViewerOptions` that flags and environment set.

    Raises
    ------
    UsageError
        For a number out of its range.
    InputError
        If a file is not there.
    """
    found: dict[str, Any] = {}
    for flag, field in (("layer", "layer"), ("cluster_annot", "cluster_annot"), ("bind", "bind"), ("port", "port")):
        if given[flag] not in (None, ""):
            found[field] = given[flag]
    paths = {"h5ad": "h5ad", "run_toml": "run_toml", "static_dir": "static_dir", "perturb_cache_dir": "cache_dir"}
    for flag, field in {**paths, "network_dir": "network_dir"}.items():
        if given[flag] is not None:
            found[field] = Path(given[flag]).expanduser()
    for flag in ("h5ad", "run_toml", "network_dir"):
        path = found.get(flag)
        if path is not None and not path.exists():
            raise InputError(f"--{flag.replace('_', '-')} {path}: no such file or directory")
    if given["data_root"]:
        found["data_roots"] = tuple(_root(text) for text in given["data_root"])
    if given["allow_host"]:
        found["allow_hosts"] = tuple(name.strip() for name in given["allow_host"] if name.strip())
    found["allow_cors"] = bool(given["allow_cors"]) or _is_on(environment.get("SPATIAL_VIEWER_ALLOW_CORS", ""))
    found["read_only"] = bool(given["read_only"])
    for flag, least in _AT_LEAST.items():
        if given[flag] is not None:
            if given[flag] < least:
                raise UsageError(f"--{flag.replace('_', '-')} must be at least {least}, not {given[flag]}")
            found["column_disk_mb" if flag == "column_cache_mb" else flag] = given[flag]
    for flag, (variable, usual) in _FOYER.items():
        found[flag.removeprefix("foyer_")] = _megabytes(given[flag], environment.get(variable, ""), usual)
    return found


def _root(text: str) -> Path:
    root = Path(text.strip()).expanduser()
    if not root.is_dir():
        raise InputError(f"--data-root {root}: no such directory")
    return root


def _is_on(text: str) -> bool:
    return text.strip().casefold() in ("1", "true")


def _megabytes(flag: int | None, variable: str, usual: int) -> int:
    """Return a size: the flag wins, and what is no positive number means the usual size."""
    for value in (flag, int(variable) if variable.strip().isdigit() else None):
        if value is not None and value > 0:
            return value
    return usual
