"""What libraries and child processes write to the numbers of standard output and error, while a screen is open."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from spacetravlr.words import one_line

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NUMBERS = (1, 2)
_CHUNK = 65_536
_LONGEST = 4_000
"""Bytes of a line; a longer one is cut into several."""
_PATIENCE = 0.5
"""Seconds that lines which are still under way get; a child process may hold its end open for ever."""
_CODES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")


class Aside:
    """While active, such writings become lines, and `sys.__stdout__` and `sys.__stderr__` still lead to the terminal.

    The pipe is read as long as anybody can write into it, because whoever writes into a closed one is ended by that.
    A terminal that goes away is no error for who writes to it, neither meanwhile nor afterwards.

    Parameters
    ----------
    hear
        Receives each line, in a thread of its own.
    """

    def __init__(self, hear: Callable[[str], None]) -> None:
        self.gone = False
        """Whether the terminal is not there any more."""
        self._hear = hear
        self._undo: ExitStack | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        _flush()
        with suppress(OSError), ExitStack() as stack:
            ours, theirs = os.pipe()
            stack.callback(os.close, theirs)
            streams = [self._terminal(number, stack) for number in _NUMBERS]
            for number in _NUMBERS:
                os.dup2(theirs, number)
            stack.callback(_put_streams, sys.__stdout__, sys.__stderr__)
            _put_streams(*streams)
            self._reader = threading.Thread(target=self._read, args=(ours,), name="aside", daemon=True)
            self._reader.start()
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._undo is None:
            return
        _flush()
        self._undo.close()
        if self.gone:
            silence()
        if self._reader is not None:
            self._reader.join(_PATIENCE)

    def _read(self, ours: int) -> None:
        rest = b""
        while True:
            try:
                found = os.read(ours, _CHUNK)
            except OSError:
                break
            *lines, rest = (rest + found).split(b"\n")
            while len(rest) > _LONGEST or (rest and not found):
                lines.append(rest[:_LONGEST])
                rest = rest[_LONGEST:]
            for line in lines:
                self._tell(line)
            if not found:
                break
        os.close(ours)

    def _tell(self, line: bytes) -> None:
        # of a line that was written over itself the last state remains
        last = line.rstrip(b"\r").rpartition(b"\r")[2]
        text = one_line(_CODES.sub("", last.decode("utf-8", errors="replace")))
        if text:
            # nobody who writes is held up because somebody who reads has failed
            with suppress(Exception):
                self._hear(text)

    def _terminal(self, number: int, stack: ExitStack) -> io.TextIOWrapper:
        """Return a stream to where a number leads now; in the end it leads there again, and the stream is closed."""
        copy = os.dup(number)
        stack.callback(os.close, copy)
        stack.callback(os.dup2, copy, number)
        raw = io.BufferedWriter(_Lasting(copy, self))
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", line_buffering=True)
        stack.callback(stream.close)
        return stream


class _Lasting(io.FileIO):
    """Writes to a terminal as long as it is there."""

    def __init__(self, number: int, aside: Aside) -> None:
        super().__init__(number, "w", closefd=False)
        self._aside = aside

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            self._aside.gone = True
            return memoryview(data).nbytes


def silence() -> None:
    """Let what is written to standard output and error from now on lead nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in _NUMBERS:
        os.dup2(nowhere, number)
    os.close(nowhere)


def _put_streams(out: io.TextIOWrapper | None, error: io.TextIOWrapper | None) -> None:
    sys.__stdout__, sys.__stderr__ = out, error  # type: ignore[misc]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.flush()
