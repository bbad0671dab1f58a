"""The dashboard on screens of several sizes: snapshots of one moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spacetravlr.events import StageStarted

SIZES = ((60, 16), (100, 30), (160, 50))


@pytest.mark.parametrize("size", SIZES)
def test_snapshots_of_the_screen(boards, size: tuple[int, int], drive, snapshot):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        snapshot(app, f"train_main_{size[0]}x{size[1]}")
        if size == SIZES[0]:
            for page in (2, 3):
                await pilot.press("tab")
                await boards.settled(pilot)
                snapshot(app, f"train_page{page}_{size[0]}x{size[1]}")
            await pilot.press("tab")
            assert app.page == 0

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_snapshots_of_popups(boards, size: tuple[int, int], drive, snapshot):
    app = boards.app_of(boards.frozen())
    name = f"{size[0]}x{size[1]}"

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        await pilot.press("question_mark")
        await boards.settled(pilot)
        snapshot(app, f"train_help_{name}")
        await pilot.press("escape", "slash", *"gene05")
        await boards.settled(pilot)
        snapshot(app, f"train_find_{name}")
        await pilot.press("escape", "l")
        await boards.settled(pilot)
        snapshot(app, f"train_log_{name}")

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_snapshots_of_the_beginning(boards, size: tuple[int, int], drive, snapshot):
    board, wait = boards.begun()
    board.apply(StageStarted("sample"))
    wait(2.0)
    files: Any = SimpleNamespace(picture=None, trouble="")
    app = boards.app_of(board, files=files)

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        snapshot(app, f"train_begin_{size[0]}x{size[1]}")

    drive(app, script, size)
