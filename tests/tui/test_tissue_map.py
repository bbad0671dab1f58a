"""Cells as characters: compared with slow loops, and as a person sees them."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from textual.app import App, ComposeResult

from spacetravlr.tui._raster import characters, commonest, mean, place, steps
from spacetravlr.tui._theme import PALETTES, install_themes, next_theme
from spacetravlr.tui._tissue_map import TissueMap


def cells(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (n, 2)) * [300.0, 200.0]


@pytest.mark.parametrize("n", [40, 5000])
def test_colours_of_pixels_agree_with_counting(n: int):
    xy, rng = cells(n), np.random.default_rng(1)
    codes, values = rng.integers(-1, 4, n), rng.normal(size=n)
    values[::7] = np.nan
    grid = place(xy, 30, 12)
    rows, columns = grid.shape
    assert (grid.masks is None) == (n == 5000)
    most, average = commonest(grid, codes, 4), mean(grid, values)
    for pixel in range(rows * columns):
        own = np.flatnonzero(grid.pixel == pixel)
        known = codes[own][codes[own] >= 0]
        expected = -1 if not known.size else int(np.argmax(np.bincount(known, minlength=4)))
        assert most.flat[pixel] == expected
        finite = values[own][np.isfinite(values[own])]
        np.testing.assert_allclose(average.flat[pixel], finite.mean() if finite.size else np.nan)


def test_dots_are_where_the_cells_are():
    xy = np.array([[0.0, 0.0], [19.0, 0.0], [0.0, 39.0], [19.0, 39.0], [7.0, 21.0]])
    grid = place(xy, 10, 10)
    assert grid.masks is not None
    found = {
        (2 * column + x, 4 * row + y)
        for row in range(10)
        for column in range(10)
        for y in range(4)
        for x in range(2)
        # the dots of a braille character are numbered 1 2 3 7 on the left and 4 5 6 8 on the right
        if grid.masks[row, column] >> [[0, 1, 2, 6], [3, 4, 5, 7]][x][y] & 1
    }
    assert found == {tuple(map(int, one)) for one in xy}


def test_a_tissue_is_not_distorted_and_in_the_middle():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    grid = place(square, 60, 10)
    assert grid.masks is not None
    occupied = np.argwhere(grid.masks > 0)
    # 40 dots down are 10 characters, and 40 dots across are 20
    assert (occupied[:, 0].min(), occupied[:, 0].max()) == (0, 9)
    assert (occupied[:, 1].min(), occupied[:, 1].max()) == (20, 39)


@pytest.mark.parametrize(
    "xy", [np.zeros((0, 2)), np.full((3, 2), np.nan), np.ones((5, 2)), np.array([[0.0, 1.0], [np.inf, 2.0]])]
)
def test_tissues_without_extent(xy: np.ndarray):
    grid = place(xy, 8, 4)
    assert grid.shown.tolist() == np.flatnonzero(np.isfinite(xy).all(axis=1)).tolist()
    assert commonest(grid, np.zeros(len(xy), dtype=np.int64), 1).shape == grid.shape


def test_steps_of_a_ramp():
    assert steps(np.array([-1.0, 0.0, 0.49, 0.5, 1.0, 9.0, np.nan]), 0.0, 1.0, 2).tolist() == [0, 0, 0, 1, 1, 1, -1]
    assert steps(np.array([3.0]), 3.0, 3.0, 4).tolist() == [0]


def test_lines_have_the_width_of_the_canvas():
    for n in (30, 9000):
        grid = place(cells(n), 25, 9)
        occupied = np.bincount(grid.pixel, minlength=np.prod(grid.shape)).reshape(grid.shape) > 0
        lines = characters(grid, commonest(grid, np.arange(n) % 3, 3), occupied)
        assert [sum(len(text) for text, _, _ in line) for line in lines] == [25] * 9


class Shown(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.map = TissueMap("no cells yet")

    def compose(self) -> ComposeResult:
        yield self.map

    def on_mount(self) -> None:
        install_themes(self)


def test_a_map_on_a_screen(text_of):
    xy = cells(4000)
    labels = [f"type {number}" for number in range(9)]

    async def script() -> None:
        app = Shown()
        async with app.run_test(size=(40, 14)) as pilot:
            await pilot.pause()
            assert "no cells yet" in text_of(app)
            app.map.show_cells(xy)
            app.map.colour_by_category(np.arange(4000) % 9, labels)
            await pilot.pause()
            shown = text_of(app)
            assert "type 0" in shown
            assert "█" in shown or "▀" in shown
            app.map.colour_by_value(xy[:, 0], "R2", limits=(0.0, 0.5))
            await pilot.pause()
            assert "R2" in text_of(app)
            assert "0.5" in text_of(app)
            app.map.colour_by_value(xy[:, 0] - 150.0, "change", diverging=True)
            for _ in PALETTES:
                next_theme(app)
                await pilot.pause()
                assert "change" in text_of(app)

    asyncio.run(script())


def test_colours_of_categories_differ():
    for palette in PALETTES.values():
        assert len(set(palette.categories)) == len(palette.categories) >= 16
        assert palette.category(len(palette.categories)) == palette.categories[0]
