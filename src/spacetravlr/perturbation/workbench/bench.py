"""A loaded model with all that screens show of it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import InputError, nearest
from spacetravlr.perturbation._labels import labelled, text_labels

if TYPE_CHECKING:
    from spacetravlr.perturbation.model import PropagationModel

NO_LABEL = "(none)"
"""How cells without a label are called."""
_MOST_LABELS = 200
"""A column with more distinct values is no grouping that a person would pick from."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Expression of a gene in the cells of one label."""

    label: str
    n_cells: int
    mean: float
    fraction: float
    """Share of the cells that express it (above the model's limit)."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """Cells by label: ``(n_cells,)`` codes, and the labels that these count."""

    column: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """``(n_labels,)`` cells of each label."""
        return np.bincount(self.codes, minlength=len(self.labels)).astype(np.int64)


class Workbench:
    """A model, its genes to look at, its cells to choose from, and where results go.

    Parameters
    ----------
    model
        The model.
    place
        Directory for results that are given no other place.
    title
        What the run is called.
    n_propagation
        Steps of a simulation unless something else is asked for.
    left_out
        Names of cells of the sample that this part of it does without.
    table
        Table of cells that the run names, if any.
    table_column
        Its column that the run names, if any.
    """

    def __init__(
        self,
        model: PropagationModel,
        *,
        place: Path,
        title: str,
        n_propagation: int = N_PROPAGATION,
        left_out: Container[str] = frozenset(),
        table: Path | None = None,
        table_column: str | None = None,
    ) -> None:
        self.model = model
        self.place = place
        self.title = title
        self.n_propagation = n_propagation
        self.left_out = left_out
        self.table = table
        self.table_column = table_column
        self._groupings: dict[str, Grouping] = {}
        self._places = {gene: place for place, gene in enumerate(model.genes)}
        self._previews: dict[tuple[str, str], tuple[Preview, ...]] = {}

    @property
    def genes(self) -> tuple[str, ...]:
        """All measured genes."""
        return self.model.genes

    @cached_property
    def targets(self) -> frozenset[str]:
        """Genes with a model."""
        return frozenset(self.model.targets)

    @cached_property
    def modulators(self) -> frozenset[str]:
        """Genes that some model listens to."""
        return frozenset(self.model.modulators)

    @cached_property
    def by_interest(self) -> tuple[str, ...]:
        """Genes that some model listens to, then the others, each in the order of the sample."""
        heard = [gene for gene in self.genes if gene in self.modulators]
        return (*heard, *(gene for gene in self.genes if gene not in self.modulators))

    def role(self, gene: str) -> str:
        """Return in a few words what perturbing a gene can do."""
        if gene in self.modulators:
            return "moves other genes" + (", has a model" if gene in self.targets else "")
        return "no model listens to it: only it would change"

    def find(self, text: str) -> list[str]:
        """Return the genes whose name contains a text, in any case: exact matches, then beginnings, then the others.

        Without a text, all genes.
        """
        wanted = text.strip().casefold()
        if not wanted:
            return list(self.by_interest)
        found = [(gene, name) for gene, name in zip(self.by_interest, self._folded, strict=True) if wanted in name]
        return [gene for gene, name in sorted(found, key=lambda one: (one[1] != wanted, not one[1].startswith(wanted)))]

    @cached_property
    def _folded(self) -> list[str]:
        return [gene.casefold() for gene in self.by_interest]

    def gene_named(self, text: str) -> str:
        """Return the gene that a person means: that name, or the only one that differs in case.

        Raises
        ------
        InputError
            If there is none.
        """
        if text in self._places:
            return text
        same = [gene for gene, name in zip(self.by_interest, self._folded, strict=True) if name == text.casefold()]
        if len(same) == 1:
            return same[0]
        close = nearest(text, self.genes)
        hint = f"; did you mean {close}?" if close else ""
        raise InputError(f"no gene is called {text!r} among the {len(self.genes):,} measured ones{hint}")

    def expression(self, gene: str) -> NDArray[Any]:
        """Return ``(n_cells,)`` expression of a gene before any perturbation."""
        column: NDArray[Any] = self.model._engine.expression.values[:, self._places[gene]]
        return column

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of obs by whose labels cells can be chosen; that of the cell types is the first."""
        obs = self.model.obs
        names = [] if obs is None else [name for name in map(str, obs.columns) if self._countable(name)]
        first = "cell_type" if "cell_type" in names or not names else names[0]
        known = ["cell_type"] if "cell_type" in names else []
        return tuple(dict.fromkeys([*known, *(names or [first]), "cluster"]))

    def _countable(self, name: str) -> bool:
        obs = self.model.obs
        values = None if obs is None else obs[name]
        if values is None or values.ndim != 1 or values.dtype.kind == "f":
            return False
        return bool(1 < values.nunique(dropna=False) <= _MOST_LABELS)

    def grouping(self, column: str = "cell_type") -> Grouping:
        """Return the cells by the labels of a column.

        Parameters
        ----------
        column
            A column of obs; ``cell_type`` and ``cluster`` mean the clusters of the run where obs has no such column.

        Raises
        ------
        InputError
            If there is no such column.
        """
        if column not in self._groupings:
            model = self.model
            values = labelled(column, model.obs, model.labels[0], len(model.cells))
            self._groupings[column] = Grouping(column, *text_labels(values))
        return self._groupings[column]

    def preview(self, gene: str, column: str = "cell_type") -> tuple[Preview, ...]:
        """Return the expression of a gene in the cells of each label, the highest mean first.

        Cost: one pass over the cells for a gene that is asked for the first time.
        """
        key = (gene, column)
        if key not in self._previews:
            cells, values = self.grouping(column), np.asarray(self.expression(gene), dtype=np.float64)
            sizes, n_labels = np.maximum(cells.sizes, 1), len(cells.labels)
            means = np.bincount(cells.codes, values, n_labels) / sizes
            shares = np.bincount(cells.codes, values > self.model._settings.min_expression, n_labels) / sizes
            order = sorted(range(n_labels), key=lambda label: (-means[label], cells.labels[label]))
            self._previews[key] = tuple(
                Preview(cells.labels[one] or NO_LABEL, int(cells.sizes[one]), float(means[one]), float(shares[one]))
                for one in order
            )
        return self._previews[key]

    def observed(self, gene: str) -> tuple[float, float, float, float]:
        """Return minimum, median, 99th percentile and maximum of a gene, to compare a dose with."""
        low, middle, high, top = np.quantile(np.asarray(self.expression(gene), float), (0.0, 0.5, 0.99, 1.0))
        return float(low), float(middle), float(high), float(top)

    def rows_of(self, cells: Any) -> NDArray[np.int64]:
        """Return the rows that a scope means (see `resolve_cells`)."""
        from spacetravlr.perturbation.scopes import resolve_cells

        model = self.model
        return resolve_cells(cells, model.cells, obs=model.obs, xy=model.xy, labels=model.labels[0])


def shares_a_row(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the rows that are in all of some sorted arrays without repeats."""
    rows = arrays[0]
    for other in arrays[1:]:
        rows = np.intersect1d(rows, other, assume_unique=True)
    return rows
