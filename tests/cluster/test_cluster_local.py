"""Training by worker processes of this host: the files and the story of threads, whoever is killed on the way."""

from __future__ import annotations

import multiprocessing
import re
import signal
from pathlib import Path
from typing import Any

import dask
import distributed  # noqa: F401 - brings its defaults, which would be lost if it came while settings are changed
import pytest

from spacetravlr.events import Event, GeneClaimed, GeneFailed, GeneOrphan, GeneSkipped, GeneWritten, StageFinished

LOCAL: dict[str, Any] = {"scheduler": "local", "workers": 2}
ENDS = (GeneWritten, GeneOrphan, GeneFailed)


@pytest.fixture
def inside_workers(tmp_path: Path):
    """Run some code in every worker process before its first block."""

    def prepare(code: str, **settings: object):
        script = tmp_path / "preload.py"
        script.write_text(f"MARK = {str(tmp_path / 'mark')!r}\n{code}")
        return dask.config.set({"distributed.worker.preload": [str(script)], **settings})

    return prepare


KILLED_ONCE = """
import os, signal
from pathlib import Path
from spacetravlr.run import RunDirectory

def write_and_die(self, betas, write=RunDirectory.write_betas):
    path = write(self, betas)
    if betas.target == "T3":
        try:
            Path(MARK).touch(exist_ok=False)
        except FileExistsError:
            return path
        os.kill(os.getpid(), signal.SIGKILL)
    return path

RunDirectory.write_betas = write_and_die
"""


def ctrl_c_is_blocked(pid: int) -> bool:
    """Ctrl-C reaches all processes of a terminal; those that train must go on until they are told to stop."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return True
    mask = re.search(r"^SigBlk:\s*(\w+)", status.read_text(), flags=re.MULTILINE)
    return bool(int(mask[1], 16) & (1 << (signal.SIGINT - 1)))


def test_two_processes_write_the_files_of_threads_and_tell_their_story(go, on_threads) -> None:
    blocked: set[bool] = set()

    def heard(event: Event) -> None:
        if isinstance(event, GeneClaimed):
            blocked.update(ctrl_c_is_blocked(child.pid) for child in multiprocessing.active_children())

    trained = go(heard=heard, **LOCAL)
    assert trained.files == on_threads
    assert trained.left_overs == []
    assert blocked == {True}
    targets = sorted(trained.run.directory.manifest.targets)
    assert trained.genes(*ENDS) == trained.genes(GeneClaimed) == targets
    assert trained.genes(GeneSkipped) == []
    assert [e.stage for e in trained.events if isinstance(e, StageFinished)][-1] == "workers"
    last, counts = trained.finished, trained.run.directory.manifest.counts
    assert (last.status, last.written, last.orphan) == ("complete", len(trained.run.genes), len(trained.run.orphans))
    assert counts == {"ok": last.written, "orphan": last.orphan, "failed": 0, "skipped": 0}


def test_a_worker_that_is_killed_in_the_middle_of_a_block_leaves_nothing_undone(
    go, on_threads, tmp_path: Path, inside_workers
) -> None:
    with inside_workers(KILLED_ONCE):
        trained = go(**LOCAL)
    assert (tmp_path / "mark").exists()
    assert trained.files == on_threads
    assert trained.left_overs == []
    # the one that died had written T3 and could not tell
    assert trained.genes(*ENDS) == sorted(trained.run.directory.manifest.targets)
    assert trained.finished.written == len(trained.run.genes)
    assert trained.run.directory.manifest.status == "complete"
    assert [n for n in trained.notices() if "is lost" in n] == [
        "the worker that trained T2, T3, T4 is lost: another one does it again"
    ]


ALWAYS_KILLED = """
import os, signal
from spacetravlr.training.descent import CoordinateDescent

def fit_or_die(self, targets, wanted, fit=CoordinateDescent.fit):
    if "T5" in targets:
        os.kill(os.getpid(), signal.SIGKILL)
    return fit(self, targets, wanted)

CoordinateDescent.fit = fit_or_die
"""


def test_a_block_that_kills_every_worker_fails_and_the_others_are_trained(
    go, on_threads, threads_but, inside_workers
) -> None:
    with inside_workers(ALWAYS_KILLED, **{"distributed.scheduler.allowed-failures": 0}):
        trained = go(**LOCAL)
    reason = "all workers that tried to train its block died (1)"
    lost = ["Noise", "T5", "T6"]
    assert trained.genes(GeneFailed) == lost
    assert trained.run.directory.manifest.failures == dict.fromkeys(lost, reason)
    assert trained.finished.status == "partial"
    assert trained.single == threads_but(*lost)
    # it is free for the next run
    assert go().files == on_threads
