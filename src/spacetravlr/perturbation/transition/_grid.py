"""The grid over an embedding, and the sums of the cells' vectors on it."""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import ConfigError

Floats = NDArray[np.float64]
logger = logging.getLogger("spacetravlr")

_FEWEST, _MOST = 4, 10_000
_SMALLEST_SPAN = 1e-12
_SMALLEST_STEP = 1e-9
_NOTHING = 1e-36


def typical_step(embedding: Floats) -> float:
    """Return the mean absolute difference of consecutive cells over both coordinates; 1 for a single cell."""
    if len(embedding) < 2:
        return 1.0
    return max(float(np.abs(np.diff(embedding, axis=0)).mean()), _SMALLEST_STEP)


def rule_size(embedding: Floats, grid_scale: float) -> tuple[int, int]:
    """Return the number of grid points on each axis by the rule of the compiled edition.

    For an extent of `span`, floor(sqrt((span + 1) * density))^2 within 4..10000, with a density of 10 * grid_scale
    over `typical_step`.
    """
    density = 10.0 * grid_scale / typical_step(embedding)

    def points(span: float) -> int:
        # bounded before it is made an integer: the density of coincident cells is huge
        root = min(math.sqrt((max(span, _SMALLEST_SPAN) + 1.0) * density), float(_MOST))
        return min(max(math.floor(root) ** 2, _FEWEST), _MOST)

    across, along = np.ptp(embedding, axis=0)
    return points(float(across)), points(float(along))


def choose_size(
    embedding: Floats, *, grid_scale: float, grid_size: tuple[int, int] | None, max_points: int
) -> tuple[int, int]:
    """Return the number of grid points on each axis.

    Raises
    ------
    ConfigError
        If an explicit size has more points than allowed.
    """
    if grid_size is not None:
        if grid_size[0] * grid_size[1] > max_points:
            raise ConfigError(
                f"grid_size {grid_size[0]} x {grid_size[1]} has more than {max_points:,} points: "
                "choose a smaller one, or raise max_grid_points"
            )
        return grid_size
    wanted = rule_size(embedding, grid_scale)
    size = _within(wanted, max_points)
    if size != wanted:
        logger.warning(
            "a grid of %d x %d points would follow from grid_scale and the order of the cells; %d x %d are used "
            "(choose with grid_size, or raise max_grid_points)",
            *(*wanted, *size),
        )
    return size


def _within(size: tuple[int, int], max_points: int) -> tuple[int, int]:
    """Shrink both axes alike until the grid is small enough, none below 4 points."""
    if size[0] * size[1] <= max_points:
        return size
    share = math.sqrt(max_points / (size[0] * size[1]))
    short = max(int(min(size) * share), _FEWEST)
    long = min(max(size), max_points // short)
    return (short, long) if size[0] <= size[1] else (long, short)


def grid_axis(values: Floats, n_points: int) -> Floats:
    """Return evenly spaced points from the smallest to the largest coordinate."""
    return np.linspace(values.min(), values.max(), n_points)


def grid_sums(vectors: Floats, embedding: Floats, grid_x: Floats, grid_y: Floats) -> Floats:
    """Return the sum of the vectors of the cells in the box of each grid point.

    A box reaches half a step to both sides, borders included: a cell on a border counts in both boxes. Cost: linear
    in cells and grid points.

    Returns
    -------
    (nx * ny, 2), point (ix, iy) at ix * ny + iy.
    """
    from spacetravlr.perturbation.transition._kernels import add_to_grid

    sums = np.zeros((len(grid_x), len(grid_y), 2))
    ranges = (*_boxes(embedding[:, 0], grid_x), *_boxes(embedding[:, 1], grid_y))
    add_to_grid(vectors, *ranges, sums)
    return sums.reshape(-1, 2)


def _boxes(values: Floats, axis: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first grid point whose box holds each cell, and the one after the last."""
    # a cell on a border belongs to both boxes, and no cell falls between two, whatever the rounding
    rounding = 4.0 * np.finfo(np.float64).eps * float(np.abs(axis).max())
    reach = (axis[-1] - axis[0]) / (len(axis) - 1) / 2.0 + rounding
    first = np.searchsorted(axis, values - reach, side="left")
    return first.astype(np.int64), np.searchsorted(axis, values + reach, side="right").astype(np.int64)


def scaled(vectors: Floats, *, vector_scale: float, magnitude_threshold: float) -> Floats:
    """Return vectors whose largest absolute component is `vector_scale`, the short ones zero."""
    largest = float(np.abs(vectors).max(initial=0.0))
    if largest > _NOTHING:
        vectors = vectors * (vector_scale / largest)
    short = np.hypot(vectors[:, 0], vectors[:, 1]) < magnitude_threshold
    return np.where(short[:, None], 0.0, vectors)
