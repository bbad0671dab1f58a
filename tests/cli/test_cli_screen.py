"""Screens: all genes or some, resumed, stopped, and what is said about them."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest

from spacetravlr.cli import perturb
from spacetravlr.cli._errors import Interrupted
from spacetravlr.cli._perturb_stop import PatientModel, Stopping
from spacetravlr.cli._perturb_tables import screen_text
from spacetravlr.cli._perturb_voice import Voice
from spacetravlr.perturbation import Effect, SimulationCancelledError
from spacetravlr.run import Run


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    code = perturb.run(["screen", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


@pytest.fixture
def opened(trained) -> Run:
    return Run.open(trained.directory)


@pytest.fixture
def genes(opened: Run) -> tuple[str, ...]:
    return opened.model().modulators


def test_a_screen_of_all_genes(cli, trained, opened: Run, genes: tuple[str, ...], tmp_path: Path):
    given = ["--run-toml", trained.toml, "--out-dir", tmp_path / "all", "--n-propagation", 2, "--parallelism", 2]
    done = cli("spacetravlr-perturb", "screen", *given)
    assert done.code == 0
    summary = pd.read_feather(tmp_path / "all/screen_summary.feather")
    assert list(summary["gene"]) == list(genes)
    assert done.out == f"{screen_text(summary, 10)}\n"
    lines = done.err.splitlines()
    assert [line.split()[0] for line in lines[: len(genes)]] == [
        f"[{number}/{len(genes)}]" for number in range(1, len(genes) + 1)
    ]
    assert lines[len(genes)] == f"Wrote {tmp_path / 'all/screen_summary.feather'} ({len(genes)} genes)"
    assert lines[-2].startswith(f"{len(genes)} of {len(genes)} genes done in ")
    strongest = summary.loc[summary["mean_abs_change"].idxmax(), "gene"]
    assert f" --gene {strongest} --desired-expr 0 --out {strongest}.feather --top 20" in lines[-1]
    assert lines[-1].startswith("next: spacetravlr-perturb --run-toml ")
    table = feather.read_table(tmp_path / f"all/{genes[0]}_KO.feather")
    expected = opened.perturb({genes[0]: 0.0}, n_propagation=2)
    np.testing.assert_array_equal(np.column_stack([table[name] for name in expected.genes]), expected.simulated)


def test_some_genes_at_another_dose_in_some_cells(capsys, trained, opened: Run, genes, tmp_path: Path):
    (tmp_path / "genes.txt").write_text(f"# two\n {genes[1]}\n\n{genes[0]}\n")
    given = ["--run-toml", trained.directory, "--genes-file", tmp_path / "genes.txt", "--dose", "50"]
    code, _, lines = run(capsys, *given, "--cell-type", "B cell", "--out-dir", tmp_path / "some")
    assert code == 0, lines
    summary = pd.read_feather(tmp_path / "some/screen_summary.feather")
    assert list(summary["gene"]) == [genes[1], genes[0]]
    assert list(summary["dose"]) == ["50", "50"]
    assert list(summary["n_cells"]) == [75, 75]
    # hundreds of the same warning would help nobody
    assert not [line for line in lines if line.startswith("warning")]
    assert "note: there are remarks on 2 of the genes, in column notes of the summary" in lines
    simulated = feather.read_table(tmp_path / f"some/{genes[0]}_50.feather")[genes[0]].to_numpy()
    assert np.flatnonzero(simulated == 50).tolist() == list(range(75))


def test_a_screen_goes_on_where_it_was_stopped(
    capsys, trained, genes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given = ["--run-toml", trained.toml, "--out-dir", tmp_path / "all", "--parallelism", 1]
    original = Effect.write

    def write(self: Effect, path: Path) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        return original(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(Effect, "write", write)
        code, _, lines = run(capsys, *given)
    assert code == 130
    assert "finishing the simulations at work; press Ctrl-C again to stop at once" in lines
    assert lines[-2].startswith(f"1 of {len(genes)} genes done in ")
    assert lines[-1] == f"stopped: {len(genes) - 1} genes are left; the same command goes on with them"
    first = tmp_path / "all" / f"{genes[0]}_KO.feather"
    assert sorted(path.name for path in first.parent.iterdir()) == sorted(
        [first.name, "screen.json", "screen_summary.feather"]
    )
    before = first.stat().st_mtime_ns
    code, _, lines = run(capsys, *given)
    assert code == 0
    assert lines[-2].startswith(f"{len(genes)} of {len(genes)} genes done (1 of them before) in ")
    assert first.stat().st_mtime_ns == before
    assert len(pd.read_feather(tmp_path / "all/screen_summary.feather")) == len(genes)
    # everything is there
    code, printed, lines = run(capsys, *given)
    assert code == 0
    assert lines[-2].startswith(f"{len(genes)} of {len(genes)} genes done ({len(genes)} of them before) in ")
    assert printed.startswith("gene ")


def test_a_second_ctrl_c_does_not_wait_for_the_others(
    capsys, trained, genes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    original = Effect.write

    def write(self: Effect, path: Path) -> Path:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return original(self, path)

    monkeypatch.setattr(Effect, "write", write)
    code, printed, lines = run(capsys, "--run-toml", trained.toml, "--out-dir", tmp_path, "--parallelism", 1)
    assert (code, printed) == (130, "")
    assert lines == ["finishing the simulations at work; press Ctrl-C again to stop at once", "Interrupted."]
    assert [path.name for path in tmp_path.glob("*_KO.feather")] == [f"{genes[0]}_KO.feather"]
    assert not list(tmp_path.glob(".tmp-*"))


def test_another_screen_needs_another_directory_or_a_word(capsys, trained, genes, tmp_path: Path):
    given = ["--run-toml", trained.toml, "--genes", genes[0], "--out-dir", tmp_path]
    assert run(capsys, *given)[0] == 0
    code, _, lines = run(capsys, *given, "--dose", "x2")
    assert code == 1
    assert (
        "made with dose 'KO' instead of 'x2': choose another --out-dir, or make it anew with --no-resume" in lines[-1]
    )
    assert run(capsys, *given, "--dose", "x2", "--no-resume")[0] == 0
    assert (tmp_path / f"{genes[0]}_x2.feather").exists()


def test_genes_that_fail_are_listed_at_the_end(capsys, trained, genes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write(self: Effect, path: Path) -> Path:
        raise OSError("no more space")

    monkeypatch.setattr(Effect, "write", write)
    code, printed, lines = run(
        capsys, "--run-toml", trained.toml, "--genes", f"{genes[0]},{genes[1]}", "--out-dir", tmp_path
    )  # fmt: skip
    assert (code, printed) == (1, "")
    assert sorted(lines[1:3]) == sorted(f"failed: {gene}: no more space" for gene in genes[:2])
    assert lines[-1] == "Error: 2 of 2 genes failed; the others are written"


def test_the_usual_directory_is_in_the_run(capsys, trained, genes, tmp_path: Path):
    copy = Path(shutil.copytree(trained.directory, tmp_path / "copy"))
    assert run(capsys, "--run-toml", copy, "--genes", genes[0])[0] == 0
    assert (copy / "perturbations" / f"{genes[0]}_KO.feather").exists()


def test_a_second_signal_stops_at_once():
    said: list[str] = []
    with Stopping(said.append) as stopping:
        assert stopping.exit_code == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.asked.wait(5)
        assert not stopping.at_once.is_set()
        with pytest.raises(Interrupted) as stopped:
            os.kill(os.getpid(), signal.SIGINT)
        assert stopping.at_once.is_set()
    assert stopped.value.code == 130
    assert stopping.exit_code == 143


def test_simulations_at_work_ask_for_themselves_whether_to_stop(opened: Run, genes):
    model = opened.model()
    patient = PatientModel(model, lambda: False)
    effect = patient.simulate({genes[0]: 0.0}, cancelled=lambda: True)
    np.testing.assert_array_equal(effect.simulated, model.simulate({genes[0]: 0.0}).simulated)
    with pytest.raises(SimulationCancelledError):
        PatientModel(model, lambda: True).simulate({genes[0]: 0.0})


def test_a_bar_at_a_terminal(capsys, trained, genes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    given = ["--run-toml", trained.toml, "--genes", f"{genes[0]},{genes[1]}", "--out-dir", tmp_path]
    code, _, lines = run(capsys, *given)
    text = "\n".join(lines)
    assert code == 0
    assert "2/2" in text
    assert "\x1b[" in text
    # the bar tells it
    assert f"Wrote {tmp_path / genes[0]}" not in text
    monkeypatch.setenv("TERM", "dumb")
    code, _, lines = run(capsys, *given, "--no-resume")
    assert "\x1b[" not in "\n".join(lines)
    assert lines[0].startswith("[1/2] Wrote ")


def test_what_is_said_while_a_bar_is_drawn_stands_above_it(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    voice = Voice(verbose=False)
    with voice.hearing_logs(), voice.counting() as advance:
        advance(1, 4, "[red]Foxo1\n")
        thread = threading.Thread(target=logging.getLogger("spacetravlr").warning, args=("a [bold] gene",))
        thread.start()
        thread.join()
        voice.note("a [bold] gene")
        advance(4, 4, "Pax5")
    text = capsys.readouterr().err
    assert text.count("warning: a [bold] gene") == 1
    assert "note:" not in text
    assert "4/4" in text
