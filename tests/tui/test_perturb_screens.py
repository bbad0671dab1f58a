"""The perturbation screens, driven key by key."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.feather as feather
import pytest

from spacetravlr.errors import InputError
from spacetravlr.perturbation import Dose, SimulationCancelledError
from spacetravlr.perturbation.workbench import Draft, Scope, Table, Workbench
from spacetravlr.run.loading import LoadingCancelledError
from spacetravlr.run.nearby import recent_runs
from spacetravlr.tui._help import HelpScreen
from spacetravlr.tui._perturb_dialogs import AskDialog, ConfirmDialog
from spacetravlr.tui._perturb_main import MainScreen
from spacetravlr.tui._perturb_path_screen import PathScreen
from spacetravlr.tui._perturb_result import ResultScreen
from spacetravlr.tui._perturb_scope import ScopeDialog, TableDialog
from spacetravlr.tui._rows import RowList
from spacetravlr.tui.perturb import PerturbApp

SIZES = ((60, 16), (100, 30), (160, 50))


@pytest.fixture
def bench(toy_model, tmp_path: Path) -> Workbench:
    return Workbench(toy_model, place=tmp_path, title="my_run", n_propagation=2)


@pytest.fixture
def app(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PerturbApp:
    monkeypatch.chdir(tmp_path)
    return PerturbApp(lambda path, progress, cancelled: (bench, Draft(n_propagation=2)), path=Path("my_run"))


async def until(pilot, condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await pilot.pause(0.02)


async def ready(pilot) -> MainScreen:
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.screen.is_mounted and app.main.gene)
    await pilot.pause()
    return app.main


async def idle(pilot) -> None:
    await until(pilot, lambda: not pilot.app.main.queue.busy)
    await pilot.pause()


async def press(pilot, *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


def steady(text_of, app) -> str:
    """The screen, without how long things took."""
    return re.sub(r"\b\d\.\d\d s", "0.00 s", text_of(app))


# ---- snapshots


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_screens_look_as_they_did(app, drive, snapshot, text_of, size: tuple[int, int], tmp_path: Path):
    (tmp_path / "cells.csv").write_text("tumour,edge\ncell3,cell5\ncell1,\n")
    app_bench = app._load(None, None, None)[0]
    app_bench.table = Path("cells.csv")
    name = f"perturb_%s_{size[0]}x{size[1]}"

    async def script(pilot):
        await ready(pilot)
        snapshot(steady(text_of, app), name % "main")
        await press(pilot, "space", "down", "space", "e", "q", "9", "5")
        snapshot(steady(text_of, app), name % "dose")
        await press(pilot, "enter", "p", "3")
        snapshot(steady(text_of, app), name % "steps")
        await press(pilot, "enter", "s", "space")
        snapshot(steady(text_of, app), name % "cells")
        await press(pilot, "enter", "c")
        snapshot(steady(text_of, app), name % "table")
        await press(pilot, "escape", "r")
        await idle(pilot)
        snapshot(steady(text_of, app), name % "done")
        await press(pilot, "o", "down")
        snapshot(steady(text_of, app), name % "result")
        await press(pilot, "left", "down", "m")
        snapshot(steady(text_of, app), name % "picture")
        await press(pilot, "question_mark")
        snapshot(steady(text_of, app), name % "result_help")
        await press(pilot, "escape", "x")
        snapshot(steady(text_of, app), name % "export")
        await press(pilot, "escape", "escape", "question_mark")
        snapshot(steady(text_of, app), name % "help")
        await press(pilot, "escape", "slash", *"gene1")
        snapshot(steady(text_of, app), name % "filter")

    drive(app, script, size)


@pytest.mark.parametrize("size", [(60, 16), (250, 70)])
def test_every_line_fits_and_the_keys_are_on_the_screen(app, drive, text_of, size: tuple[int, int]):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, "space", "r")
        await idle(pilot)
        for key in ("r", "o"):
            lines = text_of(app).rstrip("\n").split("\n")
            assert len(lines) == size[1]
            assert max(map(len, lines)) <= size[0]
            assert "? help" in lines[-1]
            await press(pilot, key)

    drive(app, script, size)


def test_a_terminal_that_changes_its_size(app, drive, text_of):
    async def script(pilot):
        main = await ready(pilot)
        for width, height in ((60, 16), (200, 60), (40, 10), (100, 30)):
            await pilot.resize_terminal(width, height)
            await until(pilot, lambda size=(width, height): app.size == size)
            await pilot.pause(0.05)
            assert max(map(len, text_of(app).split("\n"))) <= width
        assert main.has_class("high")

    drive(app, script)


# ---- which run


def fake_run(place: Path, n_models: int) -> None:
    place.mkdir(parents=True)
    (place / "spacetravlr_run_repro.toml").write_text("")
    for number in range(n_models):
        (place / f"G{number}_betadata.feather").touch()


def test_the_path_screen_lists_runs_completes_and_loads(bench, drive, text_of, snapshot, tmp_path: Path, monkeypatch):
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
        await until(pilot, lambda: "liver_run" in text_of(app))
        shown = text_of(app)
        assert re.search(r"project/liver_run +12 models +now", shown)
        assert re.search(r"project/lung_run +3 models", shown)
        assert "empty" not in shown
        await press(pilot, "f1")
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "escape", *"pro", "tab")
        assert app.screen.query_one("Input").value == "project/"
        await press(pilot, "l", "tab")
        assert app.screen.query_one("Input").value == "project/l"
        await press(pilot, "i", "tab")
        assert app.screen.query_one("Input").value == "project/liver_run/"
        await press(pilot, "s", "right")
        assert app.screen.query_one("Input").value == "project/liver_run/spacetravlr_run_repro.toml"
        await press(pilot, "enter")
        await ready(pilot)

    drive(app, script)
    assert asked == [Path("project/liver_run/spacetravlr_run_repro.toml")]
    # a place that holds no models is not offered the next time
    assert recent_runs() == []


def test_a_run_is_picked_from_the_list(bench, drive, text_of, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fake_run(tmp_path / "a_run", 2)
    bench.place = tmp_path / "a_run"
    asked: list[Path] = []
    app = PerturbApp(lambda path, *_: (asked.append(path), (bench, Draft(n_propagation=2)))[1])

    async def script(pilot):
        await until(pilot, lambda: "a_run" in text_of(app))
        await press(pilot, "down", "enter")
        await ready(pilot)

    drive(app, script)
    assert asked == [tmp_path / "a_run"]
    assert [run.path for run in recent_runs()] == [tmp_path / "a_run"]
    again = PerturbApp(lambda *_: (bench, Draft(n_propagation=2)))

    async def second(pilot):
        await until(pilot, lambda: "Opened lately" in text_of(again))
        await press(pilot, "escape")

    drive(again, second)
    assert again.return_value == 0


def test_what_cannot_be_loaded_is_told_where_it_is_typed(bench, drive, text_of, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answers = iter([InputError("there are no models in nowhere: train first"), None])

    def load(path, progress, cancelled):
        error = next(answers)
        if error is not None:
            raise error
        return bench, Draft(n_propagation=2)

    app = PerturbApp(load)

    async def script(pilot):
        await until(pilot, lambda: isinstance(app.screen, PathScreen))
        await press(pilot, "enter")
        assert "type the path of a run TOML" in text_of(app)
        await press(pilot, *"nowhere", "enter")
        await until(pilot, lambda: "there are no models in nowhere: train first" in text_of(app))
        assert app.screen.query_one("Input").value == "nowhere"
        await press(pilot, "enter")
        await ready(pilot)

    drive(app, script)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_loading_shows_progress_and_is_left_with_escape(bench, drive, text_of, snapshot, tmp_path, monkeypatch, size):
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
        await until(pilot, lambda: "50 %" in text_of(app))
        snapshot(text_of(app), f"perturb_loading_{size[0]}x{size[1]}")
        await press(pilot, "escape")
        await until(pilot, lambda: isinstance(app.screen, PathScreen))
        go.set()
        await until(pilot, ended.is_set)
        await pilot.pause(0.05)
        # a late result is of no interest
        assert isinstance(app.screen, PathScreen)
        assert app.screen.query_one("Input").value == "my_run"

    drive(app, script, size)


# ---- choosing


def test_the_filter_takes_letters_and_the_control_keys_work_in_it(app, drive, text_of):
    async def script(pilot):
        main = await ready(pilot)
        await press(pilot, "slash", *"pre")
        # e p r are letters here
        assert main.query_one("#filter").value == "pre"
        assert "no gene has that in its name" in text_of(app)
        # no picture of a gene that is not listed
        assert "Expression of" not in text_of(app)
        await press(pilot, "ctrl+r")
        assert "no gene is marked" in text_of(app)
        await press(pilot, "escape", *"tcf")
        assert (main.query_one("#filter").value, main.gene) == ("tcf", "Tcf3")
        assert "Genes 1 of 24" in text_of(app)
        assert "Expression of Tcf3" in text_of(app)
        assert "^R run" in text_of(app)
        # a slash once more only means to filter
        await press(pilot, "escape", "slash", *"tcf")
        assert main.query_one("#filter").value == "tcf"
        for key, kind in (
            ("ctrl+e", AskDialog),
            ("ctrl+p", AskDialog),
            ("ctrl+t", ScopeDialog),
            ("ctrl+o", TableDialog),
        ):
            await press(pilot, key)
            assert isinstance(app.screen, kind)
            await press(pilot, "escape")
            assert app.screen is main
        await press(pilot, "ctrl+r")
        await idle(pilot)
        assert main.queue.latest.request.text == "Tcf3 KO · all cells · 2 steps"
        await press(pilot, "ctrl+s")
        assert isinstance(app.screen, AskDialog)
        await press(pilot, "escape", "ctrl+l")
        assert main.queue.jobs == ()
        await press(pilot, "enter")
        assert main.query_one("#genes").has_focus
        # outside the filter, letters act
        await press(pilot, "e")
        assert isinstance(app.screen, AskDialog)

    drive(app, script)


def test_moving_in_the_list_of_genes(app, drive, text_of):
    async def script(pilot):
        main = await ready(pilot)
        genes = main.bench.by_interest
        for key, gene in (
            ("down", genes[1]),
            ("down", genes[2]),
            ("up", genes[1]),
            ("end", genes[-1]),
            ("down", genes[-1]),
            ("home", genes[0]),
            ("pagedown", genes[min(len(genes), main.query_one("#genes").size.height) - 1]),
            ("pageup", genes[0]),
        ):
            await press(pilot, key)
            assert main.gene == gene, key
            assert f"─ {gene} " in text_of(app)

    drive(app, script)


def test_the_mouse_looks_and_marks(app, drive):
    async def script(pilot):
        main = await ready(pilot)
        await pilot.click("#genes", offset=(6, 3))
        await pilot.pause()
        assert main.gene == main.bench.by_interest[3]
        await pilot.click("#genes", offset=(6, 3))
        await pilot.pause()
        assert list(main.draft.picks) == [main.bench.by_interest[3]]

    drive(app, script)


def test_preview_tells_mean_and_fraction(app, drive, text_of, bench):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, "slash", *"pax5", "enter")
        shown = text_of(app)
        for row in bench.preview("Pax5"):
            assert re.search(rf"{row.label} +[━╸]+ +{row.mean:#.3g} +{row.fraction * 100:.0f} %", shown)

    drive(app, script, (160, 50))


def test_all_forms_of_a_dose(app, drive, text_of, bench):
    async def script(pilot):
        main = await ready(pilot)
        for typed, label in {"0": "KO", "1.5": "1.5", "x2": "x2", "q95": "q95", "+1.5": "+1.5", "-0.5": "-0.5"}.items():
            await press(
                pilot, "e", "backspace", *({"+": "plus", "-": "minus", ".": "full_stop"}.get(one, one) for one in typed)
            )
            values = Dose.parse(typed).desired(np.arange(120), bench.expression(main.gene))
            told = re.search(rf"{main.gene} becomes (\S+?)(?: to (\S+))? in all cells", text_of(app))
            assert float(told[1]) == pytest.approx(values.min(), rel=5e-3, abs=1e-3)
            assert float(told[2] or told[1]) == pytest.approx(values.max(), rel=5e-3, abs=1e-3)
            await press(pilot, "enter", "r")
            assert main.draft.pick(main.gene).dose.label == label
            await idle(pilot)
            expected = bench.model.simulate({main.gene: typed}, n_propagation=2)
            np.testing.assert_array_equal(main.queue.latest.effect.simulated, expected.simulated)

    drive(app, script)


def test_what_is_no_dose_and_no_number_of_steps_stays_in_the_dialog(app, drive, text_of):
    async def script(pilot):
        main = await ready(pilot)
        await press(pilot, "e", *"2x", "enter")
        assert "did you mean 'x2'?" in " ".join(re.sub("[│]", " ", text_of(app)).split())
        await press(pilot, "escape")
        assert main.draft.dose.label == "KO"
        await press(pilot, "p", *"99", "enter")
        assert "from 0 to 32, not 99" in text_of(app)
        await press(pilot, "backspace", "enter")
        assert main.draft.n_propagation == 9
        await press(pilot, "p", "0")
        assert "only the gene itself is set" in text_of(app)

    drive(app, script)


def test_cells_by_label_of_one_marked_gene(app, drive, text_of, bench):
    async def script(pilot):
        main = await ready(pilot)
        first, second = main.bench.by_interest[:2]
        await press(pilot, "space", "down", "space", "s")
        assert f"Cells in which {second} is perturbed" in text_of(app)
        await press(pilot, "enter")
        assert "nothing is marked" in text_of(app)
        await press(pilot, "a")
        assert "all cells: 120 of 120 cells" in text_of(app)
        await press(pilot, "a", "down", "space")
        assert "T cell: 40 of 120 cells" in text_of(app)
        await press(pilot, "right", "space")
        assert "0: 60 of 120 cells" in text_of(app)
        await press(pilot, "left", "down", "space", "enter")
        assert main.draft.picks[second].scope == Scope(column="cell_type", labels=("T cell",))
        assert main.draft.picks[first].scope.everywhere
        await press(pilot, "r")
        await idle(pilot)
        rows = np.flatnonzero(np.asarray(bench.model.obs["cell_type"]) == "T cell")
        effect = main.queue.latest.effect
        np.testing.assert_array_equal(effect.interventions[1].rows, rows)
        assert len(effect.interventions[0].rows) == 120
        # back to everywhere
        await press(pilot, "s", "w")
        assert main.draft.picks[second].scope.everywhere
        await press(pilot, "s", "down", "space", "escape")
        assert main.draft.picks[second].scope.everywhere

    drive(app, script)


def test_cells_by_a_table(app, drive, text_of, tmp_path: Path):
    (tmp_path / "cells.csv").write_text("tumour,bad,none\ncell3,cell999,\ncell1,,\n")

    async def script(pilot):
        main = await ready(pilot)
        (tmp_path / "old.csv").write_text("old\ncell3\n")
        await press(pilot, "ctrl+o", *"old.csv", "enter")
        assert re.search(r"old +1 names", text_of(app))
        # the columns that are shown are those of the file that is named, also after another one
        app.screen.set_focus(app.screen.query_one("Input"))
        app.screen.query_one("Input").value = "cells.csv"
        await press(pilot, "down")
        assert re.search(r"tumour +2 names", text_of(app))
        assert "old " not in text_of(app)
        app.screen.set_focus(app.screen.query_one("Input"))
        app.screen.query_one("Input").value = ""
        await press(pilot, *"gone.csv", "enter")
        assert "cannot read gone.csv: No such file or directory" in text_of(app)
        app.screen.query_one("Input").value = "cells.csv"
        await press(pilot, "enter")
        shown = text_of(app)
        assert re.search(r"tumour +2 names", shown)
        assert re.search(r"no table +120 cells", shown)
        await press(pilot, "down", "enter")
        assert "'cell999'" in text_of(app)
        await press(pilot, "down", "enter")
        assert "no cell is meant by column 'none'" in text_of(app)
        await press(pilot, "home", "enter")
        assert main.draft.scope == Scope(table=Table(Path("cells.csv"), "tumour"))
        assert "cells.csv:tumour" in text_of(app)
        # with labels, both must hold
        await press(pilot, "s", "end", "space")
        assert "no cell is meant by all of" in text_of(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, ScopeDialog)
        await press(pilot, "space", "home", "space")
        assert "B cell & cells.csv:tumour: 2 of 120 cells" in text_of(app)
        await press(pilot, "o", "down", "end", "enter")
        assert "B cell: 50 of 120 cells" in text_of(app)

    drive(app, script)


def test_several_genes_together_or_each_on_its_own(app, drive, text_of, bench):
    async def script(pilot):
        main = await ready(pilot)
        first, second = main.bench.by_interest[:2]
        await press(pilot, "space", "down", "enter")
        assert list(main.draft.picks) == [first, second]
        await press(pilot, "r")
        await idle(pilot)
        assert [job.request.genes for job in main.queue.jobs] == [f"{first} KO + {second} KO"]
        await press(pilot, "j", "r")
        await idle(pilot)
        assert [job.request.genes for job in main.queue.jobs][1:] == [f"{first} KO", f"{second} KO"]
        for job, targets in zip(main.queue.jobs, ([first, second], [first], [second]), strict=True):
            expected = bench.model.simulate(dict.fromkeys(targets, 0.0), n_propagation=2)
            np.testing.assert_array_equal(job.effect.simulated, expected.simulated)
        await press(pilot, "u")
        assert not main.draft.picks

    drive(app, script)


# ---- runs


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


def test_queue_cancel_and_going_on_meanwhile(gated, drive, text_of):
    app = gated

    async def script(pilot):
        main = await ready(pilot)
        await press(pilot, "r", "down", "r", "down", "r")
        await until(pilot, main.bench.model.begun.is_set)
        await pilot.pause()
        assert "Runs   3 to do" in text_of(app)
        assert "0/2" in text_of(app)
        assert text_of(app).count("waits") == 2
        await press(pilot, "o")
        assert "there is no result yet" in text_of(app)
        await press(pilot, "x")
        assert "there is no result to write yet" in text_of(app)
        # the newest is at the top
        await press(pilot, "tab", "delete")
        assert "cancelled #3" in text_of(app)
        await press(pilot, "down", "enter")
        assert "#2 has no result yet" in text_of(app)
        await press(pilot, "ctrl+x")
        assert "cancelled 2 runs" in text_of(app)
        await until(pilot, lambda: not main.queue.busy)
        await press(pilot, "ctrl+x")
        assert "no run is going on" in text_of(app)
        assert [job.state for job in main.queue.jobs] == ["cancelled"] * 3
        await press(pilot, "ctrl+l")
        assert main.queue.jobs == ()
        main.bench.model.go.set()
        await press(pilot, "r")
        await idle(pilot)
        assert main.queue.latest.number == 4

    drive(app, script)


def test_the_runs_scroll_from_anywhere(gated, drive):
    app = gated

    async def script(pilot):
        main = await ready(pilot)
        for _ in range(8):
            await press(pilot, "r")
        runs = main.query_one("#runs", RowList)
        await press(pilot, "alt+pagedown")
        assert (runs.cursor, main.query_one("#genes").has_focus) == (3, True)
        await press(pilot, "alt+pagedown", "alt+pageup")
        assert runs.cursor == 3
        main.bench.model.go.set()

    drive(app, script)


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_quitting_asks_while_runs_go_on(gated, drive, text_of, key: str):
    app = gated

    async def script(pilot):
        await ready(pilot)
        await press(pilot, "r", key)
        assert isinstance(app.screen, ConfirmDialog)
        assert "their results would be lost" in text_of(app)
        await press(pilot, "n")
        assert isinstance(app.screen, MainScreen)
        await press(pilot, key, "y")

    drive(app, script)
    assert app.return_value == 0


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_quitting_at_once(app, drive, key: str):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, key)

    drive(app, script)
    assert app.return_value == 0


def test_a_failed_run_says_why(toy_model, drive, text_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gate = Gate(toy_model)
    gate.simulate = lambda *_, **__: (_ for _ in ()).throw(InputError("the simulated expression runs out of range"))
    bench = Workbench(gate, place=tmp_path, title="my_run")
    app = PerturbApp(lambda *_: (bench, Draft(n_propagation=2)), path=Path("my_run"))

    async def script(pilot):
        await ready(pilot)
        await press(pilot, "r")
        await idle(pilot)
        assert "#1 failed: the simulated expression runs out of range" in text_of(app)
        await press(pilot, "tab", "o")
        assert "#1 failed: the simulated expression" in text_of(app)

    drive(app, script)


def test_timings(app, drive, text_of):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, "ctrl+v", "r")
        await idle(pilot)
        assert re.search(r"#1 done in \d\.\d\d s \(steps \d\.\d{3}, \d\.\d{3} s\)", text_of(app))
        await press(pilot, "o")
        assert re.search(r"steps  1: \d\.\d{3} s  2: \d\.\d{3} s", text_of(app))
        await press(pilot, "v")
        assert "in 120 cells:" in text_of(app)

    drive(app, script)


def test_warnings_are_shown_and_nothing_is_printed(app, drive, text_of, capfd):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, "e", *"999", "enter", "r")
        await idle(pilot)
        await press(pilot, "o")
        assert "the dose 999 of" in text_of(app)

    drive(app, script)
    assert capfd.readouterr().err == ""


# ---- results


def test_the_result_lists_genes_by_type_and_distance(app, drive, text_of, bench):
    async def script(pilot):
        main = await ready(pilot)
        await press(pilot, "space", "s", "space", "enter", "r")
        await idle(pilot)
        gene = main.gene
        await press(pilot, "o")
        effect = bench.model.simulate({gene: 0.0}, cells={"cell_type": "B cell"}, n_propagation=2)
        top, by_type, rings = effect.top(5), effect.top(5, by="cell_type"), effect.top(5, by="ring")
        for row in top.itertuples():
            assert re.search(rf"{row.gene} .* [+-]?{abs(row.mean_delta):#.3g} ", text_of(app))
        await press(pilot, "left", "down")
        first = by_type[by_type.cell_type == "B cell"].iloc[0]
        assert "Most changed: B cell" in text_of(app)
        assert re.search(rf"{first.gene} .* [+-]?{abs(first.mean_delta):#.3g} ", text_of(app))
        await press(pilot, "end")
        last = rings["ring"].iloc[-1]
        assert f"Most changed: {last}" in text_of(app)
        await press(pilot, "enter")
        assert app.screen.query_one("#changes").has_focus
        assert f"Change of {rings[rings.ring == last].iloc[0].gene}" in text_of(app)
        picture = app.screen.query_one("TissueMap")
        np.testing.assert_array_equal(
            picture._values, effect.delta[:, effect.genes.index(rings[rings.ring == last].iloc[0].gene)]
        )

    drive(app, script, (160, 50))


def test_going_through_results_and_colours(app, drive, text_of):
    async def script(pilot):
        main = await ready(pilot)
        await press(pilot, "r", "down", "r")
        await idle(pilot)
        first, second = main.bench.by_interest[:2]
        await press(pilot, "o")
        assert text_of(app).startswith(f" #2 {second} KO")
        await press(pilot, "n")
        assert text_of(app).startswith(f" #1 {first} KO")
        await press(pilot, "b")
        assert text_of(app).startswith(f" #2 {second} KO")
        themes = {app.theme}
        for _ in range(2):
            await press(pilot, "t")
            themes.add(app.theme)
        assert len(themes) == 3
        await press(pilot, "q")
        assert isinstance(app.screen, MainScreen)

    drive(app, script)


def test_a_result_that_was_let_go_keeps_its_tables(app, drive, text_of):
    async def script(pilot):
        main = await ready(pilot)
        main.queue._keep = 1.0
        await press(pilot, "r", "r")
        await idle(pilot)
        await press(pilot, "tab", "end", "o")
        assert text_of(app).startswith(" #1 ")
        assert "let go to save" in text_of(app)
        await press(pilot, "x")
        assert isinstance(app.screen, ResultScreen)

    drive(app, script)


def test_the_picture_takes_the_place_of_the_table_where_it_is_narrow(app, drive):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, "r")
        await idle(pilot)
        await press(pilot, "o")
        picture, table = app.screen.query_one("#picture"), app.screen.query_one("#genes")
        assert (picture.display, table.display) == (False, True)
        await press(pilot, "m")
        assert (picture.display, table.display) == (True, False)
        await press(pilot, "m")
        assert (picture.display, table.display) == (False, True)

    drive(app, script, (60, 16))


# ---- files


@pytest.mark.parametrize("suffix", [".feather", ".csv"])
def test_a_result_is_written_and_not_replaced_without_a_word(app, drive, text_of, bench, tmp_path: Path, suffix: str):
    async def export(pilot, *keys: str):
        await press(pilot, "x")
        app.screen.query_one("Input").value = f"new/out{suffix}"
        await press(pilot, "enter", *keys)
        await until(pilot, lambda: not app._writing)
        await pilot.pause()

    async def script(pilot):
        main = await ready(pilot)
        await press(pilot, "r")
        await idle(pilot)
        await export(pilot)
        path = tmp_path / "new" / f"out{suffix}"
        assert "wrote new/out" in text_of(app)
        before = path.read_bytes()
        await press(pilot, "e", *"x2", "enter", "r")
        await idle(pilot)
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


def test_a_name_that_will_not_do_and_a_disk_that_refuses(app, drive, text_of, monkeypatch, tmp_path: Path):
    async def script(pilot):
        await ready(pilot)
        await press(pilot, "r")
        await idle(pilot)
        await press(pilot, "x")
        app.screen.query_one("Input").value = "out.txt"
        await press(pilot, "enter")
        assert "must end in .feather or .csv or .h5ad" in text_of(app)
        monkeypatch.setattr(
            "spacetravlr.tui.perturb.write_export",
            lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        app.screen.query_one("Input").value = "out.csv"
        await press(pilot, "enter")
        await until(pilot, lambda: "No space left on device" in text_of(app))
        assert isinstance(app.screen, MainScreen)

    drive(app, script)


# ---- what goes wrong


def test_a_fault_inside_ends_the_screens_and_is_raised(app):
    async def script(pilot):
        main = await ready(pilot)
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
