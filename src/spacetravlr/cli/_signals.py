"""Ctrl-C and its relatives: first finish what is at work, then leave at once."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from spacetravlr.cli._errors import Interrupted

if TYPE_CHECKING:
    from spacetravlr.cli._reporter import Reporter
    from spacetravlr.training import StopRequest

_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
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
        self.first: int | None = None
        """The signal that asked for the end."""
        self._stop = stop
        self._reporter = reporter
        self._before: dict[int, Any] = {}

    @property
    def exit_code(self) -> int:
        """Code of a run that ended gracefully: 0, also after Ctrl-C, because what was asked for was done."""
        return 0 if self.first in (None, signal.SIGINT) else 128 + (self.first or 0)

    def __enter__(self) -> Self:
        for name in _HANDLED:
            number = getattr(signal, name, None)
            # nohup and background jobs of scripts ignore signals on purpose
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
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
