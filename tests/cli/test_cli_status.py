"""`spacetravlr status`, `python -m spacetravlr`, and what a process says that waits for others."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.cli import _status, main
from spacetravlr.cli._lines import Narrator
from spacetravlr.cli._recap import recap
from spacetravlr.events import GeneClaimed, GeneSkipped, GeneWritten, RunFinished, RunStarted
from spacetravlr.pace import Pace
from spacetravlr.run import Manifest, RunDirectory
from spacetravlr.words import size

HEAVY = ("pandas", "anndata", "numba", "torch", "scipy", "pyarrow", "h5py", "matplotlib")


@pytest.fixture
def copy(trained, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(trained.directory, tmp_path / "copy"))


@pytest.fixture
def at_work(copy: Path):
    """A run in which this process is at work: 30 of 40 targets finished, 4 claimed, 1 failed."""
    directory = RunDirectory(copy, stale_lock_secs=120)
    manifest = directory.manifest
    for gene in manifest.targets[:10]:
        for path in directory.files.finished(gene):
            path.unlink(missing_ok=True)
    with directory:
        directory.begin(manifest)
        directory.claim(manifest.targets[:4])
        directory.record_failures({manifest.targets[4]: "FloatingPointError:\noverflow"})
        for gene in manifest.targets[10:]:
            for path in directory.files.finished(gene):
                if path.exists():
                    os.utime(path)
        yield directory


def status(*arguments: object, code: int = 0) -> None:
    assert main.run(["status", *map(str, arguments)]) == code


def test_a_finished_run(trained, capsys):
    status(trained.directory)
    told = capsys.readouterr()
    assert told.err == ""
    lines = told.out.splitlines()
    assert lines[0] == f"run       {trained.directory}"
    assert lines[1] == "state     complete"
    done = len(list(trained.directory.glob("*_betadata.feather")))
    assert lines[2] == f"progress  [{'#' * 30}] 40/40 (100%): {done} done, {40 - done} orphan"
    assert re.fullmatch(
        rf"results   {done} coefficient files, \S+ kB, the last at \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", lines[3]
    )
    assert lines[4:] == [f"next      spacetravlr-perturb --run-toml {shlex.quote(str(trained.directory))}"]


def test_the_toml_of_a_run_is_as_good(trained, capsys):
    status(trained.toml)
    assert f"run       {trained.directory}\n" in capsys.readouterr().out


def test_a_run_at_work(at_work: RunDirectory, capsys):
    status(at_work.path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "state     running"
    assert re.fullmatch(
        rf"progress  \[{'#' * 22}{'-' * 8}\] 30/40 \(75%\): \d+ done, \d+ orphan, 1 failed, 4 running, 5 not begun",
        lines[2],
    )
    assert re.fullmatch(r"rate      \S+/s, eta \d\.\ds", lines[3])
    who = rf"process   {re.escape(os.uname().nodename)} pid {os.getpid()}, since [-\d]+ [:\d]+: 4 genes at work"
    assert re.fullmatch(who, lines[5])
    assert lines[6] == f"failed    {at_work.manifest.targets[4]}: FloatingPointError: overflow"


def test_json_for_scripts(at_work: RunDirectory, capsys):
    status(at_work.path, "--json")
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    found = json.loads(text)
    assert (found["schema"], found["directory"], found["state"]) == (1, str(at_work.path), "running")
    assert (found["planned"], found["done"] + found["orphan"], found["remaining"]) == (40, 30, 10)
    assert (found["running"], found["left_behind"]) == (4, 0)
    assert found["failed"] == {at_work.manifest.targets[4]: "FloatingPointError:\noverflow"}
    assert found["processes"][0]["pid"] == os.getpid()
    assert found["processes"][0]["genes"] == sorted(at_work.manifest.targets[:4])
    assert found["genes_per_hour"] > 1000
    assert found["eta_seconds"] >= 0.0


def test_what_is_not_known_is_null_or_said(copy: Path, capsys):
    (copy / "run_manifest.json").unlink()
    status(copy, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["planned"], found["genes_per_hour"], found["eta_seconds"]) == (
        "unknown",
        None,
        None,
        None,
    )
    status(copy)
    out = capsys.readouterr().out
    assert "state     not begun, or begun by a program that does not tell\n" in out
    assert "(how many there will be is not recorded)" in out


def test_a_run_that_was_killed(copy: Path, capsys):
    directory = RunDirectory(copy)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    targets = directory.manifest.targets
    directory.write_manifest(Manifest(targets=(*targets, "Extra1", "Extra2")))
    with RunDirectory(copy, stale_lock_secs=0) as claims:
        claims.claim(["Extra1"])
        lock = (copy / "Extra1.lock").read_text()
    (copy / "Extra1.lock").write_text(lock.replace(f"pid {os.getpid()}", f"pid {int(gone.stdout)}"))
    status(copy)
    out = capsys.readouterr().out
    assert "state     interrupted: nobody is at work, and it is not finished\n" in out
    assert "1 left by a process that has ended, 1 not begun\n" in out
    assert f"pid {int(gone.stdout)}, has ended and left 1 gene for others to take over\n" in out
    assert f"go on     spacetravlr --join-output-dir {copy}\n" in out


def test_many_failures_are_cut(copy: Path, capsys):
    directory = RunDirectory(copy)
    failures = {f"X{n}": "singular" for n in range(25)}
    directory.write_manifest(
        Manifest(targets=(*directory.manifest.targets, *failures), failures=failures, status="partial")
    )
    status(copy)
    out = capsys.readouterr().out
    assert "state     ended with targets that could not be trained\n" in out
    assert out.count(": singular") == 10
    assert "          and 15 more, see run_manifest.json\n" in out


@pytest.fixture
def split(copy: Path, tmp_path: Path) -> Path:
    """A condition split of two runs, one of them not finished."""
    parent = tmp_path / "parent"
    for name, label in (("ctrl", "ctrl"), ("ko_1", '"ko 1"')):
        shutil.copytree(copy, parent / "conditions" / name)
        (parent / "conditions" / name / "condition_label.txt").write_text(label)
    (parent / "spacetravlr_run_repro.toml").write_text((copy / "spacetravlr_run_repro.toml").read_text())
    directory = RunDirectory(parent / "conditions" / "ko_1")
    directory.write_manifest(Manifest(targets=(*directory.manifest.targets, "Extra"), status="stopped"))
    return parent


def test_the_parts_of_a_condition_split(split: Path, capsys):
    status(split)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"run       {split}, split into 2 conditions"
    assert re.fullmatch(r"  ctrl  complete     40/40, \d+ orphan", lines[1])
    assert re.fullmatch(r"  ko 1  stopped      40/41, \d+ orphan", lines[2])
    assert lines[3] == "  all   stopped      80/81"
    status(split / "spacetravlr_run_repro.toml")
    assert capsys.readouterr().out.splitlines() == lines
    status(split, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], list(found["conditions"])) == ("stopped", ["ctrl", "ko 1"])
    assert found["conditions"]["ko 1"]["directory"] == str(split / "conditions" / "ko_1")
    assert found["conditions"]["ko 1"]["remaining"] == 1


@pytest.mark.parametrize("make", ["missing", "empty", "file", "other"])
def test_what_is_no_run_directory(tmp_path: Path, capsys, make: str):
    place = tmp_path / "place"
    if make == "file":
        place.write_text("text")
    elif make != "missing":
        place.mkdir()
    if make == "other":
        (place / "notes.txt").write_text("text")
    status(place, code=1)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Error: ")
    assert told.err.count("\n") == 1
    words = {"missing": f"no such run directory: {place}", "file": str(place)}
    assert words.get(make, f"{place} is not a run directory: there is no spacetravlr_run_repro.toml in it") in told.err


def test_a_directory_must_be_named(capsys):
    assert main.run(["status"]) == 2
    assert "Try 'spacetravlr status --help'" in capsys.readouterr().err


def test_flags_of_the_training_do_not_belong_before_it(trained, capsys):
    assert main.run(["--radius", "5", "status", str(trained.directory)]) == 2
    assert "no flag of status" in capsys.readouterr().err


def test_nothing_heavy_is_imported(trained):
    code = (
        f"import sys\nfrom spacetravlr.cli.main import run\ncode = run(['status', sys.argv[1]])\n"
        f"sys.stderr.write(repr((code, [name for name in {HEAVY!r} if name in sys.modules])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(trained.directory)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "(0, [])"


def finish(directory: RunDirectory) -> None:
    """End a run as its last process does."""
    manifest = directory.manifest
    for gene in manifest.targets:
        if not directory.done(gene):
            directory.write_orphan(gene, "no modulators")
    directory.conclude(manifest, failures={})
    directory.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_status, "SECONDS", 0.02)
    monkeypatch.setattr(_status, "PATIENCE", 0.1)


def test_watching_in_a_file_gives_a_line_for_every_change(
    at_work: RunDirectory, quick: None, monkeypatch: pytest.MonkeyPatch, capsys
):
    looks: list[float] = []

    def later(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 5:
            at_work.write_orphan(at_work.manifest.targets[0], "no modulators")
        if len(looks) == 10:
            finish(at_work)

    monkeypatch.setattr(time, "sleep", later)
    status(at_work.path, "--watch")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d running: 30/40, \d+ orphan, 1 failed, 4 running, 1 process, rate \S+/s, eta \S+", lines[0]
    )
    assert re.match(r"\d\d:\d\d:\d\d running: 31/40, \d+ orphan, 1 failed, 3 running", lines[1])
    assert re.fullmatch(r"\d\d:\d\d:\d\d complete: 40/40, \d+ orphan", lines[2])


def test_watching_as_json(at_work: RunDirectory, quick: None, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(time, "sleep", lambda seconds: finish(at_work))
    status(at_work.path, "--watch", "--json")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["state"] for one in found] == ["running", "complete"]


def test_watching_a_run_that_nobody_works_on_ends_after_a_while(copy: Path, quick: None, capsys):
    directory = RunDirectory(copy)
    directory.write_manifest(Manifest(targets=(*directory.manifest.targets, "Extra")))
    status(copy, "--watch")
    assert capsys.readouterr().out.count("interrupted") == 1


def test_ctrl_c_leaves_the_watch(at_work: RunDirectory, quick: None, monkeypatch: pytest.MonkeyPatch, capsys):
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    status(at_work.path, "--watch")
    assert capsys.readouterr().err == ""


def test_watching_a_split(split: Path, quick: None, capsys):
    status(split, "--watch")
    assert re.search(r"ctrl complete: 40/40, \d+ orphan; ko 1 stopped: 40/41", capsys.readouterr().out)


def test_a_split_that_begins_while_it_is_watched_is_seen(
    split: Path, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (split / "conditions").rename(split / "later")

    def begin(seconds: float) -> None:
        if (split / "later").exists():
            (split / "later").rename(split / "conditions")

    monkeypatch.setattr("spacetravlr.cli._status.time.sleep", begin)
    status(split, "--watch", "--json")
    first, *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert "conditions" not in first
    assert last["conditions"]


def test_watching_at_a_terminal_draws_in_place(at_work: RunDirectory, spawn):
    import pty
    import select

    ours, theirs = pty.openpty()
    shown = spawn(
        "spacetravlr", "status", at_work.path, "--watch", "--plain", more={}, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen, end = "", time.monotonic() + 60
    while "running" not in seen:
        assert time.monotonic() < end, seen
        if select.select([ours], [], [], 0.2)[0]:
            seen += os.read(ours, 65536).decode()
    finish(at_work)
    while shown.poll() is None or select.select([ours], [], [], 0.2)[0]:
        assert time.monotonic() < end, seen
        if select.select([ours], [], [], 0.2)[0]:
            try:
                seen += os.read(ours, 65536).decode()
            except OSError:
                break
    os.close(ours)
    assert shown.wait() == 0
    last = seen.rpartition("\x1b[2K")[2]
    assert "40/40 (100%)" in last
    # the cursor is back
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l")


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 B"), (999, "999 B"), (8.1e6, "8.1 MB"), (3.25e9, "3.25 GB"), (2e12, "2 TB")]
)
def test_sizes(n_bytes: float, text: str):
    assert size(n_bytes) == text


def told_pace(*events: Any) -> tuple[Pace, list[str]]:
    pace = Pace()
    narrator = Narrator(pace)
    lines = []
    for event in events:
        pace.update(event)
        lines += [line.text for line in narrator.tell(event)]
    return pace, lines


def test_genes_that_others_finish_count_and_the_account_ends_at_all():
    pace, lines = told_pace(
        RunStarted("/out", 150, 40, 4, 2, 0),
        GeneSkipped("A", "locked"),
        GeneSkipped("B", "locked"),
        GeneClaimed("C"),
        GeneClaimed("D"),
        GeneWritten("C", 3, 2, 0.5, 0.4, 0.1),
        GeneWritten("D", 3, 2, 0.5, 0.4, 0.1),
        GeneSkipped("A", "elsewhere"),
    )
    assert (pace.done, pace.elsewhere, pace.by_others) == (3, {"B"}, 1)
    # all that is left is in other hands
    assert math.isnan(pace.eta)
    assert re.fullmatch(r"\[3/4\] A trained by another process rate=\S+ eta=-", lines[-1])
    pace.update(GeneSkipped("B", "elsewhere"))
    assert (pace.done, pace.eta) == (4, 0.0)
    end = RunFinished("complete", 2, 0, 0, 2, 3.0, 0.5, 0.4)
    assert recap(end, pace, "/out", None)[0] == "complete after 3.0s: 2 genes written, 2 trained by other processes"


def test_it_runs_as_a_module(trained):
    done = subprocess.run(
        [sys.executable, "-m", "spacetravlr", "status", str(trained.directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "state     complete" in done.stdout
    nothing = subprocess.run(
        [sys.executable, "-m", "spacetravlr", "status", str(trained.directory / "nix")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("Error: ")
