"""Real trainings in real terminals: how they end, and what is left of the terminal."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from spacetravlr.run import Run

SLOW = "--n-bootstraps 60000"
"""A block takes minutes: whatever ends such a run did not wait for it."""
BRIEF = "--n-bootstraps 200"
"""A block takes seconds: long enough to press a key meanwhile."""
ENV = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_AFTER = "; echo code=$?; stty -a | tr ';' '\\n' | grep -ow -e '-*icanon' -e '-*echo' -e '-*isig'; cat"


@pytest.fixture(scope="session")
def long_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough genes for several blocks, so that a run can be stopped between them."""
    from spacetravlr.datasets import simulated_tissue, write_network

    place = tmp_path_factory.mktemp("long")
    tissue = simulated_tissue(150, 200, 3, 1, radius=60.0)
    write_network(tissue, place)
    tissue.write_h5ad(place / "long.h5ad")
    return place / "long.h5ad"


class Shown:
    """A command in a terminal, and how it ended."""

    def __init__(self, terminal: Any, place: Path) -> None:
        self.terminal, self.place = terminal, place

    def end(self, seconds: float = 150) -> tuple[int, str]:
        """The exit code and what is on the screen, after having looked at the state of the terminal."""
        shown = self.terminal.wait_for("code=", "isig", seconds=seconds)
        assert self.terminal.ask("#{alternate_on} #{cursor_flag} #{mouse_any_flag}") == "0 1 0"
        assert [word for word in ("icanon", "isig", "echo") if f"-{word}" in shown] == []
        found = re.search(r"code=(\d+)", shown)
        assert found is not None
        return int(found[1]), shown


@pytest.fixture
def begin(terminal, tmp_path: Path) -> Callable[..., Shown]:
    """Run a command in a terminal; its process is recorded in a file."""

    def run(command: str, *, size: tuple[int, int] = (100, 30), **env: str) -> Shown:
        line = f"sh -c 'echo $$ > pid; exec {command}'{_AFTER}"
        return Shown(terminal(line, size=size, env={**ENV, **env}, cwd=tmp_path), tmp_path)

    return run


@pytest.fixture
def start(begin, long_sample: Path) -> Callable[..., Shown]:
    """Start a training into the directory `run`."""

    def training(flags: str = "", size: tuple[int, int] = (100, 30)) -> Shown:
        command = f"{sys.executable} -m spacetravlr --h5ad {long_sample} --output-dir run --parallel 1 --radius 60"
        return begin(f"{command} {flags}", size=size, SPACETRAVLR_DATA_DIR=str(long_sample.parent))

    return training


def python(code: str) -> str:
    return f"{sys.executable} -c {shlex.quote(code)}".replace("'", "'\\''")


def locks(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.suffix == ".lock" or path.name[:10] == ".heartbeat"]


def test_a_training_from_its_beginning_to_its_end(start, tmp_path: Path):
    shown = start("--max-genes 100 --n-bootstraps 100")
    shown.terminal.wait_for("setting up")
    seen = shown.terminal.wait_for("training", "received ligands", "at work")
    assert shown.terminal.ask("#{alternate_on}") == "1"
    shown.terminal.resize(60, 16)
    seen = shown.terminal.wait_for("page 1/3")
    assert max(map(len, seen.splitlines())) <= 60
    code, after = shown.end()
    assert code == 0
    run = Run.open(tmp_path / "run")
    assert f"{len(run.genes)} genes written" in " ".join(after.split())
    assert "next: spacetravlr-perturb" in after
    assert run.status().state == "complete"
    assert "\x1b" not in (tmp_path / "run" / "log" / "run.log").read_text()


def test_q_finishes_the_block_at_work(start, tmp_path: Path):
    shown = start(BRIEF)
    shown.terminal.wait_for("64 genes", "at work")
    shown.terminal.keys("q")
    shown.terminal.wait_for("● finishing", "Q stop now")
    code, after = shown.end()
    assert code == 0
    run = Run.open(tmp_path / "run")
    done = len(run.genes) + len(run.orphans)
    assert done % 64 == 0
    assert 0 < done < 200
    assert f"{200 - done} not begun" in " ".join(after.split())
    assert "to go on: spacetravlr --join-output-dir" in after
    assert run.status().state == "stopped"
    assert locks(tmp_path / "run") == []


@pytest.mark.parametrize(("keys", "size"), [(("Q",), (60, 16)), (("C-c", "C-c"), (100, 30))])
def test_stopping_at_once(start, tmp_path: Path, keys: tuple[str, ...], size: tuple[int, int]):
    shown = start(SLOW, size)
    shown.terminal.wait_for("64 genes", "at work")
    for number, key in enumerate(keys):
        shown.terminal.keys(key)
        if number + 1 < len(keys):
            shown.terminal.wait_for("● finishing")
    began = time.monotonic()
    code, after = shown.end()
    assert code == 130
    assert time.monotonic() - began < 60
    assert "stopped at once: finished genes are kept" in " ".join(after.split())
    assert locks(tmp_path / "run") == []


def test_termination_finishes_the_block_at_work(start, tmp_path: Path):
    shown = start(BRIEF)
    shown.terminal.wait_for("64 genes", "at work")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    shown.terminal.wait_for("● finishing")
    code, after = shown.end()
    assert code == 143
    assert "stopped after" in after
    assert locks(tmp_path / "run") == []


