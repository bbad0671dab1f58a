"""What to try first on a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spacetravlr.errors import SpaceTravLRError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacetravlr.run import Run


def worth_perturbing(run: Run, *, looked_at: int = 8) -> str | None:
    """Return a gene whose knock-out should show: of the best models, the TF of the firmest edge, else any modulator.

    Parameters
    ----------
    run
        The run.
    looked_at
        How many models to read; one takes a few milliseconds.
    """
    other: str | None = None
    best: tuple[float, str] | None = None
    for gene in _best_explained(run, looked_at):
        try:
            edges = run.edges(gene)
        except SpaceTravLRError:
            # another process may be replacing it, and this is a suggestion only
            continue
        firm = edges["score"].fillna(edges["beta"].abs())
        names = edges["modulator"].astype(str)
        tfs = names[edges["kind"] == "tf"].index
        if len(tfs):
            best = max(filter(None, (best, (float(firm[tfs[0]]), names[tfs[0]]))))
        elif len(names) and other is None:
            other, *_ = re.split(r"[$#]", names.iloc[0])  # of a pair the ligand
    return best[1] if best else other


def _best_explained(run: Run, n: int) -> Sequence[str]:
    """Return the targets with a model that predict best on regions held out; the first ones if nothing tells."""
    genes = run.genes
    try:
        scores = run.scores()
    except SpaceTravLRError:
        return genes[:n]
    skill = scores[scores["kept"].astype(bool)].groupby("gene", sort=False)["r2_out"].mean().dropna()
    known = skill[skill.index.isin(genes)].sort_values(ascending=False, kind="stable")
    return [str(gene) for gene in known.index[:n]] or genes[:n]
