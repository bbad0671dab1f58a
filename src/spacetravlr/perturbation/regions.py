"""Regions of the tissue: polygons in its coordinates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spacetravlr.errors import InputError, listing
from spacetravlr.perturbation._inside import Ring, in_polygon
from spacetravlr.perturbation._read import read_records, read_text

Polygon = tuple[Ring, ...]
"""The outer ring, then the holes."""

_CONTENT = {
    "Polygon": "coordinates",
    "MultiPolygon": "coordinates",
    "GeometryCollection": "geometries",
    "Feature": "geometry",
    "FeatureCollection": "features",
}
_KNOWN = "Polygon, MultiPolygon, and Features or collections of them"


def is_geojson(value: object) -> bool:
    """Say whether a mapping is meant as GeoJSON (and not as ``{obs column: labels}``)."""
    return isinstance(value, Mapping) and any(word in value for word in _CONTENT.values()) and "type" in value


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the tissue, given by polygons in the units of the cells' coordinates.

    A cell belongs to it if it lies in one of the polygons; in a polygon the even-odd rule holds (inside the outer
    ring, outside the holes). **A cell on an edge, also on the edge of a hole, belongs to the region.**

    Attributes
    ----------
    polygons
        At least one, each an outer ring with its holes: ``(k, 2)`` closed rings.
    name
        What messages call it, for example the file it comes from.
    """

    polygons: tuple[Polygon, ...]
    name: str = "the polygon"

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read ``.geojson`` or ``.json``, or a ``.csv`` with the columns ``x`` and ``y``, one vertex a row.

        Raises
        ------
        InputError
            If the file cannot be read, is of another kind, or holds no usable polygon.
        """
        file = Path(path).expanduser()
        if file.suffix.lower() in (".geojson", ".json"):
            try:
                content = json.loads(read_text(file))
            except json.JSONDecodeError as error:
                raise InputError(f"{file} is not JSON: line {error.lineno}: {error.msg}") from error
            return cls.from_geojson(content, name=str(file))
        if file.suffix.lower() == ".csv":
            return cls.from_points(_csv_points(file), name=str(file))
        raise InputError(f"{file} is no file of polygons: its name must end in .geojson, .json or .csv")

    @classmethod
    def from_geojson(cls, content: Any, *, name: str = "the polygon") -> Self:
        """Take the polygons of a GeoJSON object (Polygon, MultiPolygon, Feature, collections of them; holes count).

        Raises
        ------
        InputError
            If there is none, another geometry is among them, or a ring has too few corners.
        """
        polygons = tuple(
            tuple(_ring(ring, f"{name}, polygon {number}") for ring in rings)
            for number, rings in enumerate(_polygons(content, name), start=1)
        )
        if not polygons:
            raise InputError(f"{name} holds no polygon")
        return cls(polygons, name)

    @classmethod
    def from_points(cls, points: ArrayLike, *, name: str = "the polygon") -> Self:
        """Take the corners ``(k, 2)`` of one polygon without holes, in order; it is closed if it is not yet.

        Raises
        ------
        InputError
            If there are fewer than three different corners, or they are not pairs of finite numbers.
        """
        return cls(((_ring(points, name),),), name)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Smallest x and y, largest x and y."""
        return _extent(np.concatenate([ring for polygon in self.polygons for ring in polygon]))

    def contains(self, xy: ArrayLike) -> NDArray[np.bool_]:
        """Return which points ``(n, 2)`` belong to the region; points that are not finite do not."""
        points = np.asarray(xy, dtype=np.float64)[:, :2]
        inside = np.zeros(len(points), dtype=bool)
        for polygon in self.polygons:
            inside |= in_polygon(points, polygon)
        return inside

    def rows(self, xy: ArrayLike) -> NDArray[np.int64]:
        """Return the rows of the cells ``(n, 2)`` that belong to the region, at least one.

        Raises
        ------
        InputError
            If there is none, with the extents of the region and of the tissue.
        """
        points = np.asarray(xy, dtype=np.float64)[:, :2]
        rows = np.flatnonzero(self.contains(points))
        if not len(rows):
            placed = points[np.isfinite(points).all(axis=1)]
            tissue = f"the tissue spans {_span(_extent(placed))}" if len(placed) else "no cell has a position"
            raise InputError(
                f"no cell lies in {self.name}: it spans {_span(self.extent)}, {tissue}; "
                "are both in the same unit, and is y not turned over?"
            )
        return rows


def _polygons(content: Any, name: str) -> Iterator[Sequence[Any]]:
    """Yield the rings of each polygon of a GeoJSON object, or of a list of them (as QuPath writes)."""
    if isinstance(content, list):
        for item in content:
            yield from _polygons(item, name)
        return
    kind = content.get("type") if isinstance(content, Mapping) else None
    if kind not in _CONTENT:
        found = repr(kind) if kind is not None else f"no GeoJSON object but {type(content).__name__}"
        raise InputError(f"{name} holds {found}; usable are {_KNOWN}")
    inner = content.get(_CONTENT[kind])
    if kind == "Feature":
        if inner is not None:  # a feature without a place is legal
            yield from _polygons(inner, name)
        return
    if not isinstance(inner, list | tuple):
        raise InputError(f"{name}: the {kind} has no {_CONTENT[kind]!r}")
    if kind == "Polygon":
        yield _rings(inner, name)
    elif kind == "MultiPolygon":
        for rings in inner:
            yield _rings(rings, name)
    else:
        for item in inner:
            yield from _polygons(item, name)


def _rings(rings: Any, name: str) -> Sequence[Any]:
    if not isinstance(rings, list | tuple) or not rings:
        raise InputError(f"{name}: a polygon has no rings; its coordinates are a list of rings, each a list of [x, y]")
    return rings


def _ring(points: Any, name: str) -> Ring:
    try:
        ring = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: corners must be pairs of numbers [x, y]") from error
    if ring.ndim != 2 or ring.shape[1] < 2 or not np.isfinite(ring[:, :2]).all():
        raise InputError(f"{name}: corners must be pairs of finite numbers [x, y]")
    ring = np.ascontiguousarray(ring[:, :2])
    if len(np.unique(ring, axis=0)) < 3:
        raise InputError(f"{name}: a ring needs at least three different corners")
    return ring if np.array_equal(ring[0], ring[-1]) else np.concatenate([ring, ring[:1]])


def _csv_points(path: Path) -> list[list[float]]:
    records = read_records(path)
    header = [name.strip().casefold() for name in records[0]] if records else []
    if header.count("x") != 1 or header.count("y") != 1:
        raise InputError(f"{path}: a polygon needs the columns x and y; its header is: {listing(header)}")
    columns = header.index("x"), header.index("y")
    points = []
    for number, record in enumerate(records[1:], start=2):
        if not any(value.strip() for value in record):
            continue
        points.append([_coordinate(record, column, path, number) for column in columns])
    return points


def _coordinate(record: Sequence[str], column: int, path: Path, number: int) -> float:
    text = record[column].strip() if len(record) > column else ""
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{path}, row {number}: {text!r} is no number") from error


def _extent(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    (x_min, y_min), (x_max, y_max) = points.min(axis=0), points.max(axis=0)
    return float(x_min), float(y_min), float(x_max), float(y_max)


def _span(extent: Iterable[float]) -> str:
    x_min, y_min, x_max, y_max = extent
    return f"x {x_min:g} to {x_max:g}, y {y_min:g} to {y_max:g}"
