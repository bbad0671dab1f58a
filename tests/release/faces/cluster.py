"""Extra cluster: trains by worker processes of Dask, and compares with what threads of one process wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = str(Path(sys.executable).parent / "spacetravlr")

subprocess.run(
    [
        *(PROGRAM, "--h5ad", "tissue.h5ad", "--output-dir", "by_workers", "--radius", "60"),
        *("--scheduler", "local", "--workers", "1", "--plain"),
    ],
    check=True,
)
by_threads = {path.name: path.read_bytes() for path in Path("trained").glob("*_betadata.feather")}
by_workers = {path.name: path.read_bytes() for path in Path("by_workers").glob("*_betadata.feather")}
assert by_threads
assert by_workers == by_threads
