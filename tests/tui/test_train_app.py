"""The dashboard driven key by key."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from textual.widgets import Input

from spacetravlr.events import GeneWritten
from spacetravlr.tui import train_app
from spacetravlr.tui._theme import PALETTES
from spacetravlr.tui.train_find import FindScreen
from spacetravlr.tui.train_log import LogScreen, LogView


def test_quitting_keys(boards, drive):
    keys = boards.keys()
    board = boards.frozen()
    app = boards.app_of(board, keys)

    async def script(pilot: Any) -> None:
        await pilot.press("q", "q")
        assert keys.pressed == ["finish"]
        assert board.finishing
        await boards.settled(pilot)
        await pilot.press("Q")
        assert keys.pressed == ["finish", "stop now"]
        keys.over = True
        await boards.settled(pilot)
        assert not app.is_running

    drive(app, script)


def test_ctrl_c_is_q_and_then_Q_also_in_popups(boards, drive):
    keys = boards.keys()
    app = boards.app_of(boards.frozen(), keys)

    async def script(pilot: Any) -> None:
        await pilot.press("slash", "ctrl+c")
        assert keys.pressed == ["finish"]
        await pilot.press("escape", "question_mark", "ctrl+c")
        assert keys.pressed == ["finish", "stop now"]

    drive(app, script)


def test_a_watcher_only_leaves(boards, drive, text_of):
    keys = boards.keys()
    app = boards.app_of(boards.frozen(), keys, role="watch")

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        assert "q close" in text_of(app)
        assert "stop now" not in text_of(app)
        await pilot.press("q", "ctrl+c")
        assert keys.pressed == ["finish", "finish"]
        assert not app.dashboard.finishing

    drive(app, script)


def test_finishing_is_told(boards, drive, text_of):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        await pilot.press("q")
        await boards.settled(pilot)
        shown = text_of(app)
        assert "● finishing" in shown
        assert "finishing the blocks at work   Q stop now" in shown

    drive(app, script)


def test_the_tissue_shows_clusters_the_latest_fit_and_the_gene_that_was_found(
    boards, drive, text_of, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(train_app, "_MAP_FRAMES", 10**9)
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        assert "by cluster" in text_of(app)
        await pilot.press("m")
        await boards.settled(pilot)
        assert "fit of Gene17" in text_of(app)
        app.dashboard.apply(GeneWritten("Gene18", 80, 5, 0.9, 0.8, 0.1))
        await boards.settled(pilot)
        # not at every gene
        assert "fit of Gene17" in text_of(app)
        await pilot.press("slash", *"gene05", "enter")
        await boards.settled(pilot)
        assert app.pinned == "Gene05"
        assert "fit of Gene05" in text_of(app)
        await pilot.press("m")
        await boards.settled(pilot)
        assert "fit of Gene18" in text_of(app)
        await pilot.press("m")
        await boards.settled(pilot)
        assert "by cluster" in text_of(app)

    drive(app, script)


def test_finding_a_gene(boards, drive, text_of):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        await pilot.press("slash")
        await pilot.pause()
        assert isinstance(app.screen, FindScreen)
        field = app.screen.query_one(Input)
        fates = {"foxo1": "skipped: done before", "irf4": "held by another process", "gene47": "not begun"}
        for typed, told in fates.items():
            field.value = typed
            await boards.settled(pilot)
            assert told in text_of(app)
        field.value = ""
        await pilot.press(*"gene0", "down", "down")
        await boards.settled(pilot)
        assert "Gene02  done" in text_of(app)
        assert "germinal centre" in text_of(app)
        await pilot.press("x")
        await boards.settled(pilot)
        assert "no gene of this run has that in its name" in text_of(app)
        await pilot.press("enter")
        await boards.settled(pilot)
        assert app.pinned == ""

    drive(app, script)


def test_ranking_by_either_score(boards, drive, text_of):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        assert "median out 0.46" in text_of(app)
        await pilot.press("r")
        await boards.settled(pilot)
        assert "median in 0.54" in text_of(app)

    drive(app, script)


def test_themes_go_round(boards, drive):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        seen = []
        for _ in range(len(PALETTES)):
            await pilot.press("t")
            await boards.settled(pilot)
            seen.append(app.theme)
        assert seen == ["day", "contrast", "night"]

    drive(app, script)


def test_the_log_scrolls_and_searches(boards, drive, text_of):
    board = boards.frozen()
    for number in range(500):
        board.log(f"line {number:03d}" + (" needle" if number % 100 == 7 else ""), clock="")
    app = boards.app_of(board)

    async def script(pilot: Any) -> None:
        await pilot.press("l")
        await boards.settled(pilot)
        assert isinstance(app.screen, LogScreen)
        assert "line 499" in text_of(app)
        board.log("the newest", clock="")
        app.screen._fill()
        await boards.settled(pilot)
        assert "the newest" in text_of(app)
        await pilot.press("g")
        await boards.settled(pilot)
        assert "prior network" in text_of(app)
        board.log("the very newest", clock="")
        app.screen._fill()
        await boards.settled(pilot)
        # who has scrolled back is left where they are
        assert "very newest" not in text_of(app)
        await pilot.press("slash", *"needle")
        await boards.settled(pilot)
        assert "'needle': 5 of 5" in text_of(app)
        await pilot.press("enter", "n")
        await boards.settled(pilot)
        assert "'needle': 1 of 5" in text_of(app)
        assert "line 007 needle" in text_of(app)
        await pilot.press("N", "N")
        await boards.settled(pilot)
        assert "'needle': 4 of 5" in text_of(app)
        await pilot.press("slash", *"zz")
        await boards.settled(pilot)
        assert "'zz': not found" in text_of(app)
        await pilot.press("escape")
        await boards.settled(pilot)
        assert app.screen.query_one(LogView).has_focus
        await pilot.press("q")
        await boards.settled(pilot)
        assert not isinstance(app.screen, LogScreen)

    drive(app, script)


def test_a_terminal_that_is_too_small_still_tells_how_far_it_is(boards, drive, text_of):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        await boards.settled(pilot)
        assert "31/60 training" in text_of(app)
        await pilot.resize_terminal(60, 16)
        await boards.settled(pilot)
        assert "at work" in text_of(app)
        await pilot.resize_terminal(100, 30)
        await boards.settled(pilot)
        assert "cell types" in text_of(app)

    drive(app, script, (40, 8))


def test_what_is_printed_meanwhile_is_in_the_log(boards, drive):
    board = boards.frozen()
    app = boards.app_of(board)

    async def script(pilot: Any) -> None:
        sys.stdout.write("somebody prints\n")
        await boards.settled(pilot)
        assert any(line.text == "somebody prints" for line in board.lines()[1])

    drive(app, script)


def test_processes_can_be_started_meanwhile(boards, drive):
    app = boards.app_of(boards.frozen())

    async def script(pilot: Any) -> None:
        assert sys.stderr is not sys.__stderr__
        assert sys.stderr.fileno() == sys.__stderr__.fileno()
        assert sys.stdout.fileno() == sys.__stdout__.fileno()

    drive(app, script)


def test_a_screen_that_fails_says_why_and_nothing_else(boards, capsys):
    board = boards.frozen()
    app = boards.app_of(board)
    app.tick = lambda: 1 / 0
    app.run(headless=True, size=(80, 24))
    assert app.trouble == "ZeroDivisionError: division by zero"
    assert "Traceback" not in capsys.readouterr().err
