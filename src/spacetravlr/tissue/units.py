"""In which unit the coordinates are, and what a radius means in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import ConfigError, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORD = "spacetravlr_prepare"
"""Entry of uns in which `prepare` tells what it has done."""
FEWEST_CELLS = 5
LARGEST_SHARE = 0.3
_SAMPLED = 1000
_VISIUM_SPOT_UM = 65.0
"""What Space Ranger's `spot_diameter_fullres` measures, in micrometres."""
# obs columns in which an instrument leaves positions in micrometres
_IN_MICROMETRES = (("x_centroid", "y_centroid", "Xenium"), ("center_x", "center_y", "MERSCOPE"))


@dataclass(frozen=True, slots=True)
class Scale:
    """How long a unit of the coordinates is."""

    um_per_unit: float
    """Micrometres."""
    source: str
    """Where that is known from."""


@dataclass(frozen=True, slots=True)
class Units:
    """Size and density of a sample in the unit of its coordinates."""

    n_cells: int
    """Cells that have a position."""
    extent: tuple[float, float]
    """Width and height, coordinate units."""
    spacing: float
    """Median distance to the nearest other cell, coordinate units."""
    radius: float
    """Coordinate units."""
    per_radius: float
    """Median number of other cells within the radius."""
    scale: Scale | None
    """None where nobody says how long a unit is."""

    @property
    def line(self) -> str:
        """All of it on one line."""
        unit = "um" if self.scale is not None and self.scale.um_per_unit == 1.0 else "units"
        width, height = (_short(value) for value in self.extent)
        parts = [
            f"{self.n_cells:,} cells over {width} x {height} {unit}",
            f"median nearest neighbour {_short(self.spacing)} {unit}",
            f"{_cells(self.per_radius)} within the radius of {self.radius:g} {unit}",
        ]
        if self.scale is None:
            parts.append("how long a unit is, the file does not tell")
        elif unit == "units":
            parts.append(f"a unit is {self.scale.um_per_unit:.4g} um ({self.scale.source})")
        return "; ".join(parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is suspicious: a radius that reaches hardly any cell, or much of the sample."""
        if self.n_cells <= FEWEST_CELLS:
            return ()
        if self.per_radius < FEWEST_CELLS:
            trouble = f"holds {_cells(self.per_radius)}, fewer than {FEWEST_CELLS}: hardly any signal is received"
        elif self.per_radius > LARGEST_SHARE * self.n_cells:
            share = self.per_radius / self.n_cells
            trouble = f"holds {share:.0%} of the cells: all of them receive nearly the same"
        else:
            return ()
        return (f"a radius of {self.radius:g} {trouble}. {self._advice()}",)

    def _advice(self) -> str:
        if self.scale is None:
            return (
                f"The nearest cell is {_short(self.spacing)} away (in tissue some 10 um, Visium spots 100 um). If the "
                "coordinates are not micrometres, convert them with spacetravlr prepare --um-per-unit NUMBER; "
                "otherwise choose another [spatial].radius"
            )
        if self.scale.um_per_unit != 1.0:
            return (
                f"A unit is {self.scale.um_per_unit:.4g} um: convert with spacetravlr prepare, or set [spatial].radius "
                f"in units (200 um are {200.0 / self.scale.um_per_unit:.4g})"
            )
        return "Choose another [spatial].radius"


def check_length(name: str, value: float | None) -> None:
    """Refuse a radius, or the length of a unit, that is none; None is not given.

    Raises
    ------
    ConfigError
        If it is not a positive number.
    """
    if value is not None and not 0.0 < value < np.inf:
        raise ConfigError(f"{name} = {value:g} is not allowed: a positive number is needed")


def measure_units(
    xy: NDArray[np.float64],
    radius: float,
    *,
    scale: Scale | None = None,
    samples: NDArray[np.integer] | None = None,
) -> Units:
    """Measure extent, spacing, and cells per radius.

    Parameters
    ----------
    xy
        (n_cells, 2), coordinate units; cells without a position do not count.
    radius
        Coordinate units.
    scale
        How long a unit is, if that is known.
    samples
        (n_cells,) codes from 0: cells of different samples are no neighbours. The extent is that of the largest.

    Raises
    ------
    InputError
        If no cell has a position.

    Notes
    -----
    O(n log n): one tree, asked for 1,000 cells that are spread evenly over the sample.
    """
    from scipy.spatial import cKDTree

    finite = np.isfinite(xy).all(axis=1)
    points = np.ascontiguousarray(xy[finite])
    if not len(points):
        raise InputError("no cell has a position")
    extent = np.ptp(points, axis=0)
    if samples is not None:
        codes = np.asarray(samples)[finite]
        sizes = np.array([np.ptp(points[codes == code], axis=0) for code in np.unique(codes)])
        # samples side by side, farther apart than anything that is asked for
        points[:, 0] += codes * (2.0 * extent.sum() + 4.0 * radius)
        extent = sizes[np.argmax(sizes.prod(axis=1))]
    asked = points[np.unique(np.linspace(0, len(points) - 1, min(len(points), _SAMPLED)).astype(np.int64))]
    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
    spacing = 0.0
    if len(points) > 1:
        nearest = tree.query(asked, k=2)[0][:, 1]
        known = nearest[np.isfinite(nearest)]
        spacing = float(np.median(known)) if known.size else 0.0
    within = tree.query_ball_point(asked, radius, return_length=True) - 1
    return Units(
        n_cells=len(points),
        extent=(float(extent[0]), float(extent[1])),
        spacing=spacing,
        radius=float(radius),
        per_radius=float(np.median(within)),
        scale=scale,
    )


def known_scale(uns: Any, obs: Any = None, xy: NDArray[np.float64] | None = None) -> Scale | None:
    """Return how long a unit is, if the file tells.

    In this order: what `prepare` has recorded; `microns_per_pixel` and then `spot_diameter_fullres` (65 um) among the
    scale factors of `uns["spatial"]`; columns of obs in which an instrument leaves micrometres, if they are the
    coordinates.

    Parameters
    ----------
    uns
        Of an AnnData, or the group of an open h5ad file.
    obs
        Of an AnnData, or the group of an open h5ad file.
    xy
        (n_cells, 2), coordinate units, to compare with columns of obs.
    """
    record = _entry(uns, RECORD)
    if _text(_entry(record, "unit")) == "um":
        return Scale(1.0, "prepared")
    for library in _entries(_entry(uns, "spatial")):
        factors = _entry(library, "scalefactors")
        per_pixel = _number(_entry(factors, "microns_per_pixel"))
        if per_pixel is not None:
            return Scale(per_pixel, "microns_per_pixel in the file")
        spot = _number(_entry(factors, "spot_diameter_fullres"))
        if spot is not None:
            return Scale(_VISIUM_SPOT_UM / spot, "spot diameter of Visium, 65 um")
    if obs is not None and xy is not None:
        for x, y, instrument in _IN_MICROMETRES:
            if x in obs and y in obs and _same(obs[x], xy[:, 0]) and _same(obs[y], xy[:, 1]):
                return Scale(1.0, f"positions of {instrument}")
    return None


def read_scale(path: str | Path, xy: NDArray[np.float64]) -> Scale | None:
    """Return how long a unit is in an h5ad file; as `known_scale`."""
    import h5py

    with h5py.File(Path(path).expanduser(), "r") as handle:
        return known_scale(handle.get("uns", {}), handle.get("obs"), xy)


def _same(stored: Any, values: NDArray[np.float64]) -> bool:
    try:
        return np.allclose(np.asarray(stored[:64] if not hasattr(stored, "iloc") else stored.iloc[:64]), values[:64])
    except (TypeError, ValueError):
        return False


def _is_table(node: Any) -> bool:
    # the groups of an open file behave like mappings but are none
    return isinstance(node, Mapping) or (hasattr(node, "keys") and hasattr(node, "get"))


def _entry(node: Any, name: str) -> Any:
    return node[name] if _is_table(node) and name in node else None


def _entries(node: Any) -> list[Any]:
    return [node[name] for name in sorted(node.keys())] if _is_table(node) else []


def _plain(value: Any) -> Any:
    return value[()] if hasattr(value, "shape") and value.shape == () else value


def _number(value: Any) -> float | None:
    try:
        number = float(_plain(value))
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0.0 else None


def _text(value: Any) -> str | None:
    plain = _plain(value)
    if isinstance(plain, bytes):
        return plain.decode("utf-8", errors="replace")
    return plain if isinstance(plain, str) else None


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


def _cells(number: float) -> str:
    return f"{_short(number)} cell{'' if number == 1 else 's'}"
