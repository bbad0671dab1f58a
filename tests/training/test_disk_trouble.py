"""Disks that fill up or become read-only, and files that vanish: a clear message, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.errors import RunDirectoryError
from spacetravlr.events import Event, GeneOrphan, GeneWritten
from spacetravlr.run import Run

Steady = Any
"""What the fixture `steady` gives."""


def remount(place: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", "tmpfs", str(place)]
    # it is busy while any thread has a file there open for writing, which none has for long
    for _ in range(200):
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.02)
    subprocess.run(command, check=True)


def test_a_disk_that_fills_up_and_is_freed(small_disk: Path, steady: Steady, monkeypatch: pytest.MonkeyPatch) -> None:
    steady.in_blocks(monkeypatch)
    out = small_disk / "run"
    with pytest.raises(
        RunDirectoryError, match="no space left on the disk; free some and repeat the command"
    ) as caught:
        steady.train(out)
    assert "\n" not in str(caught.value)
    there = steady.results(out, tables=False)
    assert 0 < len(there) < len(steady.undisturbed)
    assert there.items() <= steady.undisturbed.items()
    assert not [
        name for name in steady.everything_in(out) if ".lock" in name or ".tmp-" in name or ".heartbeat" in name
    ]
    remount(small_disk, "size=4m")
    run = steady.train(out)
    assert steady.results(out) == steady.undisturbed
    assert run.directory.manifest.status == "complete"


def test_a_disk_that_becomes_read_only(small_disk: Path, steady: Steady, monkeypatch: pytest.MonkeyPatch) -> None:
    steady.in_blocks(monkeypatch)
    remount(small_disk, "size=4m")
    out = small_disk / "run"
    protect = steady.Told(lambda e: remount(small_disk, "ro") if isinstance(e, GeneWritten | GeneOrphan) else None)
    with pytest.raises(RunDirectoryError, match="the file system is read-only; choose another --output-dir"):
        steady.train(out, listener=protect)
    assert len(steady.finished(out)) == 1
    with pytest.raises(RunDirectoryError, match="the file system is read-only"):
        steady.train(out)
    with pytest.raises(RunDirectoryError, match="the file system is read-only"):
        steady.train(small_disk / "other")
    remount(small_disk, "rw")
    steady.train(out)
    assert steady.results(out) == steady.undisturbed


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_to_write(steady: Steady, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunDirectoryError, match="permission denied; choose another --output-dir"):
            steady.train(tmp_path / "run")
    finally:
        tmp_path.chmod(0o700)


def remove(out: Path, what: str) -> None:
    for path in out.glob(what):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "what", ["log", "scores", "stability", "*.lock", ".heartbeat-*", "run_manifest.json", "spacetravlr_run_repro.toml"]
)
def test_files_that_are_removed_underneath(
    what: str, steady: Steady, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady.in_blocks(monkeypatch)
    out = tmp_path / "run"
    ended: list[Event] = []

    def take_away(event: Event) -> None:
        if isinstance(event, GeneWritten | GeneOrphan):
            ended.append(event)
            if len(ended) == 3 * steady.block - 1:
                remove(out, what)

    run = steady.train(out, listener=steady.Told(take_away))
    manifest = run.directory.manifest
    assert (manifest.status, sum(manifest.counts.values())) == ("complete", steady.n_targets + 2)
    # without their records, the scores of targets are taken from the logs, which are rounded
    found = steady.results(out, tables=what != "scores")
    lost = steady.undisturbed.keys() - found.keys() - set(steady.tables)
    # Lig and Rec have no modulators, so nothing was fitted, and their records were all there was
    unknown = {"Lig", "Rec"} if what == "scores" else set()
    assert set(run.scores()["gene"]) == {*run.genes, *run.orphans} - unknown
    assert all(name.startswith(what) for name in lost), "only what was removed is missing"
    assert found.items() <= steady.undisturbed.items()
    assert steady.everything_in(out) - found.keys() - set(steady.tables) == {
        "run_manifest.json",
        "spacetravlr_run_repro.toml",
    }
    assert Run.open(out).config == run.config


def test_results_that_are_removed_underneath_are_made_again_by_the_next_run(
    steady: Steady, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady.in_blocks(monkeypatch)
    out = tmp_path / "run"

    def take_away(event: Event) -> None:
        if isinstance(event, GeneWritten) and event.gene == "T11":
            remove(out, "T[1-9]_betadata.feather")

    run = steady.train(out, listener=steady.Told(take_away))
    assert run.directory.manifest.status == "partial"
    assert not (out / "T1_betadata.feather").exists()
    assert steady.train(out).directory.manifest.status == "complete"
    assert steady.results(out) == steady.undisturbed


def test_a_run_directory_that_is_removed_underneath(
    steady: Steady, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    steady.in_blocks(monkeypatch)
    out = tmp_path / "run"
    take_away = steady.Told(lambda e: shutil.rmtree(out, ignore_errors=True) if isinstance(e, GeneWritten) else None)
    with pytest.raises(RunDirectoryError, match="was it removed while the run was going on") as caught:
        steady.train(out, listener=take_away)
    assert str(out) in str(caught.value)
    assert not [path for path in out.rglob("*") if path.suffix in {".lock", ".feather"}]
