"""Running, cancelling and leaving on the perturbation screens, key by key."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from spacetravlr.errors import InputError
from spacetravlr.perturbation import SimulationCancelledError
from spacetravlr.perturbation.workbench import Draft, Workbench
from spacetravlr.tui._perturb_dialogs import ConfirmDialog
from spacetravlr.tui._perturb_main import MainScreen
from spacetravlr.tui._rows import RowList
from spacetravlr.tui.perturb import PerturbApp


class Gate:
    """A model whose simulations wait until they are let go."""

    def __init__(self, model) -> None:
        self.__dict__.update(vars(model))
        self._model, self.go, self.begun = model, threading.Event(), threading.Event()
        self.targets, self.modulators = model.targets, model.modulators

    def simulate(self, targets, *, n_propagation, progress, cancelled):
        progress(0, n_propagation)
        self.begun.set()
        while not self.go.wait(0.01):
            if cancelled():
                raise SimulationCancelledError("cancelled")
        return self._model.simulate(targets, n_propagation=n_propagation, progress=progress, cancelled=cancelled)


@pytest.fixture
def gated(toy_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PerturbApp:
    monkeypatch.chdir(tmp_path)
    bench = Workbench(Gate(toy_model), place=tmp_path, title="my_run", n_propagation=2)
    return PerturbApp(lambda *_: (bench, Draft(n_propagation=2)), path=Path("my_run"))


def test_queue_cancel_and_going_on_meanwhile(gated, drive, text_of, hand):
    app = gated

    async def script(pilot):
        main = await hand.ready(pilot)
        await hand.press(pilot, "r", "down", "r", "down", "r")
        await hand.until(pilot, main.bench.model.begun.is_set)
        await pilot.pause()
        assert "Runs   3 to do" in text_of(app)
        assert "0/2" in text_of(app)
        assert text_of(app).count("waits") == 2
        await hand.press(pilot, "o")
        assert "there is no result yet" in text_of(app)
        await hand.press(pilot, "x")
        assert "there is no result to write yet" in text_of(app)
        # the newest is at the top
        await hand.press(pilot, "tab", "delete")
        assert "cancelled #3" in text_of(app)
        await hand.press(pilot, "down", "enter")
        assert "#2 has no result yet" in text_of(app)
        await hand.press(pilot, "ctrl+x")
        assert "cancelled 2 runs" in text_of(app)
        await hand.until(pilot, lambda: not main.queue.busy)
        await hand.press(pilot, "ctrl+x")
        assert "no run is going on" in text_of(app)
        assert [job.state for job in main.queue.jobs] == ["cancelled"] * 3
        await hand.press(pilot, "ctrl+l")
        assert main.queue.jobs == ()
        main.bench.model.go.set()
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        assert main.queue.latest.number == 4

    drive(app, script)


def test_the_runs_scroll_from_anywhere(gated, drive, hand):
    app = gated

    async def script(pilot):
        main = await hand.ready(pilot)
        for _ in range(8):
            await hand.press(pilot, "r")
        runs = main.query_one("#runs", RowList)
        await hand.press(pilot, "alt+pagedown")
        assert (runs.cursor, main.query_one("#genes").has_focus) == (3, True)
        await hand.press(pilot, "alt+pagedown", "alt+pageup")
        assert runs.cursor == 3
        main.bench.model.go.set()

    drive(app, script)


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_quitting_asks_while_runs_go_on(gated, drive, text_of, key: str, hand):
    app = gated

    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "r", key)
        assert isinstance(app.screen, ConfirmDialog)
        assert "their results would be lost" in text_of(app)
        await hand.press(pilot, "n")
        assert isinstance(app.screen, MainScreen)
        await hand.press(pilot, key, "y")

    drive(app, script)
    assert app.return_value == 0


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_quitting_at_once(app, drive, key: str, hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, key)

    drive(app, script)
    assert app.return_value == 0


def test_a_failed_run_says_why(toy_model, drive, text_of, tmp_path, monkeypatch, hand):
    monkeypatch.chdir(tmp_path)
    gate = Gate(toy_model)
    gate.simulate = lambda *_, **__: (_ for _ in ()).throw(InputError("the simulated expression runs out of range"))
    bench = Workbench(gate, place=tmp_path, title="my_run")
    app = PerturbApp(lambda *_: (bench, Draft(n_propagation=2)), path=Path("my_run"))

    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "r")
        await hand.idle(pilot)
        assert "#1 failed: the simulated expression runs out of range" in text_of(app)
        await hand.press(pilot, "tab", "o")
        assert "#1 failed: the simulated expression" in text_of(app)

    drive(app, script)


def test_timings(app, drive, text_of, hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "ctrl+v", "r")
        await hand.idle(pilot)
        assert re.search(r"#1 done in \d\.\d\d s \(steps \d\.\d{3}, \d\.\d{3} s\)", text_of(app))
        await hand.press(pilot, "o")
        assert re.search(r"steps  1: \d\.\d{3} s  2: \d\.\d{3} s", text_of(app))
        await hand.press(pilot, "v")
        assert "in 120 cells:" in text_of(app)

    drive(app, script)


def test_warnings_are_shown_and_nothing_is_printed(app, drive, text_of, capfd, hand):
    async def script(pilot):
        await hand.ready(pilot)
        await hand.press(pilot, "e", *"999", "enter", "r")
        await hand.idle(pilot)
        await hand.press(pilot, "o")
        assert "the dose 999 of" in text_of(app)

    drive(app, script)
    assert capfd.readouterr().err == ""
