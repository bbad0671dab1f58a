"""Positions in micrometres, wherever a file keeps them and in whatever unit."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.tissue.coordinates import SPATIAL_KEYS, find_coordinates
from spacetravlr.tissue.units import Scale, check_length, known_scale

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

ORIGINAL = "spatial_original"
PAIRS = (
    ("x_centroid", "y_centroid"),
    ("center_x", "center_y"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),
    ("x", "y"),
    ("X", "Y"),
)


def positions(adata: AnnData, tell: Callable[[str], None]) -> NDArray[np.float64]:
    """Return the coordinates of the cells, from obsm or from two columns of obs.

    Raises
    ------
    InputError
        If there are none.
    """
    if any(key in adata.obsm for key in SPATIAL_KEYS):
        return find_coordinates(adata.obsm.keys(), lambda key: adata.obsm[key], adata.n_obs)
    for x, y in PAIRS:
        if x in adata.obs.columns and y in adata.obs.columns:
            try:
                xy = adata.obs[[x, y]].to_numpy(dtype=np.float64)
            except (TypeError, ValueError):
                continue
            tell(f"positions are taken from obs[{x!r}] and obs[{y!r}]")
            return np.ascontiguousarray(xy)
    columns = ", ".join(f"{x}/{y}" for x, y in PAIRS)
    raise InputError(
        f"no coordinates: obsm has none of {', '.join(SPATIAL_KEYS)}, and obs none of the pairs {columns}. A count "
        "matrix alone has none: name the whole output folder of the instrument, or add x and y as obsm['spatial']"
    )


def to_micrometres(
    adata: AnnData, um_per_unit: float | None, tell: Callable[[str], None], *, afresh: bool = False
) -> Scale | None:
    """Bring `obsm["spatial"]` to micrometres, if it is known how long a unit is; in place.

    What was there is kept in `obsm["spatial_original"]`, and the scale factors of `uns["spatial"]` are changed with the
    coordinates, so that images still fit.

    Parameters
    ----------
    adata
        The sample.
    um_per_unit
        Micrometres; None takes what the file tells.
    tell
        Is told of each change.
    afresh
        The coordinates are micrometres by an earlier conversion that was done with another factor: go back first.

    Returns
    -------
    The scale that the coordinates had, None if it is not known: then they stay as they are.

    Raises
    ------
    ConfigError
        If the scale is not a positive number.
    InputError
        If there are no coordinates.
    """
    check_length("um_per_unit", um_per_unit)
    if afresh and ORIGINAL in adata.obsm:
        before = np.asarray(adata.obsm[ORIGINAL], dtype=np.float64)
        _rescale_images(adata.uns, _ratio(np.asarray(adata.obsm["spatial"], dtype=np.float64), before))
        adata.obsm["spatial"] = before
        del adata.obsm[ORIGINAL]
    xy = positions(adata, tell)
    scale = known_scale(adata.uns, adata.obs, xy) if um_per_unit is None else Scale(float(um_per_unit), "as given")
    if scale is None or scale.um_per_unit == 1.0:
        adata.obsm["spatial"] = xy
        return scale
    adata.obsm[ORIGINAL] = xy
    adata.obsm["spatial"] = xy * scale.um_per_unit
    _rescale_images(adata.uns, 1.0 / scale.um_per_unit)
    return scale


def _ratio(now: NDArray[np.float64], before: NDArray[np.float64]) -> float:
    """Return by what coordinates were multiplied."""
    spread = float(np.nanmax(np.abs(before)))
    return float(np.nanmax(np.abs(now))) / spread if spread > 0 else 1.0


def _rescale_images(uns: MutableMapping[str, Any], factor: float) -> None:
    """Fit the scale factors of images to coordinates that were divided by a factor."""
    libraries = uns.get("spatial")
    if not isinstance(libraries, MutableMapping):
        return
    for library in libraries.values():
        factors = library.get("scalefactors") if isinstance(library, MutableMapping) else None
        if not isinstance(factors, MutableMapping):
            continue
        for name, value in list(factors.items()):
            if name.startswith("tissue_") and name.endswith("_scalef"):
                factors[name] = float(value) * factor
            elif name.endswith("_diameter_fullres"):
                factors[name] = float(value) / factor
            elif name == "microns_per_pixel":
                factors[name] = float(value) * factor
