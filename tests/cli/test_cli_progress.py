"""The one way in which commands show that something goes on: a bar or a spinner at a terminal, lines elsewhere."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

from spacetravlr.cli import _demo, _perturb_voice
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.events import GeneClaimed, GeneWritten, RunStarted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A screen in place of standard error; from within the test, for pytest puts its own there before each."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return screen


def test_short_work_says_nothing_and_long_work_a_line(capsys, monkeypatch):
    voice = Voice(verbose=False)
    with voice.working("building"):
        assert not voice.drawing
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(_perturb_voice, "_MOMENT", 0.01)
    with voice.working("building"):
        said, end = "", time.monotonic() + 60
        while not said:
            assert time.monotonic() < end
            time.sleep(0.01)
            said = capsys.readouterr().err
    assert said + capsys.readouterr().err == "building\n"


def test_at_a_terminal_work_turns_a_wheel_above_which_lines_are_said(monkeypatch):
    screen = terminal(monkeypatch)
    voice = Voice(verbose=False)
    with voice.working("building [bold]all[/bold]"):
        assert voice.drawing
        voice.say("a line")
    assert not voice.drawing
    shown = screen.getvalue()
    # text, no markup
    assert "building [bold]all[/bold] ..." in shown
    assert "a line\n" in shown
    with pytest.raises(ValueError, match="broken"), voice.working("building"):
        raise ValueError("broken")
    assert not voice.drawing
    assert screen.getvalue().count("\x1b[?25h") == screen.getvalue().count("\x1b[?25l")


def test_counting_says_lines_now_and_then(capsys, monkeypatch):
    voice = Voice(verbose=False)
    with voice.counting(lines=True) as advance:
        advance(1, 3, "first")
        monkeypatch.setattr(_perturb_voice, "_SECONDS_BETWEEN", 0.0)
        advance(2, 3, "second")
    with voice.counting() as advance:
        advance(3, 3, "third")
    assert capsys.readouterr().err == "[2/3] second\n"


def events(genes: list[str]):
    yield RunStarted(out="o", n_cells=1, n_genes=1, n_targets=len(genes), n_clusters=1, n_done_before=0)
    for gene in genes:
        yield GeneClaimed(gene)
        yield GeneWritten(gene, n_modulators=1, n_kept=1, r2_in=0.5, r2_out=0.5, seconds=0.1)


@pytest.mark.parametrize("looked_at", [True, False])
def test_the_demo_counts_its_trainings_for_who_looks(monkeypatch, capsys, looked_at):
    import spacetravlr.bench.demo

    seen = []

    def demo(out, *, seed, n_cells, say, listener=None):
        say("  a  table")
        seen.append(listener)
        for training in (["A", "B"], ["C"]) if listener else ():
            for event in events(training):
                listener(event)

    monkeypatch.setattr(spacetravlr.bench.demo, "run_demo", demo)
    if looked_at:
        screen = terminal(monkeypatch)
        monkeypatch.setattr(sys, "stdout", Terminal())
    assert _demo.show_demo(Path("out"), seed=0, n_cells=5) == 0
    assert (seen[0] is not None) == looked_at
    shown = screen.getvalue() if looked_at else capsys.readouterr().out
    assert "  a  table\n" in shown


def test_a_bar_follows_one_training_after_the_other():
    moves = []
    listener = _demo._Trainings(lambda *move: moves.append(move))
    for training in (["A", "B"], ["C"]):
        for event in events(training):
            listener(event)
    assert (2, 2, "B") in moves
    assert moves[-1] == (1, 1, "C")
    assert (0, 1, "") in moves
