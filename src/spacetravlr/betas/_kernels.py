"""Compiled inner loops of `splash`: cells are worked on in blocks, of which everything needed stays in the cache.

All arrays of a block are flat, and places in them are unsigned: nothing is sliced and no index is checked for a sign,
so that every loop over the cells of a block becomes vector instructions.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Index = NDArray[np.uint32]
Int = NDArray[np.int64]

BLOCK = 128  # cells; features, coefficients and result of a block stay in the second-level cache
_TILE = 8  # cells read side by side, so that whole cache lines are written
_U = np.uint64


@numba.njit(cache=True, nogil=True)
def columns_to_blocks(into: Float, top: int, matrix: Float, columns: Index, floor: float) -> None:
    """Copy ``matrix[:, columns]`` (n_cells, n) into rows `top` and on of each block; values up to the floor become 0.

    `into` has the shape (n_blocks, n_rows, BLOCK); cells that there are not become 0.
    """
    n_cells = matrix.shape[0]
    for number in range(into.shape[0]):
        block, first = into[number], number * BLOCK
        for start in range(0, BLOCK, _TILE):
            for row in range(len(columns)):
                column = columns[row]
                for cell in range(start, start + _TILE):
                    value = matrix[first + cell, column] if first + cell < n_cells else 0.0
                    block[top + row, cell] = value if value > floor else 0.0


@numba.njit(cache=True, nogil=True)
def _expand_shared(near: Float, table: Float, rows: Int, first: int) -> None:
    """Spread the coefficients of few rows, (n_modulators, n_rows + 1) with zeros at the end, over a block of cells."""
    width, last = _U(table.shape[1]), table.shape[1] - 1
    flat, own = table.reshape(-1), np.empty(BLOCK, dtype=np.uint32)
    for cell in range(BLOCK):
        row = rows[first + cell] if first + cell < len(rows) else -1
        own[cell] = row if row >= 0 else last
    for modulator in range(table.shape[0]):
        to, start = _U(modulator) * _U(BLOCK), _U(modulator) * width
        for cell in range(BLOCK):
            near[to + _U(cell)] = flat[start + own[cell]]


@numba.njit(cache=True, nogil=True)
def _expand_own(near: Float, values: Float, rows: Int, first: int, factors: Float) -> None:
    """Spread the coefficients (n_rows, n_modulators), times a factor of each modulator, over a block of cells."""
    for start in range(0, BLOCK, _TILE):
        for modulator in range(values.shape[1]):
            for cell in range(start, start + _TILE):
                row = rows[first + cell] if first + cell < len(rows) else -1
                near[modulator * BLOCK + cell] = values[row, modulator] * factors[modulator] if row >= 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _plain(out: Float, at: int, stride: int, near: Float, place: Index, tf: Int, genes: Int) -> None:
    for gene in range(genes[0], genes[1]):
        to, beta = _U(at) + _U(place[gene]) * _U(stride), _U(tf[gene]) * _U(BLOCK)
        for cell in range(BLOCK):
            out[to + _U(cell)] = near[beta + _U(cell)]


@numba.njit(cache=True, nogil=True)
def _single(
    out: Float,
    at: int,
    stride: int,
    near: Float,
    features: Float,
    base: int,
    place: Index,
    runs: Int,
    gate: Index,
    betas: Index,
    partners: Index,
    genes: Int,
    gated: bool,
) -> None:
    width = _U(BLOCK)
    for gene in range(genes[0], genes[1]):
        start = runs[gene, 0]
        to, level = _U(at) + _U(place[gene]) * _U(stride), _U(base) + _U(gate[gene]) * width
        one, by = _U(betas[start]) * width, _U(base) + _U(partners[start]) * width
        if gated:
            for cell in range(BLOCK):
                value = near[one + _U(cell)] * features[by + _U(cell)]
                out[to + _U(cell)] = value if features[level + _U(cell)] > 0.0 else 0.0
        else:
            for cell in range(BLOCK):
                out[to + _U(cell)] = near[one + _U(cell)] * features[by + _U(cell)]


@numba.njit(cache=True, nogil=True)
def _double(
    out: Float,
    at: int,
    stride: int,
    near: Float,
    features: Float,
    base: int,
    place: Index,
    runs: Int,
    gate: Index,
    betas: Index,
    partners: Index,
    genes: Int,
    gated: bool,
) -> None:
    width = _U(BLOCK)
    for gene in range(genes[0], genes[1]):
        start = runs[gene, 0]
        to, level = _U(at) + _U(place[gene]) * _U(stride), _U(base) + _U(gate[gene]) * width
        one, by = _U(betas[start]) * width, _U(base) + _U(partners[start]) * width
        two, and_by = _U(betas[start + 1]) * width, _U(base) + _U(partners[start + 1]) * width
        if gated:
            for cell in range(BLOCK):
                value = (
                    near[one + _U(cell)] * features[by + _U(cell)] + near[two + _U(cell)] * features[and_by + _U(cell)]
                )
                out[to + _U(cell)] = value if features[level + _U(cell)] > 0.0 else 0.0
        else:
            for cell in range(BLOCK):
                value = near[one + _U(cell)] * features[by + _U(cell)]
                out[to + _U(cell)] = value + near[two + _U(cell)] * features[and_by + _U(cell)]


@numba.njit(cache=True, nogil=True)
def _add(sums: Float, near: Float, features: Float, base: int, betas: Index, partners: Index, products: Int) -> None:
    for product in range(products[0], products[1]):
        one, by = _U(betas[product]) * _U(BLOCK), _U(base) + _U(partners[product]) * _U(BLOCK)
        for cell in range(BLOCK):
            sums[_U(cell)] += near[one + _U(cell)] * features[by + _U(cell)]


@numba.njit(cache=True, nogil=True)
def _many(
    out: Float,
    at: int,
    stride: int,
    near: Float,
    features: Float,
    base: int,
    place: Index,
    runs: Int,
    gate: Index,
    betas: Index,
    partners: Index,
    genes: Int,
    tf: Int,
) -> None:
    """Any number of products of both kinds, with or without a plain coefficient."""
    sums = np.empty(BLOCK)
    for gene in range(genes[0], genes[1]):
        to, level = _U(at) + _U(place[gene]) * _U(stride), _U(base) + _U(gate[gene]) * _U(BLOCK)
        sums[:] = 0.0
        if runs[gene, 1] > runs[gene, 0]:
            _add(sums, near, features, base, betas, partners, runs[gene, :2])
            for cell in range(BLOCK):
                value = sums[_U(cell)]
                sums[_U(cell)] = value if features[level + _U(cell)] > 0.0 else 0.0
        _add(sums, near, features, base, betas, partners, runs[gene, 1:])
        if tf[gene] >= 0:
            plain = _U(tf[gene]) * _U(BLOCK)
            for cell in range(BLOCK):
                sums[_U(cell)] += near[plain + _U(cell)]
        for cell in range(BLOCK):
            out[to + _U(cell)] = sums[_U(cell)]


@numba.njit(cache=True, nogil=True)
def splash_cells(
    out: Float,
    begin: int,
    end: int,
    table: Float,
    values: Float,
    factors: Float,
    rows: Int,
    features: Float,
    kinds: Int,
    place: Index,
    tf: Int,
    gate: Index,
    runs: Int,
    betas: Index,
    partners: Index,
    cap: float,
) -> None:
    """Fill the cells `begin` (a multiple of BLOCK) to `end` of ``out`` (n_genes, n_cells).

    The other arrays are those of `SplashInputs` and `SplashPlan`; `table` is empty where `values` are used instead.
    Each derivative is gathered, so every value is written once.
    """
    n_genes, n_cells = out.shape
    n_modulators = len(factors)
    near = np.empty(n_modulators * BLOCK)
    edge = np.empty(n_genes * BLOCK if end == n_cells else 0)
    whole, flat = out.reshape(-1), features.reshape(-1)
    for first in range(begin, end, BLOCK):
        if table.shape[0]:
            _expand_shared(near, table, rows, first)
        else:
            _expand_own(near, values, rows, first, factors)
        base = first // BLOCK * features.shape[1] * BLOCK
        fits = first + BLOCK <= n_cells
        # cells that there are not must not be written
        to, at, stride = (whole, first, n_cells) if fits else (edge, 0, BLOCK)
        _plain(to, at, stride, near, place, tf, kinds[0:2])
        _single(to, at, stride, near, flat, base, place, runs, gate, betas, partners, kinds[1:3], False)
        _single(to, at, stride, near, flat, base, place, runs, gate, betas, partners, kinds[2:4], True)
        _double(to, at, stride, near, flat, base, place, runs, gate, betas, partners, kinds[3:5], False)
        _double(to, at, stride, near, flat, base, place, runs, gate, betas, partners, kinds[4:6], True)
        _many(to, at, stride, near, flat, base, place, runs, gate, betas, partners, kinds[5:7], tf)
        last = min(first + BLOCK, n_cells)
        if not fits:
            for gene in range(n_genes):
                for cell in range(first, last):
                    out[gene, cell] = edge[gene * BLOCK + cell - first]
        if cap < np.inf:
            for gene in range(n_genes):
                for cell in range(first, last):
                    out[gene, cell] = min(max(out[gene, cell], -cap), cap)
