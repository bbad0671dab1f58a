"""Where the lines of a run go: plain text, a progress bar, a log file."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

from spacetravlr.cli._aside import silence
from spacetravlr.cli._lines import Line
from spacetravlr.cli._terminal import draws
from spacetravlr.errors import RunDirectoryError
from spacetravlr.events import Event, RunStarted, StageFinished, StageStarted
from spacetravlr.pace import Pace
from spacetravlr.words import one_line

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory

Result = TypeVar("Result")
_MOMENT = 3.0
"""Seconds after which a step that goes on is told where nothing is drawn."""


class Display(Protocol):
    """Shows a run to a person."""

    def hear(self, event: Event) -> None:
        """Take an event into account."""

    def show(self, line: Line) -> None:
        """Show a line."""

    def refresh(self) -> None:
        """Show the counts as they are now."""

    def finishing(self) -> None:
        """Take into account that an end was asked for."""

    def close(self) -> None:
        """Leave the terminal as it was; nothing is shown by `refresh` any more."""

    def conduct(
        self, work: Callable[[], Result], *, finish: Callable[[], None], stop_now: Callable[[], None]
    ) -> Result:
        """Do some work, show it meanwhile, and return what it returns or raise what it raises.

        Parameters
        ----------
        work
            The training.
        finish, stop_now
            Called when keys ask for the end.
        """

    def give_up(self) -> bool:
        """Have the work raise `KeyboardInterrupt` where it is done, if that is another thread, and return whether."""


class InPlace:
    """What a display does that shows lines while the work is done by whoever asked for it."""

    def hear(self, event: Event) -> None:
        """Do nothing: lines say it all."""

    def finishing(self) -> None:
        """Do nothing: a line says it."""

    def conduct(
        self,
        work: Callable[[], Result],
        *,
        finish: Callable[[], None],  # noqa: ARG002 - there are no keys
        stop_now: Callable[[], None],  # noqa: ARG002
    ) -> Result:
        """Do the work."""
        return work()

    def give_up(self) -> bool:
        """Return False: the work is done in this thread."""
        return False


class PlainDisplay(InPlace):
    """One line after the other, without any control code.

    Parameters
    ----------
    stream
        Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._writing = threading.Lock()
        self._late: threading.Timer | None = None

    def hear(self, event: Event) -> None:
        """Say which step goes on if it takes more than a moment; what ends is told by lines."""
        if not isinstance(event, StageStarted | StageFinished | RunStarted):
            return
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if isinstance(event, StageStarted):
            self._late = threading.Timer(_MOMENT, self._show_late, (Line(at_work(event)),))
            self._late.daemon = True
            self._late.start()

    def show(self, line: Line) -> None:
        """Write a line at once, so that a reader of a pipe or a file sees it."""
        try:
            with self._writing:
                self._stream.write(f"{line.text}\n")
                self._stream.flush()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            # the terminal has been closed: a signal says so, and no line is worth what is at work
            silence()

    def _show_late(self, line: Line) -> None:
        """Write a line on a thread of its own; whoever has stopped reading is noticed by the next one."""
        with suppress(OSError):
            self.show(line)

    def refresh(self) -> None:
        """Do nothing: lines say it all."""

    def close(self) -> None:
        """Say nothing about a step that goes on."""
        if self._late is not None:
            self._late.cancel()


def at_work(event: StageStarted) -> str:
    """Return the line about a step that goes on."""
    return one_line(f"{event.stage} ...{f' ({event.detail})' if event.detail else ''}")


class RunLog:
    """The same lines in `log/run.log`, from the beginning of the set-up on.

    The directory is known to be good only when the set-up is done, so lines are kept until then.

    Parameters
    ----------
    waiting
        Lines to begin with.
    """

    def __init__(self, waiting: Iterable[str] = ()) -> None:
        self._waiting: list[str] = list(waiting)
        self._directory: RunDirectory | None = None
        self._broken = False

    @property
    def waiting(self) -> tuple[str, ...]:
        """The lines that are kept."""
        return tuple(self._waiting)

    def open(self, out: str) -> None:
        """Begin to write into a run directory.

        Raises
        ------
        RunDirectoryError
            If the file system refuses; nothing is written from then on.
        """
        from spacetravlr.run import RunDirectory

        self._directory = RunDirectory(Path(out))
        waiting, self._waiting = self._waiting, []
        for text in waiting:
            self.write(text)

    def write(self, text: str) -> None:
        """Write a line, or keep it.

        Raises
        ------
        RunDirectoryError
            If the file system refuses; nothing is written from then on.
        """
        if self._directory is None:
            self._waiting.append(text)
        elif not self._broken:
            try:
                self._directory.append_run_log(text)
            except RunDirectoryError:
                self._broken = True
                raise


def is_terminal() -> bool:
    """Return whether output and messages go to a terminal that can move its cursor."""
    return draws(sys.stdout, sys.stderr)


def choose_display(pace: Pace, *, plain: bool) -> Display:
    """Return a progress bar for a person at a terminal, plain lines on standard output otherwise."""
    if plain or not is_terminal():
        return PlainDisplay(sys.stdout)
    from spacetravlr.cli._bar import BarDisplay

    return BarDisplay(pace)
