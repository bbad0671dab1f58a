"""What to try first on a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacetravlr.errors import SpaceTravLRError

if TYPE_CHECKING:
    from spacetravlr.run import Run


def worth_perturbing(run: Run, *, looked_at: int = 8) -> str | None:
    """Return a gene that a model listens to: of a few models, the TF with the largest coefficient, else any modulator.

    Parameters
    ----------
    run
        The run.
    looked_at
        How many models to read; one takes about a millisecond.
    """
    import numpy as np

    others: list[str] = []
    best: tuple[float, str] | None = None
    for gene in run.genes[:looked_at]:
        try:
            betas = run.betas(gene)
        except SpaceTravLRError:
            # another process may be replacing it, and this is a suggestion only
            continue
        others += betas.modulator_genes
        sizes = np.abs(betas.values).max(axis=0)
        for name, size in zip(betas.modulators, sizes.tolist(), strict=True):
            if name in betas.tfs:
                best = max(filter(None, (best, (size, name))))
    return best[1] if best else next(iter(others), None)
