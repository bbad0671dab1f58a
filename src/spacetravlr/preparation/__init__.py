"""From raw files to samples that can be trained on; needs scanpy (extra `pp`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacetravlr.preparation._prepare import prepare
    from spacetravlr.preparation._write import write_ready
    from spacetravlr.preparation.files import prepare_file
    from spacetravlr.preparation.look import FileSummary, look_at
    from spacetravlr.preparation.options import Imputation, PrepareOptions
    from spacetravlr.preparation.readers import read_raw

__all__ = [
    "FileSummary",
    "Imputation",
    "PrepareOptions",
    "look_at",
    "prepare",
    "prepare_file",
    "read_raw",
    "write_ready",
]

_HOME = {
    "FileSummary": "look",
    "Imputation": "options",
    "PrepareOptions": "options",
    "look_at": "look",
    "prepare": "_prepare",
    "prepare_file": "files",
    "read_raw": "readers",
    "write_ready": "_write",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the command line needs the options long before the rest."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
