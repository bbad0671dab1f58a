"""Loops over the targets of a block for one cluster, compiled: one step of a path, and the final fits.

There is one loop for penalties on single columns and one for those on groups, because each is compiled only when used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from spacetravlr.regression._cd_kernels import enet_fit
from spacetravlr.regression._gram_kernels import apply_gram, runs_of, support_of
from spacetravlr.regression._sgl_kernels import sgl_fit

Array = Any

_SWEEP_LIMIT = 3000


@njit(cache=True, nogil=True)
def sub_gram(gram: Array, design: Array, skip: Array, n: float, means: Array, cols: Array) -> Array:
    """Return the (p, p) Gram of some catalogue columns in float64."""
    p = cols.size
    out = np.zeros((p, p))
    if gram.shape[0] > 0:
        for i in range(p):
            row = gram[cols[i]]
            for j in range(p):
                out[i, j] = row[cols[j]]
        return out
    part = np.empty(p)
    for r in range(design.shape[0]):
        if not skip[0] <= r < skip[1]:
            for j in range(p):
                part[j] = (design[r, cols[j]] - means[cols[j]]) / np.sqrt(n)
            for i in range(p):
                for j in range(p):
                    out[i, j] += part[i] * part[j]
    return out


@njit(cache=True, nogil=True)
def _quadratic(gram: Array, design: Array, n: float, cols: Array, w: Array) -> float:
    """Return ``w' G w`` over the support, for the Gram matrix of the whole cluster."""
    support = np.empty(w.size, np.int64)
    a = support_of(w, w.size, support)
    total = 0.0
    if gram.shape[0] > 0:
        for i in support[:a]:
            row = gram[cols[i]]
            for j in support[:a]:
                total += w[i] * w[j] * row[cols[j]]
        return total
    for r in range(design.shape[0]):
        value = 0.0
        for i in support[:a]:
            value += design[r, cols[i]] * w[i]
        total += value * value
    return total / n


@njit(cache=True, nogil=True)
def _held_out(
    total_gram: Array, design: Array, n: float, n_train: float, means: Array, cols: Array, w: Array, g: Array,
    fold_c: Array, fold_yy: float, fold_mean: float, c: Array, yy: float,
) -> float:  # fmt: skip
    """Return the squared error of the rows held out: that of all rows about the fitted plane minus the others'."""
    fitted = 0.0
    train_c = 0.0
    train_g = 0.0
    shift = 0.0
    for k in range(cols.size):
        if w[k] != 0.0:
            fitted += w[k] * c[cols[k]]
            train_c += w[k] * fold_c[k]
            train_g += w[k] * g[k]
            shift += w[k] * means[cols[k]]
    offset = fold_mean - shift
    everything = yy - 2.0 * fitted + _quadratic(total_gram, design, n, cols, w) + offset * offset
    return max(n * everything - n_train * (fold_yy - train_c - train_g), 0.0)


@njit(cache=True, nogil=True)
def enet_step(
    gram: Array, design: Array, skip: Array, n_train: float, means: Array, total_gram: Array, n: float,
    pointers: Array, columns: Array, fold_c: Array, fold_yy: Array, fold_mean: Array, c: Array, yy: Array,
    live: Array, W: Array, l1: float, ridge: float, tol: float, error: Array,
) -> None:  # fmt: skip
    """Fit every live target at one penalty on the training rows of one fold, and measure it on the rows held out.

    `W` (T, p_max) carries each target's previous solution; `error` (T,) is added to.
    """
    for t in range(live.size):
        if live[t]:
            cols = columns[pointers[t] : pointers[t + 1]]
            w = W[t, : cols.size]
            local = fold_c[t][cols]
            g = local.copy()
            if fold_yy[t] > 1e-12:
                enet_fit(gram, design, skip, n_train, means, cols, local, fold_yy[t], w, g, l1, ridge, tol, False)
            else:
                w[:] = 0.0
            error[t] += _held_out(
                total_gram, design, n, n_train, means, cols, w, g, local, fold_yy[t], fold_mean[t], c[t], yy[t]
            )


