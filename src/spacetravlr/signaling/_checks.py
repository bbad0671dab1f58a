"""What a field accepts: positions, options and values, checked once at its boundary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spacetravlr.errors import InputError, nearest
from spacetravlr.signaling._gridded import SINGLE_RANGE
from spacetravlr.signaling._plan import METHODS, Reals
from spacetravlr.signaling._weights import Floats

# rounding to float32, once, of values up to the largest
ROUNDING_SINGLE = 1.001 * 2.0**-24
_FINEST_SINGLE_RESULT = 1e-6


def checked_positions(xy: npt.ArrayLike) -> Floats:
    """Return positions in double precision, a copy."""
    positions = np.asarray(xy)
    if positions.ndim != 2 or positions.shape[1] not in {2, 3} or positions.dtype.kind not in "fiu":
        raise InputError(
            f"`xy` (shape {positions.shape}, {positions.dtype}) must be a numeric array of shape "
            "(n_cells, 2) or (n_cells, 3)"
        )
    return np.array(positions, dtype=np.float64)


def check_options(method: str, tol: float, scale: float, grid_factor: float | None) -> None:
    """Refuse options that have no meaning, alone or together."""
    if method != "auto" and method not in METHODS:
        guess = nearest(method, METHODS)
        hint = f"; did you mean {guess}?" if guess else ""
        raise InputError(f"`method` (={method!r}) must be auto or one of {', '.join(METHODS)}{hint}")
    if not (math.isfinite(tol) and 0 <= tol < 1):
        raise InputError(f"`tol` (={tol!r}) must be at least 0 and below 1")
    if not math.isfinite(scale):
        raise InputError(f"`scale` (={scale!r}) must be finite")
    if grid_factor is not None:
        if not math.isfinite(grid_factor):
            raise InputError(f"`grid_factor` (={grid_factor!r}) must be finite; leave it out for no bilinear grid")
        if method not in {"auto", "grid"}:
            raise InputError(f"`grid_factor` (={grid_factor!r}) belongs to method grid, not to {method}")


def check_finite(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> None:
    """Refuse columns whose smallest or largest value is not finite."""
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if len(bad):
        raise InputError(f"`values` has a number that is not finite in column {bad[0]} ({len(bad)} such columns)")


def checked_dtype(dtype: npt.DTypeLike, tol: float) -> np.dtype[Any]:
    """Return the type of the result; a tolerance finer than its rounding is refused."""
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise InputError(f"`dtype` (={dtype!r}) must be float64 or float32")
    if kind == np.float32 and tol < _FINEST_SINGLE_RESULT:
        raise InputError(f"`tol` (={tol:g}) must be at least {_FINEST_SINGLE_RESULT:g} for a result in float32")
    return kind


def fits_single(low: Reals, high: Reals) -> bool:
    """Whether columns with these extremes may be summed in single precision without overflow, or loss of the small."""
    largest = np.maximum(np.abs(low), np.abs(high))
    return not largest.size or bool(SINGLE_RANGE[0] < largest.min() and largest.max() < SINGLE_RANGE[1])
