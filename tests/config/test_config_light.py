"""Importing the configuration stays cheap, because every command pays for it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "pandas", "anndata", "numba", "scipy", "torch", "tomlkit", "tomllib", "typer", "rich", "matplotlib")


def test_the_import_loads_nothing_heavy():
    code = f"import sys, spacetravlr.config; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
