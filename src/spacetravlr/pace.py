"""How far a training run is, and how fast it goes."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from spacetravlr.events import (
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    RunStarted,
)


@dataclass
class Pace:
    """Counts of a run, kept up to date by its events.

    Genes that are skipped take no time, so rate and remaining time are measured on those trained here only.
    """

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    written: int = 0
    orphan: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    there_before: int = 0
    """Targets that had a result when this process came to them."""
    elsewhere: set[str] = field(default_factory=set)
    """Targets that other processes hold."""
    by_others: int = 0
    """Targets that this process met in the hands of others, and that those have finished."""
    last: GeneWritten | None = None
    rate: float = math.nan
    """Genes per second; measured when a gene ends, NaN before."""
    _began: float = math.nan
    _measured: float = math.nan
    _skipped_done: int = 0
    _claimed: Counter[int] = field(default_factory=Counter)
    _reporting: set[int] = field(default_factory=set)

    def restart(self) -> None:
        """Forget all counts: another run begins."""
        fresh = Pace(self.clock)
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(fresh, name))

    def update(self, event: Event) -> None:
        """Take an event into account, on the thread that caused it."""
        match event:
            case RunStarted():
                self.total = event.n_targets
                self.there_before = event.n_done_before
                self._began = self.clock()
            case GeneClaimed():
                self.elsewhere.discard(event.gene)
                self._claimed[threading.get_ident()] += 1
            case GeneSkipped(reason="done"):
                self._skipped_done += 1
                self.there_before = max(self.there_before, self._skipped_done)
            case GeneSkipped(reason="elsewhere"):
                self.elsewhere.discard(event.gene)
                self.by_others += 1
            case GeneSkipped():
                self.elsewhere.add(event.gene)
            case GeneWritten():
                self.written += 1
                self.last = event
                self._measure()
            case GeneOrphan():
                self.orphan += 1
                self._measure()
            case GeneFailed():
                self.failures[event.gene] = event.reason
                self._measure()
            case _:
                pass

    @property
    def trained(self) -> int:
        """Genes that ended here, whatever became of them."""
        return self.written + self.orphan + len(self.failures)

    @property
    def done(self) -> int:
        """Genes that need nothing more from this process."""
        return min(self.total, self.there_before + self.by_others + self.trained)

    @property
    def eta(self) -> float:
        """Seconds until the last gene that is left to this process, NaN if unknown.

        It is unknown as well when all that is left is in the hands of others.
        """
        left = max(0, self.total - self.done - len(self.elsewhere))
        if not math.isfinite(self.rate) or (not left and self.elsewhere):
            return math.nan
        return max(0.0, left / self.rate - (self.clock() - self._measured))

    def _measure(self) -> None:
        """Measure the rate as the gene that this thread reports ends.

        The genes of a block are fitted together and end together: when the first of them is reported the work on all
        of them is done, so they all count.
        """
        worker = threading.get_ident()
        self._claimed[worker] -= 1
        self._reporting.add(worker)
        if self._claimed[worker] <= 0:
            self._claimed[worker] = 0
            self._reporting.discard(worker)
        ended = self.trained + sum(self._claimed[one] for one in self._reporting)
        self._measured = self.clock()
        elapsed = self._measured - self._began
        self.rate = ended / elapsed if elapsed > 0 else math.nan
