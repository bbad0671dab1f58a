"""What a radius means: extent, spacing and cells in reach, against direct counts; and how long a unit is."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.errors import InputError
from spacetravlr.tissue.units import Scale, known_scale, measure_units, read_scale

UM = Scale(1.0, "test")


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000), st.floats(0.1, 2.0))
def test_counts_and_distances_are_those_of_the_definition(n: int, seed: int, radius: float):
    xy = np.random.default_rng(seed).uniform(0, 3, (n, 2))
    units = measure_units(xy, radius)
    d = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=-1))
    np.fill_diagonal(d, np.inf)
    assert units.spacing == pytest.approx(np.median(d.min(axis=1)))
    assert units.per_radius == np.median((d <= radius).sum(axis=1))
    assert units.extent == pytest.approx((np.ptp(xy[:, 0]), np.ptp(xy[:, 1])))


def test_cells_without_a_position_do_not_count():
    xy = np.random.default_rng(0).uniform(0, 3, (50, 2))
    holes = np.vstack([xy, np.full((5, 2), np.nan)])
    assert measure_units(holes, 1.0) == measure_units(xy, 1.0)
    with pytest.raises(InputError, match="no cell has a position"):
        measure_units(np.full((3, 2), np.nan), 1.0)


def test_cells_of_other_samples_are_no_neighbours():
    xy = np.random.default_rng(0).uniform(0, 3, (40, 2))
    twice = np.vstack([xy, xy + 0.01])
    one = measure_units(xy, 1.0)
    two = measure_units(twice, 1.0, samples=np.repeat([0, 1], 40))
    assert (two.spacing, two.per_radius) == pytest.approx((one.spacing, one.per_radius))
    assert two.extent == pytest.approx(one.extent)
    assert measure_units(twice, 1.0).per_radius > 1.5 * one.per_radius


def test_many_cells_are_asked_for_a_sample_of_them():
    xy = np.random.default_rng(0).uniform(0, 20_000, (300_000, 2))
    units = measure_units(xy, 200.0)
    expected = 300_000 * np.pi * 200.0**2 / 20_000**2
    assert units.per_radius == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    ("radius", "words"),
    [
        (0.01, "holds 0 cells, fewer than 5: hardly any signal"),
        (2.5, "of the cells: all of them receive nearly the same"),
    ],
)
def test_a_radius_that_holds_too_few_or_too_many_cells(radius: float, words: str):
    xy = np.random.default_rng(0).uniform(0, 3, (200, 2))
    [warning] = measure_units(xy, radius).warnings
    assert words in warning
    assert "--um-per-unit" in warning
    assert "--um-per-unit" not in measure_units(xy, radius, scale=UM).warnings[0]
    assert measure_units(xy, 0.5).warnings == ()


def test_the_line():
    xy = np.array([[0.0, 0.0], [3000.0, 0.0], [3000.0, 40.5], [0.0, 40.5]])
    assert measure_units(xy, 50.0, scale=UM).line == (
        "4 cells over 3,000 x 40.5 um; median nearest neighbour 40.5 um; 1 cell within the radius of 50 um"
    )
    assert measure_units(xy, 50.0).line.endswith("50 units; how long a unit is, the file does not tell")
    pixels = measure_units(xy, 50.0, scale=Scale(0.5, "somebody"))
    assert pixels.line.endswith("a unit is 0.5 um (somebody)")


SCALES = {
    "nothing": ({}, None),
    "microns_per_pixel": ({"spatial": {"lib": {"scalefactors": {"microns_per_pixel": 0.27}}}}, 0.27),
    # the lymph node of 10x: spots are 138 pixels apart, which are 100 um
    "visium": ({"spatial": {"lib": {"scalefactors": {"spot_diameter_fullres": 89.44}}}}, 65 / 89.44),
    "both": (
        {"spatial": {"a": {"scalefactors": {"spot_diameter_fullres": 8.0, "microns_per_pixel": 0.3}}}},
        0.3,
    ),
    "prepared": ({"spacetravlr_prepare": {"unit": "um", "um_per_unit": 0.3}}, 1.0),
    "prepared, unit unknown": ({"spacetravlr_prepare": {"unit": "unknown"}}, None),
    "no number": ({"spatial": {"lib": {"scalefactors": {"microns_per_pixel": "fine"}}}}, None),
    "zero": ({"spatial": {"lib": {"scalefactors": {"microns_per_pixel": 0.0}}}}, None),
    "another form": ({"spatial": np.zeros(3)}, None),
}


@pytest.mark.parametrize("name", SCALES)
def test_the_scale_is_read_from_memory_and_from_a_file(name: str, tmp_path: Path):
    uns, expected = SCALES[name]
    adata = anndata.AnnData(np.ones((3, 2)), obsm={"spatial": np.ones((3, 2))})
    adata.uns.update(uns)
    found = known_scale(adata.uns)
    assert (None if found is None else found.um_per_unit) == (None if expected is None else pytest.approx(expected))
    path = tmp_path / "a.h5ad"
    adata.write_h5ad(path)
    assert read_scale(path, np.ones((3, 2))) == found


def test_positions_of_an_instrument_are_micrometres_only_if_they_are_the_coordinates(tmp_path: Path):
    xy = np.random.default_rng(0).uniform(0, 100, (20, 2))
    obs = pd.DataFrame({"x_centroid": xy[:, 0], "y_centroid": xy[:, 1]}, index=[f"c{i}" for i in range(20)])
    assert known_scale({}, obs, xy) == Scale(1.0, "positions of Xenium")
    assert known_scale({}, obs, xy / 0.2125) is None
    assert known_scale({}, obs.assign(y_centroid="far"), xy) is None
    path = tmp_path / "a.h5ad"
    anndata.AnnData(np.ones((20, 2)), obs=obs, obsm={"spatial": xy}).write_h5ad(path)
    with h5py.File(path) as handle:
        assert known_scale(handle["uns"], handle["obs"], xy) == Scale(1.0, "positions of Xenium")
