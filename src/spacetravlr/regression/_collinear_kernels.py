"""Connected columns, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any


@njit(cache=True, nogil=True)
def label_groups(starts: Array, partners: Array, columns: Array, place: Array, out: Array) -> None:
    """Write the number of the connected group of each column to `out` (p,); one without a partner keeps 0.

    `place` (P,) is -1 everywhere, and is again afterwards.
    """
    for k in range(columns.size):
        place[columns[k]] = k
    waiting = np.empty(columns.size, np.int64)
    number = 0
    for first in range(columns.size):
        if out[first] != 0:
            continue
        number += 1
        out[first] = number
        waiting[0] = first
        left, size = 1, 1
        while left > 0:
            left -= 1
            column = columns[waiting[left]]
            for at in range(starts[column], starts[column + 1]):
                other = place[partners[at]]
                if other >= 0 and out[other] == 0:
                    out[other] = number
                    waiting[left] = other
                    left += 1
                    size += 1
        if size == 1:
            # alone: the number goes to the next group; no later column can reach this one
            out[first] = -1
            number -= 1
    for k in range(columns.size):
        place[columns[k]] = -1
        out[k] = max(out[k], 0)
