"""How well known edges and known knock-outs are recovered: pure functions over arrays."""

from __future__ import annotations

from spacetravlr.bench._edges import CoefficientTable, EdgeRecovery, Kind, Unit, edge_recovery, kind_of
from spacetravlr.bench._knock_outs import KnockOutRecovery, knock_out_recovery
from spacetravlr.bench._ranking import (
    auprc,
    auroc,
    base_rate,
    correlation,
    gene_correlation,
    sign_agreement,
)

__all__ = [
    "CoefficientTable",
    "EdgeRecovery",
    "Kind",
    "KnockOutRecovery",
    "Unit",
    "auprc",
    "auroc",
    "base_rate",
    "correlation",
    "edge_recovery",
    "gene_correlation",
    "kind_of",
    "knock_out_recovery",
    "sign_agreement",
]
