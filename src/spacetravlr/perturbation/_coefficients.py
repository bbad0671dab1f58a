"""Coefficients arranged for matrix products: cells sorted by the rows they use, one matrix per group of cells."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from spacetravlr.betas import CellKeys, Streamed, v1_rows
from spacetravlr.errors import InputError
from spacetravlr.perturbation._features import FloatArray, IntArray
from spacetravlr.perturbation._models import Model
from spacetravlr.perturbation.profiles import Profile
from spacetravlr.threads import for_each_block

logger = logging.getLogger("spacetravlr")

# beyond this many groups of cells that share all rows, a row-wise product is the better form
_MAX_GROUPS = 512
# share of non-zero coefficients from which a dense product is faster than a sparse one
_DENSE = 0.3


@dataclass(frozen=True, eq=False)
class Grouped:
    """Coefficients of the targets whose cells share rows, in one sparsity pattern for all groups of cells.

    Attributes
    ----------
    bounds
        ``(n_groups + 1,)`` group ``g`` holds the sorted cells ``bounds[g]:bounds[g + 1]``.
    n_features, n_targets
        Shape of a group's matrix.
    feature, target
        ``(nnz,)`` places of the coefficients, sorted by feature, then target.
    data
        ``(n_groups, nnz)`` coefficients.
    """

    bounds: IntArray
    n_features: int
    n_targets: int
    feature: IntArray
    target: IntArray
    data: FloatArray

    @property
    def n_groups(self) -> int:
        """Number of groups of cells."""
        return len(self.bounds) - 1

    def matrix(self, group: int, active: IntArray) -> Any:
        """Return the transposed coefficients of some features.

        Parameters
        ----------
        group
            Which group of cells.
        active
            ``(n_active,)`` sorted features.

        Returns
        -------
        ``(n_targets, n_active)`` matrix, dense or sparse by its density.
        """
        if len(self.feature) < _DENSE * self.n_features * self.n_targets:
            whole = self._sparse[group]
            return (whole if len(active) == self.n_features else whole[active]).T
        row = np.full(self.n_features, -1, dtype=np.int64)
        row[active] = np.arange(len(active))
        used = row[self.feature] >= 0
        dense = np.zeros((len(active), self.n_targets))
        dense[row[self.feature[used]], self.target[used]] = self.data[group, used]
        return dense.T

    @cached_property
    def _sparse(self) -> list[Any]:
        """One sparse matrix ``(n_features, n_targets)`` per group; they share their pattern and copy no coefficient.

        Many simulations of one model use them, and building one costs more than a step with few active features.
        """
        pointers = np.searchsorted(self.feature, np.arange(self.n_features + 1))
        shape = (self.n_features, self.n_targets)
        return [sparse.csr_array((row, self.target, pointers), shape=shape) for row in self.data]


@dataclass(frozen=True, eq=False)
class Rowwise:
    """Coefficients of one target that differ from cell to cell.

    Attributes
    ----------
    features
        ``(n_used,)`` features.
    values
        ``(n_rows, n_used)`` coefficients, or where they are.
    rows
        ``(n_cells,)`` row of each sorted cell, -1 for zeros.
    """

    features: IntArray
    values: NDArray[Any] | Streamed
    rows: IntArray

    @property
    def is_streamed(self) -> bool:
        """Whether the coefficients are in a file."""
        return isinstance(self.values, Streamed)

    def loaded(self) -> Rowwise:
        """Return the same with the coefficients in memory."""
        return replace(self, values=self.values.read()) if isinstance(self.values, Streamed) else self

    def weights(self, start: int, stop: int) -> NDArray[Any]:
        """Return ``(stop - start, n_used)`` coefficients of some consecutive sorted cells."""
        rows = self.rows[start:stop]
        first = int(rows[0])
        if first >= 0 and np.array_equal(rows, np.arange(first, first + len(rows))):
            return self.values[first : first + len(rows)]  # a view: reading the table once is the cost of this form
        weights: NDArray[Any] = self.values[np.where(rows < 0, 0, rows)]
        weights[rows < 0] = 0.0
        return weights


@dataclass(frozen=True, eq=False)
class Coefficients:
    """All coefficients, for cells in sorted order.

    Attributes
    ----------
    order
        ``(n_cells,)`` original row of each sorted cell.
    trained
        ``(n_targets,)`` gene index of each target: those of `grouped`, then those of `rowwise`.
    grouped, rowwise
        The coefficients; of `rowwise`, those that stay in files come last.
    """

    order: IntArray
    trained: IntArray
    grouped: Grouped
    rowwise: tuple[Rowwise, ...]

    def without_files(self) -> Coefficients:
        """Return the coefficients that are in memory."""
        rowwise = tuple(model for model in self.rowwise if not model.is_streamed)
        n_targets = self.grouped.n_targets + len(rowwise)
        return replace(self, trained=self.trained[:n_targets], rowwise=rowwise)

    def batch(self, part: slice) -> Coefficients:
        """Return some of `rowwise` alone, with the coefficients in memory."""
        rowwise: list[Any] = list(self.rowwise[part])

        def load(number: int) -> None:
            rowwise[number] = rowwise[number].loaded()

        for_each_block(load, len(rowwise))
        none = np.empty(0, dtype=np.int64)
        bounds = np.array([0, len(self.order)], dtype=np.int64)
        grouped = Grouped(bounds, self.grouped.n_features, 0, none, none, np.empty((1, 0)))
        trained = self.trained[self.grouped.n_targets :][part]
        return Coefficients(self.order, trained, grouped, tuple(rowwise))


def arrange(models: Sequence[Model], keys: CellKeys, n_features: int, profile: Profile) -> Coefficients:
    """Find the row of each cell in each table and sort the cells by the rows they use.

    Tables with the same row labels share one mapping; cells are grouped by the distinct combinations of rows. Tables
    by cell, and tables whose mapping would split the tissue into very many groups, are kept row by row.

    Parameters
    ----------
    models
        The numbered tables.
    keys
        Labels and names of the cells.
    n_features
        Number of features.
    profile
        The rule for cells without a row.

    Returns
    -------
    The arranged coefficients.

    Raises
    ------
    InputError
        If a cell has no row and the profile forbids that.
    """
    mappings, which = _map_rows(models, keys, profile)
    narrow = [len(np.unique(rows)) <= _MAX_GROUPS for rows in mappings]
    shared = [model.table.by == "cluster" and narrow[k] for model, k in zip(models, which, strict=True)]
    used = sorted({k for k, is_shared in zip(which, shared, strict=True) if is_shared})
    group = _group([mappings[k] for k in used], keys.n_cells)
    if group.max(initial=0) >= _MAX_GROUPS:
        shared, group = [False] * len(models), np.zeros(keys.n_cells, dtype=np.int64)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(group.max(initial=0) + 2))
    grouped = [place for place, is_shared in enumerate(shared) if is_shared]
    rowwise = [place for place, is_shared in enumerate(shared) if not is_shared]
    rowwise.sort(key=lambda place: models[place].table.is_streamed)
    by_cell = {k: mappings[k][order] for k in {which[place] for place in rowwise}}
    return Coefficients(
        order=order,
        trained=np.array([models[place].gene for place in grouped + rowwise], dtype=np.int64),
        grouped=_stack(
            [(models[place], mappings[which[place]]) for place in grouped], order[bounds[:-1]], bounds, n_features
        ),
        rowwise=tuple(
            Rowwise(models[place].features, models[place].values, by_cell[which[place]]) for place in rowwise
        ),
    )


def _map_rows(models: Sequence[Model], keys: CellKeys, profile: Profile) -> tuple[list[IntArray], list[int]]:
    """Return the distinct mappings from cells to rows, and which one each model uses; one warning for lost cells."""
    numbers: dict[tuple[tuple[str, ...], str], int] = {}
    mappings: list[IntArray] = []
    which: list[int] = []
    for model in models:
        label = (model.table.row_labels, model.table.by)
        if label not in numbers:
            numbers[label] = len(mappings)
            mappings.append(keys.rows(*label))
        which.append(numbers[label])
    lost = [int((rows < 0).sum()) for rows in mappings]
    if not any(lost):
        return mappings, which
    worst = max(range(len(models)), key=lambda place: lost[which[place]])
    text = (
        f"{lost[which[worst]]} of {keys.n_cells} cells have no row in the coefficients of {models[worst].table.target}"
    )
    if profile.unmapped == "error":
        raise InputError(f"{text}; check the cluster labels and cell names against its row labels")
    consequence = "their coefficients are 0" if profile.unmapped == "zero" else "the first row is used for them"
    others = sum(lost[k] > 0 for k in which) - 1
    logger.warning("%s: %s%s", text, consequence, f" (so in {others} more tables)" if others else "")
    if profile.unmapped == "first_row":
        mappings = [v1_rows(rows) for rows in mappings]
    return mappings, which


def _group(mappings: Sequence[IntArray], n_cells: int) -> IntArray:
    """Return the number of each cell's combination of rows, counted in sorted order."""
    group = np.zeros(n_cells, dtype=np.int64)
    for rows in mappings:
        combined = group * (rows.max(initial=0) + 2) + rows + 1
        group = np.unique(combined, return_inverse=True)[1].reshape(-1)
    return group


def _stack(models: Sequence[tuple[Model, IntArray]], cells: IntArray, bounds: IntArray, n_features: int) -> Grouped:
    """Write the coefficients of one cell of each group into one pattern."""
    feature = np.concatenate([np.empty(0, dtype=np.int64), *(model.features for model, _ in models)])
    target = np.repeat(np.arange(len(models)), [len(model.features) for model, _ in models])
    place = np.lexsort((target, feature))
    data = np.zeros((len(cells), len(feature)))
    start = 0
    for model, mapping in models:
        rows = mapping[cells]
        stop = start + len(model.features)
        data[rows >= 0, start:stop] = model.values[rows[rows >= 0]]
        start = stop
    return Grouped(bounds, n_features, len(models), feature[place], target[place], data[:, place])
