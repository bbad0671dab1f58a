"""`Dashboard`: what a training dashboard knows, reduced from the events of the run; it draws nothing."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

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
from spacetravlr.pace import Pace
from spacetravlr.tui._genes import Genes, search
from spacetravlr.tui.dashboard_view import (
    Block,
    Counts,
    Fate,
    GeneRecord,
    Level,
    LogLine,
    Outside,
    Part,
    Phase,
    RankBy,
    Ranked,
    Stage,
    View,
)

MOST_LINES = 5000
"""Lines of the log that are kept; `log/run.log` has all of them."""
_LINES_SHOWN = 60
_RANKED_SHOWN = 30
_SKIPPED: Mapping[str, Fate] = {"done": "done before", "locked": "elsewhere", "elsewhere": "by others"}


class Dashboard:
    """State of a dashboard; every method may be called from any thread, and none takes longer than a glance.

    Parameters
    ----------
    title
        What is trained, for the head of the screen.
    facts
        The configuration as labels and values.
    clock
        Seconds, monotonic.
    watching
        The run is that of other processes: what is going on, how fast and until when is what its files tell.
    """

    def __init__(
        self,
        title: str,
        *,
        facts: Sequence[tuple[str, str]] = (),
        clock: Callable[[], float] = time.monotonic,
        watching: bool = False,
    ) -> None:
        self.title = title
        self.pace = Pace(clock)
        self.finished: RunFinished | None = None
        """The end of the run, or of the part of a split that is shown."""
        self.out = ""
        """The run directory, from the start of the training on."""
        self.part: Part | None = None
        self.rank_by: RankBy = "out"
        self.finishing = False
        """An end was asked for."""
        self._clock = clock
        self._began = clock()
        self._lock = threading.RLock()
        self._facts = tuple(facts)
        self._watching = watching
        self._seconds: float | None = None
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._n_lines = 0
        self._targets: tuple[str, ...] = ()
        self._outside: Outside | None = None
        self._common: tuple[Stage, ...] = ()
        self._start_over()

    def _start_over(self) -> None:
        self.pace.restart()
        self.finished = None
        self._genes = Genes()
        self._shape = (0, 0)
        self._stages: list[Stage] = []
        self._running = self._running_detail = ""
        self._stage_began = self._clock()
        self._training_began = math.nan

    def start_over(self) -> None:
        """Forget what has become of the targets: it is told again from the beginning."""
        with self._lock:
            self._start_over()

    def apply(self, event: Event) -> None:
        """Take an event into account, on the thread that caused it."""
        with self._lock:
            if isinstance(event, ConditionStarted):
                if self.part is None:
                    self._common = tuple(self._stages)
                self._start_over()
                self._stages = list(self._common)
                self._targets, self._outside = (), None
                self.part = Part(event.label, event.number, event.n_parts, event.n_cells)
            self.pace.update(event)
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case StageStarted():
                self._running, self._running_detail, self._stage_began = event.stage, event.detail, self._clock()
            case StageFinished():
                # one that is done again, by another process, takes the place of the first
                self._stages = [stage for stage in self._stages if stage.name != event.stage]
                self._stages.append(Stage(event.stage, event.seconds, event.detail))
                self._running, self._running_detail, self._stage_began = "", "", self._clock()
            case RunStarted():
                self.out, self._shape = event.out, (event.n_cells, event.n_genes)
                self._training_began = self._clock()
            case GeneClaimed():
                self._genes.put(event.gene, "at work")
            case ClusterFitted():
                self._genes.score(event)
            case GeneWritten():
                self._genes.result(event)
                self._genes.put(event.gene, "written")
                self._genes.latest = event.gene
            case GeneOrphan():
                self._genes.put(event.gene, "orphan", event.reason)
            case GeneFailed():
                self._genes.put(event.gene, "failed", event.reason)
            case GeneSkipped():
                self._genes.put(event.gene, _SKIPPED[event.reason])
            case RunFinished():
                self.finished = event
            case _:
                pass

    def know(self, event: ClusterFitted | GeneWritten) -> None:
        """Take the score of a target that was finished before or by others; it does not count as done here."""
        with self._lock:
            if isinstance(event, ClusterFitted):
                self._genes.score(event)
            else:
                self._genes.result(event)

    def unknown(self, most: int) -> list[str]:
        """Return some targets that were finished before or by others, and whose scores are not known."""
        with self._lock:
            return self._genes.unknown(most)

    def log(self, text: str, level: Level = "info", clock: str | None = None) -> None:
        """Take a line of the log.

        Parameters
        ----------
        text
            The line.
        level
            How it is shown.
        clock
            When it was said, local time; now by default.
        """
        with self._lock:
            self._lines.append(LogLine(time.strftime("%H:%M:%S") if clock is None else clock, text, level))
            self._n_lines += 1

    def lines(self, after: int = 0) -> tuple[int, list[LogLine]]:
        """Return how many lines there ever were, and those that are kept of the ones after the first `after`."""
        with self._lock:
            wanted = min(len(self._lines), self._n_lines - after)
            return self._n_lines, list(self._lines)[len(self._lines) - wanted :] if wanted > 0 else []

    def set_facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Take what is known about the configuration; facts of the same label are replaced."""
        with self._lock:
            self._facts = tuple({**dict(self._facts), **dict(facts)}.items())

    def set_targets(self, targets: Iterable[str]) -> None:
        """Take the names of all targets."""
        with self._lock:
            self._targets = tuple(targets)

    def set_clusters(self, sizes: Mapping[str, int], names: Mapping[str, str] | None = None) -> None:
        """Take the number of cells per cluster, in the order of their colours, and names of those that are numbers."""
        with self._lock:
            self._genes.set_clusters(sizes, names)

    def set_outside(self, outside: Outside) -> None:
        """Take what the files tell about all processes."""
        with self._lock:
            self._outside = outside

    def set_elapsed(self, seconds: float, *, running: bool) -> None:
        """Take how long a run of other processes has lasted, or is lasting."""
        with self._lock:
            self._began, self._seconds = self._clock() - seconds, None if running else seconds

    def gene(self, gene: str) -> GeneRecord | None:
        """Return what is known about a target; None if it is none."""
        with self._lock:
            found = self._genes.get(gene)
            if found is None and gene in self._targets:
                held = self._outside is not None and gene in self._outside.held
                return GeneRecord("elsewhere" if held else "waiting")
            return found

    def search(self, text: str, most: int = 200) -> list[str]:
        """Return targets whose name has the text in it, those that begin with it first; capitals do not matter."""
        with self._lock:
            names = (*self._targets, *self._genes)
        return search(text, names, most)

    def cluster_scores(self, gene: str) -> dict[str, tuple[float, float]]:
        """Return R2 in and out of sample of a target by cluster."""
        with self._lock:
            return self._genes.by_cluster(gene)

    @property
    def failures(self) -> dict[str, str]:
        """Targets that could not be trained, with the reason."""
        with self._lock:
            return dict(self.pace.failures)

    @property
    def phase(self) -> Phase:
        """What is going on."""
        with self._lock:
            if self._watching:
                return "unknown" if self._outside is None else self._outside.state
            if self.finished is not None:
                return self.finished.status
            if self.finishing:
                return "finishing"
            if not self.out or math.isnan(self._training_began):
                return "setting up"
            pace = self.pace
            left = pace.total - pace.done
            return "waiting" if left and left <= len(pace.elsewhere) and not pace.blocks.n_genes else "training"

    def counts(self) -> Counts:
        """Return the targets by what has become of them."""
        with self._lock:
            pace = self.pace
            return Counts(
                total=pace.total,
                done=pace.done,
                written=pace.written,
                orphan=pace.orphan,
                failed=len(pace.failures),
                before=pace.there_before,
                by_others=pace.by_others,
                elsewhere=len(pace.elsewhere),
                at_work=self._held() if self._watching else self.pace.blocks.n_genes,
            )

    def ranked(self, n: int, *, best: bool, by: RankBy | None = None) -> tuple[Ranked, ...]:
        """Return the targets that are fitted best, or worst, the most extreme first."""
        with self._lock:
            return self._genes.first(n, by=by or self.rank_by, best=best)

    def median(self, by: RankBy) -> float:
        """Return the median R2 over the targets with a score, at the end over those written here; NaN without one."""
        with self._lock:
            if self.finished is not None:
                return self.finished.median_r2_in if by == "in" else self.finished.median_r2_out
            return self._genes.ranked[by].median

    def view(self) -> View:
        """Return what there is to show now; it does not change any more."""
        with self._lock:
            ended, outside = self.finished is not None, self._outside
            rate, eta = self.pace.rate, math.nan if ended else self.pace.eta
            if self._watching:
                rate, eta = (math.nan, math.nan) if outside is None else (outside.rate, outside.eta)
            return View(
                title=self.title,
                phase=self.phase,
                elapsed=self._elapsed(),
                part=self.part,
                facts=self._facts,
                stages=self._shown_stages(),
                blocks=() if ended else self._open_blocks(),
                counts=self.counts(),
                rate=rate,
                eta=eta,
                outside=outside,
                best=self.ranked(_RANKED_SHOWN, best=True),
                worst=self.ranked(_RANKED_SHOWN, best=False),
                rank_by=self.rank_by,
                median_r2_in=self.median("in"),
                median_r2_out=self.median("out"),
                n_scored=len(self._genes.ranked[self.rank_by]),
                histogram=self._genes.ranked[self.rank_by].histogram(),
                cell_types=self._genes.cell_types(),
                n_cells=self._shape[0],
                n_genes=self._shape[1],
                log=self._tail(),
                n_lines=self._n_lines,
                latest=self._genes.latest,
                last_failure=self._last_failure(),
                out=self.out,
            )

    def _elapsed(self) -> float:
        if self.finished is not None:
            return self.finished.seconds
        return self._clock() - self._began if self._seconds is None else self._seconds

    def _open_blocks(self) -> tuple[Block, ...]:
        now = self._clock()
        return tuple(Block(tuple(one.genes), one.n, now - one.began) for one in self.pace.blocks.open)

    def _held(self) -> int:
        if self._outside is None:
            return 0
        return min(self.pace.total - self.pace.done, sum(one.n_genes for one in self._outside.others if not one.gone))

    def _tail(self) -> tuple[LogLine, ...]:
        # a deque is slow in the middle and fast at its ends
        found = [self._lines[-number] for number in range(1, min(_LINES_SHOWN, len(self._lines)) + 1)]
        return tuple(found[::-1])

    def _shown_stages(self) -> tuple[Stage, ...]:
        """Return the steps that are done and the one that is going on."""
        if self.finished is not None or self._watching:
            return tuple(self._stages)
        now = self._clock()
        name = self._running or "getting ready"
        running = Stage(name, now - self._stage_began, self._running_detail, done=False)
        if math.isnan(self._training_began):
            return (*self._stages, running)
        training = Stage("training", now - self._training_began, done=False)
        # what is needed by the first block only, or by all networks, is done when the training has begun
        return (*self._stages, running, training) if self._running else (*self._stages, training)

    def _last_failure(self) -> str:
        if not self.pace.failures:
            return ""
        gene, reason = next(reversed(self.pace.failures.items()))
        return f"{gene}: {reason}"
