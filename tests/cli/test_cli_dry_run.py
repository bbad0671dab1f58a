"""`--dry-run`: a short table, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spacetravlr.cli import main
from spacetravlr.cli._dry_run import table
from spacetravlr.training import Estimate


def test_the_table(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    assert main.run(["--h5ad", str(sample), "--output-dir", str(out), "--parallel", "1", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert all(line.startswith(("note: ", "warning: ")) for line in lines[:-6])
    patterns = [
        r"targets     40(, \d+ of them without a modulator)?; 150 cells in 2 clusters",
        r"modulators  \d+ / \d+ / \d+ per target \(min / median / max\), \d+ distinct",
        r"memory      \d+ MB: program 330 MB(, .*)?",
        r"disk        at most \d+ kB",
        r"device      (cpu|cuda|mps)( \(.+\))?",
        r"time        \S+ with 1 worker on this machine when idle: .*start and set-up \S+.*",
    ]
    for pattern, line in zip(patterns, lines[-6:], strict=True):
        assert re.fullmatch(pattern, line), line
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_joined_is_left_as_it_is(trained, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained.directory.rglob("*")}
    assert main.run(["--join-output-dir", str(trained.directory), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"note: settings of the run in {trained.directory}\n" in out
    assert "ignored" not in out
    assert "\ntargets     40" in out
    assert {path: path.stat().st_mtime_ns for path in trained.directory.rglob("*")} == before


def test_the_cluster_is_not_estimated(sample: Path, capsys):
    pytest.importorskip("distributed")
    assert main.run(["--h5ad", str(sample), "--scheduler", "local", "--max-genes", "2", "--dry-run"]) == 0
    assert "note: the time is that of threads on this machine, not of the cluster\n" in capsys.readouterr().out


def test_what_cannot_be_trained_is_an_error(sample: Path, capsys):
    assert main.run(["--h5ad", str(sample), "--genes", "Nothing", "--dry-run"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("Error: no target gene is left")
    assert "memory" not in told.out


def test_small_parts_are_summed_up():
    found = Estimate(
        n_cells=10,
        n_clusters=1,
        n_targets=3,
        n_without=1,
        modulators=(0, 2, 5),
        n_columns=6,
        workers=2,
        memory={"program": 330e6, "expression": 1e6, "designs": 700e6, "set-up": 0.0},
        disk=5e3,
        times={"start": 2.0, "fits": 100.0},
        device="cuda (NVIDIA H200)",
    )
    assert table(found) == [
        "targets     3, 1 of them without a modulator; 10 cells in 1 cluster",
        "modulators  0 / 2 / 5 per target (min / median / max), 6 distinct",
        "memory      1.03 GB: designs 700 MB, program 330 MB, other 1 MB",
        "disk        at most 5 kB",
        "device      cuda (NVIDIA H200)",
        "time        1m42s with 2 workers on this machine when idle: fits 1m40s, other 2.0s",
    ]
