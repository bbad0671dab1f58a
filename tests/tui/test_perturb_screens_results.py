"""Results on the perturbation screens, and the files they are written to, key by key."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.feather as feather
import pytest

from spacetravlr.tui._perturb_main import MainScreen
from spacetravlr.tui._perturb_result import ResultScreen


def test_the_result_lists_genes_by_type_and_distance(app, drive, text_of, bench, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        await hand.press(pilot, "space", "s", "space", "enter", "r")
        await hand.idle(pilot)
        gene = main.gene
        await hand.press(pilot, "o")
        effect = bench.model.simulate({gene: 0.0}, cells={"cell_type": "B cell"}, n_propagation=2)
        top, by_type, rings = effect.top(5), effect.top(5, by="cell_type"), effect.top(5, by="ring")
        for row in top.itertuples():
            assert re.search(rf"{row.gene} .* [+-]?{abs(row.mean_delta):#.3g} ", text_of(app))
        await hand.press(pilot, "left", "down")
        first = by_type[by_type.cell_type == "B cell"].iloc[0]
        assert "Most changed: B cell" in text_of(app)
        assert re.search(rf"{first.gene} .* [+-]?{abs(first.mean_delta):#.3g} ", text_of(app))
        await hand.press(pilot, "end")
        last = rings["ring"].iloc[-1]
        assert f"Most changed: {last}" in text_of(app)
        await hand.press(pilot, "enter")
        assert app.screen.query_one("#changes").has_focus
        assert f"Change of {rings[rings.ring == last].iloc[0].gene}" in text_of(app)
        picture = app.screen.query_one("TissueMap")
        np.testing.assert_array_equal(
            picture._values, effect.delta[:, effect.genes.index(rings[rings.ring == last].iloc[0].gene)]
        )

    drive(app, script, (160, 50))


def test_going_through_results_and_colours(app, drive, text_of, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        await hand.press(pilot, "r", "down", "r")
        await hand.idle(pilot)
        first, second = main.bench.by_interest[:2]
        await hand.press(pilot, "o")
        assert text_of(app).startswith(f" #2 {second} KO")
        await hand.press(pilot, "n")
        assert text_of(app).startswith(f" #1 {first} KO")
        await hand.press(pilot, "b")
        assert text_of(app).startswith(f" #2 {second} KO")
        themes = {app.theme}
        for _ in range(2):
            await hand.press(pilot, "t")
            themes.add(app.theme)
        assert len(themes) == 3
        await hand.press(pilot, "q")
        assert isinstance(app.screen, MainScreen)

    drive(app, script)


def test_a_result_that_was_let_go_keeps_its_tables(app, drive, text_of, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        main.queue._keep = 1.0
        await hand.press(pilot, "r", "r")
        await hand.idle(pilot)
        await hand.press(pilot, "tab", "end", "o")
        assert text_of(app).startswith(" #1 ")
        assert "let go to save" in text_of(app)
        await hand.press(pilot, "x")
        assert isinstance(app.screen, ResultScreen)

    drive(app, script)


def test_the_picture_takes_the_place_of_the_table_where_it_is_narrow(app, drive, hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        await hand.press(pilot, "o")
        picture, table = app.screen.query_one("#picture"), app.screen.query_one("#genes")
        assert (picture.display, table.display) == (False, True)
        await hand.press(pilot, "m")
        assert (picture.display, table.display) == (True, False)
        await hand.press(pilot, "m")
        assert (picture.display, table.display) == (False, True)

    drive(app, script, (60, 16))


@pytest.mark.parametrize("suffix", [".feather", ".csv"])
def test_a_result_is_written_and_not_replaced_without_a_word(
    app, drive, text_of, bench, tmp_path: Path, suffix: str, hand
):
    async def export(pilot, *keys: str):
        await hand.press(pilot, "x")
        app.screen.query_one("Input").value = f"new/out{suffix}"
        await hand.press(pilot, "enter", *keys)
        await hand.until(pilot, lambda: not app._writing)
        await pilot.pause()

    async def script(pilot):
        main = await hand.ready(pilot)
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        await export(pilot)
        path = tmp_path / "new" / f"out{suffix}"
        assert "wrote new/out" in text_of(app)
        before = path.read_bytes()
        await hand.press(pilot, "e", *"x2", "enter", "r")
        await hand.idle(pilot)
        await export(pilot, "n")
        assert path.read_bytes() == before
        await export(pilot, "y")
        assert path.read_bytes() != before
        if suffix == ".feather":
            table = feather.read_feather(path)
            expected = bench.model.simulate({main.gene: "x2"}, n_propagation=2)
            np.testing.assert_array_equal(table[list(expected.genes)].to_numpy(), expected.simulated)
        assert [one.name for one in path.parent.iterdir()] == [path.name]

    drive(app, script)


def test_a_name_that_will_not_do_and_a_disk_that_refuses(app, drive, text_of, monkeypatch, tmp_path: Path, hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        await hand.press(pilot, "x")
        app.screen.query_one("Input").value = "out.txt"
        await hand.press(pilot, "enter")
        assert "must end in .feather or .csv or .h5ad" in text_of(app)
        monkeypatch.setattr(
            "spacetravlr.tui.perturb.write_export",
            lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        app.screen.query_one("Input").value = "out.csv"
        await hand.press(pilot, "enter")
        await hand.until(pilot, lambda: "No space left on device" in text_of(app))
        assert isinstance(app.screen, MainScreen)

    drive(app, script)
