"""Counts of a run, its speed, and the time that is left."""

from __future__ import annotations

import math
import threading
import time
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
from spacetravlr.pace._blocks import Blocks


@dataclass
class Pace:
    """Counts of a run, kept up to date by its events; everything may be read from any thread.

    Genes that are skipped take no time, so rate and remaining time are measured on those trained here only, and on
    blocks that came after the first ones: what is loaded and compiled once says nothing about the genes that are left.
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
    blocks: Blocks = field(init=False)
    """What is at work."""
    _began: float = math.nan
    _skipped_done: int = 0

    def __post_init__(self) -> None:
        self.blocks = Blocks(self.clock)
        self._lock = threading.RLock()

    def restart(self) -> None:
        """Forget all counts: another run begins."""
        fresh = Pace(self.clock)
        with self._lock:
            for name in self.__dataclass_fields__:
                setattr(self, name, getattr(fresh, name))

    def update(self, event: Event) -> None:
        """Take an event into account, on the thread that caused it."""
        with self._lock:
            self.blocks.update(event)
            self._count(event)

    def _count(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.total = event.n_targets
                self.there_before = event.n_done_before
                self._began = self.clock()
            case GeneClaimed():
                self.elsewhere.discard(event.gene)
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
            case GeneOrphan():
                self.orphan += 1
            case GeneFailed():
                self.failures[event.gene] = event.reason
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
    def rate(self) -> float:
        """Genes per second, NaN until it can be told; when all are fitted, that of the whole run."""
        with self._lock:
            blocks = self.blocks
            if self._waiting or blocks.at_work:
                return blocks.workers / blocks.seconds_per_gene if blocks.seconds_per_gene else math.nan
            elapsed = blocks.last_fitted - self._began
            return (self.trained + blocks.n_genes) / elapsed if elapsed > 0 else math.nan

    @property
    def eta(self) -> float:
        """Seconds until the last gene that is left to this process, NaN until it can be told.

        It is unknown as well when all that is left is in the hands of others.
        """
        with self._lock:
            nothing_here = not self._waiting and not self.blocks.n_genes
            if not self.total or (nothing_here and self.elsewhere):
                return math.nan
            return self.blocks.remaining(self._waiting)

    @property
    def _waiting(self) -> int:
        """Genes that nobody has begun."""
        return max(0, self.total - self.done - len(self.elsewhere) - self.blocks.n_genes)
