"""The perturbation screens: how they look, in terminals of all sizes, and what a fault inside does."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

SIZES = ((60, 16), (100, 30), (160, 50))


def steady(text_of, app) -> str:
    """The screen, without how long things took."""
    return re.sub(r"\b\d\.\d\d s", "0.00 s", text_of(app))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_screens_look_as_they_did(app, drive, snapshot, text_of, size: tuple[int, int], tmp_path: Path, hand):
    (tmp_path / "cells.csv").write_text("tumour,edge\ncell3,cell5\ncell1,\n")
    app_bench = app._load(None, None, None)[0]
    app_bench.table = Path("cells.csv")
    name = f"perturb_%s_{size[0]}x{size[1]}"

    async def script(pilot):
        await hand.ready(pilot)
        snapshot(steady(text_of, app), name % "main")
        await hand.press(pilot, "space", "down", "space", "e", "q", "9", "5")
        snapshot(steady(text_of, app), name % "dose")
        await hand.press(pilot, "enter", "p", "3")
        snapshot(steady(text_of, app), name % "steps")
        await hand.press(pilot, "enter", "s", "space")
        snapshot(steady(text_of, app), name % "cells")
        await hand.press(pilot, "enter", "c")
        snapshot(steady(text_of, app), name % "table")
        await hand.press(pilot, "escape", "r")
        await hand.idle(pilot)
        snapshot(steady(text_of, app), name % "done")
        await hand.press(pilot, "o", "down")
        snapshot(steady(text_of, app), name % "result")
        await hand.press(pilot, "left", "down", "m")
        snapshot(steady(text_of, app), name % "picture")
        await hand.press(pilot, "question_mark")
        snapshot(steady(text_of, app), name % "result_help")
        await hand.press(pilot, "escape", "x")
        snapshot(steady(text_of, app), name % "export")
        await hand.press(pilot, "escape", "escape", "question_mark")
        snapshot(steady(text_of, app), name % "help")
        await hand.press(pilot, "escape", "slash", *"gene1")
        snapshot(steady(text_of, app), name % "filter")

    drive(app, script, size)


@pytest.mark.parametrize("size", [(60, 16), (250, 70)])
def test_every_line_fits_and_the_keys_are_on_the_screen(app, drive, text_of, size: tuple[int, int], hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "space", "r")
        await hand.idle(pilot)
        for key in ("r", "o"):
            lines = text_of(app).rstrip("\n").split("\n")
            assert len(lines) == size[1]
            assert max(map(len, lines)) <= size[0]
            assert "? help" in lines[-1]
            await hand.press(pilot, key)

    drive(app, script, size)


def test_a_terminal_that_changes_its_size(app, drive, text_of, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        for width, height in ((60, 16), (200, 60), (40, 10), (100, 30)):
            await pilot.resize_terminal(width, height)
            await hand.until(pilot, lambda size=(width, height): app.size == size)
            await pilot.pause(0.05)
            assert max(map(len, text_of(app).split("\n"))) <= width
        assert main.has_class("high")

    drive(app, script)


def test_a_fault_inside_ends_the_screens_and_is_raised(app, hand):
    async def script(pilot):
        main = await hand.ready(pilot)
        main.action_run = lambda: 1 / 0
        await pilot.press("r")
        end = time.monotonic() + 60
        while app._exception is None:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)

    with pytest.raises(ZeroDivisionError):

        async def main() -> None:
            async with app.run_test() as pilot:
                await script(pilot)

        asyncio.run(main())
