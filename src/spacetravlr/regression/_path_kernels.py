"""Loops over the targets of a block for one cluster, compiled: one step of a path, and the final fits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spacetravlr.regression._cd_kernels import apply_gram, enet_fit, gram_entry
from spacetravlr.regression._sgl_kernels import sgl_fit

Array = Any

_SWEEP_LIMIT = 20000


@njit(cache=True, nogil=True)
def sub_gram(gram: Array, design: Array, skip: Array, n: float, means: Array, cols: Array) -> Array:
    """Return the (p, p) Gram of some catalogue columns in float64."""
    p = cols.size
    out = np.empty((p, p))
    if gram.shape[0] > 0:
        for i in range(p):
            row = gram[cols[i]]
            for j in range(p):
                out[i, j] = row[cols[j]]
        return out
    rows = design.shape[0] - (skip[1] - skip[0])
    part = np.empty((rows, p))
    at = 0
    for r in range(design.shape[0]):
        if not skip[0] <= r < skip[1]:
            for j in range(p):
                part[at, j] = design[r, cols[j]] - means[cols[j]]
            at += 1
    return np.dot(part.T, part) / n


@njit(cache=True, nogil=True)
def _fit(
    gram: Array, design: Array, skip: Array, n: float, means: Array, cols: Array, c: Array, yy: float, w: Array,
    g: Array, bounds: Array, l1: float, group: Array, ridge: float, tol: float, exact: bool,
) -> tuple[int, float]:  # fmt: skip
    if group.size == 0:
        return enet_fit(gram, design, skip, n, means, cols, c, yy, w, g, l1, ridge, tol, exact)
    A = sub_gram(gram, design, skip, n, means, cols)
    bound = tol if exact else 0.03 * (l1 + group[group > 0.0].min() if (group > 0.0).any() else l1)
    return sgl_fit(A, c, w, g, bounds, l1, group, ridge, bound, _SWEEP_LIMIT)


@njit(cache=True, nogil=True)
def _quadratic(gram: Array, design: Array, n: float, cols: Array, w: Array, none: Array, zero: Array) -> float:
    """Return ``w' G w`` over the support, for the Gram matrix of the whole cluster."""
    support = np.flatnonzero(w)
    total = 0.0
    if gram.shape[0] > 0:
        for i in support:
            for j in support:
                total += w[i] * w[j] * gram_entry(gram, design, none, n, zero, cols[i], cols[j])
        return total
    for r in range(design.shape[0]):
        value = 0.0
        for i in support:
            value += design[r, cols[i]] * w[i]
        total += value * value
    return total / n


@njit(cache=True, nogil=True)
def path_step(
    gram: Array, design: Array, skip: Array, n_train: float, means: Array, total_gram: Array, n: float,
    pointers: Array, columns: Array, fold_c: Array, fold_yy: Array, fold_mean: Array, c: Array, yy: Array,
    live: Array, W: Array, bounds: Array, l1: float, strengths: Array, ridge: float, tol: float, error: Array,
) -> None:  # fmt: skip
    """Fit every live target at one penalty on the training rows of one fold, and measure it on the rows held out.

    The squared error of the held-out rows follows from moments: it is that of all rows about the fitted plane minus
    that of the training rows. `W` (T, p_max) carries each target's previous solution; `error` (T,) is added to.
    """
    none = np.zeros(2, np.int64)
    zero = np.zeros(means.size)
    for t in range(live.size):
        if not live[t]:
            continue
        cols = columns[pointers[t] : pointers[t + 1]]
        w = W[t, : cols.size]
        local = fold_c[t][cols]
        g = np.empty(cols.size)
        if fold_yy[t] > 1e-12:
            _fit(
                gram, design, skip, n_train, means, cols, local, fold_yy[t], w, g, bounds[t], l1, strengths[t], ridge,
                tol, False,
            )  # fmt: skip
        else:
            w[:] = 0.0
            g[:] = local
        fitted_c = 0.0
        train_c = 0.0
        train_g = 0.0
        shift = 0.0
        for k in range(cols.size):
            if w[k] != 0.0:
                fitted_c += w[k] * c[t, cols[k]]
                train_c += w[k] * local[k]
                train_g += w[k] * g[k]
                shift += w[k] * means[cols[k]]
        offset = fold_mean[t] - shift
        everything = yy[t] - 2.0 * fitted_c + _quadratic(total_gram, design, n, cols, w, none, zero) + offset * offset
        training = fold_yy[t] - train_c - train_g
        error[t] += max(n * everything - n_train * training, 0.0)


@njit(cache=True, nogil=True)
def final_fits(
    gram: Array, design: Array, n: float, pointers: Array, columns: Array, c: Array, yy: Array, live: Array, W: Array,
    bounds: Array, l1: Array, strengths: Array, ridge: float, tol: float, sweeps: Array, violation: Array, r2: Array,
) -> None:  # fmt: skip
    """Fit every live target of a cluster to the optimum at its own penalty; `W` (T, p_max) holds start and result."""
    none = np.zeros(2, np.int64)
    zero = np.zeros(design.shape[1])
    for t in range(live.size):
        if not live[t] or yy[t] <= 1e-12:
            continue
        cols = columns[pointers[t] : pointers[t + 1]]
        w = W[t, : cols.size]
        local = c[t][cols]
        g = np.empty(cols.size)
        sweeps[t], violation[t] = _fit(
            gram, design, none, n, zero, cols, local, yy[t], w, g, bounds[t], l1[t], strengths[t], ridge, tol, True
        )
        # the gradient carries rounding of every step; start it afresh for the residual
        g[:] = local
        support = np.flatnonzero(w)
        apply_gram(gram, design, none, n, zero, cols, support, w[support], g)
        residual = yy[t]
        for k in support:
            residual -= w[k] * (local[k] + g[k])
        r2[t] = 1.0 - max(residual, 0.0) / yy[t]
