"""Checks of what a propagation model is given, once, so that the steps need none."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.betas import Betas
from spacetravlr.errors import InputError, listing
from spacetravlr.perturbation._features import FloatArray, IntArray
from spacetravlr.perturbation._gather import gather

logger = logging.getLogger("spacetravlr")

_ROWS = 8192


@dataclass(frozen=True, eq=False)
class Expression:
    """A checked expression matrix.

    Attributes
    ----------
    values
        ``(n_cells, n_genes)``, float64 or float32, as given.
    genes
        Names of the columns.
    lowest, highest
        ``(n_genes,)`` observed range of each gene.
    """

    values: NDArray[Any]
    genes: tuple[str, ...]
    lowest: FloatArray
    highest: FloatArray

    def rows(self, genes: IntArray, order: IntArray) -> FloatArray:
        """Return ``(len(genes), len(order))`` expression of some genes in cells of a given order, float64."""
        return gather(self.values, genes, order)


def check_expression(expression: Any, genes: Sequence[str]) -> Expression:
    """Return the expression matrix with its ranges.

    Parameters
    ----------
    expression
        ``(n_cells, n_genes)`` matrix, data frame or sparse matrix.
    genes
        ``(n_genes,)`` names.

    Returns
    -------
    The matrix; arrays of float64 or float32 are not copied.

    Raises
    ------
    InputError
        If shapes disagree, there is no cell, gene names repeat, or a value is not finite.
    """
    names = tuple(map(str, genes))
    values = np.asarray(expression.toarray() if hasattr(expression, "toarray") else expression)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise InputError(f"expression has shape {values.shape}, but there are {len(names)} gene names")
    if not len(values):
        raise InputError("expression has no cells")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"gene names must be unique; more than once: {listing(repeated, 5)}")
    if values.dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"expression is not numeric: {error}") from error
    lowest, highest = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for start in range(0, len(values), _ROWS):
        part = values[start : start + _ROWS]
        bad = ~np.isfinite(part)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            where = f"gene {names[column]}, cell {start + row}"
            raise InputError(f"expression is not finite ({part[row, column]}) at {where}; impute or remove such values")
        np.minimum(lowest, part.min(axis=0), out=lowest)
        np.maximum(highest, part.max(axis=0), out=highest)
    negative = np.flatnonzero(lowest < 0)
    if len(negative):
        logger.warning(
            "expression is negative in %d genes (lowest %.3g, %s); simulations lift such values to the lower limit",
            *(len(negative), float(lowest.min()), names[int(np.argmin(lowest))]),
        )
    return Expression(values, names, lowest, highest)


def check_coordinates(xy: ArrayLike, n_cells: int, *, flat: bool = False) -> FloatArray:
    """Return ``(n_cells, 2)`` or ``(n_cells, 3)`` coordinates; two columns if asked for or if there are more than 3."""
    values = np.asarray(xy, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != n_cells or values.shape[1] < 2:
        raise InputError(f"coordinates must have shape ({n_cells}, 2) or ({n_cells}, 3), not {values.shape}")
    return values if values.shape[1] == 3 and not flat else values[:, :2]


def check_labels(cluster_labels: Any, n_cells: int) -> tuple[NDArray[Any], ...]:
    """Return the arrays of cluster labels in order of precedence: a tuple holds several, anything else is one."""
    keys = tuple(
        np.asarray(key) for key in (cluster_labels if isinstance(cluster_labels, tuple) else (cluster_labels,))
    )
    for key in keys:
        if key.shape != (n_cells,):
            raise InputError(f"cluster labels must have shape ({n_cells},), not {key.shape}")
    return keys


def check_samples(samples: ArrayLike | None, n_cells: int) -> IntArray | None:
    """Return the number of the piece of tissue that each cell is in; None for one piece.

    Raises
    ------
    InputError
        If there is not one whole number or text for each cell.
    """
    if samples is None:
        return None
    given = np.asarray(samples)
    if given.shape != (n_cells,):
        raise InputError(f"samples must have shape ({n_cells},), not {given.shape}")
    if given.dtype.kind not in "biuU":
        # an object column of a table: texts or whole numbers, and what is missing is neither
        odd = next((value for value in given.tolist() if not isinstance(value, str | int | np.integer)), None)
        if given.dtype.kind != "O" or odd is not None or None in given.tolist():
            raise InputError(f"samples must be texts or whole numbers, none missing, not {given.dtype} ({odd!r})")
        given = given.astype(np.str_)
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def check_names(cell_names: Sequence[str] | None, n_cells: int) -> tuple[str, ...]:
    """Return the cell names; without any, ``cell_0``, ``cell_1``, ..."""
    if cell_names is None:
        return tuple(f"cell_{row}" for row in range(n_cells))
    names = tuple(map(str, cell_names))
    if len(names) != n_cells:
        raise InputError(f"there are {len(names)} cell names, but {n_cells} cells")
    return names


def check_masks(
    thresholds: Any, genes: Sequence[str], cell_names: Sequence[str] | None, n_cells: int
) -> dict[int, NDArray[np.bool_]]:
    """Return for each gene with thresholds in which cells its expression counts.

    Parameters
    ----------
    thresholds
        A data frame (rows are cells), or an array ``(n_cells, k)`` with its ``k`` gene names; values above 0 count.
    genes
        Measured genes; thresholds of other genes are ignored.
    cell_names
        Names as given by the caller; a data frame with the same names in another order is put in order.
    n_cells
        Number of cells.

    Returns
    -------
    ``(n_cells,)`` masks by gene index.

    Raises
    ------
    InputError
        If the table has the wrong shape or lacks cells.
    """
    if hasattr(thresholds, "columns"):
        frame = thresholds
        if cell_names is not None and list(map(str, frame.index)) != list(map(str, cell_names)):
            frame = frame.set_axis(list(map(str, frame.index)), axis=0)
            absent = set(map(str, cell_names)) - set(frame.index)
            if absent or not frame.index.is_unique:
                raise InputError(f"the thresholds lack cells or name some twice: {listing(sorted(absent), 5)}")
            frame = frame.loc[list(map(str, cell_names))]
        values, names = frame.to_numpy(), list(map(str, frame.columns))
    else:
        values, names = np.asarray(thresholds[0]), list(map(str, thresholds[1]))
    if values.shape != (n_cells, len(names)):
        raise InputError(f"thresholds must have shape ({n_cells}, {len(names)}), not {values.shape}")
    places = {gene: place for place, gene in enumerate(genes)}
    return {places[name]: values[:, column] > 0 for column, name in enumerate(names) if name in places}


def check_tables(betas: Mapping[str, Betas] | Iterable[Betas], cell_names: Sequence[str] | None) -> list[Betas]:
    """Return the tables; those by cell are refused without the names that find their rows."""
    tables = list(betas.values() if isinstance(betas, Mapping) else betas)
    for table in tables:
        if table.by == "cell" and cell_names is None:
            raise InputError(f"the coefficients of {table.target} are per cell: give cell_names to find their rows")
    return tables