@njit(cache=True, nogil=True)
def sgl_step(
    gram: Array, design: Array, skip: Array, n_train: float, means: Array, total_gram: Array, n: float,
    pointers: Array, columns: Array, fold_c: Array, fold_yy: Array, fold_mean: Array, c: Array, yy: Array,
    live: Array, W: Array, bounds: Array, l1: float, strengths: Array, ridge: float, tol: float, error: Array,
) -> None:  # fmt: skip
    """Do what `enet_step` does with penalties on groups; `tol` bounds the violation relative to the penalties."""
    for t in range(live.size):
        if live[t]:
            cols = columns[pointers[t] : pointers[t + 1]]
            w = W[t, : cols.size]
            local = fold_c[t][cols]
            g = local.copy()
            if fold_yy[t] > 1e-12:
                weakest = 0.0
                for strength in strengths[t]:
                    if strength > 0.0 and (weakest == 0.0 or strength < weakest):
                        weakest = strength
                A = sub_gram(gram, design, skip, n_train, means, cols)
                sgl_fit(A, local, w, g, bounds[t], l1, strengths[t], ridge, tol * (l1 + weakest), _SWEEP_LIMIT)
            else:
                w[:] = 0.0
            error[t] += _held_out(
                total_gram, design, n, n_train, means, cols, w, g, local, fold_yy[t], fold_mean[t], c[t], yy[t]
            )


@njit(cache=True, nogil=True)
def _r2(gram: Array, design: Array, n: float, cols: Array, c: Array, yy: float, w: Array, g: Array) -> float:
    none = np.zeros(2, np.int64)
    zero = np.zeros(design.shape[1])
    support = np.empty(w.size, np.int64)
    at = support[: support_of(w, w.size, support)]
    # the gradient of the fit carries the rounding of every step; start it afresh for the residual
    g[:] = c
    apply_gram(gram, design, none, n, zero, cols, runs_of(cols), at, w[at], g)
    residual = yy
    for k in at:
        residual -= w[k] * (c[k] + g[k])
    return 1.0 - max(residual, 0.0) / yy


@njit(cache=True, nogil=True)
def enet_final(
    gram: Array, design: Array, n: float, pointers: Array, columns: Array, c: Array, yy: Array, live: Array, W: Array,
    l1: Array, ridge: float, tol: float, sweeps: Array, violation: Array, r2: Array,
) -> None:  # fmt: skip
    """Fit every live target of a cluster to the optimum at its own penalty; `W` (T, p_max) holds start and result."""
    none = np.zeros(2, np.int64)
    zero = np.zeros(design.shape[1])
    for t in range(live.size):
        if live[t] and yy[t] > 1e-12:
            cols = columns[pointers[t] : pointers[t + 1]]
            w = W[t, : cols.size]
            local = c[t][cols]
            g = np.empty(cols.size)
            sweeps[t], violation[t] = enet_fit(
                gram, design, none, n, zero, cols, local, yy[t], w, g, l1[t], ridge, tol, True
            )
            r2[t] = _r2(gram, design, n, cols, local, yy[t], w, g)


@njit(cache=True, nogil=True)
def sgl_final(
    gram: Array, design: Array, n: float, pointers: Array, columns: Array, c: Array, yy: Array, live: Array, W: Array,
    bounds: Array, l1: Array, strengths: Array, ridge: float, tol: float, sweeps: Array, violation: Array, r2: Array,
) -> None:  # fmt: skip
    """Do what `enet_final` does with penalties on groups."""
    none = np.zeros(2, np.int64)
    zero = np.zeros(design.shape[1])
    for t in range(live.size):
        if live[t] and yy[t] > 1e-12:
            cols = columns[pointers[t] : pointers[t + 1]]
            w = W[t, : cols.size]
            local = c[t][cols]
            g = np.empty(cols.size)
            A = sub_gram(gram, design, none, n, zero, cols)
            sweeps[t], violation[t] = sgl_fit(A, local, w, g, bounds[t], l1[t], strengths[t], ridge, tol, _SWEEP_LIMIT)
            r2[t] = _r2(gram, design, n, cols, local, yy[t], w, g)
