"""Which cells lie beside which: the nearest ones, and all of them along a curve that fills the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BITS = 15
"""The curve visits 2^15 x 2^15 squares."""


def nearest_cells(
    xy: NDArray[np.float64], n_nearest: int, samples: NDArray[np.integer] | None = None
) -> NDArray[np.int64]:
    """Return for each cell the rows of the others that are nearest to it.

    Parameters
    ----------
    xy
        (n, 2), coordinate units.
    n_nearest
        How many; at least 1.
    samples
        (n,) piece of tissue of each cell; cells of other pieces are never near.

    Returns
    -------
    (n, n_nearest), nearest first; -1 where there are no more, and for cells without a position.

    Notes
    -----
    Cost O(n log n).
    """
    from scipy.spatial import cKDTree

    out = np.full((len(xy), n_nearest), -1, dtype=np.int64)
    placed = np.isfinite(xy).all(axis=1)
    codes = np.zeros(len(xy), dtype=np.int64) if samples is None else np.asarray(samples)
    for code in np.unique(codes[placed]):
        rows = np.flatnonzero(placed & (codes == code))
        count = min(n_nearest, len(rows) - 1)
        if count < 1:
            continue
        found = cKDTree(xy[rows]).query(xy[rows], count + 1)[1]
        # where cells share a position, a cell need not be its own nearest one
        own = found == np.arange(len(rows))[:, None]
        own[~own.any(axis=1), -1] = True
        out[rows, :count] = rows[found[~own].reshape(len(rows), count)]
    return out


def along_curve(xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order in which a Hilbert curve visits cells: what is near on the curve is near in the tissue.

    Parameters
    ----------
    xy
        (n, 2), coordinate units; cells without a position come last.

    Returns
    -------
    (n,), rows in the order of the curve. Algorithm: Hamilton and Rau-Chaplin (2008), here for two dimensions.
    """
    placed = np.isfinite(xy).all(axis=1)
    key = np.full(len(xy), np.iinfo(np.int64).max)
    if placed.any():
        low = xy[placed].min(axis=0)
        extent = float((xy[placed] - low).max())
        scaled = (xy[placed] - low) / extent if extent > 0.0 else np.zeros((int(placed.sum()), 2))
        key[placed] = _visits(np.minimum((scaled * (1 << _BITS)).astype(np.int64), (1 << _BITS) - 1))
    return np.argsort(key, kind="stable")


def _visits(square: NDArray[np.int64]) -> NDArray[np.int64]:
    x, y = square[:, 0].copy(), square[:, 1].copy()
    out = np.zeros(len(square), dtype=np.int64)
    for bit in reversed(range(_BITS)):
        half = 1 << bit
        right, upper = (x & half) > 0, (y & half) > 0
        out += half * half * ((3 * right) ^ upper)
        # each quarter holds the same curve, turned so that the pieces meet
        turned = right & ~upper
        x[turned], y[turned] = (1 << _BITS) - 1 - x[turned], (1 << _BITS) - 1 - y[turned]
        x[~upper], y[~upper] = y[~upper], x[~upper].copy()
    return out
