"""A result in a few tables of plain numbers, made once on the thread that has the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation._groups import Groups, group_cells
from spacetravlr.perturbation.workbench.bench import NO_LABEL
from spacetravlr.words import count

if TYPE_CHECKING:
    from spacetravlr.perturbation.effect import Effect

N_TOP = 50
_WHOLE = "all cells"


@dataclass(frozen=True, slots=True)
class Change:
    """How much one gene changes in one group of cells."""

    gene: str
    change: float
    """Mean change."""
    magnitude: float
    """Mean absolute change."""
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """The genes that change most in one group of cells."""

    label: str
    n_cells: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class TargetChange:
    """What was done to a perturbed gene, over all cells."""

    gene: str
    n_cells: int
    """Cells in which it was set."""
    low: float
    high: float
    mean: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A result in tables.

    Attributes
    ----------
    targets
        The perturbed genes.
    whole
        The genes that change most in the whole tissue.
    types
        The same by cell type.
    rings
        The same by distance to the perturbed cells; nothing where there are no distances.
    n_changed
        Genes that change anywhere, apart from the perturbed ones.
    """

    targets: tuple[TargetChange, ...]
    whole: GroupChanges
    types: tuple[GroupChanges, ...]
    rings: tuple[GroupChanges, ...]
    n_changed: int

    @property
    def text(self) -> str:
        """How much there is, in a few words."""
        if not self.n_changed:
            return "no other gene changes"
        changes = count(self.n_changed, "other gene changes", "other genes change")
        return f"{changes}, most {self.whole.changes[0].gene}"


def summarize(effect: Effect, *, by: str = "cell_type", n: int = N_TOP) -> Summary:
    """Return the tables of an effect.

    Parameters
    ----------
    effect
        The effect.
    by
        Column whose labels are the cell types.
    n
        Genes in each table.
    """
    whole = _tables(effect, None, len(effect.genes))[0]
    try:
        rings = _tables(effect, "ring", n)
    except SpaceTravLRError:
        # no positions, or nobody was perturbed: the result is as good without
        rings = ()
    return Summary(
        targets=tuple(_target(effect, item) for item in effect.interventions),
        whole=GroupChanges(whole.label, whole.n_cells, whole.changes[:n]),
        types=_tables(effect, by, n),
        rings=rings,
        n_changed=len(whole.changes),
    )


def _tables(effect: Effect, by: str | None, n: int) -> tuple[GroupChanges, ...]:
    groups: Groups = group_cells(effect, by)
    table = effect.top(n, by=by)
    columns = ["gene", "mean_delta", "mean_abs_delta", "baseline_mean", "simulated_mean"]
    found: dict[str, list[Change]] = {label: [] for label in groups.labels}
    labels = [""] * len(table) if groups.name is None else table[groups.name]
    for label, row in zip(labels, table[columns].itertuples(index=False, name=None), strict=True):
        found[label].append(Change(row[0], *map(float, row[1:])))
    return tuple(
        GroupChanges(_WHOLE if groups.name is None else label or NO_LABEL, int(size), tuple(found[label]))
        for label, size in zip(groups.labels, groups.sizes, strict=True)
    )


def _target(effect: Effect, item: Any) -> TargetChange:
    name = effect.genes[item.gene]
    delta = effect.gene(name) - np.asarray(effect.baseline[:, item.gene], dtype=np.float64)
    return TargetChange(name, len(item.rows), float(delta.min()), float(delta.max()), float(delta.mean()))
