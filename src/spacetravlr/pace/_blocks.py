"""Blocks of targets at work in this process, as far as events tell, and how long such a block takes."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from spacetravlr.events import Event, GeneClaimed, GeneFailed, GeneOrphan, GeneWritten

_TOGETHER = 0.05
"""Seconds between two claims of a thread from which the second one begins another block: claims of a block are told
one right after the other."""
_REMEMBERED = 64
"""Blocks whose duration tells the pace: the latest ones."""
_LONG = 60.0
"""Seconds that a first block must have taken to tell the pace: loading and compiling are a small part of it then."""
_BETWEEN = 10.0
"""Seconds after which a thread that has begun no other block is no worker any more."""


@dataclass(eq=False)
class Block:
    """Targets that a thread has claimed at one time, and fits together."""

    worker: int
    """The thread."""
    began: float
    first: bool
    """Whether it waits for what is loaded and compiled once."""
    last: float = math.nan
    """When the last of them was claimed."""
    n: int = 0
    """Targets that were claimed."""
    genes: dict[str, None] = field(default_factory=dict)
    """Those that have not ended."""
    fitted: float = math.nan
    """When the first of them ended: the work on all of them was done then."""
    seconds: float = math.nan
    """How long it kept its worker."""


class Blocks:
    """Keeps the blocks whose targets have not all ended, and the duration of the latest that have.

    Parameters
    ----------
    clock
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: list[Block] = []
        self._of: dict[str, Block] = {}
        self._latest: dict[int, Block] = {}
        self._seen: dict[int, float] = {}
        self._fitted: deque[Block] = deque(maxlen=_REMEMBERED)
        self.last_fitted = math.nan
        """When a block was last found to be fitted."""

    def update(self, event: Event) -> None:
        """Take an event into account, on the thread that caused it."""
        match event:
            case GeneClaimed():
                self._claim(event.gene)
            case GeneWritten() | GeneOrphan() | GeneFailed():
                self._end(event.gene)
            case _:
                pass

    @property
    def n_genes(self) -> int:
        """Targets that have been claimed here and have not ended."""
        return len(self._of)

    @property
    def open(self) -> tuple[Block, ...]:
        """The blocks whose targets have not all ended, the oldest first."""
        return tuple(self._open)

    @property
    def at_work(self) -> tuple[Block, ...]:
        """Those of them that are being fitted; of the others, results are being written."""
        return tuple(one for one in self._open if math.isnan(one.fitted))

    @property
    def workers(self) -> int:
        """Threads that fit blocks, at least 1."""
        since = self._clock() - _BETWEEN
        return max(1, len({one.worker for one in self.at_work} | {who for who, at in self._seen.items() if at > since}))

    @property
    def seconds_per_gene(self) -> float:
        """Seconds for which a target keeps a worker; NaN until that can be told.

        First blocks take longer, because much is loaded and compiled once: they do not count, unless they are so long
        that this makes no difference.
        """
        known = [one for one in self._fitted if not one.first] or [one for one in self._fitted if one.seconds >= _LONG]
        return sum(one.seconds for one in known) / sum(one.n for one in known) if known else math.nan

    def remaining(self, waiting: int) -> float:
        """Return the seconds until all blocks, and a number of targets that wait for one, are fitted; NaN if unknown.

        A block that takes longer than expected is thought to take a tenth longer than it has.
        """
        blocks = self.at_work
        if not blocks and not waiting:
            return 0.0
        each, now = self.seconds_per_gene, self._clock()
        if math.isnan(each):
            return math.nan
        left = [max(one.n * each - (now - one.began), 0.1 * (now - one.began)) for one in blocks]
        return max([(sum(left) + waiting * each) / self.workers, *left])

    def _claim(self, gene: str) -> None:
        worker, now = threading.get_ident(), self._clock()
        # another worker begins anew what was lost with the first one
        self._forget(gene)
        block = self._latest.get(worker)
        if block is None or not block.genes or not math.isnan(block.fitted) or now - block.last > _TOGETHER:
            if block is not None and now - block.fitted < _BETWEEN:
                # its worker also wrote its results
                block.seconds = now - block.began
            block = self._latest[worker] = Block(worker, now, first=block is None and math.isnan(self.last_fitted))
            self._open.append(block)
        block.genes[gene] = None
        block.n += 1
        block.last = self._seen[worker] = now
        self._of[gene] = block

    def _end(self, gene: str) -> None:
        block = self._forget(gene)
        if block is not None and math.isnan(block.fitted):
            block.fitted = self.last_fitted = self._seen[block.worker] = self._clock()
            block.seconds = block.fitted - block.began
            self._fitted.append(block)

    def _forget(self, gene: str) -> Block | None:
        block = self._of.pop(gene, None)
        if block is not None:
            del block.genes[gene]
            if not block.genes:
                self._open.remove(block)
        return block
