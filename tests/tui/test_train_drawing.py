"""What the panels of the dashboard draw, and how they share the screen."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.events import GeneFailed, GeneWritten, RunFinished, RunStarted
from spacetravlr.tui import dashboard_draw as draw
from spacetravlr.tui._fit import bar, fitted, sparkline
from spacetravlr.tui._layout import arrange, kind_of
from spacetravlr.tui._theme import NIGHT
from spacetravlr.tui.dashboard_gauge import gauge, head


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
def test_no_line_is_wider_than_its_panel(boards, width: int, height: int):
    view = boards.frozen().view()
    for drawn in (draw.configuration, draw.pipeline, draw.at_work, draw.scores, draw.cell_types, draw.log_tail):
        lines = drawn(view, width, height, NIGHT).plain.split("\n")
        assert len(lines) <= height, drawn.__name__
        assert max(map(len, lines)) <= width, (drawn.__name__, lines)
    lines = draw.machine_panel(boards.machine, view, width, height, NIGHT).plain.split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= width + 3, lines
    wide = max(width, 56)
    assert max(map(len, gauge(view, wide, NIGHT).plain.split("\n"))) <= wide
    assert len(head(view, wide, NIGHT).plain) <= wide


def test_the_gauge_shows_a_single_failure_among_thousands(boards):
    board, _ = boards.begun()
    board.apply(RunStarted("/out", 10, 10, 10_000, 1, 0))
    board.apply(GeneFailed("a", "bad"))
    drawn = gauge(board.view(), 100, NIGHT)
    colours = [span.style for span in drawn.spans if "━" in drawn.plain[span.start : span.end]]
    assert NIGHT.bad in colours
    assert "✗ 1 failed" in drawn.plain


def test_an_end_is_told_without_a_time_left(boards):
    board, wait = boards.begun()
    board.apply(RunStarted("/out", 10, 10, 1, 1, 0))
    wait(2.0)
    board.apply(GeneWritten("a", 3, 2, 0.5, 0.4, 0.1))
    assert "eta" in gauge(board.view(), 100, NIGHT).plain
    board.apply(RunFinished("complete", 1, 0, 0, 0, 2.0, 0.5, 0.4))
    assert "eta" not in gauge(board.view(), 100, NIGHT).plain
    assert "● complete  0:00:02" in head(board.view(), 100, NIGHT).plain


def test_machines_of_which_little_is_known(boards):
    bare = dataclasses.replace(
        boards.machine, cpu=None, memory_total=None, own_memory=None, disk_total=None, gpu_used=2e9, gpu_total=8e9
    )
    lines = draw.machine_panel(bare, boards.frozen().view(), 40, 9, NIGHT).plain.split("\n")
    assert [line.split()[0] for line in lines] == ["device", "cpu", "gpu", "process", "results"]
    assert lines[2].endswith(" 2/8 GB")
    assert draw.machine_panel(None, boards.frozen().view(), 40, 9, NIGHT).plain == "looking …"


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
