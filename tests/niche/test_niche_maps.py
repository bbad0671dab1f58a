"""Spatial maps, neighbour counts and the table of the neighbourhood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.niche import MapGrid, NicheInputs, Scaling, neighbour_counts, niche_table, spatial_maps


@pytest.fixture(scope="module")
def figures(golden):
    with np.load(golden / "spatial_maps_features.npz") as file:
        return dict(file)


@pytest.mark.parametrize(
    ("name", "rows", "columns"), [("maps32_ch0", 32, 32), ("maps64_ch0_first12", 64, 64), ("maps_8x12_ch0", 8, 12)]
)
def test_maps_of_the_original_package(figures, name, rows, columns):
    expected = figures[name]
    maps = spatial_maps(MapGrid.over(figures["xy"], rows, columns), figures["xy"][: len(expected)], style="python")
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, rtol=0.0, atol=5e-7)


def test_counts_of_the_original_package(figures):
    for radius in (100, 200):
        counts = neighbour_counts(figures["xy"], figures["clusters"], float(radius), n_clusters=3)
        np.testing.assert_array_equal(counts, figures[f"features_r{radius}"])
    scaled = Scaling.of(counts).apply(counts)
    np.testing.assert_allclose(scaled, figures["features_r200_minmax"], rtol=1e-14)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), side=st.integers(8, 20))
def test_readme_maps_are_inverse_distances(seed, side):
    xy = np.random.default_rng(seed).uniform(-50.0, 300.0, (6, 2))
    maps = spatial_maps(MapGrid.over(xy, side), xy)
    low, high = xy.min(axis=0), xy.max(axis=0)
    for cell in range(6):
        for i in (0, side // 2, side - 1):
            for j in (0, 3):
                x = low[0] + (j + 0.5) * (high[0] - low[0]) / side
                y = high[1] - (i + 0.5) * (high[1] - low[1]) / side
                distance = np.hypot(xy[cell, 0] - x, xy[cell, 1] - y)
                assert maps[cell, i, j] == pytest.approx(1.0 / max(distance, 1e-6), rel=1e-6)
        # the pixel in which the cell lies holds the maximum
        row = min(int((high[1] - xy[cell, 1]) / (high[1] - low[1]) * side), side - 1)
        column = min(int((xy[cell, 0] - low[0]) / (high[0] - low[0]) * side), side - 1)
        assert maps[cell].max() == maps[cell, row, column]


def test_a_cell_without_a_position_has_no_map_no_neighbours_and_is_no_neighbour():
    xy = np.array([[0.0, 0.0], [3.0, 4.0], [np.nan, 1.0], [100.0, 7.0]])
    codes = np.array([0, 1, 1, 1])
    grid = MapGrid.over(xy, 8)
    assert grid.box == pytest.approx((0.0, 100.0, 0.0, 7.0))
    maps = spatial_maps(grid, xy)
    assert np.isfinite(maps).all()
    np.testing.assert_array_equal(maps[2], 0.0)
    # a neighbour at exactly the radius counts, and so does the cell itself
    expected = [[1, 1], [1, 1], [0, 0], [0, 1]]
    np.testing.assert_array_equal(neighbour_counts(xy, codes, 5.0, n_clusters=2), expected)


@pytest.mark.parametrize("square", [2.0, 3.0, 5.0, 7.0])
def test_a_radius_that_rounds_down_still_reaches(square):
    xy = np.array([[0.0, 0.0], [np.sqrt(square), 0.0]])
    np.testing.assert_array_equal(
        neighbour_counts(xy, np.array([0, 0]), float(np.sqrt(square)), n_clusters=1), [[2], [2]]
    )


def test_cells_on_one_point_give_finite_maps():
    xy = np.full((3, 2), 5.0)
    for style in ("readme", "python"):
        assert np.isfinite(spatial_maps(MapGrid.over(xy, 8), xy, style=style)).all()


def test_maps_of_a_batch_are_rows_of_the_maps_of_all():
    rng = np.random.default_rng(1)
    xy = rng.uniform(0.0, 100.0, (20, 2))
    inputs = NicheInputs.build(xy, rng.integers(0, 3, 20), n_clusters=4, side=9, radius=30.0)
    some = np.array([7, 3, 19])
    assert inputs.maps(some).shape == (3, 1, 9, 9)
    np.testing.assert_array_equal(inputs.maps(some), inputs.maps(np.arange(20))[some])
    assert inputs.counts.shape == (20, 4)
    np.testing.assert_array_equal(inputs.counts[:, 3], 0.0)
    assert inputs.scaling.span[3] == 1.0


def test_the_table_holds_densities_received_ligands_and_the_position():
    rng = np.random.default_rng(2)
    xy = rng.uniform(0.0, 500.0, (60, 2))
    xy[5] = np.nan
    codes = rng.integers(0, 3, 60)
    received = rng.gamma(2.0, 1.0, (60, 12))
    table = niche_table(xy, codes, n_clusters=3, radius=100.0, received=received)
    assert table.shape == (60, 3 * 3 + 8 + 14)
    assert niche_table(xy, codes, n_clusters=3, radius=100.0, position=False).shape == (60, 9)
    np.testing.assert_array_equal(table[5], 0.0)
    cell, others = 11, np.delete(np.arange(60), 5)
    weights = np.exp(-((xy[others] - xy[cell]) ** 2).sum(axis=1) / (2.0 * 50.0**2))
    expected = [weights[codes[others] == code].sum() for code in range(3)]
    np.testing.assert_allclose(table[cell, 3:6], expected, rtol=1e-5)
    components = table[:, 9:17].astype(np.float64)
    whole = np.delete(components, 5, axis=0)
    assert np.abs(np.corrcoef(whole.T) - np.eye(8)).max() < 0.1
