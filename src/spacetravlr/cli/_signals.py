"""Ctrl-C and its relatives: first finish what is at work, then leave at once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._errors import Interrupted
from spacetravlr.cli._handlers import Handlers

if TYPE_CHECKING:
    from spacetravlr.cli._reporter import Reporter
    from spacetravlr.training import StopRequest


class Signals(Handlers):
    """While active, a first signal asks a training to end gracefully, and a second one ends the process.

    Before the training has begun there is nothing to finish: the first signal raises `Interrupted` then.

    Parameters
    ----------
    stop
        Told to finish, or to abandon.
    reporter
        Says what happens.
    """

    def __init__(self, stop: StopRequest, reporter: Reporter) -> None:
        super().__init__()
        self.first: int | None = None
        """The signal that asked for the end."""
        self._stop = stop
        self._reporter = reporter

    @property
    def exit_code(self) -> int:
        """Code of a run that ended gracefully: 0, also after Ctrl-C, because what was asked for was done."""
        return 0 if self.first in (None, signal.SIGINT) else 128 + (self.first or 0)

    def _receive(self, number: int) -> None:
        if self.first is not None:
            self._apart(self._leave, number)
            return
        self.first = number
        if self._reporter.out is None:
            raise Interrupted(number)
        self._stop.finish.set()
        self._apart(self._announce)

    def _apart(self, action: Any, *arguments: Any) -> None:
        # the main thread may be in the middle of writing, so a handler must not write, nor wait for a lock
        threading.Thread(target=action, args=arguments, daemon=True).start()

    def _announce(self) -> None:
        with suppress(OSError):
            self._reporter.say("finishing the blocks at work; press Ctrl-C again to stop at once")

    def _leave(self, number: int) -> None:
        """End the process without waiting for the blocks at work."""
        self._stop.abandon.set()
        with suppress(Exception):
            self._reporter.close()
            sys.stderr.write("stopped at once: finished genes are kept, the others are free for the next run\n")
            sys.stderr.flush()
        # gives the claims back as a normal end would; that one would wait for the worker threads first
        atexit._run_exitfuncs()
        os._exit(128 + number)
