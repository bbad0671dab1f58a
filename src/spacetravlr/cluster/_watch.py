"""Looking after the workers while blocks are at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from spacetravlr.events import Event, Notice

if TYPE_CHECKING:
    from spacetravlr.cluster._crew import Crew
    from spacetravlr.training import StopRequest


class Watch:
    """Counts the workers, tells when there are none, and passes a request to stop on to them.

    Parameters
    ----------
    crew
        The workers.
    stop
        Asks for an early end.
    tell
        Receives notices.
    """

    def __init__(self, crew: Crew, stop: StopRequest, tell: Callable[[Event], None]) -> None:
        self.crew = crew
        self._stop = stop
        self._tell = tell
        self._alone = False
        self._idle: frozenset[str] = frozenset()

    def look(self) -> int:
        """Look once; return how many blocks the workers can train at the same time.

        Raises
        ------
        SpaceTravLRError
            If the scheduler does not answer.
        """
        if self._stop.abandon.is_set():
            self.crew.abandon()
            return 0
        threads = sum(self.crew.threads().values())
        if not threads and not self._alone:
            self._tell(Notice("waiting for workers: there is none at the moment"))
        self._alone = not threads
        if self._stop.finish.is_set():
            self._finish()
        return threads

    def _finish(self) -> None:
        """Let workers end what they have begun, and take back what none has begun."""
        idle = self.crew.waiting - self.crew.finish()
        # what has just ended is on its way back; what is idle twice in a row has never begun
        for task in idle & self._idle:
            self.crew.give_up(task)
        self._idle = idle
