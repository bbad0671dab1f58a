"""Held-out regions: squares of tissue, dealt to folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spatial_blocks(
    xy: NDArray[np.float64], side: float | None = None, *, radius: float | None = None
) -> NDArray[np.int64]:
    """Assign each cell the number of the square of tissue it lies in.

    Neighbours share signals and errors, so skill is measured on whole regions that were held out, not on single cells.

    Parameters
    ----------
    xy
        (n_cells, 2), coordinate units.
    side
        Side of a square. None takes the radius, but at most a fifth of the extent so that there are enough regions.
    radius
        Reach of the signals, used when `side` is None.

    Returns
    -------
    (n_cells,), 0.. in row order of the squares; cells without a position form a block of their own.
    """
    finite = np.isfinite(xy).all(axis=1)
    out = np.zeros(len(xy), dtype=np.int64)
    if not finite.any():
        return out
    low = xy[finite].min(axis=0)
    extent = xy[finite].max(axis=0) - low
    if side is None:
        fifth = float(np.sqrt(extent[0] * extent[1])) / 5.0 if extent.min() > 0.0 else float(extent.max()) / 25.0
        side = min(radius, fifth) if radius is not None else fifth
    if not side > 0.0:
        return out
    cell = np.floor((xy[finite] - low) / side).astype(np.int64)
    _, numbers = np.unique(cell, axis=0, return_inverse=True)
    out[finite] = numbers.ravel()
    out[~finite] = numbers.max() + 1
    return out


def deal_folds(blocks: NDArray[np.integer], n_folds: int = 5, *, seed: int = 42) -> NDArray[np.int64]:
    """Deal blocks to folds of nearly equal numbers of cells.

    Blocks are shuffled, then each goes to the fold with the fewest cells so far.

    Parameters
    ----------
    blocks
        (n_cells,) block of each cell.
    n_folds
        Number of folds; fewer if there are fewer blocks.
    seed
        Seed of the shuffle.

    Returns
    -------
    (n_cells,), fold of each cell.
    """
    names, inverse, counts = np.unique(blocks, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    folds = min(n_folds, len(names))
    load = np.zeros(folds, dtype=np.int64)
    of_block = np.zeros(len(names), dtype=np.int64)
    for block in rng.permutation(len(names)):
        of_block[block] = int(np.argmin(load))
        load[of_block[block]] += counts[block]
    return np.asarray(of_block[inverse.ravel()])
