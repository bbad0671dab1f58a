"""Extra cnn: trains a network for each cell type, from the command line, and reads coefficients that differ from cell to cell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from spacetravlr.run import Run

PROGRAM = str(Path(sys.executable).parent / "spacetravlr")

subprocess.run(
    [
        *(PROGRAM, "--h5ad", "tissue.h5ad", "--output-dir", "by_cell", "--radius", "60", "--max-genes", "4"),
        *("--training-mode", "full", "--score-threshold", "0", "--model-level", "1", "--plain"),
    ],
    check=True,
)
run = Run.open(Path("by_cell"))
tables = [run.betas(gene) for gene in run.genes if (Path("by_cell") / f"{gene}_betadata.feather").exists()]
assert tables
assert {table.by for table in tables} == {"cell"}
assert all(np.isfinite(table.values).all() and len(table.row_labels) == 300 for table in tables)
