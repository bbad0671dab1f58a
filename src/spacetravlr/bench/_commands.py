"""The programs of this package, as a user starts them."""

from __future__ import annotations

import sys
from pathlib import Path


def spacetravlr_command() -> list[str]:
    """Return how the command line is started: the installed script next to this Python, else the module."""
    for name in ("spacetravlr", "spacetravlr.exe"):
        script = Path(sys.executable).parent / name
        if script.exists():
            return [str(script)]
    return [sys.executable, "-m", "spacetravlr.cli.main"]
