"""Runs that lie around, and those opened lately; loading one with progress."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.betas import Betabase, Betas
from spacetravlr.run.nearby import nearby_runs, recent_runs, remember_run


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def fake_run(place: Path, n_models: int, when: float) -> Path:
    place.mkdir(parents=True)
    toml = place / "spacetravlr_run_repro.toml"
    toml.write_text("")
    for number in range(n_models):
        (place / f"G{number}_betadata.feather").touch()
    for path in (toml, place):
        os.utime(path, (when, when))
    return place


def test_runs_with_models_nearby_the_newest_first(tmp_path: Path):
    old = fake_run(tmp_path / "a", 2, 100.0)
    new = fake_run(tmp_path / "x" / "b", 3, 300.0)
    fake_run(tmp_path / "x" / "y" / "z" / "too_deep", 1, 400.0)
    fake_run(tmp_path / "nothing", 0, 500.0)
    fake_run(tmp_path / ".hidden", 1, 600.0)
    found = nearby_runs(tmp_path)
    assert [(run.path, run.n_models, run.changed) for run in found] == [(new, 3, 300.0), (old, 2, 100.0)]
    assert [run.path for run in nearby_runs(tmp_path, limit=1)] == [new]
    assert [run.path for run in nearby_runs(new)] == [new]
    assert nearby_runs(tmp_path / "gone") == []


def test_runs_opened_lately(tmp_path: Path):
    assert recent_runs() == []
    places = [fake_run(tmp_path / name, 1, 100.0) for name in "abc"]
    for place in (*places, places[0]):
        remember_run(place)
    assert [run.path for run in recent_runs()] == [places[0], places[2], places[1]]
    (places[0] / "spacetravlr_run_repro.toml").unlink()
    assert [run.path for run in recent_runs()] == [places[2], places[1]]


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember_run(tmp_path)
    assert recent_runs() == []


def test_reading_models_tells_its_progress_and_stops_when_told(tmp_path: Path):
    for number in range(5):
        Betas(f"G{number}", "cluster", ("0",), np.zeros(1), ("A",), np.ones((1, 1))).write(
            tmp_path / f"G{number}_betadata.feather"
        )
    told: list[tuple[int, int]] = []
    assert len(Betabase.load(tmp_path, on_read=lambda *one: told.append(one))) == 5
    assert told == [(number, 5) for number in range(1, 6)]

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Betabase.load(tmp_path, on_read=stop)
