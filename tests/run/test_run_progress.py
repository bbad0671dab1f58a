"""How far a run is, who works on it, how fast it goes: from files alone, and honest where they do not tell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spacetravlr.config import RunConfig
from spacetravlr.process import this_process
from spacetravlr.run import Manifest, RunDirectory, read_progress, read_status
from spacetravlr.run.progress import STALLED, WINDOW, measured_rate

START = 1_700_000_000.0


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def results(root: Path, times: Iterable[float], prefix: str = "G") -> list[str]:
    genes = []
    for number, moment in enumerate(times):
        path = root / f"{prefix}{number}_betadata.feather"
        path.write_bytes(bytes(100))
        os.utime(path, (moment, moment))
        genes.append(f"{prefix}{number}")
    return genes


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunConfig())


def test_blocks_that_end_at_once_do_not_look_like_a_fast_run() -> None:
    # 64 genes a block, a block every 10 s, written within a tenth of a second
    times = [START + 10.0 * (block + 1) + 0.001 * gene for block in range(5) for gene in range(64)]
    assert measured_rate(times[:64], START) == pytest.approx(6.4, rel=0.02)
    assert measured_rate(times, START) == pytest.approx(6.4, rel=0.02)
    assert measured_rate(times[:1], START) == pytest.approx(0.1, rel=0.02)


def test_results_of_an_earlier_session_do_not_count() -> None:
    old = [START - 86400.0 + second for second in range(100)]
    assert measured_rate(old, START) is None
    assert measured_rate([*old, START + 4.0, START + 8.0], START) == pytest.approx(0.25)


def test_the_speed_is_that_of_the_last_half_hour() -> None:
    slow = [START + 100.0 * k for k in range(1, 100)]
    fast = [slow[-1] + k for k in range(1, 4001)]
    assert measured_rate([*slow, *fast], START) == pytest.approx(1.0, rel=0.01)
    assert len(slow) / (slow[-1] - START) == pytest.approx(0.01)
    assert WINDOW == 1800.0


def test_without_a_manifest_it_is_measured_between_results_or_not_known() -> None:
    assert measured_rate([], None) is None
    assert measured_rate([START], None) is None
    assert measured_rate([START, START], None) is None
    assert measured_rate([START + 5.0 * k for k in range(11)], None) == pytest.approx(0.2)


def test_a_run_at_work(directory: RunDirectory) -> None:
    genes = results(directory.path, [START + 1.0, START + 2.0, START + 4.0])
    planned = (*genes, "A", "B", "C", "D", "E")
    with directory:
        directory.begin(Manifest(targets=planned))
        directory.claim(["A", "B"])
        directory.record_failures({"E": "singular"})
        # the account of the session, at a time that the test knows
        manifest = directory.manifest
        assert manifest is not None
        assert manifest.pace_from > manifest.started
        directory.write_manifest(Manifest(targets=planned, failures={"E": "singular"}, pace_from=iso(START)))
        found = read_progress(directory, now=START + 5.0)
        assert found.status.state == "running"
        assert found.rate == pytest.approx(0.75)
        # A, B, C, D are left, and the last result is a second old
        assert found.eta == pytest.approx(4 / 0.75 - 1.0)
        assert (found.last, found.silent, found.n_bytes, found.stalled) == (START + 4.0, 1.0, 300, False)
        one = found.workers[0]
        assert (one.host, one.pid, one.genes, one.gone) == (os.uname().nodename, os.getpid(), ("A", "B"), False)
        assert one.since == pytest.approx(time.time(), abs=60)
        late = read_progress(directory, now=START + 4.0 + STALLED)
        assert (late.stalled, late.eta) == (True, None)
        # a clock of this host that is behind that of the file system
        assert read_progress(directory, now=START - 1000.0).silent == 0.0
    done = read_progress(directory)
    assert (done.status.state, done.rate, done.eta, done.workers) == ("interrupted", None, None, ())


def test_a_process_without_a_claim_is_at_work_too(directory: RunDirectory) -> None:
    with directory:
        directory.begin(Manifest(targets=("A",)))
        found = read_progress(directory)
        assert [(one.pid, one.genes) for one in found.workers] == [(os.getpid(), ())]
        assert (found.rate, found.eta, found.last) == (None, None, None)


def test_claims_of_others(tmp_path: Path) -> None:
    (tmp_path / "A.lock").touch()
    (tmp_path / "B.lock").touch()
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    machine = this_process().machine
    (tmp_path / "C.lock").write_text(f"spacetravlr_gene 1\nhost here\npid {int(gone.stdout)}\nmachine {machine}\n")
    found = read_progress(RunDirectory(tmp_path))
    assert [(one.host, one.pid, one.genes, one.gone) for one in found.workers] == [
        (None, None, ("A", "B"), False),
        ("here", int(gone.stdout), ("C",), True),
    ]
    assert found.status.planned is None


def test_a_claim_on_a_finished_target_is_not_shown(directory: RunDirectory) -> None:
    with directory:
        directory.begin(Manifest(targets=("A", "B")))
        directory.claim(["A", "B"])
        results(directory.path, [START], prefix="A")
        (directory.path / "A0_betadata.feather").rename(directory.path / "A_betadata.feather")
        assert [lock.gene for lock in read_status(directory).locked] == ["B"]
        assert read_progress(directory).workers[0].genes == ("B",)


def test_killed_after_the_last_target_it_is_complete_nevertheless(directory: RunDirectory) -> None:
    with directory:
        directory.begin(Manifest(targets=("A", "B")))
    directory.write_orphan("A", "x")
    assert read_status(directory).state == "interrupted"
    directory.write_orphan("B", "x")
    assert read_status(directory).state == "complete"


CONCLUDE = """
import sys
from spacetravlr.run import Manifest, RunDirectory
directory = RunDirectory.open(sys.argv[1])
mine = sys.argv[2]
with directory:
    manifest = directory.begin(Manifest(targets=tuple(f"G{n}" for n in range(6))))
    print("begun", flush=True)
    sys.stdin.readline()
    directory.record_failures({mine: "singular"})
    directory.write_orphan(f"G{int(mine[1]) + 3}", "x")
    directory.conclude(manifest, failures={mine: "singular"})
