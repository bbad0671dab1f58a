"""Dashboard, plain log, recap, manifest, files and report tell the same of a training that really takes place."""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacetravlr.cli._displays import InPlace, PlainDisplay
from spacetravlr.cli._lines import Line
from spacetravlr.cli._reporter import Reporter
from spacetravlr.events import Event, GeneClaimed, GeneWritten, StageFinished, StageStarted
from spacetravlr.report import write_report
from spacetravlr.run import Run, RunDirectory
from spacetravlr.training import StopRequest, train
from spacetravlr.tui.dashboard_state import Dashboard
from spacetravlr.tui.dashboard_view import level_of
from spacetravlr.tui.train_files import Files
from spacetravlr.tui.train_follow import Follower


class Both(InPlace):
    """Plain lines, and a dashboard that hears the same."""

    def __init__(self) -> None:
        self.board = Dashboard("sample")
        self.text = io.StringIO()
        self.steps: list[StageStarted | StageFinished] = []
        self._lines = PlainDisplay(self.text)

    def hear(self, event: Event) -> None:
        self.board.apply(event)
        if isinstance(event, StageStarted | StageFinished):
            self.steps.append(event)

    def show(self, line: Line) -> None:
        self.board.log(line.text, level_of(line.text))
        self._lines.show(line)

    def refresh(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def told(small_run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Both, Run]:
    """A training in which a target fails and some have no model, with everything that was told of it."""
    both = Both()
    reporter = Reporter(plain=True, display=both)
    place = tmp_path_factory.mktemp("told")
    network = str(small_run.sample.parent / "network")
    from spacetravlr.training import fits

    settle, broken = fits.settle, small_run_genes(small_run)[1]

    def sometimes(fit: Any, *rest: Any) -> Any:
        if fit.modulators.target == broken:
            raise ValueError("made to fail")
        return settle(fit, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacetravlr.training.trainer.settle", sometimes)
        with reporter.hearing_logs():
            run = train(
                str(small_run.sample),
                place / "run",
                listener=reporter,
                network_data_dir=network,
                n_parallel=2,
                radius=60.0,
                score_threshold=0.3,
            )
    reporter.recap(run)
    return both, run


def small_run_genes(small_run: Any) -> tuple[str, ...]:
    return Run.open(small_run.directory).genes


def test_counts_agree(told: tuple[Both, Run]):
    both, run = told
    counts, manifest, status = both.board.counts(), run.directory.manifest, run.status()
    assert manifest is not None
    assert counts.failed == 1
    assert counts.orphan > 0
    assert counts.written == manifest.counts["ok"] == len(status.done) == len(run.genes)
    assert counts.orphan == manifest.counts["orphan"] == len(status.orphan)
    assert counts.failed == manifest.counts["failed"] == len(manifest.failures)
    assert counts.total == len(manifest.targets) == counts.done
    assert both.board.failures == dict(manifest.failures)
    assert both.board.phase == manifest.status == status.state == "partial"
    recap = both.text.getvalue()
    assert f"{counts.written} genes written, {counts.orphan} orphan, 1 failed" in recap
    lines = [line.split(" ", 1)[1] for line in (run.path / "log" / "run.log").read_text().splitlines()]
    assert lines == recap.splitlines() == [line.text for line in both.board.lines()[1]]


def test_scores_agree(told: tuple[Both, Run]):
    both, run = told
    table = run.scores()
    view = both.board.view()
    best = {one.gene: (one.r2_in, one.r2_out) for one in both.board.ranked(99, best=True, by="in")}
    assert best.keys() == {*run.genes}
    for gene, (r2_in, r2_out) in best.items():
        rows = table[table.gene == gene]
        assert r2_in == pytest.approx(rows.r2_in.mean())
        assert r2_out == pytest.approx(rows.r2_out.mean(), nan_ok=True)
        by_cluster = both.board.cluster_scores(gene)
        assert {*by_cluster} == {*rows.cluster}
        for label, a, b in zip(rows.cluster, rows.r2_in, rows.r2_out, strict=True):
            assert by_cluster[label] == pytest.approx((a, b), nan_ok=True)
        assert both.board.gene(gene).n_kept == len(run.betas(gene).modulators)
    assert view.median_r2_in == pytest.approx(np.median([pair[0] for pair in best.values()]))
    said = re.search(r"median R2: (\S+) in sample, (\S+) held out", both.text.getvalue())
    assert said is not None
    assert said.groups() == (f"{view.median_r2_in:.2f}", f"{view.median_r2_out:.2f}")


def test_steps_are_told_when_they_begin_and_when_they_end(told: tuple[Both, Run]):
    both, _ = told
    names = ("sample", "prior network", "expression", "received ligands")
    assert [(type(one), one.stage) for one in both.steps] == [
        (kind, name) for name in names for kind in (StageStarted, StageFinished)
    ]
    assert [one.name for one in both.board.view().stages] == [*names]


def test_the_report_agrees(told: tuple[Both, Run]):
    both, run = told
    html = write_report(run.path).read_text(encoding="utf-8")
    found = re.search(r'id="spacetravlr-gene-metrics">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    table = json.loads(found[1])
    counts, view, said = both.board.counts(), both.board.view(), both.text.getvalue()
    head = {
        "n-models": f"{counts.written}",
        "n-orphans": f"{counts.orphan}",
        "n-failed": f"{counts.failed}",
        "r2-in": f"{view.median_r2_in:.2f}",
        "r2-out": f"{view.median_r2_out:.2f}",
    }
    for name, text in head.items():
        assert re.search(rf'id="{name}">([^<]*)', html)[1].replace("−", "-") == text, name
    fates = {"model": "written", "orphan": "orphan", "failed": "failed"}
    assert {*table["genes"]} == {*run.directory.manifest.targets}
    for row, gene in enumerate(table["genes"]):
        record, fate = both.board.gene(gene), table["fates"][table["fate"][row]]
        assert fates[fate] == record.fate
        if fate == "model":
            assert table["r2_in"][row] == pytest.approx(record.r2_in, abs=5.1e-5)
            assert table["r2_out"][row] == pytest.approx(record.r2_out, abs=5.1e-5)
            assert (table["n_offered"][row], table["n_kept"][row]) == (record.n_modulators, record.n_kept)
        else:
            assert table["reason"][row] == record.reason
            assert f"{gene} {fate}: {record.reason}" in said


def test_lines_of_genes_agree(told: tuple[Both, Run]):
    both, _ = told
    for text in both.text.getvalue().splitlines():
        found = re.match(r"\[\d+/\d+\] (\S+) R2=(\S+) out=(\S+) n_mod=(\d+) kept=(\d+)", text)
        if found is not None:
            gene, r2_in, r2_out, n_modulators, n_kept = found.groups()
            record = both.board.gene(gene)
            assert (f"{record.r2_in:.2f}", f"{record.r2_out:.2f}") == (r2_in, r2_out)
            assert (record.n_modulators, record.n_kept) == (int(n_modulators), int(n_kept))


def test_who_follows_the_files_sees_the_same(told: tuple[Both, Run]):
    both, run = told
    board = Dashboard("watched", watching=True)
    follower = Follower(board, lambda: (run.path, RunDirectory(run.path)))
    follower.look()
    own, seen = both.board.view(), board.view()
    assert seen.phase == own.phase
    assert seen.counts == own.counts
    for by in ("in", "out"):
        mine, theirs = both.board.ranked(99, best=True, by=by), board.ranked(99, best=True, by=by)
        assert [one.gene for one in theirs] == [one.gene for one in mine]
        assert [one.n_kept for one in theirs] == [one.n_kept for one in mine]
        np.testing.assert_allclose([one.r2_in for one in theirs], [one.r2_in for one in mine])
        assert board.median(by) == pytest.approx(both.board.median(by))
    for gene in run.genes:
        mine, theirs = both.board.cluster_scores(gene), board.cluster_scores(gene)
        assert [*theirs] == [*mine]
        np.testing.assert_array_equal([*theirs.values()], [*mine.values()])
    for gene in run.orphans:
        assert board.gene(gene).reason == both.board.gene(gene).reason
    assert board.failures == both.board.failures
    assert [stage.name for stage in seen.stages] == [stage.name for stage in own.stages]
    assert [line.text for line in board.lines()[1]] == [line.text for line in both.board.lines()[1]]
    assert seen.elapsed == pytest.approx(run.directory.manifest.wall_seconds, abs=2.5)
    assert dict(seen.facts)["device"] == "cpu"
    sizes = run.directory.manifest.clusters
    assert {one.label.split()[0]: one.n_cells for one in seen.cell_types} == dict(sizes)
    assert any("B cell" in one.label for one in seen.cell_types)
    # the second look tells nothing twice
    follower.look()
    assert board.view().counts == seen.counts
    assert follower.picture is not None
    assert np.bincount(follower.picture.codes).tolist() == [sizes[label] for label in follower.picture.labels]


def test_a_follower_sees_a_failure_that_is_mended(told: tuple[Both, Run], tmp_path: Path):
    import shutil

    _, run = told
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    directory = RunDirectory(copy)
    board = Dashboard("watched", watching=True)
    follower = Follower(board, lambda: (copy, directory))
    follower.look()
    (gene,) = board.failures
    directory.write_orphan(gene, "mended")
    follower.look()
    counts = board.counts()
    assert (counts.failed, counts.done, board.gene(gene).fate) == (0, counts.total, "orphan")


def test_a_continued_run_ranks_what_was_done_before(told: tuple[Both, Run], tmp_path: Path):
    import shutil

    both, before_it = told
    run = Run.open(shutil.copytree(before_it.path, tmp_path / "run"))  # others read the first as it is
    again = Both()
    reporter = Reporter(plain=True, display=again)
    train(run.config.data.adata_path, run.path, config=run.config, listener=reporter)
    assert again.board.counts().before == both.board.counts().written + both.board.counts().orphan
    files = Files(again.board)
    files.look()
    before = {one.gene for one in both.board.ranked(99, best=True)}
    fresh = {gene for gene in run.genes if again.board.gene(gene).fate == "written"}
    assert {one.gene for one in again.board.ranked(99, best=True)} == before | fresh
    assert fresh == {*both.board.failures}
    assert files.picture is not None
    assert dict(again.board.view().facts)["results"] == str(run.path)


def test_a_listener_is_never_kept_waiting():
    board = Dashboard("sample")
    stop, frames = StopRequest(), []

    def draw() -> None:
        while not stop.finish.is_set():
            frames.append(board.view())

    drawing = threading.Thread(target=draw)
    drawing.start()
    for number in range(4_000):
        board.apply(GeneClaimed(f"g{number}"))
        board.apply(GeneWritten(f"g{number}", 9, 3, number % 97 / 97, number % 89 / 89, 0.1))
    stop.finish.set()
    drawing.join()
    # frames may be few; events are all there
    assert board.counts().written == 4_000
    assert board.view().n_scored == 4_000
    assert frames
