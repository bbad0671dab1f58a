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

    Before the training has begun there is nothing to finish: the first signal raises `Interrupted` then, or, where
    another thread does the work, ends that thread by a `KeyboardInterrupt`.

    Parameters
    ----------
    reporter
        Says what happens.
    """

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self.first: int | None = None
        """The signal that asked for the end."""
        self.stop: StopRequest | None = None
        """Told to finish, or to abandon, as soon as there is a training."""
        self._reporter = reporter

    @property
    def exit_code(self) -> int:
        """Code of a run that ended gracefully: 0, also after Ctrl-C, because what was asked for was done."""
        return 0 if self.first in (None, signal.SIGINT) else 128 + (self.first or 0)

    def finish(self) -> None:
        """Do what the first Ctrl-C does, once."""
        if self.first is None:
            self._receive(signal.SIGINT)

    def stop_now(self) -> None:
        """Do what a second Ctrl-C does."""
        self.first = signal.SIGINT if self.first is None else self.first
        self._apart(self._leave, signal.SIGINT)

    def _receive(self, number: int) -> None:
        if self.first is not None:
            self._apart(self._leave, number)
            return
        self.first = number
        if self._reporter.out is None or self.stop is None:
            if self._reporter.give_up():
                return
            raise Interrupted(number)
        self.stop.finish.set()
        self._apart(self._announce)

    def _apart(self, action: Any, *arguments: Any) -> None:
        # the main thread may be in the middle of writing, so a handler must not write, nor wait for a lock
        threading.Thread(target=action, args=arguments, daemon=True).start()

    def _announce(self) -> None:
        with suppress(OSError):
            self._reporter.finishing("finishing the blocks at work; press Ctrl-C again to stop at once")

    def _leave(self, number: int) -> None:
        """End the process without waiting for the blocks at work."""
        if self.stop is not None:
            self.stop.abandon.set()
        with suppress(Exception):
            self._reporter.close()
            # a screen that has not closed in time still takes what is written to the stream in its place
            stream = sys.__stderr__ or sys.stderr
            stream.write("stopped at once: finished genes are kept, the others are free for the next run\n")
            stream.flush()
        # gives the claims back as a normal end would; that one would wait for the worker threads first
        atexit._run_exitfuncs()
        os._exit(128 + number)
