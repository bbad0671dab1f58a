"""`python -m spacetravlr`: the same as the command `spacetravlr`."""

from __future__ import annotations

import sys

from spacetravlr.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