@pytest.mark.parametrize("flags", ["", "--plain"])
def test_a_terminal_that_is_closed(start, tmp_path: Path, flags: str):
    shown = start(f"{BRIEF} {flags}")
    shown.terminal.wait_for(*(["training 200 genes"] if flags else ["64 genes", "at work"]))
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    shown.terminal.close()
    wait_for(lambda: ended(process))
    run = Run.open(tmp_path / "run")
    assert run.status().state == "stopped"
    assert (len(run.genes) + len(run.orphans)) % 64 == 0
    assert locks(tmp_path / "run") == []
    log = (tmp_path / "run" / "log" / "run.log").read_text()
    assert "stopped after" in log
    assert "Error" not in log
    assert sorted(path.name for path in (tmp_path / "run" / "log").glob("*error*")) == []
    assert (tmp_path / "run" / "spacetravlr_run_summary.html").exists()


def test_a_watched_terminal_that_is_closed(begin, small_run, tmp_path: Path):
    shown = begin(f"{sys.executable} -m spacetravlr status {small_run.directory} --watch")
    shown.terminal.wait_for("● complete")
    process = psutil.Process(int((tmp_path / "pid").read_text()))
    shown.terminal.close()
    wait_for(lambda: ended(process))


def ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], bool], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_ctrl_c_while_setting_up_leaves_nothing(start, tmp_path: Path):
    shown = start()
    shown.terminal.wait_for("setting up")
    shown.terminal.keys("C-c")
    code, after = shown.end()
    assert (code, "Interrupted." in after) == (130, True)
    assert not (tmp_path / "run").exists()


_WORK = """
import os, subprocess, sys, time
from spacetravlr.cli._dashboard import DashboardDisplay
from spacetravlr.cli._lines import Line
from spacetravlr.tui import train_app
display = DashboardDisplay("made up")
def work():
    time.sleep(1.0)
    {work}
    return 7
{before}
print("returned", display.conduct(work, finish=print, stop_now=print))
"""


def test_what_others_write_is_in_the_log_and_not_across_the_screen(begin):
    work = """
    os.write(1, b"from a library\\n")
    os.write(2, b"10%\\r90%\\r\\x1b[1m100% done\\x1b[0m\\n")
    subprocess.run(["sh", "-c", "echo from a child; sleep 600 & echo $! > sleeper"], check=True)
    subprocess.run(["sh", "-c", "echo printed where print leads >&2"], stderr=sys.stderr, check=True)
    print("printed", end=" ")
    print("in parts")
    end = time.monotonic() + 30
    while not os.path.exists("go") and time.monotonic() < end:
        time.sleep(0.05)"""
    shown = begin(python(_WORK.format(work=work, before="")))
    told = ("from a library", "100% done", "from a child", "printed where print leads", "printed in parts")
    seen = shown.terminal.wait_for(*told, "╭─ log")
    assert "90%" not in seen
    frame = seen[seen.index("╭─ log") :]
    assert all(f" {text} " in frame for text in told)
    (shown.place / "go").touch()
    code, after = shown.end()
    os.kill(int((shown.place / "sleeper").read_text()), signal.SIGKILL)
    assert code == 0
    assert "returned 7" in after
    assert "from a library" not in after


def test_an_error_of_the_training_is_raised_when_the_terminal_is_back(begin):
    shown = begin(python(_WORK.format(work="raise ValueError(1234)", before="")))
    shown.terminal.wait_for("made up")
    code, after = shown.end()
    assert code == 1
    assert "ValueError: 1234" in after


def test_a_screen_that_fails_does_not_take_the_training_along(begin):
    work = 'time.sleep(1.0); display.show(Line("still at work"))'
    before = "train_app.TrainApp.tick = lambda self: 1 / 0"
    code, after = begin(python(_WORK.format(work=work, before=before))).end()
    assert code == 0
    assert "the dashboard has failed (ZeroDivisionError: division by zero); the training goes on" in " ".join(
        after.split()
    )
    assert "still at work" in after
    assert "returned 7" in after


def test_watching_a_run(begin, small_run):
    shown = begin(f"{sys.executable} -m spacetravlr status {small_run.directory} --watch")
    done = len(Run.open(small_run.directory).genes)
    shown.terminal.wait_for("● complete", f"✓ {done} done", "by cluster", "median out")
    shown.terminal.keys("q")
    code, after = shown.end()
    assert code == 0
    assert "state     complete" in after


def test_termination_of_a_watcher(begin, small_run, tmp_path: Path):
    shown = begin(f"{sys.executable} -m spacetravlr status {small_run.directory} --watch")
    shown.terminal.wait_for("● complete")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
    assert shown.end()[0] == 143


def test_the_demonstration(begin, tmp_path: Path):
    shown = begin(f"{sys.executable} -m spacetravlr --demo --max-genes 40 --parallel 2", size=(160, 50))
    shown.terminal.wait_for("a made-up lymph node", "by cluster", "germinal centre")
    shown.terminal.keys("q")
    code, after = shown.end()
    assert code == 0
    assert "Demo finished; nothing was written" in after
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("tmux")] == ["pid"]
