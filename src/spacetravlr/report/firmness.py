"""How firmly the coefficients of a run are known, told by its `stability/` files alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.report.recovery import KINDS, Kind, kind_of
from spacetravlr.run.stability import Stability, read_stability, stability_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

STABLE = 0.9
"""Share of bootstraps with the sign of the fit from which on a coefficient is called stable."""
_ROUNDING = 1e-9
_CODES: dict[Kind, int] = {kind: code for code, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Alike:
    """Modulators of one target and cluster that cannot be told apart, all with a coefficient."""

    target: str
    cluster: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnockOut:
    """A gene whose knock-out rests on the firmest coefficients of a run."""

    gene: str
    role: Literal["TF", "ligand"]
    targets: tuple[str, ...]
    """With a stable coefficient of it and with skill, the most affected first."""
    r2: float
    """Median of their R2 in regions held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmness:
    """What bootstraps tell of the coefficients of a run; every cluster counts by itself.

    Attributes
    ----------
    n_files
        Models of which it is known.
    n_edges, n_stable, n_alike
        By kind: coefficients other than zero, those whose sign is stable, and those that share a group.
    alike
        The strongest group with a ligand-receptor pair; None if there is none.
    knock_out
        None if no coefficient is stable in a model with skill.
    """

    n_files: int
    n_edges: Mapping[Kind, int]
    n_stable: Mapping[Kind, int]
    n_alike: Mapping[Kind, int]
    alike: Alike | None
    knock_out: KnockOut | None


def read_firmness(root: Path, skill: Mapping[str, float]) -> Firmness:
    """Read the stability of all models of a run.

    Parameters
    ----------
    root
        The run directory.
    skill
        Targets with a model, and the R2 of each in regions held out; NaN where it is not known.

    Returns
    -------
    Half a millisecond for each target. Of the gene to knock out: of those with a stable coefficient in models that
    predict held-out regions, the TF whose standardised coefficients there, times their stability, have the largest sum
    over targets (each the mean over its clusters); without such a TF the ligand. A modulator that does not vary in a
    cluster has no such coefficient there, so something follows from its knock-out.
    """
    n_edges, n_stable, n_alike = (np.zeros(len(KINDS), dtype=np.int64) for _ in range(3))
    weights: dict[str, dict[str, float]] = {}
    strongest: tuple[float, Alike] | None = None
    n_files = 0
    for target, r2 in skill.items():
        table = _read(stability_file(root, target))
        if table is None:
            continue
        n_files += 1
        kinds = np.array([_CODES[kind_of(name)] for name in table.modulators])
        there = table.lists["beta"] != 0.0
        stable = there & (table.fraction >= STABLE - _ROUNDING)
        alike = there & (table.lists["group"] > 0)
        n_edges += _counts(kinds, there)
        n_stable += _counts(kinds, stable)
        n_alike += _counts(kinds, alike)
        score = table.fraction * table.lists["effect"]
        strongest = _stronger(strongest, target, table, np.where(alike, score, 0.0), kinds == _CODES["LR"])
        if r2 > 0.0:
            _weigh(weights, target, table, np.where(stable, score, 0.0).mean(axis=0))
    return Firmness(
        n_files=n_files,
        n_edges=_by_kind(n_edges),
        n_stable=_by_kind(n_stable),
        n_alike=_by_kind(n_alike),
        alike=strongest[1] if strongest else None,
        knock_out=_heaviest(weights, skill),
    )


def _counts(kinds: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.bincount(kinds, weights=chosen.sum(axis=0), minlength=len(KINDS)).astype(np.int64)


def _by_kind(counts: NDArray[np.int64]) -> dict[Kind, int]:
    return {kind: int(counts[code]) for kind, code in _CODES.items()}


def _stronger(
    best: tuple[float, Alike] | None,
    target: str,
    table: Stability,
    score: NDArray[np.float64],
    pairs: NDArray[np.bool_],
) -> tuple[float, Alike] | None:
    """Return the better of the best group so far and those of a target; a group needs two coefficients."""
    own = score * pairs
    for row in np.flatnonzero(own.max(axis=1, initial=0.0) > (best[0] if best else 0.0)):
        for column in np.argsort(-own[row], kind="stable"):
            if own[row, column] <= (best[0] if best else 0.0):
                break
            group = table.lists["group"][row]
            members = np.flatnonzero((group == group[column]) & (score[row] > 0.0))
            if len(members) > 1:
                ranked = members[np.argsort(-score[row, members], kind="stable")]
                names = tuple(table.modulators[member] for member in ranked)
                best = float(own[row, column]), Alike(target, table.clusters[row], names)
                break
    return best


def _weigh(weights: dict[str, dict[str, float]], target: str, table: Stability, score: NDArray[np.float64]) -> None:
    """Add what a target says about its modulators; a pair speaks for its ligand."""
    for column in np.flatnonzero(score > 0.0):
        name = table.modulators[column]
        ligand, *others = re.split(r"[$#]", name)
        # a ligand and a TF may be the same gene
        key = f"{ligand}$" if others else ligand
        if ligand != target:
            own = weights.setdefault(key, {})
            own[target] = own.get(target, 0.0) + float(score[column])


def _heaviest(weights: Mapping[str, Mapping[str, float]], skill: Mapping[str, float]) -> KnockOut | None:
    roles: tuple[Literal["TF", "ligand"], ...] = ("TF", "ligand")
    for role in roles:
        sums = {key: sum(own.values()) for key, own in weights.items() if key.endswith("$") == (role == "ligand")}
        if sums:
            # names break ties
            key = min(sums, key=lambda one: (-sums[one], one))
            own = weights[key]
            targets = tuple(sorted(own, key=lambda target: (-own[target], target)))
            return KnockOut(key.removesuffix("$"), role, targets, float(np.median([skill[one] for one in targets])))
    return None


def _read(path: Path) -> Stability | None:
    """Return what a file tells; None without one, and if it is damaged, being replaced, or an older one."""
    try:
        return read_stability(path)
    except (OSError, ValueError):
        return None
