"""What is done to the tissue: genes set to a value in some cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError, UsageError, did_you_mean
from spacetravlr.perturbation.doses import Dose, DoseLike
from spacetravlr.perturbation.scopes import Cells, resolve_cells

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Target:
    """One gene set to a value.

    Attributes
    ----------
    gene
        The gene.
    value
        Desired expression, in the units of the expression matrix: a number (0 is a knock-out), ``"x2"`` (a multiple of
        each cell's own), ``"q95"`` (a quantile over the tissue), ``"+1.5"`` or ``"-0.5"`` (a shift, never below 0), an
        array with a value for each cell of the tissue, or a `Dose`.
    cells
        Where (see `resolve_cells`); None for everywhere.
    """

    gene: str
    value: DoseLike = 0.0
    cells: Cells = None

    @property
    def dose(self) -> Dose:
        """The value, read.

        Raises
        ------
        InputError
            If it is no dose.
        """
        return Dose.parse(self.value, gene=self.gene)


@dataclass(frozen=True)
class Intervention:
    """All that is done to one gene: sorted cell rows, and the desired value of each."""

    gene: int
    rows: NDArray[np.int64]
    values: NDArray[np.float64]


Targets = Mapping[str, DoseLike] | Iterable[Target] | Target


def resolve_targets(
    targets: Targets,
    genes: Sequence[str],
    cell_names: Sequence[str],
    *,
    cells: Cells = None,
    obs: pd.DataFrame | None = None,
    xy: NDArray[np.float64] | None = None,
    labels: NDArray[Any] | None = None,
    expression: NDArray[Any] | None = None,
    limits: tuple[float, float] = (0.0, math.inf),
) -> tuple[tuple[Target, ...], tuple[Intervention, ...]]:
    """Check targets and return what happens to each gene.

    Parameters
    ----------
    targets
        ``{"gene": value}``, or targets with scopes of their own. A gene may occur several times: its scopes add up,
        and where they overlap the last one wins.
    genes, cell_names
        Names of the columns and rows of the expression matrix.
    cells
        A scope for all targets; a target with its own scope acts in the cells that are in both.
    obs, xy, labels
        Table, coordinates and cluster labels of the cells, for scopes (see `resolve_cells`).
    expression
        ``(n_cells, n_genes)``, for doses that refer to it.
    limits
        Range to which such doses are limited.

    Returns
    -------
    The targets as asked for, and one intervention per distinct gene in the order of first mention.

    Raises
    ------
    InputError
        For an unknown gene, a text that is no dose, a value that is not finite or is negative, or a scope that cannot
        be resolved.
    UsageError
        If nothing is to be done.
    """
    wanted = as_targets(targets)
    if not wanted:
        raise UsageError("nothing to perturb: give at least one gene and its value")
    places = {gene: place for place, gene in enumerate(genes)}
    for target in wanted:
        if target.gene not in places:
            raise InputError(_unknown_gene(target.gene, genes))

    def rows_of(scope: Cells) -> NDArray[np.int64]:
        return resolve_cells(scope, cell_names, obs=obs, xy=xy, labels=labels)

    everywhere = rows_of(cells)
    desired: dict[int, NDArray[np.float64]] = {}
    for target in wanted:
        rows, gene = everywhere, places[target.gene]
        if target.cells is not None:
            rows = np.intersect1d(everywhere, rows_of(target.cells))
        desired.setdefault(gene, np.full(len(cell_names), np.nan))[rows] = target.dose.desired(
            rows,
            None if expression is None else expression[:, gene],
            gene=target.gene,
            n_cells=len(cell_names),
            limits=limits,
        )
    interventions = []
    for gene, values in desired.items():
        rows = np.flatnonzero(~np.isnan(values))
        interventions.append(Intervention(gene, rows, values[rows]))
    return wanted, tuple(interventions)


def as_targets(targets: Targets) -> tuple[Target, ...]:
    """Return targets as a tuple, whichever way they were given.

    Raises
    ------
    UsageError
        If they are something else.
    """
    if isinstance(targets, Target):
        return (targets,)
    if isinstance(targets, Mapping):
        return tuple(Target(gene, value) for gene, value in targets.items())
    # a string is a likely slip, and would be taken for a list of its letters
    items: list[Any] = [targets] if isinstance(targets, str) else list(targets)  # type: ignore[unreachable]
    for item in items:
        if not isinstance(item, Target):
            raise UsageError(f"targets are {{gene: value}} or a list of Target(gene, value, cells), not {item!r}")
    return tuple(items)


def _unknown_gene(gene: str, genes: Sequence[str]) -> str:
    hint = did_you_mean(str(gene), genes)
    return f"gene {gene!r} is not among the {len(genes)} measured genes{hint}"
