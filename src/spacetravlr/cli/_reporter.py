"""`Reporter`: listens to a run and tells terminal and log file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from spacetravlr.cli._displays import Display, Result, RunLog, choose_display
from spacetravlr.cli._lines import Line, Narrator
from spacetravlr.cli._recap import recap, recap_split
from spacetravlr.errors import RunDirectoryError
from spacetravlr.events import ConditionStarted, Event, Notice, RunFinished, RunStarted
from spacetravlr.pace import Pace

if TYPE_CHECKING:
    from spacetravlr.run import ConditionRuns, Run

_LOG = logging.getLogger("spacetravlr")


class Reporter:
    """The listener of the command line; calls may come from any thread.

    Parameters
    ----------
    plain
        Never draw a progress bar.
    display
        Where to show it; by default lines, or a progress bar at a terminal.
    """

    def __init__(self, *, plain: bool, display: Display | None = None) -> None:
        self.pace = Pace()
        self.out: str | None = None
        """The run directory, from the start of the training on."""
        self.finished: RunFinished | None = None
        self.split = False
        """Whether a condition split is trained: several runs, one after the other."""
        self._failures: dict[str, str] = {}
        self._part = ""
        self._common: tuple[str, ...] = ()
        self._narrator = Narrator(self.pace)
        self._display = display or choose_display(self.pace, plain=plain)
        self._log = RunLog()
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            if isinstance(event, ConditionStarted):
                self._next_part(event)
            self.pace.update(event)
            self._display.hear(event)
            if isinstance(event, RunStarted):
                # before it is told, because whoever reads it may send a signal at once
                self.out = event.out
            for line in self._narrator.tell(event):
                self._tell(line)
            if isinstance(event, RunStarted):
                with self._log_trouble():
                    self._log.open(event.out)
            elif isinstance(event, RunFinished):
                self.finished = event
                if self.split and self.out is not None:
                    for text in recap(event, self.pace, self.out, None, part=True):
                        self._tell(Line(text))
            self._display.refresh()

    @property
    def failures(self) -> dict[str, str]:
        """Targets that could not be trained, with the reason; in a split with the condition before the name."""
        return {**self._failures, **self._named_failures()}

    def say(self, text: str) -> None:
        """Show and record a line that belongs to no event."""
        with self._lock:
            self._tell(Line(text))

    def hint(self, text: str) -> None:
        """Show a line that is no part of the account of a run."""
        self._display.show(Line(text))

    def conduct(
        self, work: Callable[[], Result], *, finish: Callable[[], None], stop_now: Callable[[], None]
    ) -> Result:
        """Do the training as the display wants it done; see `Display.conduct`."""
        return self._display.conduct(work, finish=finish, stop_now=stop_now)

    def finishing(self, text: str) -> None:
        """Show that an end was asked for."""
        self._display.finishing()
        self.say(text)

    def give_up(self) -> bool:
        """Have the work raise `KeyboardInterrupt`, if another thread does it, and return whether."""
        return self._display.give_up()

    def recap(self, run: Run | None) -> None:
        """End the display and tell what has become of the run, if it has come to an end."""
        lines: list[str] = []
        if self.finished is not None and self.out is not None:
            lines = recap(self.finished, self.pace, self.out, run)
        with self._lock:
            self.close()
            for text in lines:
                self._tell(Line(text))

    def recap_split(self, runs: ConditionRuns) -> None:
        """End the display and tell what has become of a condition split."""
        with self._lock:
            self.close()
            for text in recap_split(runs):
                self._display.show(Line(text))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._display.close()

    @contextmanager
    def hearing_logs(self) -> Iterator[None]:
        """Pass on what the package logs meanwhile."""
        handler = _Forward(self)
        _LOG.addHandler(handler)
        before, _LOG.propagate = _LOG.propagate, False
        try:
            yield
        finally:
            _LOG.removeHandler(handler)
            _LOG.propagate = before

    def _next_part(self, event: ConditionStarted) -> None:
        """Begin to count anew, and another log, which also gets what concerns all parts."""
        if not self.split:
            self._common = self._log.waiting
        self._failures.update(self._named_failures())
        self.split, self.finished, self._part = True, None, event.label
        self.pace.restart()
        self._narrator = Narrator(self.pace)
        self._log = RunLog(self._common)

    def _named_failures(self) -> dict[str, str]:
        before = f"{self._part}: " if self.split else ""
        return {f"{before}{gene}": reason for gene, reason in self.pace.failures.items()}

    def _tell(self, line: Line) -> None:
        self._display.show(line)
        with self._log_trouble():
            self._log.write(line.text)

    @contextmanager
    def _log_trouble(self) -> Iterator[None]:
        try:
            yield
        except RunDirectoryError as error:
            # results matter more than their account: if the disk is the trouble, they will say so themselves
            self._display.show(Line(f"warning: {error}; the account of this run is not recorded any further"))


class _Forward(logging.Handler):
    """Turns log records into notices."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._reporter(Notice(record.getMessage(), "warning"))
