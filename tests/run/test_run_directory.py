"""The run directory as a trainer uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.betas import Betas
from spacetravlr.config import RunConfig
from spacetravlr.errors import InputError, RunDirectoryError
from spacetravlr.run import ClusterLog, GeneLog, Manifest, RunDirectory, read_log, read_status


def betas(gene: str, value: float = 0.5) -> Betas:
    return Betas(gene, "cluster", ("0", "1"), np.array([1.0, 2.0]), ("Foxo1", "Il2$Il2ra"), np.full((2, 2), value))


def log(gene: str) -> GeneLog:
    fit = ClusterLog(
        cluster="0", n_cells=5, n_modulators=2, r2_in=0.5, train_mse=0.1, n_iter=3, converged=True, r2_out=0.25
    )
    return GeneLog(gene=gene, clusters=(fit,))


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunConfig())


def test_the_life_of_a_run(directory: RunDirectory) -> None:
    genes = ("Pax5", "Cd19", "Ebf1", "H2-K1/b")
    with directory:
        manifest = directory.begin(Manifest(run_id="sample", targets=genes, training_mode="seed"))
        assert read_status(directory).state == "running"
        assert directory.claim(genes) == genes
        for gene in (genes[0], genes[3]):
            directory.write_log(log(gene))
            directory.write_betas(betas(gene))
            directory.release([gene])
        directory.write_orphan("Cd19", "all coefficients are\nzero")
        directory.release(["Cd19"])
        assert directory.done("Pax5")
        assert directory.done("Cd19")
        assert not directory.done("Ebf1")
        assert [lock.gene for lock in directory.locked()] == ["Ebf1"]
        assert read_status(directory).locked[0].pid == os.getpid()
        directory.append_run_log("one\ntwo")
        directory.append_run_log("three")
        end = directory.conclude(manifest, failures={"Ebf1": "singular"}, wall_seconds=1.5, notices=["x"])
    assert (end.status, end.wall_seconds, end.notices) == ("partial", 1.5, ("x",))
    assert end.counts == {"ok": 2, "orphan": 1, "failed": 1, "skipped": 0}
    assert directory.manifest == end
    assert directory.scan().done == {"Pax5", "H2-K1/b"}
    assert directory.orphan_reason("Cd19") == "all coefficients are zero"
    assert directory.orphan_reason("Pax5") is None
    assert read_log(directory.files.log("H2-K1/b")) == log("H2-K1/b")
    assert [entry.split(" ", 1)[1] for entry in directory.files.run_log.read_text().splitlines()] == [
        "one two",
        "three",
    ]
    status = read_status(directory)
    assert (status.state, status.planned, status.remaining) == ("partial", genes, ("Ebf1",))
    assert (status.done, status.orphan, status.failed) == (("Pax5", "H2-K1/b"), ("Cd19",), {"Ebf1": "singular"})
    assert not [path for path in directory.path.iterdir() if path.name.startswith(".")]


def test_a_second_run_trains_what_is_left(directory: RunDirectory) -> None:
    genes = ("A", "B", "C")
    with directory:
        manifest = directory.begin(Manifest(targets=genes))
        directory.write_betas(betas("A"))
        directory.conclude(manifest, failures={"C": "singular"}, stopped=True)
    again = RunDirectory.create(directory.path, RunConfig())
    with again:
        manifest = again.begin(Manifest(targets=genes))
        assert manifest.failures == {}
        assert again.claim(genes) == ("B", "C")
        again.write_betas(betas("B"))
        again.write_betas(betas("C"))
        assert again.conclude(manifest, failures={}).status == "complete"
    assert read_status(again).state == "complete"


CRASH = """
import sys, time
from spacetravlr.run import Manifest, RunDirectory
directory = RunDirectory.open(sys.argv[1])
directory.begin(Manifest(targets=("A", "B")))
print(*directory.claim(["A", "B"]), flush=True)
time.sleep(60)
"""


def test_a_run_killed_in_the_middle_is_seen_and_continued(directory: RunDirectory) -> None:
    with subprocess.Popen([sys.executable, "-c", CRASH, directory.path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["A", "B"]
        assert read_status(directory).state == "running"
        with directory:
            waiting = directory.conclude(Manifest(targets=("A", "B")), failures={})
        assert waiting.status == "running"
        process.send_signal(signal.SIGKILL)
    assert read_status(directory).state == "interrupted"
    again = RunDirectory.create(directory.path, RunConfig())
    with again:
        assert again.claim(["A", "B"]) == ("A", "B")
        assert read_status(again).state == "running"


def test_status_of_directories_of_others(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert (read_status(directory).state, read_status(directory).remaining) == ("unknown", None)
    (tmp_path / "A.lock").touch()
    assert read_status(directory).state == "running"
    (tmp_path / "run_manifest.json").write_text("[]")
    assert directory.manifest is None
    old = tmp_path / ".heartbeat-elsewhere-1"
    old.write_text("spacetravlr_gene 1\nhost elsewhere\n")
    (tmp_path / "A.lock").write_text(f"spacetravlr_gene 1\nhost elsewhere\nheartbeat {old.name}\n")
    assert read_status(directory).state == "running"
    os.utime(old, (time.time() - 3600,) * 2)
    assert read_status(directory).state == "interrupted"


def test_betas_that_are_all_zero_are_no_result(directory: RunDirectory) -> None:
    with pytest.raises(InputError, match="no coefficient"):
        directory.write_betas(betas("A", value=0.0))
    assert not directory.done("A")


def test_every_writer_refuses_in_one_way_when_the_directory_is_gone(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run", RunConfig())
    _ = directory.config
    directory.files.toml.unlink()
    directory.path.rmdir()
    directory.path.write_text("a file now")
    for write in (
        lambda: directory.write_betas(betas("A")),
        lambda: directory.write_orphan("A", "x"),
        lambda: directory.write_log(log("A")),
        lambda: directory.append_run_log("x"),
        lambda: directory.write_manifest(Manifest()),
        lambda: directory.claim(["A"]),
    ):
        with pytest.raises(RunDirectoryError, match="run"):
            write()
    directory.close()
    assert directory.path.read_text() == "a file now"


def test_the_run_log_cannot_be_written(directory: RunDirectory) -> None:
    directory.files.run_log.mkdir(parents=True)
    with pytest.raises(RunDirectoryError, match=r"run\.log"):
        directory.append_run_log("x")
