"""Held-out predictions of the targets of a block, against single cells and against their neighbours, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True)
def measure_fold(
    design: Array, start: int, stop: int, near: Array, pointers: Array, columns: Array, W: Array, means: Array,
    observed: Array, level: Array, live: Array, gain: Array, local: Array, error: Array, total: Array,
) -> None:  # fmt: skip
    """Measure the fits without one fold on its cells.

    The fold is the rows from `start` to `stop`; `near` (n, k) has their neighbours among them (-1 for none), `observed`
    (T, n) the centred response, `level` (T,) its mean in the training rows. Added to, (T,) each: `gain`, by how much
    the prediction lowers the squared differences between a cell and its neighbours, `local`, these squares, `error`
    and `total`, the squared errors of the prediction and of the mean.
    """
    fitted = np.zeros(design.shape[0])
    support = np.empty(W.shape[1], np.int64)
    for t in range(live.size):
        if not live[t]:
            continue
        first = pointers[t]
        size = 0
        shift = 0.0
        for k in range(pointers[t + 1] - first):
            if W[t, k] != 0.0:
                support[size] = k
                shift += W[t, k] * means[columns[first + k]]
                size += 1
        for i in range(start, stop):
            row = design[i]
            value = 0.0
            for k in support[:size]:
                value += W[t, k] * row[columns[first + k]]
            fitted[i] = value
        y = observed[t]
        for i in range(start, stop):
            own = y[i] - level[t]
            apart = own - (fitted[i] - shift)
            error[t] += apart * apart
            total[t] += own * own
            count = 0
            beside = 0.0
            predicted = 0.0
            for j in near[i]:
                if j >= 0:
                    count += 1
                    beside += y[j]
                    predicted += fitted[j]
            if count > 0:
                seen = y[i] - beside / count
                said = fitted[i] - predicted / count
                local[t] += seen * seen
                gain[t] += said * (2.0 * seen - said)
