"""Why a gene of a run has no coefficients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacetravlr.errors import did_you_mean

if TYPE_CHECKING:
    from spacetravlr.run.run import Run


def why_not(run: Run, gene: str, known: tuple[str, ...]) -> str:
    """Return why a gene has no coefficients; `known` are the genes that have."""
    reason = run.directory.orphan_reason(gene)
    if reason is not None:
        return f"{gene} has no model: {reason or 'it is an orphan, no modulator was kept'}"
    status = run.status()
    if gene in status.failed:
        return f"{gene} could not be trained: {status.failed[gene]}"
    for lock in status.locked:
        if lock.gene == gene and not lock.gone:
            return f"{gene} is being trained" + (f" by process {lock.pid} on {lock.host}" if lock.pid else "")
    if status.planned is not None and gene in status.planned:
        return f"{gene} is not trained yet: continue the run in {run.path}"
    hint = did_you_mean(gene, known, f"; it has {len(known)} others")
    return f"{gene!r} is no target of the run in {run.path}{hint}"
