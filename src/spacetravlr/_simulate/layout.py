"""Where the cells of a simulated tissue lie, and of which type they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.fields import Array, SmoothField

AREA_PER_CELL = 500.0
"""Square micrometres: 2,000 cells fill 1,000 x 1,000 um, and larger tissues have the same density."""

_CLOSEST = 7.0
_BAND_PERIOD = 900.0

TYPE_NAMES = (
    "Astrocyte",
    "B cell",
    "Endothelial cell",
    "Fibroblast",
    "Macrophage",
    "Microglia",
    "Monocyte",
    "Neuron",
    "Oligodendrocyte",
    "Pericyte",
    "Smooth muscle cell",
    "T cell",
)


def type_names(n_types: int) -> tuple[str, ...]:
    """Return the names of the cell types, sorted, so that category codes and sorted order agree."""
    named = TYPE_NAMES[:n_types]
    return named + tuple(f"Type {number:04d}" for number in range(len(named) + 1, n_types + 1))


def place_cells(n_cells: int, rng: np.random.Generator) -> Array:
    """Draw positions with a smoothly varying density and no two cells on top of each other.

    Parameters
    ----------
    n_cells
        How many.
    rng
        Source of the randomness.

    Returns
    -------
    (n_cells, 2), micrometres; the mean area per cell is `AREA_PER_CELL`.
    """
    side = np.sqrt(n_cells * AREA_PER_CELL)
    density = SmoothField.draw(160.0, rng)
    kept: list[Array] = []
    missing = n_cells
    while missing > 0:
        candidates = rng.uniform(0.0, side, (2 * missing + 16, 2))
        chance = 0.4 + 0.6 / (1.0 + np.exp(-2.0 * density.at(candidates)))
        accepted = candidates[rng.random(len(candidates)) < chance][:missing]
        kept.append(accepted)
        missing -= len(accepted)
    return _push_apart(np.vstack(kept), side)


def _push_apart(xy: Array, side: float, rounds: int = 6) -> Array:
    from scipy.spatial import cKDTree

    xy = xy.copy()
    for _ in range(rounds):
        pairs = cKDTree(xy).query_pairs(_CLOSEST, output_type="ndarray")
        if not len(pairs):
            break
        # the order of the pairs is the tree's own affair; the sums below must not depend on it
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        apart = xy[pairs[:, 0]] - xy[pairs[:, 1]]
        distance = np.maximum(np.sqrt((apart**2).sum(axis=1)), 1e-9)
        push = apart * (0.5 * (_CLOSEST - distance) / distance)[:, None]
        np.add.at(xy, pairs[:, 0], push)
        np.add.at(xy, pairs[:, 1], -push)
        np.clip(xy, 0.0, side, out=xy)
    return xy


def assign_types(xy: Array, n_types: int, rng: np.random.Generator, *, mixing: float = 0.6) -> NDArray[np.int64]:
    """Give every cell a type: a third of the types lie in wavy bands, the others in blobs, and all mix a little.

    Parameters
    ----------
    xy
        (n_cells, 2), micrometres.
    n_types
        At most n_cells.
    rng
        Source of the randomness.
    mixing
        Scale of the noise on the score of a type; 0 gives sharp borders.

    Returns
    -------
    (n_cells,) codes 0 .. n_types - 1; every type occurs.
    """
    scores = np.empty((len(xy), n_types))
    direction = rng.uniform(0.0, 2.0 * np.pi)
    along = xy @ np.array([np.cos(direction), np.sin(direction)])
    wobble = SmoothField.draw(250.0, rng).at(xy)
    n_bands = n_types // 3
    for code in range(n_types):
        if code < n_bands:
            phase = 2.0 * np.pi * (along / _BAND_PERIOD + code / n_bands) + 0.6 * wobble
            scores[:, code] = 2.0 * np.cos(phase)
        else:
            scores[:, code] = 1.6 * SmoothField.draw(140.0, rng).at(xy)
    scores += mixing * rng.gumbel(size=scores.shape)
    shares = rng.uniform(0.7, 1.3, n_types)
    return _balanced(scores, shares / shares.sum())


def _balanced(scores: Array, shares: Array, rounds: int = 60) -> NDArray[np.int64]:
    offsets = np.zeros(len(shares))
    best, best_error = scores.argmax(axis=1), np.inf
    for _ in range(rounds):
        tried = (scores + offsets).argmax(axis=1)
        found = np.bincount(tried, minlength=len(shares)) / len(tried)
        miss = np.log((found + 1e-3) / (shares + 1e-3))
        error = float(np.abs(miss).max())
        if error < best_error:
            best, best_error = tried, error
        offsets -= 0.4 * miss
    codes: NDArray[np.int64] = best.astype(np.int64)
    for code in np.flatnonzero(np.bincount(codes, minlength=len(shares)) == 0):
        crowded = np.flatnonzero(np.bincount(codes, minlength=len(shares))[codes] > 1)
        codes[crowded[scores[crowded, code].argmax()]] = code
    return codes
