"""Coordinate descent for lasso + ridge on the Gram matrix of a small working set, compiled.

One fit minimises ``(1/2n) ||y - X w||^2 + l1 ||w||_1 + (ridge/2) ||w||^2`` over centred columns. The columns of a
target are an index list into a shared catalogue, so a Gram row is read in place and no matrix per target is formed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spacetravlr.regression._gram_kernels import apply_gram, gram_entry, runs_of, solve_positive, support_of

Array = Any

_NEWTON_EVERY = 16
"""Sweeps between two rounds of Newton steps; one step costs what ten sweeps do."""
_LOOSE_SWEEPS = 10
"""Sweeps over the working set before the gradient of all columns is brought up to date, of a fit that ends at a gap."""
_NEWTON_LIMIT = 500
_MAX_OUTER = 400
_MAX_SWEEPS = 6000
_BINS = 64


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
        # a sweep over the working set costs a tenth of what follows it over all columns
        _sweep(H, w, g, size, l1, ridge, False)
        for _ in range(_LOOSE_SWEEPS - 1):
            _sweep(H, w, g, size, l1, ridge, True)
        return _LOOSE_SWEEPS
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
    runs = runs_of(cols)
    apply_gram(gram, design, skip, n, means, cols, runs, at, w[at], g)
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
            # what ends at a gap needs few columns besides the right ones; what ends at the optimum meets most of them
            count = _violators(w, g, l1, inside, max(8, size // 2 if exact else size // 4), found)
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
        apply_gram(gram, design, skip, n, means, cols, runs, at, local - before, g)
    return sweeps, enet_kkt(w, g, l1, ridge)
