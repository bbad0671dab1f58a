"""Targets in the order of how well they are fitted."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from itertools import pairwise

from spacetravlr.tui.dashboard_view import N_BINS


class Ranking:
    """Keeps scores sorted while they come in."""

    def __init__(self) -> None:
        self._scores: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._scores)

    def put(self, gene: str, score: float, *, before: float = math.nan) -> None:
        """Take the score of a target in place of the one it had before; NaN is none."""
        if math.isfinite(before):
            del self._scores[bisect_left(self._scores, (before, gene))]
        if math.isfinite(score):
            insort(self._scores, (score, gene))

    def first(self, n: int, *, best: bool) -> list[str]:
        """Return the best targets, or the worst, the most extreme first."""
        return [gene for _, gene in (self._scores[: -n - 1 : -1] if best else self._scores[:n])]

    @property
    def median(self) -> float:
        """The median score; NaN without one."""
        if not self._scores:
            return math.nan
        middle = len(self._scores) // 2
        if len(self._scores) % 2:
            return self._scores[middle][0]
        return (self._scores[middle - 1][0] + self._scores[middle][0]) / 2

    def histogram(self) -> tuple[int, ...]:
        """Return the number of targets in each of `N_BINS` bins from 0 to 1; the outer ones take what is beyond."""
        edges = [bisect_left(self._scores, (step / N_BINS, "")) for step in range(1, N_BINS)]
        return tuple(after - before for before, after in pairwise((0, *edges, len(self._scores))))
