"""Coordinate descent for the sparse group lasso on one Gram matrix, compiled.

Minimises ``(1/2n) ||y - X w||^2 + l1 ||w||_1 + sum_g group_g ||w_g||_2 + (ridge/2) ||w||^2``. A group at zero is
switched on by a proximal gradient step on the whole group; inside a group that is on, each coordinate is minimised
exactly; after every sweep each group is scaled exactly (all penalties are homogeneous); Newton steps on the smooth
part of the support finish. Without the scaling a group that has just been switched on grows far too slowly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spacetravlr.regression._gram_kernels import solve_positive, support_of

Array = Any

_NEWTON_EVERY = 10
_NEWTON_LIMIT = 600


@njit(cache=True, nogil=True)
def _shrunk_norm(g: Array, low: int, high: int, l1: float) -> float:
    total = 0.0
    for k in range(low, high):
        excess = abs(g[k]) - l1
        if excess > 0.0:
            total += excess * excess
    return float(np.sqrt(total))


@njit(cache=True, nogil=True)
def _norm2(w: Array, low: int, high: int) -> float:
    total = 0.0
    for k in range(low, high):
        total += w[k] * w[k]
    return total


@njit(cache=True, nogil=True)
def sgl_kkt(w: Array, g: Array, bounds: Array, l1: float, group: Array, ridge: float) -> float:
    """Return the largest violation of the optimality conditions; g is the gradient of the fit without ridge."""
    worst = 0.0
    for i in range(group.size):
        low, high = bounds[i], bounds[i + 1]
        norm = np.sqrt(_norm2(w, low, high))
        if norm == 0.0:
            worst = max(worst, _shrunk_norm(g, low, high, l1) - group[i])
            continue
        for k in range(low, high):
            slope = g[k] - ridge * w[k]
            if w[k] == 0.0:
                worst = max(worst, abs(slope) - l1)
            else:
                sign = 1.0 if w[k] > 0.0 else -1.0
                worst = max(worst, abs(slope - l1 * sign - group[i] * w[k] / norm))
    return worst


@njit(cache=True, nogil=True)
def _move(A: Array, w: Array, g: Array, j: int, new: float) -> None:
    step = new - w[j]
    if step != 0.0:
        w[j] = new
        row = A[j]
        for k in range(w.size):
            g[k] -= step * row[k]


@njit(cache=True, nogil=True)
def _switch_on(A: Array, w: Array, g: Array, low: int, high: int, l1: float, strength: float, ridge: float) -> None:
    norm = _shrunk_norm(g, low, high, l1)
    if norm <= strength:
        return
    bound = ridge
    for k in range(low, high):
        bound += A[k, k]
    factor = (1.0 - strength / norm) / bound
    target = np.zeros(high - low)
    for k in range(low, high):
        excess = abs(g[k]) - l1
        if excess > 0.0:
            target[k - low] = factor * (excess if g[k] > 0.0 else -excess)
    for k in range(low, high):
        _move(A, w, g, k, target[k - low])


@njit(cache=True, nogil=True)
def _root(q: float, strength: float, rest: float, target: float) -> float:
    """Solve ``q x + strength x / sqrt(x^2 + rest) = target`` for x > 0: concave, so Newton from 0 rises to it."""
    x = 0.0
    for _ in range(60):
        h = np.sqrt(x * x + rest)
        step = (target - q * x - strength * x / h) / (q + strength * rest / (h * h * h))
        x += step
        if step <= 1e-15 * x:
            break
    return x


@njit(cache=True, nogil=True)
def _sweep_group(A: Array, w: Array, g: Array, low: int, high: int, l1: float, strength: float, ridge: float) -> None:
    norm2 = _norm2(w, low, high)
    for j in range(low, high):
        q = A[j, j]
        b = g[j] + q * w[j]
        rest = max(norm2 - w[j] * w[j], 0.0)
        alone = rest <= 1e-18 * norm2
        threshold = l1 + strength if alone else l1
        new = 0.0
        if abs(b) > threshold and q + ridge > 1e-14:
            if alone or strength == 0.0:
                new = (abs(b) - threshold) / (q + ridge)
            else:
                new = _root(q + ridge, strength, rest, abs(b) - l1)
            if b < 0.0:
                new = -new
        if new != w[j]:
            norm2 = rest + new * new
            _move(A, w, g, j, new)
    if norm2 > 0.0:
        _scale_group(A, w, g, low, high, l1, strength, ridge)


@njit(cache=True, nogil=True)
def _scale_group(A: Array, w: Array, g: Array, low: int, high: int, l1: float, strength: float, ridge: float) -> None:
    curvature = 0.0
    linear = 0.0
    size1 = 0.0
    size2 = 0.0
    for i in range(low, high):
        if w[i] == 0.0:
            continue
        inner = 0.0
        for k in range(low, high):
            inner += A[i, k] * w[k]
        curvature += w[i] * (inner + ridge * w[i])
        linear += w[i] * (g[i] + inner)
        size1 += abs(w[i])
        size2 += w[i] * w[i]
    if curvature <= 0.0:
        return
    alpha = max(0.0, (linear - l1 * size1 - strength * np.sqrt(size2)) / curvature)
    if abs(alpha - 1.0) > 1e-12:
        for k in range(low, high):
            if w[k] != 0.0:
                _move(A, w, g, k, alpha * w[k])


@njit(cache=True, nogil=True)
def _objective(w: Array, g: Array, c: Array, bounds: Array, l1: float, group: Array, ridge: float) -> float:
    total = 0.0
    for k in range(w.size):
        total += -0.5 * w[k] * (c[k] + g[k]) + l1 * abs(w[k]) + 0.5 * ridge * w[k] * w[k]
    for i in range(group.size):
        total += group[i] * np.sqrt(_norm2(w, bounds[i], bounds[i + 1]))
    return total


@njit(cache=True, nogil=True)
def _newton(A: Array, w: Array, g: Array, c: Array, bounds: Array, l1: float, group: Array, ridge: float) -> None:
    active = np.empty(w.size, np.int64)
    a = support_of(w, w.size, active)
    if a == 0 or a > _NEWTON_LIMIT:
        return
    M = np.empty((a, a))
    slope = np.empty(a)
    owner = np.empty(a, np.int64)
    norms = np.empty(group.size)
    for i in range(group.size):
        norms[i] = np.sqrt(_norm2(w, bounds[i], bounds[i + 1]))
    for i in range(a):
        k = active[i]
        owner[i] = 0
        while bounds[owner[i] + 1] <= k:
            owner[i] += 1
        norm = norms[owner[i]]
        slope[i] = g[k] - ridge * w[k] - (l1 if w[k] > 0.0 else -l1) - group[owner[i]] * w[k] / norm
    for i in range(a):
        for j in range(a):
            M[i, j] = A[active[i], active[j]]
            if owner[i] == owner[j]:
                norm = norms[owner[i]]
                M[i, j] -= group[owner[i]] * w[active[i]] * w[active[j]] / (norm * norm * norm)
        M[i, i] += ridge + group[owner[i]] / norms[owner[i]] + 1e-9
    direction = solve_positive(M, slope)
    reach = 1.0
    for i in range(a):
        value = w[active[i]]
        if value * (value + direction[i]) < 0.0:
            reach = min(reach, -value / direction[i])
    before = _objective(w, g, c, bounds, l1, group, ridge)
    old_w = w.copy()
    old_g = g.copy()
    for _ in range(6):
        for i in range(a):
            new = old_w[active[i]] + reach * direction[i]
            if new * old_w[active[i]] <= 0.0 or abs(new) < 1e-300:
                new = 0.0
            _move(A, w, g, active[i], new)
        if _objective(w, g, c, bounds, l1, group, ridge) <= before:
            return
        w[:] = old_w
        g[:] = old_g
        reach *= 0.3


@njit(cache=True, nogil=True)
def sgl_fit(
    A: Array, c: Array, w: Array, g: Array, bounds: Array, l1: float, group: Array, ridge: float, tol: float, limit: int
) -> tuple[int, float]:
    """Fit one target in place.

    Parameters
    ----------
    A, c
        Centred Gram (p, p) and ``X'y`` (p,), both divided by n; columns ordered by group.
    w, g
        (p,) start and result; (p,) scratch, on return the gradient ``c - A w``.
    bounds
        (n_groups + 1,) first column of each group, and p.
    l1, group, ridge
        Penalties; `group` (n_groups,) already holds its size factor.
    tol, limit
        Bound on the optimality violation, and on the sweeps.

    Returns
    -------
    sweeps, violation
        Sweeps done and the violation reached.
    """
    g[:] = c
    for j in range(w.size):
        if w[j] != 0.0:
            row = A[j]
            for k in range(w.size):
                g[k] -= w[j] * row[k]
    sweeps = 0
    violation = sgl_kkt(w, g, bounds, l1, group, ridge)
    while violation > tol and sweeps < limit:
        for i in range(group.size):
            low, high = bounds[i], bounds[i + 1]
            if _norm2(w, low, high) == 0.0:
                _switch_on(A, w, g, low, high, l1, group[i], ridge)
            if _norm2(w, low, high) > 0.0:
                _sweep_group(A, w, g, low, high, l1, group[i], ridge)
        sweeps += 1
        if sweeps % _NEWTON_EVERY == 0:
            _newton(A, w, g, c, bounds, l1, group, ridge)
        violation = sgl_kkt(w, g, bounds, l1, group, ridge)
    return sweeps, violation
