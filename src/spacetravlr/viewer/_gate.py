"""A door through which few go at once; some wait before it, and whoever comes when many wait is sent away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from spacetravlr.viewer._problem import ProblemError

PATIENCE = 60.0
"""Seconds to wait for others."""


class Gate:
    """Bounds how much of one kind is done at once, and how many threads wait for that.

    Parameters
    ----------
    at_once
        How many may be inside.
    waiting
        How many may wait besides: each keeps a thread from those who only want to see something.
    busy
        What the others are told.
    """

    def __init__(self, at_once: int, waiting: int, *, busy: str) -> None:
        self._inside = BoundedSemaphore(at_once)
        self._asked = BoundedSemaphore(at_once + waiting)
        self._busy = busy

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Wait to be let in, and be inside.

        Raises
        ------
        ProblemError
            503 if too many wait already, or it takes too long.
        """
        if not self._asked.acquire(blocking=False):
            raise self._refusal()
        try:
            if not self._inside.acquire(timeout=PATIENCE):
                raise self._refusal()
            try:
                yield
            finally:
                self._inside.release()
        finally:
            self._asked.release()

    def _refusal(self) -> ProblemError:
        return ProblemError(503, f"{self._busy}: try again in a moment", code="busy")
