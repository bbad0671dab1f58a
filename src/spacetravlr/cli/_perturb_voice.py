"""What `spacetravlr-perturb` says while it works, on standard error; standard output is for results."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spacetravlr.cli._terminal import draws
from spacetravlr.words import one_line

_BAR_WIDTH = 30
_MOMENT = 10.0
_SECONDS_BETWEEN = 10.0
Advance = Callable[[int, int, str], None]
"""Called with how many are done, of how many, and what was the last one."""


class Voice:
    """Says lines, shows warnings of the package, and draws a progress bar; calls may come from any thread.

    Parameters
    ----------
    verbose
        Whether to say details too.
    """

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose
        self.drawing = False
        """Whether there is a progress bar."""
        self._write = _to_stderr
        self._muted = False
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Say a line."""
        with self._lock:
            self._write(one_line(text))

    def verbatim(self, text: str) -> None:
        """Say a line as it is, for tables."""
        with self._lock:
            self._write(text)

    def detail(self, text: str) -> None:
        """Say a line if details are wanted."""
        if self.verbose:
            self.say(text)

    def note(self, text: str, about: str = "") -> None:
        """Say a remark on a result, unless it was a warning already."""
        if text not in self._warned:
            self.say(f"note: {about}{': ' if about else ''}{text}")

    def warn(self, text: str) -> None:
        """Say a warning, once."""
        if text not in self._warned and not self._muted:
            self._warned.add(text)
            self.say(f"warning: {text}")

    @contextmanager
    def hearing_logs(self) -> Iterator[None]:
        """Say what the package logs as warnings."""
        handler = _Handler(self.warn)
        logger = logging.getLogger("spacetravlr")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    def mute_logs(self) -> None:
        """Say no further warnings: what they are about is told in another way."""
        self._muted = True

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show that something of unknown length goes on; where nobody looks, say so if it takes more than a moment."""
        if not can_draw():
            late = threading.Timer(_MOMENT, self.say, (text,))
            late.daemon = True
            late.start()
            try:
                yield
            finally:
                late.cancel()
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True, highlight=False)
        with console.status(Text(f"{one_line(text)} ...")):
            self._write = lambda text: console.print(Text(text), soft_wrap=True)
            self.drawing = True
            try:
                yield
            finally:
                self._write, self.drawing = _to_stderr, False

    @contextmanager
    def counting(self, *, lines: bool = False) -> Iterator[Advance]:
        """Draw a progress bar for a person at a terminal; the function that is returned moves it.

        Parameters
        ----------
        lines
            Where there is no terminal, say how far it is every ten seconds.
        """
        if not can_draw():
            yield _Sparse(self.say) if lines else _draw_nothing
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        console = Console(stderr=True, highlight=False)
        progress = Progress(
            BarColumn(bar_width=_BAR_WIDTH),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=5,
        )
        with progress:
            task = progress.add_task("", total=None)
            self._write = lambda text: console.print(Text(text), soft_wrap=True)
            self.drawing = True
            try:
                yield lambda done, total, text: progress.update(
                    task, completed=done, total=total, description=one_line(text)
                )
            finally:
                self._write, self.drawing = _to_stderr, False


def can_draw() -> bool:
    """Return whether a person looks at standard error on a terminal that can draw."""
    return draws(sys.stderr)


class _Sparse:
    """Says how far something is, now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN:
            self._last = now
            self._say(f"[{done}/{total}] {text}")


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._tell(record.getMessage())
        except Exception:  # noqa: BLE001 - as every handler: a message that cannot be shown must not end the work
            self.handleError(record)


def _draw_nothing(done: int, total: int, text: str) -> None:
    """Do nothing: lines say it all."""


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
