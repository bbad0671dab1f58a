"""The programs of this package, as a user starts them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

Program = Literal["spacetravlr", "spacetravlr-perturb"]

_MODULES: dict[Program, str] = {"spacetravlr": "main", "spacetravlr-perturb": "perturb"}


def command_of(program: Program = "spacetravlr") -> list[str]:
    """Return how a program is started: the script that was installed next to this Python, else the same by Python."""
    script = _installed(program)
    if script is not None:
        return [str(script)]
    return [sys.executable, "-c", f"import sys; from spacetravlr.cli.{_MODULES[program]} import run; sys.exit(run())"]


def _installed(program: Program) -> Path | None:
    scripts = (Path(sys.executable).parent / name for name in (program, f"{program}.exe"))
    return next((script for script in scripts if script.exists()), None)
