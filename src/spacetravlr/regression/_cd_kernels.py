"""Coordinate descent for lasso + ridge on the Gram matrix of a small working set, compiled.

One fit minimises ``(1/2n) ||y - X w||^2 + l1 ||w||_1 + (ridge/2) ||w||^2`` over centred columns. The columns of a
target are an index list into a shared catalogue, so a Gram row is read in place and no matrix per target is formed.
Where a Gram matrix would be larger than the design (few cells, many columns), the same functions work from the rows
of the design: `gram` is then empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any

_NEWTON_EVERY = 6
_NEWTON_LIMIT = 500
_MAX_OUTER = 400
_MAX_SWEEPS = 6000
_BINS = 64


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
    """Solve ``M x = b`` for a positive definite M, which is overwritten by its Cholesky factor.

    Systems have some tens of rows, so this costs what LAPACK does, and compiles in a tenth of the time. If M is not
    positive definite to rounding, the answer is 0: the step is not taken.
    """
    n = b.size
    x = b.copy()
    for j in range(n):
        total = M[j, j]
        for k in range(j):
            total -= M[j, k] * M[j, k]
        if not total > 1e-13:
            return np.zeros(n)
        pivot = np.sqrt(total)
        M[j, j] = pivot
        for i in range(j + 1, n):
            value = M[i, j]
            for k in range(j):
                value -= M[i, k] * M[j, k]
            M[i, j] = value / pivot
    for i in range(n):
        for k in range(i):
            x[i] -= M[i, k] * x[k]
        x[i] /= M[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= M[k, i] * x[k]
        x[i] /= M[i, i]
    return x


@njit(cache=True, nogil=True)
def apply_gram(
    gram: Array, design: Array, skip: Array, n: float, means: Array, cols: Array, at: Array, by: Array, g: Array
) -> None:
    """Subtract ``G[cols, cols[at]] @ by`` from g, from Gram rows or from the rows of the design."""
    p = cols.size
    if gram.shape[0] > 0:
        for a in range(at.size):
            step = by[a]
            if step != 0.0:
                row = gram[cols[at[a]]]
                for k in range(p):
                    g[k] -= step * row[cols[k]]
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
            for k in range(p):
                g[k] -= fitted * row[cols[k]]


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


@njit(cache=True, nogil=True)
def enet_kkt(w: Array, g: Array, l1: float, ridge: float) -> float:
    """Return the largest violation of the optimality conditions; g is the gradient of the fit without ridge."""
    worst = 0.0
    for k in range(w.size):
        slope = g[k] - ridge * w[k]
        if w[k] > 0.0:
            violation = abs(slope - l1)
        elif w[k] < 0.0:
            violation = abs(slope + l1)
        else:
            violation = abs(slope) - l1
        worst = max(worst, violation)
    return worst


@njit(cache=True, nogil=True)
def duality_gap(w: Array, g: Array, c: Array, yy: float, l1: float, ridge: float) -> float:
    """Return the duality gap of the augmented lasso, in units of the mean squared response."""
    cw = 0.0
    gw = 0.0
    size1 = 0.0
    size2 = 0.0
    top = 0.0
    for k in range(w.size):
        cw += c[k] * w[k]
        gw += g[k] * w[k]
        size1 += abs(w[k])
        size2 += w[k] * w[k]
        top = max(top, abs(g[k] - ridge * w[k]))
    residual = max(yy - cw - gw, 0.0) + ridge * size2
    scale = 1.0 if top <= l1 else l1 / top
    return residual / 2.0 + l1 * size1 - scale * (yy - cw) + scale * scale * residual / 2.0


@njit(cache=True, nogil=True)
def _violators(w: Array, g: Array, l1: float, inside: Array, limit: int, found: Array) -> int:
    """Write about `limit` of the strongest violators into `found`, in column order, and return their number.

    The cut is a bin of excess, not a sort: enough to order the work, and much less of it.
    """
    top = 0.0
    count = 0
    for k in range(w.size):
        if not inside[k] and abs(g[k]) > l1:
            top = max(top, abs(g[k]) - l1)
            count += 1
    cut = 0.0
    if count > limit:
        bins = np.zeros(_BINS + 1, np.int64)
        for k in range(w.size):
            if not inside[k] and abs(g[k]) > l1:
                bins[int(_BINS * (abs(g[k]) - l1) / top)] += 1
        taken = 0
        lowest = _BINS
        while taken + bins[lowest] <= limit or taken == 0:
            taken += bins[lowest]
            lowest -= 1
        cut = top * (lowest + 1) / _BINS
    count = 0
    for k in range(w.size):
        if not inside[k] and abs(g[k]) > l1 and abs(g[k]) - l1 >= cut:
            found[count] = k
            count += 1
    return count


@njit(cache=True, nogil=True)
def _sweep(H: Array, w: Array, g: Array, size: int, l1: float, ridge: float, only_active: bool) -> float:
    largest = 0.0
    for j in range(size):
        old = w[j]
        if only_active and old == 0.0:
            continue
        q = H[j, j]
        b = g[j] + q * old
        new = 0.0
        if abs(b) > l1 and q + ridge > 1e-14:
            new = (b - l1 if b > 0.0 else b + l1) / (q + ridge)
        step = new - old
        if step != 0.0:
            w[j] = new
            row = H[j]
            for k in range(size):
                g[k] -= step * row[k]
            largest = max(largest, abs(step) * np.sqrt(q + ridge))
    return largest


@njit(cache=True, nogil=True)
def _newton(H: Array, w: Array, g: Array, size: int, l1: float, ridge: float) -> None:
    """Step to the minimum on the active orthant, or to its first border, a few times."""
    active = np.empty(size, np.int64)
    for _ in range(8):
        a = support_of(w, size, active)
        if a == 0 or a > _NEWTON_LIMIT:
            return
        M = np.empty((a, a))
        slope = np.empty(a)
        for i in range(a):
            for j in range(a):
                M[i, j] = H[active[i], active[j]]
            # the tiny addition keeps duplicated columns solvable; the fixed point is not moved by it
            M[i, i] += ridge + 1e-9
            slope[i] = g[active[i]] - ridge * w[active[i]] - (l1 if w[active[i]] > 0.0 else -l1)
        direction = solve_positive(M, slope)
        reach = 1.0
        blocking = -1
        for i in range(a):
            value = w[active[i]]
            if value * (value + direction[i]) < 0.0 and -value / direction[i] < reach:
                reach = -value / direction[i]
                blocking = i
        for i in range(a):
            j = active[i]
            step = -w[j] if i == blocking else reach * direction[i]
            w[j] += step
            if i == blocking:
                w[j] = 0.0
            row = H[j]
            for k in range(size):
                g[k] -= step * row[k]
        if blocking < 0:
            return


@njit(cache=True, nogil=True)
def _solve_working_set(
    H: Array, w: Array, g: Array, size: int, l1: float, ridge: float, tol: float, exact: bool, limit: int
) -> int:
    sweeps = 0
    if not exact:
        _sweep(H, w, g, size, l1, ridge, False)
        for _ in range(3):
            _sweep(H, w, g, size, l1, ridge, True)
        return 4
    while sweeps < limit:
        _sweep(H, w, g, size, l1, ridge, False)
        for _ in range(_NEWTON_EVERY - 1):
            _sweep(H, w, g, size, l1, ridge, True)
        sweeps += _NEWTON_EVERY
        if enet_kkt(w[:size], g[:size], l1, ridge) <= 0.3 * tol:
            break
        _newton(H, w, g, size, l1, ridge)
        if enet_kkt(w[:size], g[:size], l1, ridge) <= 0.3 * tol:
            break
    return sweeps


@njit(cache=True, nogil=True)
def enet_fit(
    gram: Array, design: Array, skip: Array, n: float, means: Array, cols: Array, c: Array, yy: float,
    w: Array, g: Array, l1: float, ridge: float, tol: float, exact: bool,
) -> tuple[int, float]:  # fmt: skip
    """Fit one target in place.

    Parameters
    ----------
    gram, design, skip, n, means
        Centred Gram (P, P) divided by n, or an empty one and the design rows of which ``skip[0]:skip[1]`` are left
        out, with n the number of rows used and `means` their column means.
    cols
        (p,) catalogue columns of this target.
    c, yy
        Centred moments ``X'y/n`` (p,) and ``y'y/n``.
    w
        (p,) start and result.
    g
        (p,) scratch; on return the gradient ``c - G w``.
    l1, ridge
        Penalties.
    tol
        `exact`: bound on the optimality violation; else on the duality gap relative to yy.
    exact
        Whether to converge with Newton steps.

    Returns
    -------
    sweeps
        Sweeps over the working set.
    violation
        Optimality violation reached.
    """
    p = cols.size
    found = np.empty(p, np.int64)
    count = support_of(w, p, found)
    at = found[:count].copy()
    g[:] = c
    apply_gram(gram, design, skip, n, means, cols, at, w[at], g)
    inside = np.zeros(p, np.bool_)
    capacity = max(64, 2 * count)
    ws = np.empty(capacity, np.int64)
    H = np.empty((capacity, capacity))
    size = 0
    sweeps = 0
    for step in range(_MAX_OUTER):
        if sweeps >= _MAX_SWEEPS:
            break
        if exact:
            if enet_kkt(w, g, l1, ridge) <= tol:
                break
        elif duality_gap(w, g, c, yy, l1, ridge) <= tol * yy:
            break
        if step > 0 or count == 0:
            count = _violators(w, g, l1, inside, max(8, size // 2), found)
        if size + count > capacity:
            capacity = 2 * (size + count)
            larger = np.empty((capacity, capacity))
            larger[:size, :size] = H[:size, :size]
            H = larger
            longer = np.empty(capacity, np.int64)
            longer[:size] = ws[:size]
            ws = longer
        for k in found[:count]:
            inside[k] = True
            ws[size] = k
            for a in range(size + 1):
                H[size, a] = gram_entry(gram, design, skip, n, means, cols[k], cols[ws[a]])
                H[a, size] = H[size, a]
            size += 1
        at = ws[:size]
        before = w[at]
        local = before.copy()
        slope = g[at]
        sweeps += _solve_working_set(H, local, slope, size, l1, ridge, tol, exact, _MAX_SWEEPS - sweeps)
        w[at] = local
        apply_gram(gram, design, skip, n, means, cols, at, local - before, g)
    return sweeps, enet_kkt(w, g, l1, ridge)
