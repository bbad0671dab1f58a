"""Handlers of Ctrl-C and its relatives that are in force for a while."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from types import FrameType, TracebackType
from typing import Any, Self

_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP")


class Handlers(ABC):
    """While active, what asks a process to end is received here; a subclass says what follows."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in _HANDLED:
            number = getattr(signal, name, None)
            # nohup and background jobs of scripts ignore signals on purpose
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        self._receive(number)

    @abstractmethod
    def _receive(self, number: int) -> None:
        """Act on a signal, in the main thread, which may be in the middle of anything."""
