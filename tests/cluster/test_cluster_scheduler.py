"""Training by the workers of a scheduler that is there already; its workers are threads of this process."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from spacetravlr.cluster import _account, _plans, _start, _workbench
from spacetravlr.cluster._workbench import Workbench
from spacetravlr.errors import InputError, RunDirectoryError, SpaceTravLRError
from spacetravlr.events import (
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    Notice,
    RunStarted,
)
from spacetravlr.run import RunDirectory
from spacetravlr.training import StopRequest

ENDS = (GeneWritten, GeneOrphan, GeneFailed)


@pytest.mark.parametrize("blind", [(), ("directory",), ("sample",), ("directory", "sample")])
def test_workers_that_see_neither_directory_nor_sample_train_the_same(
    go, on_threads, scheduler: str, blind: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    if "directory" in blind:
        monkeypatch.setattr(Workbench, "_sees_directory", lambda self: False)
    if "sample" in blind:
        monkeypatch.setattr(_workbench, "is_readable", lambda settings: False)
    monkeypatch.setattr(
        _workbench, "read_plan", lambda settings, read=_plans.read_plan: seen.append("x") or read(settings)
    )
    trained = go(scheduler=scheduler)
    assert trained.files == on_threads
    assert trained.left_overs == []
    assert trained.genes(*ENDS) == trained.genes(GeneClaimed) == sorted(trained.run.directory.manifest.targets)
    assert trained.genes(GeneSkipped) == []
    assert trained.finished.status == "complete"
    # once by each worker, or never
    assert len(seen) <= 2 and bool(seen) == ("sample" not in blind)
    assert trained.run.perturb({"Tf1": 0.0}).delta.any()


def test_threads_of_one_worker_share_what_it_has_read(go, on_threads, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    seen: list[str] = []
    monkeypatch.setattr(
        _workbench, "read_plan", lambda settings, read=_plans.read_plan: seen.append("x") or read(settings)
    )
    with LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        trained = go(scheduler=cluster.scheduler_address)
    assert seen == ["x"]
    assert trained.files == on_threads
    assert trained.left_overs == []


@pytest.mark.parametrize("sees", [True, False])
def test_a_target_that_cannot_be_fitted_fails_alone(
    go, threads_but, scheduler: str, sees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spacetravlr.training.descent import CoordinateDescent

    def fit(self, targets, wanted, real=CoordinateDescent.fit):
        if "T4" in targets and wanted[list(targets).index("T4")]:
            raise ZeroDivisionError("no way")
        return real(self, targets, wanted)

    monkeypatch.setattr(CoordinateDescent, "fit", fit)
    if not sees:
        monkeypatch.setattr(Workbench, "_sees_directory", lambda self: False)
    trained = go(scheduler=scheduler)
    manifest = trained.run.directory.manifest
    assert manifest.failures == {"T4": "ZeroDivisionError: no way"}
    assert manifest.status == "partial"
    assert trained.genes(GeneFailed) == ["T4"]
    assert trained.single == threads_but("T4")
    scores = pd.read_feather(trained.path / "scores.feather")
    assert sorted(scores["gene"].unique()) == sorted([*trained.run.genes, *trained.run.orphans])


def test_what_others_hold_is_waited_for(go, on_threads, scheduler: str, tmp_path: Path) -> None:
    first = go()
    for gene in ("T2", "T5", "T6"):
        first.run.directory.files.betadata(gene).unlink()
    other = RunDirectory(first.path, stale_lock_secs=0)
    assert other.claim(["T2", "T5"]) == ("T2", "T5")

    def heard(event: Event) -> None:
        if isinstance(event, Notice) and "waiting for" in event.message and not other.done("T5"):
            other.files.betadata("T5").write_bytes(on_threads["T5_betadata.feather"])
            other.close()

    trained = go(heard=heard, scheduler=scheduler)
    reasons: dict[str, list[str]] = {}
    for event in trained.events:
        if isinstance(event, GeneSkipped):
            reasons.setdefault(event.gene, []).append(event.reason)
    assert reasons.pop("T2") == ["locked"]
    assert reasons.pop("T5") == ["locked", "elsewhere"]
    # left to whoever had begun its block, at first
    assert reasons.pop("T6") == ["locked"]
    assert {tuple(found) for found in reasons.values()} == {("done",)}
    assert trained.genes(*ENDS) == ["T2", "T6"]
    assert trained.files == on_threads
    assert trained.left_overs == []


def test_two_runs_on_one_directory_share_the_targets(go, on_threads, scheduler: str, tmp_path: Path) -> None:
    ready = threading.Barrier(2)

    def heard(event: Event) -> None:
        if isinstance(event, RunStarted):
            ready.wait(30)

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(go, scheduler=scheduler, heard=heard) for _ in range(2)]
        runs = [one.result() for one in both]
    assert runs[0].files == on_threads
    assert sorted(runs[0].genes(*ENDS) + runs[1].genes(*ENDS)) == sorted(runs[0].run.directory.manifest.targets)
    assert runs[0].left_overs == []


def test_a_first_stop_lets_blocks_at_work_end(go, on_threads, scheduler: str) -> None:
    stop = StopRequest()

    def heard(event: Event) -> None:
        if isinstance(event, GeneClaimed):
            stop.finish.set()

    trained = go(scheduler=scheduler, stop=stop, heard=heard)
    assert trained.finished.status == "stopped"
    assert trained.left_overs == []
    ended = trained.genes(*ENDS)
    # at most the blocks of both workers
    assert ended == trained.genes(GeneClaimed)
    assert 3 <= len(ended) <= 6
    assert trained.single.items() < on_threads.items()
    assert go().files == on_threads


def test_a_stop_does_not_wait_for_workers_that_never_came(go) -> None:
    from distributed import LocalCluster

    stop = StopRequest()

    def heard(event: Event) -> None:
        if isinstance(event, Notice) and "waiting for workers" in event.message:
            stop.finish.set()

    with LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0") as cluster:
        trained = go(scheduler=cluster.scheduler_address, stop=stop, heard=heard)
    assert trained.finished.status == "stopped"
    assert trained.genes(*ENDS) == []
    assert trained.left_overs == []


def test_ctrl_c_gives_up_what_is_at_work(go, on_threads, scheduler: str, tmp_path: Path) -> None:
    stop = StopRequest()

    def heard(event: Event) -> None:
        if isinstance(event, GeneWritten):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert stop.abandon.wait(30)

    with pytest.raises(KeyboardInterrupt):
        go(scheduler=scheduler, stop=stop, heard=heard)
    directory = RunDirectory.open(tmp_path / "run")
    assert directory.manifest.status == "stopped"
    assert not directory.scan().locked
    assert go().files == on_threads


@pytest.mark.parametrize("sees", [True, False])
def test_a_disk_that_refuses_ends_the_run(
    go, scheduler: str, sees: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise RunDirectoryError("no space left")

    if sees:
        monkeypatch.setattr(RunDirectory, "write_betas", refuse)
    else:
        monkeypatch.setattr(Workbench, "_sees_directory", lambda self: False)
        monkeypatch.setattr(_account, "write_bytes", refuse)
    with pytest.raises(RunDirectoryError, match="no space left"):
        go(scheduler=scheduler)
    assert not RunDirectory.open(tmp_path / "run").scan().locked


@pytest.mark.parametrize(
    ("name", "found", "error", "message"),
    [
        ("digest", "other", InputError, "finds another sample or network than this run has"),
        ("own_version", "0.0.1", SpaceTravLRError, "has version 0.0.1 of spacetravlr, and this run"),
    ],
)
def test_workers_that_differ_are_refused(
    go, scheduler: str, name: str, found: str, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_workbench, name, lambda *arguments: found)
    with pytest.raises(error, match=message):
        go(scheduler=scheduler)


def test_a_scheduler_that_goes_away_is_one_line(go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(_start, "_CONNECT_SECONDS", 1.0)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:

        def heard(event: Event) -> None:
            if isinstance(event, GeneWritten):
                cluster.close()

        with pytest.raises(SpaceTravLRError, match="finished genes are kept: repeat the command"):
            go(scheduler=cluster.scheduler_address, heard=heard)
    assert RunDirectory.open(tmp_path / "run").scan().done


def test_a_finished_run_needs_no_worker(go, on_threads, monkeypatch: pytest.MonkeyPatch) -> None:
    go()
    monkeypatch.setattr("spacetravlr.cluster.trainer.connected", None)
    again = go(scheduler="local")
    assert again.files == on_threads
    assert again.finished.skipped == len(again.genes(GeneSkipped)) == len(again.run.directory.manifest.targets)
