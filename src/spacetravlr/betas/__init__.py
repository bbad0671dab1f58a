"""Coefficients of trained targets: tables, files, the rows of cells, and derivatives."""

from __future__ import annotations

from spacetravlr.betas._files import betadata_files
from spacetravlr.betas._rows import CellKeys, v1_rows
from spacetravlr.betas._splash import SplashTask, run_splash, splash, splash_batches
from spacetravlr.betas._splash_inputs import SplashInputs
from spacetravlr.betas._splash_plan import SplashPlan
from spacetravlr.betas._stream import Streamed
from spacetravlr.betas.base import Betabase, shared_rows
from spacetravlr.betas.interactions import collect_interactions
from spacetravlr.betas.names import (
    betadata_file_name,
    escape_gene,
    gene_of_file,
    is_betadata_file_name,
    unescape_gene,
)
from spacetravlr.betas.pooling import pooled_scores
from spacetravlr.betas.table import Betas

__all__ = [
    "Betabase",
    "Betas",
    "CellKeys",
    "SplashInputs",
    "SplashPlan",
    "SplashTask",
    "Streamed",
    "betadata_file_name",
    "betadata_files",
    "collect_interactions",
    "escape_gene",
    "gene_of_file",
    "is_betadata_file_name",
    "pooled_scores",
    "run_splash",
    "shared_rows",
    "splash",
    "splash_batches",
    "unescape_gene",
    "v1_rows",
]
