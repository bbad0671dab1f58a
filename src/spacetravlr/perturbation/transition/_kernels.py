"""Compiled loops: correlations of a cell's change with its neighbours' differences, arrows, sums on a grid.

With the mean over genes of every cell known, the difference of two cells is centred term by term, so that one pass over
the genes gives sums that lose no digits.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
AnyFloats = npt.NDArray[np.float64] | npt.NDArray[np.float32]

KEEP_NULL, CLIP_RENORM, RAW = 0, 1, 2
# centred sums of squares at or below count as no variation
_NO_VARIATION = 1e-18
# correlations this close are equal but for rounding: they point nowhere
_SAME_CORRELATION = 1e-10
# cells closer than this have no direction
_COINCIDENT = 1e-12


@numba.njit(cache=True, nogil=True)
def rounded(value: float) -> float:
    """Return a number with three decimals, halves away from zero."""
    thousandths = value * 1000.0
    whole = float(np.trunc(thousandths))
    if abs(thousandths - whole) >= 0.5:
        whole += math.copysign(1.0, thousandths)
    return whole / 1000.0


@numba.njit(cache=True, nogil=True)
def rounded_changes(
    cells: Integers,
    rows: Integers,
    columns: Integers,
    values: Floats,
    expression: AnyFloats,
    counts: Booleans,
    rescale: float,
) -> Floats:
    """Return the change of some cells, (n_cells, n_rows): `values[rows]` less `expression[:, columns]`, rounded.

    Cells that do not count have none.
    """
    changes = np.zeros((cells.shape[0], rows.shape[0]))
    for place in range(rows.shape[0]):
        simulated, gene = values[rows[place]], columns[place]
        for number in range(cells.shape[0]):
            cell = cells[number]
            if counts[cell]:
                changes[number, place] = rounded((simulated[cell] - expression[cell, gene]) * rescale)
    return changes


@numba.njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _squares_and_product(other: AnyFloats, own: Floats, shift: float, change: Floats) -> tuple[float, float]:
    squares = 0.0
    product = 0.0
    for gene in range(own.shape[0]):
        apart = other[gene] - own[gene] - shift
        squares += apart * apart
        product += apart * change[gene]
    return squares, product


@numba.njit(nogil=True)
def _centre(change: Floats, columns: Integers, full: Floats) -> float:
    """Lay a change of some genes out over all genes, less its mean; returns its sum of squares."""
    full[:] = 0.0
    mean = 0.0
    for place in range(change.shape[0]):
        full[columns[place]] = change[place]
        mean += change[place]
    mean /= full.shape[0]
    squares = 0.0
    for gene in range(full.shape[0]):
        full[gene] -= mean
        squares += full[gene] * full[gene]
    return squares


@numba.njit(nogil=True)
def _correlation(product: float, squares: float, variation: float) -> float:
    if not (squares > _NO_VARIATION and variation > _NO_VARIATION):
        return 1.0
    value = product / (math.sqrt(squares) * math.sqrt(variation))
    if not math.isfinite(value):
        return 1.0
    return min(max(value, -1.0), 1.0)


@numba.njit(nogil=True)
def _correlations(
    cell: int,
    near: Integers,
    change: Floats,
    columns: Integers,
    expression: AnyFloats,
    means: Floats,
    own: Floats,
    full: Floats,
    found: Floats,
) -> None:
    """Fill `found` for the neighbours of one cell; `own` and `full` are working memory, one number per gene."""
    # all genes, not only those that change: one loop along memory is as fast, even where few change
    variation = _centre(change, columns, full)
    if not variation > _NO_VARIATION:
        found[:] = 1.0
        return
    for gene in range(own.shape[0]):
        own[gene] = expression[cell, gene]
    for number in range(near.shape[0]):
        other = near[number]
        squares, product = _squares_and_product(expression[other], own, means[other] - means[cell], full)
        found[number] = _correlation(product, squares, variation)


@numba.njit(nogil=True)
def _weights(values: Floats, temperature: float, null: int) -> None:
    """Replace correlations by the weights of the directions to the neighbours."""
    highest, lowest = values.max(), values.min()
    if null != KEEP_NULL and highest - lowest <= _SAME_CORRELATION:
        values[:] = 0.0
        return
    total = 0.0
    for number in range(values.shape[0]):
        values[number] = math.exp((values[number] - highest) / temperature)
        total += values[number]
    uniform = 1.0 / values.shape[0]
    kept = 0.0
    for number in range(values.shape[0]):
        weight = values[number] / total
        if null != KEEP_NULL:
            weight -= uniform
        if null == CLIP_RENORM:
            weight = max(weight, 0.0)
            kept += weight
        values[number] = weight
    if kept > 0.0:
        for number in range(values.shape[0]):
            values[number] /= kept


@numba.njit(nogil=True)
def _arrow(cell: int, near: Integers, weights: Floats, embedding: Floats, unit: bool) -> tuple[float, float]:
    first = 0.0
    second = 0.0
    for number in range(near.shape[0]):
        x = embedding[near[number], 0] - embedding[cell, 0]
        y = embedding[near[number], 1] - embedding[cell, 1]
        weight = weights[number]
        if unit:
            length = math.hypot(x, y)
            if length < _COINCIDENT:
                continue
            weight /= length
        first += weight * x
        second += weight * y
    return first, second


@numba.njit(cache=True, nogil=True)
def cell_vectors(
    cells: Integers,
    near: Integers,
    changes: Floats,
    columns: Integers,
    expression: AnyFloats,
    means: Floats,
    embedding: Floats,
    temperature: float,
    null: int,
    unit: bool,
    vectors: Floats,
) -> None:
    """Write the vectors of some cells.

    `near` is (n_cells, k) and `changes` (n_cells, n_columns) for the genes `columns`; `expression` (n, n_genes), its
    row means `means`, `embedding` (n, 2) and the result `vectors` (n, 2) are those of the whole tissue.
    """
    n_genes = expression.shape[1]
    own, full = np.empty(n_genes), np.empty(n_genes)
    weights = np.empty(near.shape[1])
    for number in range(cells.shape[0]):
        cell = cells[number]
        _correlations(cell, near[number], changes[number], columns, expression, means, own, full, weights)
        _weights(weights, temperature, null)
        vectors[cell, 0], vectors[cell, 1] = _arrow(cell, near[number], weights, embedding, unit)


@numba.njit(cache=True, nogil=True)
def add_to_grid(
    vectors: Floats, x_from: Integers, x_to: Integers, y_from: Integers, y_to: Integers, sums: Floats
) -> None:
    """Add the vector of each cell to the grid points of its range, `sums[ix, iy]`."""
    for cell in range(vectors.shape[0]):
        x, y = vectors[cell]
        if x == 0.0 and y == 0.0:
            continue
        for column in range(x_from[cell], x_to[cell]):
            for row in range(y_from[cell], y_to[cell]):
                sums[column, row, 0] += x
                sums[column, row, 1] += y
