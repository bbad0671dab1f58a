"""Where the lines of a run go: plain text, a progress bar, a log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from spacetravlr.cli._lines import Line
from spacetravlr.cli._pace import Pace
from spacetravlr.errors import RunDirectoryError

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory

_DUMB = ("dumb", "unknown")


class Display(Protocol):
    """Shows a run to a person."""

    def show(self, line: Line) -> None:
        """Show a line."""

    def refresh(self) -> None:
        """Show the counts as they are now."""

    def close(self) -> None:
        """Leave the terminal as it was; nothing is shown by `refresh` any more."""


class PlainDisplay:
    """One line after the other, without any control code.

    Parameters
    ----------
    stream
        Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, line: Line) -> None:
        """Write a line at once, so that a reader of a pipe or a file sees it."""
        self._stream.write(f"{line.text}\n")
        self._stream.flush()

    def refresh(self) -> None:
        """Do nothing: lines say it all."""

    def close(self) -> None:
        """Do nothing."""


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


def choose_display(pace: Pace, *, plain: bool) -> Display:
    """Return a progress bar for a person at a terminal, plain lines on standard output otherwise."""
    terminal = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM", "").casefold() not in _DUMB
    if plain or not terminal:
        return PlainDisplay(sys.stdout)
    from spacetravlr.cli._bar import BarDisplay

    return BarDisplay(pace)