"""


def test_processes_that_end_at_the_same_time_lose_nothing_of_each_other(directory: RunDirectory) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONCLUDE, directory.path, f"G{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    manifest = directory.manifest
    assert manifest is not None
    assert manifest.failures == dict.fromkeys(("G0", "G1", "G2"), "singular")
    assert manifest.counts == {"ok": 0, "orphan": 3, "failed": 3, "skipped": 0}
    assert manifest.status == "failed"
    assert not [path.name for path in directory.path.iterdir() if path.name.startswith(".")]


def test_who_joins_keeps_the_failures_of_those_at_work(directory: RunDirectory) -> None:
    other = RunDirectory.open(directory.path)
    with directory, other:
        directory.begin(Manifest(targets=("A", "B")))
        directory.record_failures({"A": "singular"})
        assert other.begin(Manifest(targets=("A", "B"))).failures == {"A": "singular"}
        other.write_orphan("A", "x")
        other.record_failures({"B": "singular"})
        assert read_status(other).failed == {"B": "singular"}
    with directory:
        # nobody is at work any more: they are tried again
        assert directory.begin(Manifest(targets=("A", "B"))).failures == {}


def test_the_configuration_is_written_again_if_it_was_removed(directory: RunDirectory) -> None:
    before = directory.files.toml.read_text()
    with directory:
        manifest = directory.begin(Manifest(targets=("A",)))
        directory.files.toml.unlink()
        directory.conclude(manifest, failures={})
    assert directory.files.toml.read_text() == before


def test_what_this_very_process_could_not_remove_does_not_block_it(directory: RunDirectory) -> None:
    with directory:
        directory.claim(["A"])
        lock = directory.files.lock("A").read_bytes()
        beat = next(directory.path.glob(".heartbeat-*"))
        content = beat.read_bytes()
        # another object of this process is alive
        with RunDirectory.open(directory.path) as other:
            assert other.claim(["A"]) == ()
    directory.files.lock("A").write_bytes(lock)
    beat.write_bytes(content)
    with RunDirectory.open(directory.path) as again:
        assert again.claim(["A"]) == ("A",)
        assert not beat.exists()
