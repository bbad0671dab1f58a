"""Products with the Gram matrix of a target, and small positive definite systems, compiled.

A Gram matrix is read in place by an index list into the catalogue. Where it would be larger than the design (few cells,
many columns), the same functions work from the rows of the design: `gram` is then empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any

_RUN = 16
"""Consecutive columns that are worth a loop of their own."""


@njit(cache=True, nogil=True)
def support_of(w: Array, size: int, found: Array) -> int:
    """Write the positions of the first `size` entries that are not 0 into `found`, and return their number."""
    count = 0
    for k in range(size):
        if w[k] != 0.0:
            found[count] = k
            count += 1
    return count


@njit(cache=True, nogil=True)
def solve_positive(M: Array, b: Array) -> Array:
    """Solve ``M x = b`` for a positive definite M, whose upper triangle is overwritten by its Cholesky factor.

    Systems have some tens of rows, where this costs half of what LAPACK does, and compiles in a tenth of the time:
    multiples of rows are subtracted from rows, four at a time, which unlike sums of products can be done several
    numbers at once. If M is not positive definite to rounding, the answer is 0: the step is not taken.
    """
    n = b.size
    x = b.copy()
    for start in range(0, n, 4):
        stop = min(start + 4, n)
        for j in range(start, stop):
            row = M[j, j:]
            if not row[0] > 1e-13:
                return np.zeros(n)
            pivot = np.sqrt(row[0])
            for k in range(row.size):
                row[k] /= pivot
            x[j] /= pivot
            for i in range(j + 1, stop):
                below = M[i, i:]
                above = M[j, i:]
                factor = above[0]
                for k in range(below.size):
                    below[k] -= factor * above[k]
                x[i] -= factor * x[j]
        if stop - start == 4:
            for i in range(stop, n):
                below = M[i, i:]
                row0, row1, row2, row3 = M[start, i:], M[start + 1, i:], M[start + 2, i:], M[start + 3, i:]
                f0, f1, f2, f3 = row0[0], row1[0], row2[0], row3[0]
                for k in range(below.size):
                    below[k] -= f0 * row0[k] + f1 * row1[k] + f2 * row2[k] + f3 * row3[k]
                x[i] -= f0 * x[start] + f1 * x[start + 1] + f2 * x[start + 2] + f3 * x[start + 3]
    for i in range(n - 1, -1, -1):
        row = M[i]
        for k in range(i + 1, n):
            x[i] -= row[k] * x[k]
        x[i] /= row[i]
    return x


@njit(cache=True, nogil=True)
def runs_of(cols: Array) -> Array:
    """Return (n_runs + 1,) where runs of consecutive columns begin; runs shorter than `_RUN` are one run of singles.

    A run of singles is marked by a negative beginning, ``-1 - position``.
    """
    p = cols.size
    found = np.empty(p + 1, np.int64)
    count = 0
    start = 0
    while start < p:
        stop = start + 1
        while stop < p and cols[stop] == cols[stop - 1] + 1:
            stop += 1
        if stop - start >= _RUN:
            found[count] = start
            count += 1
        elif count == 0 or found[count - 1] >= 0:
            found[count] = -1 - start
            count += 1
        start = stop
    found[count] = p
    return found[: count + 1]


@njit(cache=True, nogil=True)
def _subtract_row(g: Array, step: float, row: Array, cols: Array, runs: Array) -> None:
    """Subtract ``step * row[cols]`` from g; a run of consecutive columns is read as it lies in memory."""
    for r in range(runs.size - 1):
        first = runs[r]
        last = runs[r + 1] if runs[r + 1] >= 0 else -1 - runs[r + 1]
        if first >= 0:
            part = row[cols[first] : cols[first] + last - first]
            own = g[first:last]
            for k in range(own.size):
                own[k] -= step * part[k]
        else:
            for k in range(-1 - first, last):
                g[k] -= step * row[cols[k]]


@njit(cache=True, nogil=True)
def apply_gram(
    gram: Array, design: Array, skip: Array, n: float, means: Array, cols: Array, runs: Array, at: Array, by: Array,
    g: Array,
) -> None:  # fmt: skip
    """Subtract ``G[cols, cols[at]] @ by`` from g, from Gram rows or from the rows of the design; see `runs_of`."""
    if gram.shape[0] > 0:
        for a in range(at.size):
            if by[a] != 0.0:
                _subtract_row(g, by[a], gram[cols[at[a]]], cols, runs)
        return
    shift = 0.0
    for a in range(at.size):
        shift += by[a] * means[cols[at[a]]]
    for i in range(design.shape[0]):
        if skip[0] <= i < skip[1]:
            continue
        row = design[i]
        fitted = -shift
        for a in range(at.size):
            fitted += by[a] * row[cols[at[a]]]
        fitted /= n
        if fitted != 0.0:
            # fitted values are centred, so the means of the columns drop out of this sum
            _subtract_row(g, fitted, row, cols, runs)


@njit(cache=True, nogil=True)
def gram_entry(gram: Array, design: Array, skip: Array, n: float, means: Array, i: int, j: int) -> float:
    """Return one entry of the centred Gram matrix, by catalogue columns."""
    if gram.shape[0] > 0:
        return float(gram[i, j])
    total = 0.0
    for r in range(design.shape[0]):
        if not skip[0] <= r < skip[1]:
            total += design[r, i] * design[r, j]
    return float(total / n - means[i] * means[j])
