"""What the columns of a table hold, in one pass over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spacetravlr.threads import for_each_block

Reals = npt.NDArray[Any]

_ROWS = 1024
# numbers from which the compiled loop is worth loading
_MANY = 1 << 20
# numbers from which it is worth the start of threads
_VERY_MANY = 1 << 22
_BLOCKS = 16


def column_extremes(table: Reals) -> tuple[Reals, Reals]:
    """Return the smallest and largest value of every column, nan where a number is not finite; reads the table once."""
    if table.size < _MANY or not table.flags.c_contiguous:
        return _in_numpy(table)
    from spacetravlr.signaling import _tile_kernels as _tiles

    blocks = _BLOCKS if table.size >= _VERY_MANY else 1
    cuts = np.linspace(0, len(table), blocks + 1).astype(int).tolist()
    found = np.empty((3, blocks, table.shape[1]), table.dtype)

    def scan(block: int) -> None:
        _tiles.extremes(table[cuts[block] : cuts[block + 1]], found[0, block], found[1, block], found[2, block])

    for_each_block(scan, blocks)
    bad = found[2].sum(axis=0)
    return found[0].min(axis=0) + bad, found[1].max(axis=0) + bad


def _in_numpy(table: Reals) -> tuple[Reals, Reals]:
    low, high = table[0], table[0]
    for start in range(0, len(table), _ROWS):
        block = table[start : start + _ROWS]
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    return low, high
