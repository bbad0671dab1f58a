"""Blocks of targets at work in this process, as far as events tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from spacetravlr.events import Event, GeneClaimed, GeneFailed, GeneOrphan, GeneWritten
from spacetravlr.tui.dashboard_view import Block

_TOGETHER = 0.05
"""Seconds between two claims of a thread from which the second one begins another block: claims of a block are told
one right after the other."""


@dataclass
class _Open:
    worker: int
    began: float
    last: float
    n: int = 0
    genes: dict[str, None] = field(default_factory=dict)


class Blocks:
    """Keeps the blocks whose targets have not all ended.

    Parameters
    ----------
    clock
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: list[_Open] = []
        self._of: dict[str, _Open] = {}

    @property
    def n_genes(self) -> int:
        """Targets that have been claimed here and have not ended."""
        return len(self._of)

    def update(self, event: Event) -> None:
        """Take an event into account, on the thread that caused it."""
        match event:
            case GeneClaimed():
                self._claim(event.gene)
            case GeneWritten() | GeneOrphan() | GeneFailed():
                self._end(event.gene)
            case _:
                pass

    def now(self) -> tuple[Block, ...]:
        """Return the blocks, the oldest first."""
        clock = self._clock()
        return tuple(Block(tuple(one.genes), one.n, clock - one.began) for one in self._open)

    def _claim(self, gene: str) -> None:
        worker, now = threading.get_ident(), self._clock()
        self._end(gene)
        block = next((one for one in reversed(self._open) if one.worker == worker), None)
        if block is None or now - block.last > _TOGETHER:
            block = _Open(worker, now, now)
            self._open.append(block)
        block.genes[gene] = None
        block.n += 1
        block.last = now
        self._of[gene] = block

    def _end(self, gene: str) -> None:
        block = self._of.pop(gene, None)
        if block is None:
            return
        del block.genes[gene]
        if not block.genes:
            self._open.remove(block)
