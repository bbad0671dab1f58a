"""Where each setting of a run came from; written beside the logs, because the record of a run lists all settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spacetravlr import atomic
from spacetravlr.config import RunConfig, settings
from spacetravlr.run import RunPaths

if TYPE_CHECKING:
    from spacetravlr.config import LoadedConfig

Source = Literal["default", "toml", "cli", "implied", "set"]
"""`implied`: decided by other settings. `set`: it is not the default, and nobody recorded who said so."""

FILE = "settings_origin.json"
IMPLIED = (
    "data.response_layer",
    "data.response_use",
    "lasso.select",
    "lasso.penalty",
    "lasso.beta_export",
    "training.score_on",
    "training.score_threshold",
    "training.held_out",
)
"""Settings that are decided by others unless they are given."""


def record_origins(root: Path, loaded: LoadedConfig) -> Path | None:
    """Write which settings came from a file and which from the command line.

    Parameters
    ----------
    root
        The run directory.
    loaded
        What the command was given.

    Returns
    -------
    The file; None if the run has one already: it was begun with the settings named there, and keeps them.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    path = RunPaths(root).log_directory / FILE
    if path.exists():
        return None
    given = {one.key: loaded.origin(one.key) for one in settings()}
    found = {
        "file": None if loaded.path is None else str(loaded.path.absolute()),
        "origins": {key: origin for key, origin in given.items() if origin != "default"},
    }
    atomic.make_directory(path.parent)
    atomic.write_text(path, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    return path


def read_origins(root: Path, config: RunConfig) -> tuple[dict[str, Source], str | None]:
    """Return where the value of every setting comes from, and the file that was read.

    Parameters
    ----------
    root
        The run directory.
    config
        The stored configuration.

    Returns
    -------
    By full key. Without a record, what differs from its default is `set`.
    """
    recorded, source = _read(RunPaths(root).log_directory / FILE)
    values = config.flat()
    origins: dict[str, Source] = {}
    for one in settings():
        value = values[one.key]
        default = list(one.default) if isinstance(one.default, tuple) else one.default
        if recorded is not None and one.key in recorded:
            origins[one.key] = "toml" if recorded[one.key] == "toml" else "cli"
        elif value == default:
            origins[one.key] = "default"
        else:
            # what is recorded nowhere follows from something else
            origins[one.key] = "implied" if recorded is not None or one.key in IMPLIED else "set"
    return origins, source


def _read(path: Path) -> tuple[Mapping[str, str] | None, str | None]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        origins, source = found["origins"], found.get("file")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, None
    kept = (
        {key: value for key, value in origins.items() if value in ("toml", "cli")}
        if isinstance(origins, dict)
        else None
    )
    return kept, source if isinstance(source, str) else None
