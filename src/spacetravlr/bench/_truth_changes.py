"""Scores of a predicted change against the true one: over all cells, per gene, per cell, and by distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.bench._knock_outs import knock_out_recovery
from spacetravlr.bench._ranking import correlation, gene_correlation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CHANGED, SIZABLE = 0.02, 0.1
"""Standard deviations of a gene from which on a change counts as one, and as one to be right about."""

RING_EDGES = (0.0, 0.5, 1.0, 2.0, np.inf)
"""Borders of the rings around the cells that were perturbed, in radii of the ligands."""

RING_NAMES = ("the cells themselves", "up to 0.5 r", "0.5 to 1 r", "1 to 2 r", "beyond 2 r")


def change_scores(predicted: Array, true: Array, *, sd: Array, clamped: Sequence[int]) -> dict[str, float]:
    """Compare the predicted with the true change of all other genes, in standard deviations of each gene.

    Parameters
    ----------
    predicted, true
        (n_cells, n_genes), expression units.
    sd
        (n_genes,) standard deviation of every gene in the untouched tissue.
    clamped
        Columns of the genes that were set, which do not count.

    Returns
    -------
    ``r``, ``sign``, ``auroc``, ``size`` and ``within_gene_r`` as `knock_out_recovery` defines them, and

    ``within_cell_r``
        mean over the cells in which something sizable changes of the correlation over genes: does it know which genes;
    ``top``
        share of truly affected genes among as many that are predicted to change most;
    ``slope``
        of the truth on the prediction, through 0: 1 is the right size, less than 1 means predicted too large;
    ``false``
        share of the genes that do not change at all that are predicted to change by 0.1 and more on average.

    What has nothing to count is left out.
    """
    found = knock_out_recovery(predicted, true, sd=sd, clamped=clamped, changed=CHANGED, sizable=SIZABLE)
    kept = sd > 0.0
    kept[list(clamped)] = False
    guess, known = predicted[:, kept] / sd[kept], true[:, kept] / sd[kept]
    scores = {name: float(getattr(found, name)) for name in ("r", "sign", "auroc", "size", "within_gene_r")}
    sizes, guessed = np.abs(known).mean(axis=0), np.abs(guess).mean(axis=0)
    affected, still = sizes > SIZABLE, np.abs(known).max(axis=0, initial=0.0) <= CHANGED
    power = float((guess**2).sum())
    scores |= {
        "within_cell_r": _within_cells(guess, known),
        "top": _share_among_first(guessed, affected),
        "slope": float((guess * known).sum()) / power if power > 0.0 and affected.any() else float("nan"),
        "false": float((guessed[still] > SIZABLE).mean()) if still.any() else float("nan"),
    }
    return {name: value for name, value in scores.items() if np.isfinite(value)}


def ring_scores(predicted: Array, true: Array, *, sd: Array, clamped: Sequence[int], distance: Array) -> list[Ring]:
    """Compare a predicted with a true change by the distance from the cells that were perturbed.

    Parameters
    ----------
    predicted, true, sd, clamped
        As for `change_scores`.
    distance
        (n_cells,) from the nearest perturbed cell, in radii; 0 for those themselves.

    Returns
    -------
    For each of `RING_NAMES` the sums that `pooled_rings` needs.
    """
    kept = sd > 0.0
    kept[list(clamped)] = False
    guess, known = predicted[:, kept] / sd[kept], true[:, kept] / sd[kept]
    rings = []
    for number in range(len(RING_NAMES)):
        inside = distance <= 0.0 if number == 0 else _between(distance, number)
        rings.append(Ring(guess[inside], known[inside]))
    return rings


class Ring:
    """Sums over the cells of one ring, which add up over knock-outs.

    Parameters
    ----------
    guess, known
        (n_cells, n_genes) predicted and true changes, standard deviations.
    """

    def __init__(self, guess: Array, known: Array) -> None:
        self.entries = guess.size
        self.error = float(((guess - known) ** 2).sum())
        self.true = float((known**2).sum())
        moves = np.abs(known) > CHANGED
        self.changes = (guess[moves], known[moves])


def pooled_rings(knock_outs: Sequence[Sequence[Ring]]) -> dict[str, float]:
    """Return, for every ring over all knock-outs, error and true size (root mean squares) and the correlation.

    Parameters
    ----------
    knock_outs
        The rings of each, from `ring_scores`.

    Returns
    -------
    ``ring0_error, ring0_true, ring0_r, ring1_error, ...``; rings without cells are left out. An error as large as the
    true size is that of predicting no change.
    """
    out: dict[str, float] = {}
    for number, rings in enumerate(zip(*knock_outs, strict=True)):
        entries = sum(ring.entries for ring in rings)
        if not entries:
            continue
        out[f"ring{number}_error"] = float(np.sqrt(sum(ring.error for ring in rings) / entries))
        out[f"ring{number}_true"] = float(np.sqrt(sum(ring.true for ring in rings) / entries))
        guess, known = (np.concatenate([ring.changes[part] for ring in rings]) for part in (0, 1))
        if len(known) > 1 and np.ptp(known) > 0.0:
            out[f"ring{number}_r"] = correlation(guess, known) if np.ptp(guess) > 0.0 else 0.0
    return out


def _between(distance: Array, number: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (distance > RING_EDGES[number - 1]) & (distance <= RING_EDGES[number])
    return inside


def _within_cells(guess: Array, known: Array) -> float:
    moved = (np.abs(known) > SIZABLE).any(axis=1)
    if not moved.any():
        return float("nan")
    return float(np.nan_to_num(gene_correlation(guess[moved].T, known[moved].T)).mean())


def _share_among_first(guessed: Array, affected: NDArray[np.bool_]) -> float:
    count = int(affected.sum())
    if not count:
        return float("nan")
    first = np.argsort(-guessed, kind="stable")[:count]
    # what is predicted not to change at all is not named
    return float((affected[first] & (guessed[first] > 0.0)).mean())
