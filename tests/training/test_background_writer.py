"""Files of a block are written while the next one is fitted, and nothing else is different for that."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from spacetravlr.errors import RunDirectoryError
from spacetravlr.events import ClusterFitted, GeneClaimed, GeneOrphan, GeneWritten
from spacetravlr.run import RunDirectory
from spacetravlr.training import StopRequest, train, trainer
from spacetravlr.training._writer import AHEAD, BackgroundWriter
from spacetravlr.training.descent import CoordinateDescent


def test_jobs_are_done_in_order_and_only_so_many_wait() -> None:
    go, done, put = threading.Event(), [], []
    with BackgroundWriter(threading.Event()) as writer:

        def fill() -> None:
            for number in range(AHEAD + 3):
                writer.put(lambda number=number: (go.wait(30), done.append(number)))
                put.append(number)

        thread = threading.Thread(target=fill)
        thread.start()
        thread.join(0.3)
        assert put == list(range(AHEAD))
        go.set()
        thread.join(30)
    assert done == list(range(AHEAD + 3))


def test_the_first_error_is_raised_and_the_jobs_after_it_can_clear_up() -> None:
    abandon, after = threading.Event(), []

    def fail(text: str) -> None:
        raise RunDirectoryError(text)

    with pytest.raises(RunDirectoryError, match="first"), BackgroundWriter(abandon) as writer:
        writer.put(lambda: fail("first"))
        writer.put(lambda: after.append(abandon.is_set()))
        writer.put(lambda: fail("second"))
        writer.put(lambda: after.append(abandon.is_set()))
    assert after == [True, True]


def test_an_error_on_its_way_is_not_replaced() -> None:
    done: list[int] = []

    def fail() -> None:
        raise RunDirectoryError("disk")

    with pytest.raises(KeyboardInterrupt), BackgroundWriter(threading.Event()) as writer:
        writer.put(fail)
        writer.put(lambda: done.append(1))
        raise KeyboardInterrupt
    assert done == [1]


@pytest.fixture
def options(network_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(trainer, "BLOCK", 2)
    return {"network_data_dir": str(network_dir), "n_parallel": 1, "n_bootstraps": 2, "random_seed": 1}


def count_fits(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    fitted: list[list[str]] = []

    def fit(self, targets, wanted, real=CoordinateDescent.fit):
        fitted.append(list(targets))
        return real(self, targets, wanted)

    monkeypatch.setattr(CoordinateDescent, "fit", fit)
    return fitted


def test_a_fit_does_not_wait_for_the_files_of_the_last_block(
    h5ad: Path, options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, second = [], threading.Event()

    def fit(self, targets, wanted, real=CoordinateDescent.fit):
        fitted.append(targets)
        if len(fitted) == 2:
            second.set()
        return real(self, targets, wanted)

    def write(self, *arguments, real=trainer.Trainer._write):
        assert second.wait(30), "the second block is not begun before the first is written"
        real(self, *arguments)

    monkeypatch.setattr(CoordinateDescent, "fit", fit)
    monkeypatch.setattr(trainer.Trainer, "_write", write)
    run = train(h5ad, tmp_path / "run", genes=["T1", "T2", "T3", "T4"], **options)
    assert len(fitted) == 2
    assert run.directory.manifest.status == "complete"


def test_claims_are_given_back_when_the_files_are_there_and_events_keep_their_order(
    h5ad: Path, options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[str] = []

    def release(self, genes=None, real=RunDirectory.release):
        for gene in genes or ():
            assert self.done(gene), gene
            released.append(gene)
        real(self, genes)

    monkeypatch.setattr(RunDirectory, "release", release)
    events: list[object] = []
    run = train(h5ad, tmp_path / "run", listener=events.append, **{**options, "n_parallel": 2})
    targets = run.directory.manifest.targets
    assert sorted(released) == sorted(targets)
    rank = {GeneClaimed: 0, ClusterFitted: 1, GeneWritten: 2, GeneOrphan: 2}
    for gene in targets:
        ranks = [rank[type(event)] for event in events if getattr(event, "gene", None) == gene]
        assert ranks == sorted(ranks)
        assert (ranks.count(0), ranks.count(2)) == (1, 1)


def test_a_disk_that_refuses_stops_the_fits_and_gives_all_claims_back(
    h5ad: Path, options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = count_fits(monkeypatch)

    def refuse(self, betas):
        raise RunDirectoryError("no space left on the disk")

    monkeypatch.setattr(RunDirectory, "write_betas", refuse)
    monkeypatch.setattr(trainer, "BLOCK", 1)
    genes = ["T1", "T2", "T3", "T4", "Noise"]
    with pytest.raises(RunDirectoryError, match="no space left on the disk"):
        train(h5ad, tmp_path / "run", genes=genes, **options)
    assert 1 <= len(fitted) <= 1 + AHEAD
    directory = RunDirectory.open(tmp_path / "run")
    assert not directory.scan().locked
    assert not directory.scan().finished
    monkeypatch.undo()
    assert len(train(h5ad, tmp_path / "run", genes=genes, **options).genes) == 4


def test_ctrl_c_gives_up_what_waits_to_be_written(
    h5ad: Path, options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = StopRequest()
    fitted = count_fits(monkeypatch)

    def heard(event: object) -> None:
        if isinstance(event, GeneWritten):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert stop.abandon.wait(30)

    with pytest.raises(KeyboardInterrupt):
        train(h5ad, tmp_path / "run", genes=["T1", "T2", "T3", "T4"], listener=heard, stop=stop, **options)
    directory = RunDirectory.open(tmp_path / "run")
    assert directory.scan().done == {"T1"}
    assert fitted[0] == ["T1", "T2"]
    assert not directory.scan().locked
    assert directory.manifest.status == "stopped"
    assert len(train(h5ad, tmp_path / "run", genes=["T1", "T2", "T3", "T4"], **options).genes) == 4
