"""The first perturbation screens, driven key by key: which run, and how far it is loaded."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from spacetravlr.errors import InputError
from spacetravlr.perturbation.workbench import Draft
from spacetravlr.run.loading import LoadingCancelledError
from spacetravlr.run.nearby import recent_runs
from spacetravlr.tui._help import HelpScreen
from spacetravlr.tui._perturb_path_screen import PathScreen
from spacetravlr.tui.perturb import PerturbApp

SIZES = ((60, 16), (100, 30), (160, 50))


def fake_run(place: Path, n_models: int) -> None:
    place.mkdir(parents=True)
    (place / "spacetravlr_run_repro.toml").write_text("")
    for number in range(n_models):
        (place / f"G{number}_betadata.feather").touch()


def test_the_path_screen_lists_runs_completes_and_loads(
    bench, drive, text_of, snapshot, tmp_path: Path, monkeypatch, hand
):
    monkeypatch.chdir(tmp_path)
    fake_run(tmp_path / "project" / "liver_run", 12)
    fake_run(tmp_path / "project" / "lung_run", 3)
    fake_run(tmp_path / "project" / "empty", 0)
    asked: list[Path] = []

    def load(path, progress, cancelled):
        asked.append(path)
        return bench, Draft(n_propagation=2)

    app = PerturbApp(load)

    async def script(pilot):
        await hand.until(pilot, lambda: "liver_run" in text_of(app))
        shown = text_of(app)
        assert re.search(r"project/liver_run +12 models +now", shown)
        assert re.search(r"project/lung_run +3 models", shown)
        assert "empty" not in shown
        await hand.press(pilot, "f1")
        assert isinstance(app.screen, HelpScreen)
        await hand.press(pilot, "escape", *"pro", "tab")
        assert app.screen.query_one("Input").value == "project/"
        await hand.press(pilot, "l", "tab")
        assert app.screen.query_one("Input").value == "project/l"
        await hand.press(pilot, "i", "tab")
        assert app.screen.query_one("Input").value == "project/liver_run/"
        await hand.press(pilot, "s", "right")
        assert app.screen.query_one("Input").value == "project/liver_run/spacetravlr_run_repro.toml"
        await hand.press(pilot, "enter")
        await hand.ready(pilot)

    drive(app, script)
    assert asked == [Path("project/liver_run/spacetravlr_run_repro.toml")]
    # a place that holds no models is not offered the next time
    assert recent_runs() == []


def test_a_run_is_picked_from_the_list(bench, drive, text_of, tmp_path: Path, monkeypatch, hand):
    monkeypatch.chdir(tmp_path)
    fake_run(tmp_path / "a_run", 2)
    bench.place = tmp_path / "a_run"
    asked: list[Path] = []
    app = PerturbApp(lambda path, *_: (asked.append(path), (bench, Draft(n_propagation=2)))[1])

    async def script(pilot):
        await hand.until(pilot, lambda: "a_run" in text_of(app))
        await hand.press(pilot, "down", "enter")
        await hand.ready(pilot)

    drive(app, script)
    assert asked == [tmp_path / "a_run"]
    assert [run.path for run in recent_runs()] == [tmp_path / "a_run"]
    again = PerturbApp(lambda *_: (bench, Draft(n_propagation=2)))

    async def second(pilot):
        await hand.until(pilot, lambda: "Opened lately" in text_of(again))
        await hand.press(pilot, "escape")

    drive(again, second)
    assert again.return_value == 0


def test_what_cannot_be_loaded_is_told_where_it_is_typed(bench, drive, text_of, tmp_path: Path, monkeypatch, hand):
    monkeypatch.chdir(tmp_path)
    answers = iter([InputError("there are no models in nowhere: train first"), None])

    def load(path, progress, cancelled):
        error = next(answers)
        if error is not None:
            raise error
        return bench, Draft(n_propagation=2)

    app = PerturbApp(load)

    async def script(pilot):
        await hand.until(pilot, lambda: isinstance(app.screen, PathScreen))
        await hand.press(pilot, "enter")
        assert "type the path of a run TOML" in text_of(app)
        await hand.press(pilot, *"nowhere", "enter")
        await hand.until(pilot, lambda: "there are no models in nowhere: train first" in text_of(app))
        assert app.screen.query_one("Input").value == "nowhere"
        await hand.press(pilot, "enter")
        await hand.ready(pilot)

    drive(app, script)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_loading_shows_progress_and_is_left_with_escape(
    bench, drive, text_of, snapshot, tmp_path, monkeypatch, size, hand
):
    monkeypatch.chdir(tmp_path)
    go, ended = threading.Event(), threading.Event()

    def load(path, progress, cancelled):
        progress("reading models 35 of 100", 0.5)
        go.wait(20)
        try:
            if cancelled():
                raise LoadingCancelledError("cancelled")
            return bench, Draft(n_propagation=2)
        finally:
            ended.set()

    app = PerturbApp(load, path=Path("my_run"))

    async def script(pilot):
        await hand.until(pilot, lambda: "50 %" in text_of(app))
        snapshot(text_of(app), f"perturb_loading_{size[0]}x{size[1]}")
        await hand.press(pilot, "escape")
        await hand.until(pilot, lambda: isinstance(app.screen, PathScreen))
        go.set()
        await hand.until(pilot, ended.is_set)
        await pilot.pause(0.05)
        # a late result is of no interest
        assert isinstance(app.screen, PathScreen)
        assert app.screen.query_one("Input").value == "my_run"

    drive(app, script, size)
