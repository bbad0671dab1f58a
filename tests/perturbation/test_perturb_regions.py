"""Regions: which cells lie in them, and how they are written."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from spacetravlr.errors import InputError, UsageError
from spacetravlr.perturbation import Region, Target, resolve_cells

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]


def literally_inside(x, y, rings) -> bool:
    """Even-odd rule and edges, in exact arithmetic."""
    crossings = 0
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
            between = min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1)
            if between and (x1 - x0) * (y - y0) == (x - x0) * (y1 - y0):
                return True
            if (y0 > y) != (y1 > y) and x < x0 + Fraction((y - y0) * (x1 - x0), y1 - y0):
                crossings += 1
    return crossings % 2 == 1


corners = st.tuples(st.integers(-6, 6), st.integers(-6, 6))
outlines = st.lists(corners, min_size=3, max_size=8).filter(lambda ring: len(set(ring)) >= 3)


@given(st.lists(outlines, min_size=1, max_size=3), st.sampled_from([(0, 0), (1_000_000, -2_000_000)]))
@settings(max_examples=25, deadline=None)
def test_every_cell_of_a_grid_against_exact_arithmetic(rings, offset):
    grid = [(x, y) for x in range(-7, 8) for y in range(-7, 8)]
    region = Region.from_geojson(
        {"type": "Polygon", "coordinates": [[[x + offset[0], y + offset[1]] for x, y in ring] for ring in rings]}
    )
    found = region.contains(np.array(grid, dtype=float) + offset)
    assert found.tolist() == [literally_inside(x, y, rings) for x, y in grid]


def test_random_cells_against_matplotlib():
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 300))
    ring = np.column_stack([np.cos(angles), np.sin(angles)]) * rng.uniform(20, 60, 300)[:, None]
    xy = rng.uniform(-70, 70, (5000, 2))
    found = Region.from_points(ring).contains(xy)
    assert np.array_equal(found, Outline(np.vstack([ring, ring[:1]])).contains_points(xy))
    assert 0 < found.sum() < len(xy)


def test_cells_on_edges_belong_to_the_region_also_those_on_a_hole():
    region = Region.from_geojson({"type": "Polygon", "coordinates": [SQUARE, HOLE]})
    on = [[0, 0], [10, 10], [5, 0], [0, 3.3], [4, 4], [5, 4], [6, 5.5]]
    assert region.contains(on).all()
    off = [[5, 5], [4.1, 4.1], [-1e-6, 5], [10.000001, 5], [5, 10.1], [np.nan, 5], [5, np.inf]]
    assert not region.contains(off).any()
    assert region.contains([[3.9, 5], [6.1, 5], [5, 7]]).all()


def test_an_edge_in_decimal_numbers_is_an_edge():
    # 0.1 + 0.2 is not 0.3 in floating point
    region = Region.from_points([[0.0, 0.0], [0.3, 0.9], [0.6, 0.0]])
    assert region.contains([[0.1, 0.3], [0.1 + 0.1, 0.6], [0.3, 0.0]]).all()


SHIFTED = [[x + 20, y] for x, y in SQUARE]
CELLS = np.array([[5.0, 5.0], [25.0, 5.0], [5.0, 1.0], [50.0, 50.0]])
POLYGON = {"type": "Polygon", "coordinates": [SQUARE, HOLE]}
OTHER = {"type": "Polygon", "coordinates": [[*SHIFTED, SHIFTED[0]]]}


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (POLYGON, [2]),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE, HOLE], [SHIFTED]]}, [1, 2]),
        ({"type": "Feature", "properties": {"name": "tumour"}, "geometry": OTHER}, [1]),
        (
            {
                "type": "FeatureCollection",
                "features": [
                    {"type": "Feature", "geometry": POLYGON},
                    {"type": "Feature", "geometry": None},
                    {"type": "Feature", "geometry": OTHER},
                ],
            },
            [1, 2],
        ),
        ({"type": "GeometryCollection", "geometries": [POLYGON, OTHER]}, [1, 2]),
        ([{"type": "Feature", "geometry": OTHER}], [1]),
        ({"type": "Polygon", "coordinates": [[[x, y, 7] for x, y in SHIFTED]]}, [1]),
    ],
)
def test_geojson(content, rows, tmp_path):
    path = tmp_path / "region.geojson"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert Region.from_geojson(content).rows(CELLS).tolist() == rows
    assert Region.read(path).rows(CELLS).tolist() == rows
    assert resolve_cells(path, list("abcd"), xy=CELLS).tolist() == rows
    if isinstance(content, dict):
        assert resolve_cells(content, list("abcd"), xy=CELLS).tolist() == rows


def test_csv(tmp_path):
    path = tmp_path / "region.csv"
    path.write_text("\ufeffname, X ,y\na,20,0\n\nb,30,0\nc,30.0,10\nd, 2e1 ,10\n", encoding="utf-8")
    region = Region.read(str(path))
    assert region.rows(CELLS).tolist() == [1]
    assert region.extent == (20, 0, 30, 10)
    assert str(path) in region.name


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "x,z\n1,2\n", "a.csv: a polygon needs the columns x and y; its header is: x, z"),
        ("a.csv", "x,y\n1,2\n3,four\n", "a.csv, row 3: 'four' is no number"),
        ("a.csv", "x,y\n1,2\n3\n", "row 3: '' is no number"),
        ("a.csv", "x,y\n1,2\n3,4\n1,2\n", "a ring needs at least three different corners"),
        ("a.csv", "", "needs the columns x and y"),
        ("a.csv", "x,y\n1,2\nnan,4\n1,3\n", "pairs of finite numbers"),
        ("a.geojson", "{", "a.geojson is not JSON: line 1"),
        ("a.geojson", '{"type": "Point", "coordinates": [1, 2]}', "holds 'Point'; usable are Polygon, MultiPolygon"),
        ("a.json", '{"coordinates": []}', "holds no GeoJSON object but dict"),
        ("a.json", "3", "holds no GeoJSON object but int"),
        ("a.json", '{"type": "FeatureCollection", "features": []}', "holds no polygon"),
        ("a.json", '{"type": "FeatureCollection"}', "the FeatureCollection has no 'features'"),
        ("a.json", '{"type": "Polygon", "coordinates": []}', "a polygon has no rings"),
        ("a.json", '{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}', "polygon 1: a ring needs at least three"),
        ("a.json", '{"type": "Polygon", "coordinates": [[0, 0]]}', "corners must be pairs"),
        ("a.json", '{"type": "Polygon", "coordinates": [[["a", 0], [1, 1]]]}', "corners must be pairs"),
        ("a.txt", "x,y\n", r"must end in \.geojson, \.json or \.csv"),
    ],
)
def test_refused_files(name, text, message, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Region.read(tmp_path / name)


def test_a_missing_file():
    with pytest.raises(InputError, match="cannot read nowhere.geojson"):
        Region.read("nowhere.geojson")


def test_a_region_without_cells_tells_both_extents():
    region = Region.from_points([[100, 0], [110, 0], [110, 10]], name="roi.csv")
    message = (
        "no cell lies in roi.csv: it spans x 100 to 110, y 0 to 10, the tissue spans x 5 to 50, y 1 to 50; are both"
    )
    with pytest.raises(InputError, match=message):
        region.rows(np.vstack([CELLS, [[np.nan, 105.0]]]))
    with pytest.raises(InputError, match="no cell has a position"):
        region.rows([[np.nan, 105.0]])


def test_a_region_as_a_scope(model):
    x, y = model.xy.T
    region = Region.from_points([[0, 0], [4, 0], [4, 9], [0, 9]])
    inside = np.flatnonzero((x <= 4) & (y <= 9))
    effect = model.simulate({"G05": 0.0}, cells=region, n_propagation=1)
    by_rows = model.simulate({"G05": 0.0}, cells=inside, n_propagation=1)
    assert np.array_equal(effect.simulated, by_rows.simulated)
    assert effect.interventions[0].rows.tolist() == inside.tolist()
    both = model.simulate([Target("G05", 0.0, region)], cells={"cell_type": "B cell"}, n_propagation=0)
    assert both.interventions[0].rows.tolist() == [i for i in inside if model.labels[0][i] == "B cell"]


def test_a_region_needs_coordinates():
    with pytest.raises(UsageError, match="needs the coordinates"):
        resolve_cells(Region.from_points(SQUARE), ["a"])
    with pytest.raises(UsageError, match="needs the coordinates"):
        resolve_cells(Path("any.csv"), ["a"])
