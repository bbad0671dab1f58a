"""The perturbation screens and the prompt in a real terminal, on a run that was really trained."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest

from spacetravlr.run import Run

_PROGRAM = "import signal,sys; signal.signal(signal.SIGINT, signal.default_int_handler); {before}from spacetravlr.cli.perturb import run; sys.exit(run())"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@pytest.fixture
def start(terminal, tmp_path: Path):
    """Start `spacetravlr-perturb` in a terminal; it shows its exit code and what is left of the terminal's modes."""

    def begin(*arguments: object, before: str = "", **options):
        words = [sys.executable, "-c", _PROGRAM.format(before=before), *map(str, arguments)]
        state = f"XDG_STATE_HOME={shlex.quote(str(tmp_path / 'state'))}"
        script = f"trap : INT; env {state} {shlex.join(words)}; code=$?; stty -a | grep -o '[-]*icanon\\|[-]*echo '; echo code $code; exec cat"
        line = f"sh -c {shlex.quote(script)}"
        return terminal(line, **{"env": THREADS, **options})

    return begin


@pytest.fixture
def ended():
    def check(screen, code: int) -> str:
        """The program has ended with that code, and the terminal is as before."""
        shown = screen.wait_for(f"code {code}")
        assert re.search(r"(?<![-\w])icanon\b", shown)
        assert re.search(r"(?<![-\w])echo\b", shown)
        assert screen.ask("#{alternate_on}") == "0"
        assert screen.ask("#{mouse_any_flag}") == "0"
        assert screen.ask("#{cursor_flag}") == "1"
        return shown

    return check


@pytest.fixture(scope="module")
def gene(small_run) -> str:
    run = Run.open(small_run.directory)
    model = run.model(profile=run.config.perturbation.profile)
    return next(gene for gene in model.modulators if gene in model.targets)


def test_a_perturbation_from_the_first_key_to_the_file(start, ended, small_run, gene: str, tmp_path: Path):
    screen = start("--run-toml", small_run.directory, size=(100, 30))
    screen.wait_for("Genes 40 of 40", "? help")
    assert screen.ask("#{alternate_on}") == "1"
    # all at once, as whoever knows the keys does
    screen.type(f"/{gene}")
    screen.wait_for(f"─ {gene} ", "Genes 1 of 40")
    screen.keys("Enter")
    screen.type(" ")
    screen.wait_for(f"● {gene}")
    screen.type("ex2")
    screen.wait_for(f"Dose of {gene}", f"{gene} becomes", "│ x2 ")
    screen.keys("Enter")
    screen.type("s")
    screen.wait_for("Cells in which")
    screen.keys("Space", "Enter")
    label = sorted(set(Run.open(small_run.directory).tissue().obs["cell_type"]))[0]
    screen.wait_for(f"x2  {label}")
    screen.type("p")
    screen.wait_for("Propagation steps")
    screen.keys("3", "Enter")
    screen.wait_for("3 steps")
    screen.type("r")
    screen.wait_for("#1 done in")
    screen.type("o")
    screen.wait_for("Most changed", f"{gene} x2 · {label} · 3 steps")
    screen.keys("x")
    screen.wait_for("Write #1")
    out = tmp_path / "here" / "effect.feather"
    screen.type(str(out))
    screen.keys("Enter")
    screen.wait_for("wrote")
    screen.keys("Escape")
    screen.wait_for("Genes 1 of 40")
    screen.keys("q")
    ended(screen, 0)
    expected = Run.open(small_run.directory).perturb({gene: "x2"}, cells={"cell_type": label}, n_propagation=3)
    table = feather.read_feather(out)
    assert table["CellID"].tolist() == list(expected.cells)
    np.testing.assert_array_equal(table[list(expected.genes)].to_numpy(), expected.simulated)


@pytest.mark.parametrize("key", ["C-c", "C-q"])
def test_leaving_the_path_screen_restores_the_terminal(start, ended, key: str):
    screen = start(size=(60, 16))
    screen.wait_for("Run TOML, or the directory", "Enter load")
    screen.keys(key)
    ended(screen, 0)


def test_a_fault_inside_is_one_line_and_the_terminal_is_restored(start, ended, tmp_path: Path):
    before = (
        "from spacetravlr.tui._perturb_path_screen import PathScreen; PathScreen.action_complete = lambda self: 1 / 0; "
    )
    screen = start(before=before, env={**THREADS, "TMPDIR": str(tmp_path)})
    screen.wait_for("Run TOML, or the directory")
    screen.keys("Tab")
    shown = ended(screen, 1)
    assert "Error: internal error (ZeroDivisionError: division by zero)" in shown.replace("\n", "")
    assert "Traceback" not in shown


def test_a_run_that_is_not_there_is_told_before_any_screen_opens(start, ended):
    shown = ended(start("--run-toml", "nowhere"), 1)
    assert "Error: no such run directory or run TOML:" in shown


def test_the_prompt_at_a_terminal(start, ended, small_run, gene: str, tmp_path: Path):
    screen = start("--plain", size=(110, 40))
    screen.wait_for("Path to spacetravlr_run_repro.toml:")
    screen.type("nowhere\n")
    screen.wait_for("no such run directory or run TOML")
    screen.type(f"{small_run.directory}\n")
    screen.wait_for("40 genes", "perturb>")
    # what once ended the program is told, and the next line is asked for
    for line, answer in [
        ("run", "no gene is marked"),
        (f"mark {gene} 77", "no cell has the cell_type '77'"),
        ("run x", "no gene is marked"),
        (f"marc {gene}", "did you mean 'mark'?"),
        (f"mark {gene}", f"[x] {gene}  KO, all cells"),
        ("run many", "is no number and no dose: 'many'"),
        ("steps 1.5", "must be a whole number"),
        ("list 0", "a whole number of at least 1"),
    ]:
        screen.keys("C-l")
        screen.type(f"{line}\n")
        screen.wait_for(answer)
    screen.keys("C-l")
    # half a name is completed
    screen.type("unm\t")
    screen.wait_for("perturb> unmark")
    screen.keys("C-u")
    screen.type("run 0\n")
    screen.wait_for(f"#1 {gene} KO · all cells · ")
    screen.type("export out.csv\n")
    screen.wait_for("Wrote out.csv (160 cells × 40 genes")
    before = (tmp_path / "out.csv").read_bytes()
    screen.type("run x3\n")
    screen.wait_for(f"#2 {gene} x3")
    screen.keys("C-l")
    screen.type("export out.csv\n")
    screen.wait_for("out.csv exists. Replace it? [y/N]")
    screen.type("n\n")
    screen.wait_for("nothing is written")
    assert (tmp_path / "out.csv").read_bytes() == before
    screen.keys("C-c")
    screen.wait_for("quit leaves")
    screen.keys("C-d")
    ended(screen, 0)
    expected = Run.open(small_run.directory).perturb({gene: 0.0})
    table = pd.read_csv(tmp_path / "out.csv", dtype=str)
    np.testing.assert_array_equal(table[list(expected.genes)].astype(np.float64).to_numpy(), expected.simulated)
    history = (tmp_path / "state" / "spacetravlr" / "perturb_history").read_text()
    assert "export out.csv" in history


def test_without_the_library_the_prompt_is_opened_and_says_why(start, ended, small_run):
    before = (
        "import importlib.util as u; real = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'textual' else real(name, *a); "
    )
    screen = start("--run-toml", small_run.directory, before=before)
    screen.wait_for("the full screen needs the extra tui (python -m pip install 'spacetravlr-py[tui]')", "perturb>")
    screen.keys("C-d")
    ended(screen, 0)
