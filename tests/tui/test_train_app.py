"""The dashboard on screens of several sizes: snapshots of one moment, and every key."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.widgets import Input

from spacetravlr.config import RunConfig
from spacetravlr.events import (
    ClusterFitted,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
)
from spacetravlr.tui import dashboard_draw as draw
from spacetravlr.tui import train_app
from spacetravlr.tui._fit import bar, fitted, sparkline
from spacetravlr.tui._layout import arrange, kind_of
from spacetravlr.tui._theme import NIGHT, PALETTES
from spacetravlr.tui.dashboard_facts import run_facts
from spacetravlr.tui.dashboard_gauge import gauge, head
from spacetravlr.tui.dashboard_state import Dashboard
from spacetravlr.tui.dashboard_view import Other, Outside
from spacetravlr.tui.train_app import Controls, TrainApp
from spacetravlr.tui.train_demo import DemoFiles, demo_picture
from spacetravlr.tui.train_find import FindScreen
from spacetravlr.tui.train_log import LogScreen, LogView
from spacetravlr.tui.train_machine import Machine

SIZES = ((60, 16), (100, 30), (160, 50))
MACHINE = Machine(
    n_cpus=16,
    cpu=0.62,
    own_cpus=9.7,
    history=tuple((1 + math.sin(step / 3)) / 2 for step in range(60)),
    memory_used=24_300_000_000,
    memory_total=64_000_000_000,
    own_memory=3_100_000_000,
    disk_free=412_000_000_000,
    disk_total=1_000_000_000_000,
)
GENES = ("Foxo1", "Pax5", "Irf4", "Bcl6", "Prdm1", "Cd74", "Cd79a", "Cd83", "Aicda", "Ccl21a", "Cxcl13", "Cxcr5")


def begun() -> tuple[Dashboard, Callable[[float], None]]:
    now = [100.0]
    config = RunConfig(training={"max_genes": 60}, execution={"n_parallel": 4})
    facts = run_facts(config, sample="/data/lymph/node_07.h5ad", out="/data/lymph/runs/node_07_spacetravlr")
    board = Dashboard("node_07.h5ad", facts=(*facts, ("device", "cpu")), clock=lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return board, wait


def frozen() -> Dashboard:
    """A run in the middle, with everything that there can be."""
    board, wait = begun()
    picture = demo_picture(0)
    sizes = dict(zip(picture.labels, [5160, 4423, 2580, 1843, 1843, 1105, 921, 557], strict=True))
    board.set_clusters(sizes)
    for name, seconds, detail in (
        ("prior network", 0.6, "17,384 edges"),
        ("expression", 0.9, ""),
        ("received ligands", 12.0, "318 ligands, method gridded"),
    ):
        wait(seconds)
        board.apply(StageFinished(name, seconds, detail))
        board.log(f"[{seconds:.1f} s] {name}: {detail}", "stage", "14:03:07")
    names = [*GENES, *(f"Gene{number:02d}" for number in range(48))]
    board.set_targets(names)
    board.apply(RunStarted("/data/lymph/runs/node_07_spacetravlr", 18_432, 2_911, 60, 8, 2))
    for gene in names[:2]:
        board.apply(GeneSkipped(gene, "done"))
    board.apply(GeneSkipped("Irf4", "locked"))
    for gene in names[3:40]:
        board.apply(GeneClaimed(gene))
    wait(20.0)
    for number, gene in enumerate(names[3:30]):
        r2_in = 0.15 + 0.03 * number
        for at, label in enumerate(picture.labels):
            board.apply(ClusterFitted(gene, label, sizes[label], r2_in + 0.01 * at, r2_in - 0.1 + 0.01 * at))
        board.apply(GeneWritten(gene, 80, 10 + number, r2_in, r2_in - 0.08, 0.4))
        board.log(f"[{number + 3}/60] {gene} R2={r2_in:.2f} n_mod=80 kept={10 + number}", "gene", "14:03:27")
    board.apply(GeneOrphan(names[30], "no score reaches 0.1"))
    board.apply(GeneFailed(names[31], "LinAlgError: the design is singular"))
    board.log(f"[32/60] {names[31]} failed: LinAlgError: the design is singular", "failure", "14:03:28")
    for gene in names[40:46]:
        board.apply(GeneClaimed(gene))
    wait(3.0)
    other = Other("node7", 4321, 1, "Irf4", 60.0, gone=False)
    board.set_outside(Outside("running", (other,), math.nan, math.nan, frozenset({"Irf4"}), 8_123_456, 2.0))
    return board


@dataclass
class Keys:
    pressed: list[str] = field(default_factory=list)
    over: bool = False

    def controls(self) -> Controls:
        return Controls(
            finish=lambda: self.pressed.append("finish"),
            stop_now=lambda: self.pressed.append("stop now"),
            is_over=lambda: self.over,
        )


def app_of(board: Dashboard, keys: Keys | None = None, *, files: Any = None, role: Any = "train") -> TrainApp:
    telemetry: Any = SimpleNamespace(now=MACHINE)
    shown = DemoFiles(demo_picture(0)) if files is None else files
    return TrainApp(board, (keys or Keys()).controls(), files=shown, telemetry=telemetry, role=role)


async def settled(pilot: Any) -> None:
    """Wait until the frames that follow each other by themselves have been drawn."""
    for _ in range(3):
        pilot.app.tick()
        await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_snapshots_of_the_screen(size: tuple[int, int], drive, snapshot):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        await settled(pilot)
        snapshot(app, f"train_main_{size[0]}x{size[1]}")
        if size == SIZES[0]:
            for page in (2, 3):
                await pilot.press("tab")
                await settled(pilot)
                snapshot(app, f"train_page{page}_{size[0]}x{size[1]}")
            await pilot.press("tab")
            assert app.page == 0

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_snapshots_of_popups(size: tuple[int, int], drive, snapshot):
    app = app_of(frozen())
    name = f"{size[0]}x{size[1]}"

    async def script(pilot: Any) -> None:
        await settled(pilot)
        await pilot.press("question_mark")
        await settled(pilot)
        snapshot(app, f"train_help_{name}")
        await pilot.press("escape", "slash", *"gene05")
        await settled(pilot)
        snapshot(app, f"train_find_{name}")
        await pilot.press("escape", "l")
        await settled(pilot)
        snapshot(app, f"train_log_{name}")

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_snapshots_of_the_beginning(size: tuple[int, int], drive, snapshot):
    board, wait = begun()
    board.apply(StageStarted("sample"))
    wait(2.0)
    files: Any = SimpleNamespace(picture=None, trouble="")
    app = app_of(board, files=files)

    async def script(pilot: Any) -> None:
        await settled(pilot)
        snapshot(app, f"train_begin_{size[0]}x{size[1]}")

    drive(app, script, size)


def test_quitting_keys(drive):
    keys = Keys()
    board = frozen()
    app = app_of(board, keys)

    async def script(pilot: Any) -> None:
        await pilot.press("q", "q")
        assert keys.pressed == ["finish"]
        assert board.finishing
        await settled(pilot)
        await pilot.press("Q")
        assert keys.pressed == ["finish", "stop now"]
        keys.over = True
        await settled(pilot)
        assert not app.is_running

    drive(app, script)


def test_ctrl_c_is_q_and_then_Q_also_in_popups(drive):
    keys = Keys()
    app = app_of(frozen(), keys)

    async def script(pilot: Any) -> None:
        await pilot.press("slash", "ctrl+c")
        assert keys.pressed == ["finish"]
        await pilot.press("escape", "question_mark", "ctrl+c")
        assert keys.pressed == ["finish", "stop now"]

    drive(app, script)


def test_a_watcher_only_leaves(drive, text_of):
    keys = Keys()
    app = app_of(frozen(), keys, role="watch")

    async def script(pilot: Any) -> None:
        await settled(pilot)
        assert "q close" in text_of(app)
        assert "stop now" not in text_of(app)
        await pilot.press("q", "ctrl+c")
        assert keys.pressed == ["finish", "finish"]
        assert not app.dashboard.finishing

    drive(app, script)


def test_finishing_is_told(drive, text_of):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        await pilot.press("q")
        await settled(pilot)
        shown = text_of(app)
        assert "● finishing" in shown
        assert "finishing the blocks at work   Q stop now" in shown

    drive(app, script)


def test_the_tissue_shows_clusters_the_latest_fit_and_the_gene_that_was_found(
    drive, text_of, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(train_app, "_MAP_FRAMES", 10**9)
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        await settled(pilot)
        assert "by cluster" in text_of(app)
        await pilot.press("m")
        await settled(pilot)
        assert "fit of Gene17" in text_of(app)
        app.dashboard.apply(GeneWritten("Gene18", 80, 5, 0.9, 0.8, 0.1))
        await settled(pilot)
        # not at every gene
        assert "fit of Gene17" in text_of(app)
        await pilot.press("slash", *"gene05", "enter")
        await settled(pilot)
        assert app.pinned == "Gene05"
        assert "fit of Gene05" in text_of(app)
        await pilot.press("m")
        await settled(pilot)
        assert "fit of Gene18" in text_of(app)
        await pilot.press("m")
        await settled(pilot)
        assert "by cluster" in text_of(app)

    drive(app, script)


def test_finding_a_gene(drive, text_of):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        await pilot.press("slash")
        await pilot.pause()
        assert isinstance(app.screen, FindScreen)
        field = app.screen.query_one(Input)
        fates = {"foxo1": "skipped: done before", "irf4": "held by another process", "gene47": "not begun"}
        for typed, told in fates.items():
            field.value = typed
            await settled(pilot)
            assert told in text_of(app)
        field.value = ""
        await pilot.press(*"gene0", "down", "down")
        await settled(pilot)
        assert "Gene02  done" in text_of(app)
        assert "germinal centre" in text_of(app)
        await pilot.press("x")
        await settled(pilot)
        assert "no gene of this run has that in its name" in text_of(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.pinned == ""

    drive(app, script)


def test_ranking_by_either_score(drive, text_of):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        await settled(pilot)
        assert "median out 0.46" in text_of(app)
        await pilot.press("r")
        await settled(pilot)
        assert "median in 0.54" in text_of(app)

    drive(app, script)


def test_themes_go_round(drive):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        seen = []
        for _ in range(len(PALETTES)):
            await pilot.press("t")
            await settled(pilot)
            seen.append(app.theme)
        assert seen == ["day", "contrast", "night"]

    drive(app, script)


def test_the_log_scrolls_and_searches(drive, text_of):
    board = frozen()
    for number in range(500):
        board.log(f"line {number:03d}" + (" needle" if number % 100 == 7 else ""), clock="")
    app = app_of(board)

    async def script(pilot: Any) -> None:
        await pilot.press("l")
        await settled(pilot)
        assert isinstance(app.screen, LogScreen)
        assert "line 499" in text_of(app)
        board.log("the newest", clock="")
        app.screen._fill()
        await settled(pilot)
        assert "the newest" in text_of(app)
        await pilot.press("g")
        await settled(pilot)
        assert "prior network" in text_of(app)
        board.log("the very newest", clock="")
        app.screen._fill()
        await settled(pilot)
        # who has scrolled back is left where they are
        assert "very newest" not in text_of(app)
        await pilot.press("slash", *"needle")
        await settled(pilot)
        assert "'needle': 5 of 5" in text_of(app)
        await pilot.press("enter", "n")
        await settled(pilot)
        assert "'needle': 1 of 5" in text_of(app)
        assert "line 007 needle" in text_of(app)
        await pilot.press("N", "N")
        await settled(pilot)
        assert "'needle': 4 of 5" in text_of(app)
        await pilot.press("slash", *"zz")
        await settled(pilot)
        assert "'zz': not found" in text_of(app)
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen.query_one(LogView).has_focus
        await pilot.press("q")
        await settled(pilot)
        assert not isinstance(app.screen, LogScreen)

    drive(app, script)


def test_a_terminal_that_is_too_small_still_tells_how_far_it_is(drive, text_of):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        await settled(pilot)
        assert "31/60 training" in text_of(app)
        await pilot.resize_terminal(60, 16)
        await settled(pilot)
        assert "at work" in text_of(app)
        await pilot.resize_terminal(100, 30)
        await settled(pilot)
        assert "cell types" in text_of(app)

    drive(app, script, (40, 8))


def test_what_is_printed_meanwhile_is_in_the_log(drive):
    board = frozen()
    app = app_of(board)

    async def script(pilot: Any) -> None:
        sys.stdout.write("somebody prints\n")
        await settled(pilot)
        assert any(line.text == "somebody prints" for line in board.lines()[1])

    drive(app, script)


def test_processes_can_be_started_meanwhile(drive):
    app = app_of(frozen())

    async def script(pilot: Any) -> None:
        assert sys.stderr is not sys.__stderr__
        assert sys.stderr.fileno() == sys.__stderr__.fileno()
        assert sys.stdout.fileno() == sys.__stdout__.fileno()

    drive(app, script)


def test_a_screen_that_fails_says_why_and_nothing_else(capsys):
    board = frozen()
    app = app_of(board)
    app.tick = lambda: 1 / 0
    app.run(headless=True, size=(80, 24))
    assert app.trouble == "ZeroDivisionError: division by zero"
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("size", [(60, 12), (80, 20), (92, 22), (100, 26), (139, 60), (140, 38), (160, 46), (300, 90)])
@pytest.mark.parametrize(("page", "training"), [(0, True), (0, False), (1, True), (2, True)])
def test_panels_fill_the_body_without_overlap(size: tuple[int, int], page: int, training: bool):
    width, height = size
    covered = [[0] * width for _ in range(height)]
    for box in arrange(width, height, page=page, training=training).values():
        assert box.width >= 20
        assert box.height >= 4
        for y in range(box.y, box.y + box.height):
            for x in range(box.x, box.x + box.width):
                covered[y][x] += 1
    assert {count for line in covered for count in line} == {1}
    assert kind_of(width, height) != "tiny"


@settings(max_examples=25, deadline=None)
@given(st.integers(24, 120), st.integers(2, 40))
def test_no_line_is_wider_than_its_panel(width: int, height: int):
    view = frozen().view()
    for drawn in (draw.configuration, draw.pipeline, draw.at_work, draw.scores, draw.cell_types, draw.log_tail):
        lines = drawn(view, width, height, NIGHT).plain.split("\n")
        assert len(lines) <= height, drawn.__name__
        assert max(map(len, lines)) <= width, (drawn.__name__, lines)
    lines = draw.machine_panel(MACHINE, view, width, height, NIGHT).plain.split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= width + 3, lines
    wide = max(width, 56)
    assert max(map(len, gauge(view, wide, NIGHT).plain.split("\n"))) <= wide
    assert len(head(view, wide, NIGHT).plain) <= wide


def test_the_gauge_shows_a_single_failure_among_thousands():
    board, _ = begun()
    board.apply(RunStarted("/out", 10, 10, 10_000, 1, 0))
    board.apply(GeneFailed("a", "bad"))
    drawn = gauge(board.view(), 100, NIGHT)
    colours = [span.style for span in drawn.spans if "━" in drawn.plain[span.start : span.end]]
    assert NIGHT.bad in colours
    assert "✗ 1 failed" in drawn.plain


def test_an_end_is_told_without_a_time_left():
    board, wait = begun()
    board.apply(RunStarted("/out", 10, 10, 1, 1, 0))
    wait(2.0)
    board.apply(GeneWritten("a", 3, 2, 0.5, 0.4, 0.1))
    assert "eta" in gauge(board.view(), 100, NIGHT).plain
    board.apply(RunFinished("complete", 1, 0, 0, 0, 2.0, 0.5, 0.4))
    assert "eta" not in gauge(board.view(), 100, NIGHT).plain
    assert "● complete  0:00:02" in head(board.view(), 100, NIGHT).plain


def test_machines_of_which_little_is_known():
    bare = dataclasses.replace(
        MACHINE, cpu=None, memory_total=None, own_memory=None, disk_total=None, gpu_used=2e9, gpu_total=8e9
    )
    lines = draw.machine_panel(bare, frozen().view(), 40, 9, NIGHT).plain.split("\n")
    assert [line.split()[0] for line in lines] == ["device", "cpu", "gpu", "process", "results"]
    assert lines[2].endswith(" 2/8 GB")
    assert draw.machine_panel(None, frozen().view(), 40, 9, NIGHT).plain == "looking …"


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 9, "short"),
        ("one two three", 11, "one two …"),
        ("one two three", 8, "one two…"),
        ("abcdefghij", 5, "abcd…"),
        ("/data/lymph/node.h5ad", 14, "…/node.h5ad"),
        ("/data/lymph/a_very_long_name.h5ad", 14, "…ong_name.h5ad"),
        ("/data/network.parquet; 3 edges", 16, "/data/network.p…"),
        ("anything", 1, "…"),
        ("anything", 0, ""),
    ],
)
def test_texts_are_cut_between_words(text: str, width: int, expected: str):
    assert fitted(text, width) == expected


def test_bars():
    assert [bar(share, 4) for share in (-1, 0, 0.125, 0.5, 1, 7)] == ["", "", "╸", "━━", "━━━━", "━━━━"]
    assert sparkline([0.0, 0.5, 1.0, 2.0], 3) == "▄██"
