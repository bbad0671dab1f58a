"""What is said about a run: rate and remaining time, lines, and the last words."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest

from spacetravlr.cli._lines import Narrator
from spacetravlr.cli._recap import recap
from spacetravlr.events import (
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    Notice,
    RunFinished,
    RunStarted,
    StageFinished,
)
from spacetravlr.pace import Pace
from spacetravlr.words import count, duration, one_line, score, speed


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """A run as a listener sees it."""

    def __init__(self, targets: int, before: int = 0) -> None:
        self.clock = Clock()
        self.pace = Pace(clock=self.clock)
        self.narrator = Narrator(self.pace)
        self.lines: list[str] = []
        self(RunStarted("/out", 150, 400, targets, 2, before))

    def __call__(self, event: Event) -> list[str]:
        self.pace.update(event)
        new = [line.text for line in self.narrator.tell(event)]
        self.lines += new
        return new

    def block(self, genes: list[str], seconds: float) -> None:
        """Claim, fit and write some genes."""
        for gene in genes:
            self(GeneClaimed(gene))
        self.clock.now += seconds
        for gene in genes:
            self(written(gene))


def written(gene: str, r2_out: float = 0.24) -> GeneWritten:
    return GeneWritten(gene, n_modulators=67, n_kept=12, r2_in=0.614, r2_out=r2_out, seconds=0.031)


def names(n: int, prefix: str = "g") -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]


def finished(status="complete", **counts) -> RunFinished:
    known = {"written": 0, "orphan": 0, "failed": 0, "skipped": 0, "seconds": 72.0}
    return RunFinished(status=status, median_r2_in=0.5, median_r2_out=0.25, **{**known, **counts})


def test_skipped_genes_do_not_count_as_speed():
    told = Told(1000, before=900)
    for gene in names(900, "old"):
        told(GeneSkipped(gene, "done"))
    assert math.isnan(told.pace.rate)
    told.block(names(10), seconds=5.0)
    told.block(names(10, "h"), seconds=5.0)
    assert told.pace.rate == pytest.approx(2.0)
    assert told.pace.done == 920
    assert told.pace.eta == pytest.approx(80 / 2.0)


class Workers:
    """Threads that claim and fit blocks, and one that writes and tells all results, as in a training."""

    def __init__(self, told: Told, n: int) -> None:
        self.told = told
        self.threads = [ThreadPoolExecutor(1) for _ in range(n)]
        self.writer = ThreadPoolExecutor(1)

    def claim(self, worker: int, genes: list[str]) -> None:
        self.threads[worker].submit(lambda: [self.told(GeneClaimed(gene)) for gene in genes]).result()

    def write(self, genes: list[str]) -> None:
        self.writer.submit(lambda: [self.told(written(gene)) for gene in genes]).result()


def test_what_is_compiled_for_the_first_blocks_is_no_pace():
    told = Told(640)
    workers = Workers(told, 1)
    workers.claim(0, names(64))
    told.clock.now += 40.0
    assert math.isnan(told.pace.eta)
    # the next block is begun before the results of the first one are told, by another thread
    workers.claim(0, names(64, "h"))
    workers.write(names(64))
    assert math.isnan(told.pace.rate)
    assert math.isnan(told.pace.eta)
    told.clock.now += 4.0
    # the first gene of a block speaks for all of it
    workers.write(["h0"])
    assert told.pace.rate == pytest.approx(16.0)
    assert told.pace.eta == pytest.approx((640 - 128) / 16.0)


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_the_remaining_time_is_true_as_soon_as_it_is_told_and_never_jumps(n_workers: int):
    compiling, fitting, n_blocks = 30.0, 3.0, 12 * n_workers
    total = 64 * n_blocks
    end = compiling + fitting * 12
    told = Told(total)
    workers = Workers(told, n_workers)
    todo = iter([names(64, f"block{number}_") for number in range(n_blocks)])
    at_work: dict[int, tuple[float, list[str]]] = {}
    began, before, seen = told.clock.now, math.nan, 0
    for worker in range(n_workers):
        block = next(todo)
        workers.claim(worker, block)
        at_work[worker] = (compiling + fitting * (1 + worker / 100), block)
    for tick in range(1, round(end * 10) + 20):
        told.clock.now = began + tick / 10
        passed = tick / 10
        for worker, (ready, block) in list(at_work.items()):
            if passed >= ready:
                del at_work[worker]
                following = next(todo, None)
                if following is not None:
                    workers.claim(worker, following)
                    at_work[worker] = (ready + fitting, following)
                workers.write(block)
        eta = told.pace.eta
        if passed < compiling + 2 * fitting - 0.05:
            assert math.isnan(eta)
        elif compiling + 2 * fitting + 0.15 < passed < end:
            seen += 1
            assert eta == pytest.approx(end - passed, abs=1.5)
            assert not abs(eta - before) > 1.5
            assert told.pace.rate == pytest.approx(64 * n_workers / fitting, rel=0.1)
        before = eta
    assert seen > 250
    assert (told.pace.done, told.pace.eta) == (total, 0.0)
    assert told.pace.rate == pytest.approx(total / end, rel=0.05)


def test_a_first_block_that_takes_minutes_tells_the_pace():
    told = Told(16)
    workers = Workers(told, 2)
    for worker, name in enumerate("ab"):
        workers.claim(worker, names(4, name))
    told.clock.now += 240.0
    workers.write(names(4, "a"))
    workers.claim(0, names(4, "c"))
    assert told.pace.rate == pytest.approx(2 / 60.0)
    # the other one is about to end, and what is left takes each of them another block
    assert told.pace.eta == pytest.approx(240.0 + 24.0 / 2, abs=13.0)


def test_a_block_that_another_worker_begins_anew_counts_once():
    told = Told(8)
    workers = Workers(told, 2)
    workers.claim(0, names(4))
    told.clock.now += 100.0
    workers.claim(1, names(4))
    assert told.pace.blocks.n_genes == 4
    assert [one.n for one in told.pace.blocks.open] == [4]
    told.clock.now += 80.0
    workers.write(names(4))
    assert told.pace.blocks.seconds_per_gene == pytest.approx(20.0)
    assert told.pace.blocks.open == ()


def test_orphans_and_failures_count_as_work():
    told = Told(4)
    for gene in names(4):
        told(GeneClaimed(gene))
    told.clock.now += 2.0
    told(GeneOrphan("g0", "no modulators"))
    told(GeneFailed("g1", "ValueError: x"))
    told(written("g2"))
    told(written("g3"))
    assert told.pace.rate == pytest.approx(2.0)
    assert told.pace.done == 4
    assert told.pace.eta == 0.0


def test_the_remaining_time_runs_down_between_blocks_and_is_never_none_while_one_is_at_work():
    told = Told(100)
    told.block(names(10), seconds=30.0)
    told.block(names(10, "h"), seconds=10.0)
    for gene in names(80, "i"):
        told(GeneClaimed(gene))
    assert told.pace.eta == pytest.approx(80.0)
    told.clock.now += 4.0
    assert told.pace.eta == pytest.approx(76.0)
    told.clock.now += 400.0
    assert told.pace.eta == pytest.approx(40.4)


def test_one_run_after_the_other():
    told = Told(100)
    told.block(names(10), seconds=30.0)
    told.block(names(10, "h"), seconds=10.0)
    told.pace.restart()
    assert (told.pace.total, told.pace.done) == (0, 0)
    assert math.isnan(told.pace.rate)
    assert math.isnan(told.pace.eta)


def test_genes_of_other_processes():
    told = Told(10)
    told(GeneSkipped("g1", "locked"))
    told(GeneSkipped("g2", "locked"))
    assert len(told.pace.elsewhere) == 2
    # their holder has died, and this process took one over
    told(GeneClaimed("g1"))
    told(written("g1"))
    assert told.pace.elsewhere == {"g2"}
    assert told.pace.done == 1
    told.block(names(4, "h"), seconds=2.0)
    told(GeneClaimed("i"))
    told.clock.now += 1.0
    told(written("i"))
    assert told.pace.eta == pytest.approx((10 - 6 - 1) / told.pace.rate)


def test_the_lines_of_the_set_up():
    told = Told(50, before=12)
    assert told(StageFinished("received ligands", 1.23, "43 ligands, gridded")) == [
        "[1.2 s] received ligands: 43 ligands, gridded"
    ]
    assert told(StageFinished("expression", 0.04)) == ["[0.0 s] expression"]
    assert told.lines[0] == "training 50 genes, 12 of them done before, on 150 cells in 2 clusters, into /out"


def test_a_notice_is_told_once():
    told = Told(1)
    assert told(Notice("one thing")) == ["note: one thing"]
    assert told(Notice("one thing")) == []
    assert told(Notice("another thing", "warning")) == ["warning: another thing"]


def test_the_line_of_a_gene():
    told = Told(200)
    told(GeneClaimed("Pax5"))
    told.clock.now += 0.5
    assert told(written("Pax5")) == ["[1/200] Pax5 R2=0.61 out=0.24 n_mod=67 kept=12 t=0.03s rate=- eta=-"]
    told(GeneClaimed("Foxo1"))
    told.clock.now += 0.5
    told_of = told(written("Foxo1", math.nan))
    assert told_of == ["[2/200] Foxo1 R2=0.61 out=- n_mod=67 kept=12 t=0.03s rate=2/s eta=1m39s"]
    assert told(GeneOrphan("Gata3", "no modulators")) == ["[3/200] Gata3 orphan: no modulators rate=2/s eta=1m38s"]
    assert told(GeneFailed("Tcf7", "ValueError: bad")) == ["[4/200] Tcf7 failed: ValueError: bad"]


def test_up_to_200_genes_every_gene_has_a_line():
    told = Told(200)
    told.block(names(200), seconds=1.0)
    assert len(told.lines) == 1 + 200


def test_many_genes_at_once_are_thinned_to_a_hundred():
    told = Told(5000)
    told.block(names(5000), seconds=1.0)
    assert 100 <= len(told.lines) <= 103
    assert told.lines[-1].startswith("[5000/5000] g4999 ")


def test_slow_genes_get_a_line_a_second():
    told = Told(10_000)
    for gene in names(40):
        told.block([gene], seconds=0.25)
    assert 10 <= len(told.lines) - 1 <= 11


def test_failures_are_never_thinned_and_orphans_are_counted():
    told = Told(5000)
    for gene in names(100):
        told(GeneClaimed(gene))
    told.clock.now += 1.0
    for gene in names(50):
        told(GeneOrphan(gene, "no modulators"))
    shown = [line for line in told.lines if "orphan" in line]
    assert len(shown) < 5
    assert "(1 so far)" in shown[0]
    for gene in names(50, "bad"):
        told(GeneFailed(gene, "ValueError"))
    assert sum("failed: ValueError" in line for line in told.lines) == 50


def test_a_line_has_no_control_codes():
    told = Told(1)
    told(GeneClaimed("bad\x1b[31m\ngene"))
    lines = told(GeneFailed("bad\x1b[31m\ngene", "two\nlines\tand \x07 a bell"))
    assert lines == ["[1/1] bad [31m gene failed: two lines and a bell"]


def test_the_last_words_of_a_good_run():
    told = Told(10, before=4)
    told.block(names(5), seconds=1.0)
    told(GeneOrphan("o", "no modulators"))
    assert recap(finished(written=5, orphan=1, skipped=4), told.pace, "/out", None) == [
        "complete after 1m12s: 5 genes written, 1 orphan, 4 skipped (done already)",
        "median R2: 0.50 in sample, 0.25 held out",
        "results in /out (GENE_betadata.feather; log/run.log has this account; spacetravlr_run_summary.html shows it)",
    ]


def test_the_last_words_of_a_run_with_failures_give_the_first_reasons():
    told = Told(10)
    for gene in names(5):
        told(GeneFailed(gene, f"ValueError: {gene}\nis bad"))
    lines = recap(finished("partial", written=5, failed=5), told.pace, "/out", None)
    assert lines[0] == "ended after 1m12s: 5 genes written, 5 failed, 5 not begun"
    assert lines[1] == (
        "failed, tried again by the next run: g0 (ValueError: g0 is bad), g1 (ValueError: g1 is bad), "
        "g2 (ValueError: g2 is bad) (+2 more)"
    )


def test_the_last_words_of_a_stopped_run_say_how_to_go_on():
    told = Told(10)
    told.block(names(3), seconds=1.0)
    told(GeneSkipped("x", "locked"))
    lines = recap(finished("stopped", written=3, skipped=1), told.pace, "/my out", None)
    assert lines[0] == "stopped after 1m12s: 3 genes written, 1 skipped (other processes), 6 not begun"
    assert lines[-1] == "to go on: spacetravlr --join-output-dir '/my out'"


def test_the_last_words_when_everything_was_there():
    told = Told(3, before=3)
    words = recap(finished(skipped=3), told.pace, "/out", None)[0]
    assert words == "complete after 1m12s: nothing left to do, 3 skipped (done already)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (9.94, "9.9s"), (59.4, "59s"), (185, "3m05s"), (7800, "2h10m"), (360000, "4d04h"), (-1, "0.0s"),
     (math.nan, "-"), (math.inf, "-")],
)  # fmt: skip
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(31.24, "31.2/s"), (1.0, "1/s"), (0.5, "30/min"), (0.01, "36/h"), (0.0, "-"), (math.nan, "-")]
)
def test_speeds(rate: float, text: str):
    assert speed(rate) == text


def test_small_words():
    assert score(0.2449) == "0.24"
    assert score(0.0124) == "0.012"
    assert score(-0.0001) == "0.000"
    assert score(math.nan) == "-"
    assert count(1, "gene") == "1 gene"
    assert count(2000, "cell") == "2,000 cells"
    assert one_line("  a \r\n b\x00c ") == "a b c"
