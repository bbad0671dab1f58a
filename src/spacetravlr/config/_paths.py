"""Relative paths made absolute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spacetravlr.config._keys import settings


def _found(path: Path, base: Path | None) -> Path:
    here = path.absolute()
    if base is None or path.is_absolute() or here.exists():
        return here
    there = (base / path).absolute()
    return there if there.exists() else here


def absolute_paths(values: Mapping[str, object], base: Path | None) -> dict[str, object]:
    """Return the absolute form of every path that is set.

    Parameters
    ----------
    values
        Values by full key.
    base
        Where to look for a relative input that does not exist in the working directory.
    """
    changed: dict[str, object] = {}
    for setting in settings():
        value = values[setting.key]
        if setting.kind == "path" and isinstance(value, str) and value:
            # the run directory need not exist yet
            changed[setting.key] = str(_found(Path(value), None if setting.name == "output_dir" else base))
    return changed
