"""What stands beside the dashboard: the machine, the settings, the demonstration, a split."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from spacetravlr.config import RunConfig
from spacetravlr.events import Event, GeneFailed, GeneOrphan, GeneSkipped, GeneWritten, RunFinished, RunStarted
from spacetravlr.run import Manifest
from spacetravlr.tui.dashboard_facts import manifest_facts, run_facts
from spacetravlr.tui.dashboard_state import Dashboard
from spacetravlr.tui.train_demo import Demo, demo_picture
from spacetravlr.tui.train_follow import Follower
from spacetravlr.tui.train_machine import Telemetry


def test_the_machine():
    telemetry = Telemetry(lambda: "/not/there/yet")
    first, second = telemetry.look(), telemetry.look()
    assert first.n_cpus == os.cpu_count()
    assert len(second.history) == 2
    assert 0.0 <= second.history[-1] <= 1.0
    assert 0 < second.disk_free <= second.disk_total
    assert 0 < second.memory_used <= second.memory_total
    assert second.own_memory > 10_000_000
    assert second.gpu_total is None
    telemetry.start()
    end = time.monotonic() + 20
    while telemetry.now is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    telemetry.stop()


def test_the_machine_without_its_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "psutil", None)
    seen = Telemetry(lambda: str(tmp_path)).look()
    assert (seen.cpu, seen.memory_total, seen.own_memory) == (None, None, None)
    assert seen.own_cpus >= 0.0
    assert seen.disk_total > 0


def test_the_machine_with_a_graphics_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    cuda = SimpleNamespace(is_initialized=lambda: True, mem_get_info=lambda: (3, 10))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    seen = Telemetry(lambda: str(tmp_path)).look()
    assert (seen.gpu_used, seen.gpu_total) == (7, 10)


def test_settings_in_a_few_lines():
    config = RunConfig(
        training={"genes": ["A", "B", "C", "D", "E", "F"], "mode": "hybrid", "epochs": 3},
        grn={"max_ligands": 1200},
        cluster={"scheduler": "slurm", "workers": 7},
        spatial={"kernel": "truncated"},
    )
    facts = dict(run_facts(config, sample="/data/a.h5ad", out="/data/run"))
    assert facts["targets"] == "A, B, C, D +2 more"
    assert facts["mode"] == "hybrid, 3 epochs"
    assert facts["ligands"] == "at most 1,200"
    assert facts["workers"] == "slurm, 7"
    assert facts["kernel"] == "truncated"
    assert "condition" not in facts
    told = dict(manifest_facts(Manifest(n_parallel=1, device="cpu", network="/data/mouse_network.parquet")))
    assert told == {"workers": "1 thread", "device": "cpu", "network": "mouse_network.parquet"}


def run_demo(**settings) -> list[Event]:
    events: list[Event] = []
    Demo(speed=1e4, **settings).run(events.append)
    return events


def test_the_demonstration_tells_a_whole_run():
    events = run_demo(n_genes=200, workers=3)
    board = Dashboard("demo")
    for event in events:
        board.apply(event)
    counts, last = board.counts(), events[-1]
    assert isinstance(last, RunFinished)
    assert counts.done == counts.total == 200
    assert (counts.written, counts.orphan, counts.failed) == (last.written, last.orphan, last.failed)
    assert min(counts.written, counts.orphan, counts.failed, counts.before) > 0
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.n_done_before == counts.before == sum(isinstance(event, GeneSkipped) for event in events)


def test_the_demonstration_follows_from_its_seed():
    def fates(seed: int) -> set[Event]:
        kinds = (GeneOrphan, GeneFailed, GeneWritten)
        return {event for event in run_demo(n_genes=60, seed=seed) if isinstance(event, kinds)}

    assert fates(1) == fates(1) != fates(2)
    assert (demo_picture(1).xy == demo_picture(1).xy).all()


def test_the_demonstration_can_be_left():
    demo = Demo(n_genes=500, workers=2)
    events: list[Event] = []
    running = threading.Thread(target=demo.run, args=(events.append,))
    running.start()
    demo.leave()
    running.join(20)
    assert not running.is_alive()
    assert not any(isinstance(event, GeneWritten) for event in events)


def test_a_split_is_followed_part_by_part(small_run, tmp_path: Path):
    import anndata
    import numpy as np

    from spacetravlr.cli._status import find_runs
    from spacetravlr.training import train

    adata = anndata.read_h5ad(small_run.sample)
    adata.obs["genotype"] = np.where(np.arange(adata.n_obs) % 2, "WT", "KO")
    network = str(small_run.sample.parent / "network")
    train(adata, tmp_path / "split", condition="genotype", network_data_dir=network, radius=60.0, max_genes=4,
          n_parallel=1, listener=lambda _: None)  # fmt: skip
    board = Dashboard("split", watching=True)
    follower = Follower(board, lambda: find_runs(str(tmp_path / "split")))
    follower.look()
    view = board.view()
    assert (view.part.label, view.part.number, view.part.n_parts) == ("WT", 2, 2)
    assert view.phase == "complete"
    assert view.counts.done == view.counts.total == 4
    assert follower.picture is not None
    assert len(follower.picture.codes) == 80
