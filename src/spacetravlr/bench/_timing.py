"""Repeated timing of a piece of work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any


def timed(work: Callable[[], Any], repeats: int, *, warm_up: bool = True) -> list[float]:
    """Return the seconds of each repeat, after one that is not counted.

    Parameters
    ----------
    work
        What is timed; what it returns is dropped.
    repeats
        How often.
    warm_up
        Whether to do it once before (compiling, loading, first touch of memory).
    """
    if warm_up:
        work()
    walls = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        walls.append(time.perf_counter() - began)
    return walls


def summary(walls: Sequence[float]) -> dict[str, float]:
    """Return median_s and min_s."""
    return {"median_s": statistics.median(walls), "min_s": min(walls)}
