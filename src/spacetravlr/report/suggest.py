"""What to try first on a run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.report.firmness import read_firmness

if TYPE_CHECKING:
    from spacetravlr.run import Run


def worth_perturbing(run: Run, *, looked_at: int = 8) -> str | None:
    """Return a gene whose knock-out should show.

    Parameters
    ----------
    run
        The run.
    looked_at
        How many models to read where no bootstraps tell which coefficients are stable; one takes a few milliseconds.

    Returns
    -------
    The gene that `read_firmness` names. Without bootstraps, of the models that predict best the TF of the largest
    coefficient, else the ligand of a pair. None if the run has no model.
    """
    skill = _skill(run)
    found = read_firmness(run.path, skill).knock_out
    return found.gene if found is not None else largest(run, skill, looked_at=looked_at)


def largest(run: Run, skill: dict[str, float], *, looked_at: int = 8) -> str | None:
    """Return the TF of the largest coefficient in the models that predict best, else the ligand of a pair there.

    Parameters
    ----------
    run
        The run.
    skill
        Targets with a model, and the R2 of each in regions held out; NaN where it is not known.
    looked_at
        How many models to read.
    """
    other: str | None = None
    best: tuple[float, str] | None = None
    for gene in sorted(skill, key=lambda one: -skill[one] if skill[one] == skill[one] else float("inf"))[:looked_at]:
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


def _skill(run: Run) -> dict[str, float]:
    """Return the mean held-out R2 of every target with a model, NaN where nothing tells it."""
    genes = run.genes
    try:
        scores = run.scores()
    except SpaceTravLRError:
        return dict.fromkeys(genes, float("nan"))
    known = scores.groupby("gene", sort=False)["r2_out"].mean().reindex(list(genes))
    return dict(zip(genes, known.tolist(), strict=True))
