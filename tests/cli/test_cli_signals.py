"""Ctrl-C, termination, closed pipes and terminals, with real processes, real signals and a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spacetravlr.run import Run

SLOW = ("--n-bootstraps", 60000)
"""A block takes minutes: whatever ends such a run did not wait for it."""

QUICK = ("--max-genes", 3, "--score-threshold", -1, "--n-bootstraps", 0)


class Process:
    """A running training; its standard output is read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process, self.out, self.err = process, process.stdout, process.stderr

    def read_until(self, pattern: str) -> str:
        """Return the first line that matches."""
        for line in self.out:
            if re.search(pattern, line):
                return line
        raise AssertionError(f"no line like {pattern}: {self.err.read()}")

    def end(self, seconds: float = 60) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


@pytest.fixture
def start(spawn, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a training into the directory `run`."""
    begun: list[Process] = []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def begin(*arguments: object, ignoring: tuple[str, ...] = ()) -> Process:
        flags = ("--output-dir", tmp_path / "run", "--parallel", 1, *arguments)
        begun.append(Process(spawn("spacetravlr", *flags, more={"IGNORED": ",".join(ignoring)}, **pipes)))
        return begun[-1]

    yield begin
    for one in begun:
        one.process.kill()
        one.process.communicate()


def test_ctrl_c_finishes_the_blocks_at_work(start, long_sample: Path, tmp_path: Path, locks):
    # blocks of half a second or so
    running = start("--h5ad", long_sample, "--n-bootstraps", 300)
    running.read_until(r"^\[\d+/330\]")
    running.process.send_signal(signal.SIGINT)
    code, out, err = running.end()
    assert code == 0
    assert err == ""
    assert "finishing the blocks at work; press Ctrl-C again to stop at once\n" in out
    run = Run.open(tmp_path / "run")
    n_done = len(run.genes) + len(run.orphans)
    assert n_done in range(64, 330)
    assert re.search(rf"stopped after \S+: {len(run.genes)} genes written, .* {330 - n_done} not begun\n", out)
    assert out.endswith(f"to go on: spacetravlr --join-output-dir {tmp_path / 'run'}\n")
    assert locks(tmp_path / "run") == []
    assert run.status().state == "stopped"


def test_a_second_ctrl_c_stops_at_once(start, long_sample: Path, tmp_path: Path, locks):
    running = start("--h5ad", long_sample, *SLOW)
    running.read_until("^training 330 genes")
    wait_for(lambda: len(locks(tmp_path / "run")) == 65)
    running.process.send_signal(signal.SIGINT)
    running.read_until("finishing the blocks at work")
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    code, _, err = running.end()
    assert code == 130
    assert time.monotonic() - began < 5
    assert err == "stopped at once: finished genes are kept, the others are free for the next run\n"
    assert locks(tmp_path / "run") == []
    assert Run.open(tmp_path / "run").status().state == "interrupted"
    # a report of a run that was ended like this, or is still at work, knows who said what
    origins = json.loads((tmp_path / "run" / "log" / "settings_origin.json").read_text())["origins"]
    given = ("data.adata_path", "execution.output_dir", "execution.n_parallel", "lasso.n_bootstraps")
    assert origins == dict.fromkeys(given, "cli")


def test_termination_finishes_the_blocks_at_work_and_says_so_by_its_code(
    start, long_sample: Path, tmp_path: Path, locks
):
    running = start("--h5ad", long_sample, "--n-bootstraps", 300)
    running.read_until(r"^\[\d+/330\]")
    running.process.send_signal(signal.SIGTERM)
    code, out, err = running.end()
    assert (code, err) == (143, "")
    assert "stopped after" in out
    assert locks(tmp_path / "run") == []


def test_ctrl_c_while_setting_up_leaves_nothing(start, sample: Path, tmp_path: Path, locks):
    running = start("--h5ad", sample)
    running.read_until("^note: ")
    running.process.send_signal(signal.SIGINT)
    code, out, err = running.end()
    assert (code, err) == (130, "Interrupted.\n")
    assert "training" not in out
    assert not (tmp_path / "run").exists()


def test_signals_that_were_ignored_stay_ignored(start, sample: Path):
    # a shell starts a job in the background of a script with Ctrl-C ignored, and nohup ignores the hang-up
    running = start("--h5ad", sample, ignoring=("SIGINT", "SIGHUP"))
    running.read_until("^note: ")
    for _ in range(20):
        running.process.send_signal(signal.SIGINT)
        running.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    code, out, err = running.end()
    assert (code, err) == (0, "")
    assert "complete after" in out


def test_a_reader_that_goes_away_ends_the_run_quietly(start, long_sample: Path, tmp_path: Path, locks):
    running = start("--h5ad", long_sample, "--n-bootstraps", 100)
    running.read_until("^training 330 genes")
    running.out.close()
    assert running.process.wait(60) == 141
    assert running.err.read() == ""
    assert locks(tmp_path / "run") == []


def test_a_reader_that_goes_away_while_setting_up(start, sample: Path, tmp_path: Path, locks):
    running = start("--h5ad", sample)
    running.out.close()
    assert running.process.wait(60) == 141
    assert running.err.read() == ""
    assert not (tmp_path / "run").exists()


class Terminal:
    """A training at a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process, self.ours = process, ours
        self.seen = ""

    def read_until(self, pattern: str, seconds: float = 60) -> None:
        """Read what appears until it matches."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, self.seen
            self._read()

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(60)

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            found = os.read(self.ours, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += found.decode(errors="replace")
        return bool(found)


@pytest.fixture
def terminal(spawn, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start a training into the directory `run`, at a terminal that it controls."""
    open_ones: list[Terminal] = []

    def begin(*arguments: object, **more: str) -> Terminal:
        ours, theirs = pty.openpty()
        flags = ("--output-dir", tmp_path / "run", "--parallel", 1, *arguments)
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
        open_ones.append(Terminal(spawn("spacetravlr", *flags, more=more, **streams), ours))
        os.close(theirs)
        return open_ones[-1]

    yield begin
    for one in open_ones:
        one.close()


def test_without_the_library_of_the_screens_there_is_a_bar(terminal, long_sample: Path, tmp_path: Path, locks):
    shown = terminal("--h5ad", long_sample, "--n-bootstraps", 60, WITHOUT="textual")
    assert shown.end() == 0
    assert shown.seen.count("spacetravlr-py[tui]") == 1
    assert "\x1b[?25l" in shown.seen
    assert "━" in shown.seen
    assert re.search(r"\d+/330.*R2 0\.\d\d/0\.\d\d.*eta .*orphan", shown.seen)
    # genes are in the bar, everything else is above or below it
    assert "n_mod=" not in shown.seen
    assert "received ligands" in shown.seen
    after = shown.seen.rpartition("\x1b[?25h")[2]
    assert "complete after" in after
    assert "next: spacetravlr-perturb" in after
    logged = (tmp_path / "run" / "log" / "run.log").read_text()
    assert "n_mod=" in logged
    assert "[tui]" not in logged
    assert "\x1b" not in logged


def test_no_color_is_honoured(terminal, sample: Path):
    shown = terminal("--h5ad", sample, *QUICK, NO_COLOR="1", WITHOUT="textual")
    assert shown.end() == 0
    assert "━" in shown.seen
    assert not re.search(r"\x1b\[[\d;]*(3[0-7]|38;|9[0-7])[\d;]*m", shown.seen)


@pytest.mark.parametrize(("flags", "more"), [(["--plain"], {}), ([], {"TERM": "dumb"})])
def test_plain_at_a_terminal(terminal, sample: Path, flags: list[str], more: dict[str, str]):
    shown = terminal("--h5ad", sample, *QUICK, *flags, **more)
    assert shown.end() == 0
    assert "\x1b" not in shown.seen
    assert "[3/3]" in shown.seen


def test_ctrl_c_typed_at_a_terminal(terminal, long_sample: Path, tmp_path: Path, locks):
    shown = terminal("--h5ad", long_sample, *SLOW, WITHOUT="textual")
    shown.read_until(r"0/330")
    wait_for(lambda: len(locks(tmp_path / "run")) == 65)
    shown.type(b"\x03")
    shown.read_until("press Ctrl-C again to stop at once")
    shown.type(b"\x03")
    assert shown.end() == 130
    assert "stopped at once" in shown.seen
    # the cursor is back
    assert shown.seen.rfind("\x1b[?25h") > shown.seen.rfind("\x1b[?25l")
    assert locks(tmp_path / "run") == []


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
