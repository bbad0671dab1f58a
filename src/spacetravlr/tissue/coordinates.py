"""Find and check the positions of the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, listing

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPATIAL_KEYS = ("spatial", "X_spatial", "spatial_loc")
"""obsm keys tried in this order."""


def find_coordinates(present: Iterable[str], read: Callable[[str], object], n_cells: int) -> NDArray[np.float64]:
    """Return x and y of every cell from the first known obsm key that is usable.

    Parameters
    ----------
    present
        Names of the obsm entries.
    read
        Returns an entry by name.
    n_cells
        Number of cells.

    Returns
    -------
    (n_cells, 2), coordinate units; see `check_coordinates`.

    Raises
    ------
    InputError
        If none of the known keys is there, or none of those that are can be used: the first reason is given.
    """
    names = list(present)
    reasons = []
    for key in SPATIAL_KEYS:
        if key in names:
            try:
                return check_coordinates(read(key), key, n_cells)
            except InputError as error:
                reasons.append(error)
    if reasons:
        raise reasons[0]
    raise InputError(f"no coordinates: obsm has none of {', '.join(SPATIAL_KEYS)}. Keys present: {listing(names)}")


def check_coordinates(values: object, key: str, n_cells: int) -> NDArray[np.float64]:
    """Return x and y of every cell.

    Integers are accepted, a (2, n_cells) array is turned, further columns are dropped. A cell may have no position
    (NaN): it then neither sends nor receives ligands.

    Parameters
    ----------
    values
        Array or table as stored in obsm.
    key
        Its obsm key, for messages.
    n_cells
        Number of cells.

    Returns
    -------
    (n_cells, 2), coordinate units.

    Raises
    ------
    InputError
        If the shape does not fit, values are not numbers, or no cell has a position.
    """
    array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if array.ndim != 2 or not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise InputError(f"obsm[{key!r}] is not a numeric table of coordinates (shape {array.shape}, {array.dtype})")
    if array.shape[0] != n_cells and array.shape[1] == n_cells:
        array = array.T
    if array.shape[0] != n_cells or array.shape[1] < 2:
        raise InputError(f"obsm[{key!r}] has shape {array.shape}; {n_cells} rows and at least 2 columns are needed")
    xy = np.ascontiguousarray(array[:, :2], dtype=np.float64)
    if not np.isfinite(xy).all(axis=1).any():
        raise InputError(f"obsm[{key!r}] holds no finite coordinates")
    return xy
