"""Compiled inner loops of `splash`: features are rows, cells are columns, worked on in blocks of cells."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Index = NDArray[np.uint32]

BLOCK = 128  # cells; coefficients of a block and one row of features each stay in the second-level cache
_TILE = 8  # cells read side by side, so that whole cache lines are written


@numba.njit(cache=True, nogil=True)
def columns_to_rows(into: Float, matrix: Float, columns: Index, floor: float) -> None:
    """Copy ``matrix[:, columns]`` (n_cells, n) transposed into ``into``; values up to the floor become 0."""
    n_cells = matrix.shape[0]
    for first in range(0, n_cells, _TILE):
        last = min(first + _TILE, n_cells)
        for row in range(len(columns)):
            column = columns[row]
            for cell in range(first, last):
                value = matrix[cell, column]
                into[row, cell] = value if value > floor else 0.0


@numba.njit(cache=True, nogil=True)
def _expand(into: Float, values: Float, rows: NDArray[np.int64], first: int) -> None:
    """Spread coefficients over a block of cells: (n_modulators, BLOCK); 0 for cells without a row."""
    width = min(BLOCK, len(rows) - first)
    for start in range(0, width, _TILE):
        stop = min(start + _TILE, width)
        for modulator in range(values.shape[1]):
            for cell in range(start, stop):
                row = rows[first + cell]
                into[modulator, cell] = values[row, modulator] if row >= 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _add_products(
    sums: Float, block: Float, source: Float, first: int, betas: Index, partners: Index, start: int, stop: int
) -> None:
    for place in range(start, stop):
        beta = block[betas[place]]
        factor = source[partners[place], first : first + BLOCK]
        for cell in range(BLOCK):
            sums[cell] += beta[cell] * factor[cell]


@numba.njit(cache=True, nogil=True)
def splash_rows(
    out: Float,
    values: Float,
    rows: NDArray[np.int64],
    received: Float,
    received_tfl: Float,
    expression: Float,
    tf: NDArray[np.int64],
    gate: Index,
    ends: NDArray[np.int64],
    betas: Index,
    partners: Index,
    scale: float,
    cap: float,
) -> None:
    """Fill ``out`` (n_genes, n_cells); the other arrays are a `SplashInputs` and a `SplashPlan`.

    Each derivative is gathered, so every value is written once and a receptor's gate is looked at once.
    """
    n_genes, n_cells = out.shape
    block = np.zeros((values.shape[1], BLOCK))
    sums = np.empty(BLOCK)
    for first in range(0, n_cells, BLOCK):
        _expand(block, values, rows, first)
        start = 0
        for gene in range(n_genes):
            received_end, expression_end, tfl_end = ends[gene, 0], ends[gene, 1], ends[gene, 2]
            sums[:] = 0.0
            if received_end > start:
                _add_products(sums, block, received, first, betas, partners, start, received_end)
                level = expression[gate[gene], first : first + BLOCK]
                for cell in range(BLOCK):
                    sums[cell] = sums[cell] if level[cell] > 0.0 else 0.0
            _add_products(sums, block, expression, first, betas, partners, received_end, expression_end)
            _add_products(sums, block, received_tfl, first, betas, partners, expression_end, tfl_end)
            start = tfl_end
            if tf[gene] >= 0:
                plain = block[tf[gene]]
                for cell in range(BLOCK):
                    sums[cell] = plain[cell] + scale * sums[cell]
            else:
                for cell in range(BLOCK):
                    sums[cell] = scale * sums[cell]
            result = out[gene, first : first + BLOCK]
            for cell in range(len(result)):
                result[cell] = min(max(sums[cell], -cap), cap)
