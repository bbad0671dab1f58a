"""What a dashboard knows: reduced from events, without a screen."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.events import (
    ClusterFitted,
    ConditionStarted,
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
)
from spacetravlr.tui._ranking import Ranking
from spacetravlr.tui.dashboard_state import MOST_LINES, Dashboard
from spacetravlr.tui.dashboard_view import N_BINS, Other, Outside, level_of


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """A dashboard, and events as they come."""

    def __init__(self, n: int = 6, before: int = 0, **more) -> None:
        self.clock = Clock()
        self.board = Dashboard("sample", clock=self.clock, **more)
        self.tell(RunStarted("/out", 150, 400, n, 2, before))

    def tell(self, *events: Event, wait: float = 0.0) -> None:
        self.clock.now += wait
        for event in events:
            self.board.apply(event)


def written(gene: str, r2_in: float = 0.6, r2_out: float = 0.5) -> GeneWritten:
    return GeneWritten(gene, n_modulators=20, n_kept=7, r2_in=r2_in, r2_out=r2_out, seconds=0.2)


def outside(state="running", others: Iterable[Other] = (), held: Iterable[str] = ()) -> Outside:
    return Outside(
        state=state,
        others=tuple(others),
        rate=2.0,
        eta=30.0,
        held=frozenset(held),
        n_bytes=1000,
        last=5.0,
    )


def test_every_fate_of_a_target_is_counted_once():
    told = Told(8, before=1)
    told.tell(GeneSkipped("a", "done"), GeneSkipped("b", "locked"), *(GeneClaimed(gene) for gene in "cdefg"))
    counts = told.board.counts()
    assert (counts.total, counts.done, counts.at_work, counts.elsewhere, counts.waiting) == (8, 1, 5, 1, 1)
    told.tell(written("c"), GeneOrphan("d", "no modulators"), GeneFailed("e", "bad"), GeneSkipped("b", "elsewhere"))
    counts = told.board.counts()
    assert (counts.written, counts.orphan, counts.failed, counts.before, counts.by_others) == (1, 1, 1, 1, 1)
    assert (counts.done, counts.at_work, counts.elsewhere, counts.waiting) == (5, 2, 0, 1)
    fates = {gene: told.board.gene(gene).fate for gene in "abcdef"}
    assert fates == {
        "a": "done before",
        "b": "by others",
        "c": "written",
        "d": "orphan",
        "e": "failed",
        "f": "at work",
    }
    assert told.board.gene("d").reason == "no modulators"
    assert told.board.view().last_failure == "e: bad"


def test_a_target_that_nobody_has_begun_is_known_by_the_plan_only():
    told = Told()
    assert told.board.gene("Pax5") is None
    told.board.set_targets(["Pax5", "Foxo1"])
    assert told.board.gene("Pax5").fate == "waiting"
    told.board.set_outside(outside(held=["Foxo1"]))
    assert told.board.gene("Foxo1").fate == "elsewhere"


def test_blocks_are_what_a_thread_claims_at_one_time():
    told = Told(8)
    told.tell(*(GeneClaimed(gene) for gene in "abc"))
    told.tell(*(GeneClaimed(gene) for gene in "def"), wait=2.0)
    told.clock.now += 1.0
    assert [(one.genes, one.n, one.seconds) for one in told.board.view().blocks] == [
        (("a", "b", "c"), 3, 3.0),
        (("d", "e", "f"), 3, 1.0),
    ]
    # results are told by the thread that writes them
    teller = threading.Thread(target=told.tell, args=(written("a"), GeneOrphan("b", ""), GeneFailed("c", "")))
    teller.start()
    teller.join()
    assert [one.genes for one in told.board.view().blocks] == [("d", "e", "f")]
    told.tell(*map(written, "def"))
    assert told.board.view().blocks == ()


def test_two_threads_have_blocks_of_their_own():
    told = Told(8)
    told.tell(GeneClaimed("a"))
    other = threading.Thread(target=told.tell, args=(GeneClaimed("b"),))
    other.start()
    other.join()
    assert [one.genes for one in told.board.view().blocks] == [("a",), ("b",)]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"), st.one_of(st.just(math.nan), st.floats(-0.5, 1.0).map(lambda x: round(x, 3)))
        ),
        max_size=30,
    )
)
def test_the_ranking_agrees_with_sorting(scores: list[tuple[str, float]]):
    ranking, known = Ranking(), {}
    for gene, score in scores:
        ranking.put(gene, score, before=known.get(gene, math.nan))
        known[gene] = score
    finite = {gene: score for gene, score in known.items() if math.isfinite(score)}
    ordered = sorted(finite, key=lambda gene: (finite[gene], gene))
    assert ranking.first(3, best=False) == ordered[:3]
    assert ranking.first(3, best=True) == ordered[::-1][:3]
    assert len(ranking) == len(finite)
    bins = [min(max(math.floor(score * N_BINS + 1e-9), 0), N_BINS - 1) for score in finite.values()]
    assert sum(ranking.histogram()) == len(finite)
    # a score on the edge of two bins may be in either, by rounding
    assert np.abs(np.cumsum(ranking.histogram()) - np.cumsum(np.bincount(bins, minlength=N_BINS))).max() <= 1
    if finite:
        assert ranking.median == pytest.approx(np.median(list(finite.values())))
    else:
        assert math.isnan(ranking.median)


def test_best_and_worst_by_either_score():
    told = Told()
    told.tell(written("a", 0.9, 0.1), written("b", 0.5, 0.4), written("c", 0.7, math.nan))
    board = told.board
    assert [one.gene for one in board.ranked(2, best=True)] == ["b", "a"]
    assert [one.gene for one in board.ranked(2, best=False)] == ["a", "b"]
    assert [one.gene for one in board.ranked(9, best=True, by="in")] == ["a", "c", "b"]
    assert (board.median("in"), board.median("out")) == (0.7, 0.25)
    assert board.ranked(1, best=True)[0].n_kept == 7


def test_a_target_that_is_written_again_has_one_place():
    told = Told()
    told.tell(written("a", 0.9, 0.8), written("b", 0.5, 0.4), written("a", 0.3, 0.2))
    assert [one.gene for one in told.board.ranked(9, best=True)] == ["b", "a"]


def test_scores_by_cluster():
    told = Told()
    told.board.set_clusters({"T": 100, "B": 50}, {"T": "T cell"})
    told.tell(ClusterFitted("a", "B", 50, 0.5, math.nan), ClusterFitted("a", "new", 9, 0.25, 0.125))
    assert told.board.cluster_scores("a")["new"] == (0.25, 0.125)
    assert told.board.cluster_scores("a")["B"] == pytest.approx((0.5, math.nan), nan_ok=True)
    assert [*told.board.cluster_scores("a")] == ["B", "new"]
    assert told.board.cluster_scores("other") == {}
    assert [(one.label, one.n_cells, one.code) for one in told.board.view().cell_types] == [
        ("T T cell", 100, 0),
        ("B", 50, 1),
        ("new", 9, 2),
    ]


def test_what_others_have_finished_is_ranked_but_not_counted():
    told = Told(4, before=2)
    told.tell(GeneSkipped("a", "done"), GeneSkipped("b", "done"))
    assert told.board.unknown(1) == ["a"]
    assert told.board.unknown(9) == ["b"]
    assert told.board.unknown(9) == []
    told.board.know(ClusterFitted("a", "T", 9, 0.4, 0.3))
    told.board.know(written("a", 0.4, 0.3))
    assert [one.gene for one in told.board.ranked(9, best=True)] == ["a"]
    assert told.board.gene("a").fate == "done before"
    assert told.board.counts().written == 0
    assert told.board.view().latest == ""


def test_phases():
    clock = Clock()
    board = Dashboard("sample", clock=clock)
    assert board.phase == "setting up"
    board.apply(RunStarted("/out", 10, 10, 2, 1, 0))
    assert board.phase == "training"
    board.apply(GeneSkipped("a", "locked"))
    board.apply(GeneClaimed("b"))
    assert board.phase == "training"
    board.apply(written("b"))
    assert board.phase == "waiting"
    board.finishing = True
    assert board.phase == "finishing"
    board.apply(RunFinished("stopped", 1, 0, 0, 1, 12.5, 0.6, 0.5))
    assert board.phase == "stopped"
    view = board.view()
    assert (view.elapsed, view.median_r2_in, view.median_r2_out) == (12.5, 0.6, 0.5)
    assert math.isnan(view.eta)


def test_steps_of_the_set_up():
    clock = Clock()
    board = Dashboard("sample", clock=clock)
    clock.now += 3.0
    assert [(one.name, one.seconds, one.done) for one in board.view().stages] == [("getting ready", 3.0, False)]
    board.apply(StageStarted("sample"))
    clock.now += 1.0
    assert [(one.name, one.seconds, one.done) for one in board.view().stages] == [("sample", 1.0, False)]
    board.apply(StageFinished("sample", 1.5, "10 cells"))
    clock.now += 0.5
    assert [(one.name, one.seconds) for one in board.view().stages] == [("sample", 1.5), ("getting ready", 0.5)]
    board.apply(StageStarted("expression"))
    board.apply(StageFinished("expression", 0.5))
    board.apply(RunStarted("/out", 10, 10, 2, 1, 0))
    board.apply(StageStarted("niche networks"))
    clock.now += 4.0
    last = board.view().stages[-2:]
    assert [(one.name, one.seconds, one.done) for one in last] == [
        ("niche networks", 4.0, False),
        ("training", 4.0, False),
    ]
    board.apply(StageFinished("niche networks", 4.0))
    assert [one.done for one in board.view().stages] == [True, True, True, False]
    board.apply(RunFinished("complete", 2, 0, 0, 0, 9.0, 0.6, 0.5))
    assert [one.name for one in board.view().stages] == ["sample", "expression", "niche networks"]


def test_steps_that_all_conditions_share_stay():
    board = Dashboard("sample", clock=Clock())
    board.apply(StageFinished("sample", 1.5))
    for number, label in enumerate("ab", start=1):
        board.apply(ConditionStarted(label, f"/out/{label}", number, 2, 5))
        board.apply(StageFinished("prior network", float(number)))
        assert [(one.name, one.seconds) for one in board.view().stages if one.done] == [
            ("sample", 1.5),
            ("prior network", number),
        ]


def test_another_condition_begins_anew():
    told = Told()
    told.tell(StageFinished("expression", 0.5), written("a"), GeneFailed("b", "bad"))
    told.board.set_targets(["a", "b"])
    told.tell(ConditionStarted("KO", "/out/conditions/KO", 2, 3, 70))
    view = told.board.view()
    assert (view.part.label, view.part.number, view.part.n_parts) == ("KO", 2, 3)
    assert view.counts.total == view.counts.written == view.counts.failed == 0
    assert view.best == ()
    assert told.board.gene("a") is None
    assert view.phase == "setting up"


def test_a_run_of_others_is_what_its_files_tell():
    told = Told(4, watching=True)
    other = Other("node7", 12, 2, "c", 60.0, gone=False)
    left = Other("node8", 13, 1, "d", 60.0, gone=True)
    told.board.set_outside(outside(others=[other, left]))
    told.tell(written("a"))
    view = told.board.view()
    assert (view.phase, view.rate, view.eta, view.counts.at_work) == ("running", 2.0, 30.0, 2)
    told.board.set_elapsed(75.0, running=True)
    told.clock.now += 5.0
    assert told.board.view().elapsed == 80.0
    told.board.set_elapsed(90.0, running=False)
    told.clock.now += 5.0
    assert told.board.view().elapsed == 90.0


def test_the_log_keeps_the_last_lines_and_knows_how_many_there_were():
    board = Dashboard("sample")
    for number in range(MOST_LINES + 10):
        board.log(f"line {number}", clock="")
    total, lines = board.lines(after=MOST_LINES + 7)
    assert total == MOST_LINES + 10
    assert [line.text for line in lines] == [f"line {MOST_LINES + number}" for number in (7, 8, 9)]
    assert len(board.lines()[1]) == MOST_LINES
    assert board.lines(after=total)[1] == []
    assert board.view().log[-1].text == f"line {MOST_LINES + 9}"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("warning: the starter network", "warning"),
        ("note: default settings", "info"),
        ("[1.2 s] received ligands: 43", "stage"),
        ("[3/40] Pax5 R2=0.61 out=0.24", "gene"),
        ("[3/40] Pax5 failed: LinAlgError: singular", "failure"),
        ("[3/40] Pax5 orphan: no modulators", "gene"),
    ],
)
def test_levels_of_lines(text: str, level: str):
    assert level_of(text) == level


def test_genes_are_found_by_a_part_of_their_name():
    told = Told()
    told.board.set_targets(["Il2", "Il21", "Ccl21a", "Pax5", "il2ra"])
    assert told.board.search("IL2") == ["Il2", "Il21", "il2ra"]
    assert told.board.search("21") == ["Ccl21a", "Il21"]
    assert told.board.search("", 2) == ["Ccl21a", "Il2"]
    assert told.board.search("nothing") == []


def test_a_view_does_not_change_any_more():
    told = Told()
    told.tell(GeneClaimed("a"), GeneClaimed("b"))
    view = told.board.view()
    told.tell(written("a"))
    told.board.log("more")
    assert view.counts.written == 0
    assert view.blocks[0].genes == ("a", "b")
    assert view.log == ()


def test_neither_the_state_nor_help_loads_the_library_of_the_screens():
    code = (
        "import sys; import spacetravlr.tui.dashboard_state, spacetravlr.tui.dashboard_facts, spacetravlr.tui.train_demo;"
        "from spacetravlr.cli import _train, _status, _dashboard; sys.exit('textual' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
