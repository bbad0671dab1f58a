"""One small file per process whose content changes while the process lives."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from spacetravlr.atomic import write_bytes
from spacetravlr.process import ProcessId
from spacetravlr.run._lockfile import BEATING, FIRST_LINE, LockFile, read_lock

_LOG = logging.getLogger("spacetravlr")
_INSTANCES = itertools.count()
_SILENT_SECONDS = 600.0


class Heartbeat:
    """Write a counter into a file again and again, from a thread of its own.

    All claims of a process refer to this one file, so a beat costs one write, however many targets are held.

    Parameters
    ----------
    directory
        The run directory.
    process
        The running process.
    holder
        The lines that name it (see `holder_text`).
    seconds
        Time between two beats.
    """

    def __init__(self, directory: Path, process: ProcessId, holder: str, seconds: float) -> None:
        host = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in process.host)[:60]
        name = f".heartbeat-{host}-{process.pid}-{process.tag}-{process.started or 0}-{next(_INSTANCES)}"
        self.path = directory / name
        self._holder = holder
        self._seconds = seconds
        self._beat = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spacetravlr-heartbeat", daemon=True)

    def start(self) -> None:
        """Write the first beat and start the thread.

        Raises
        ------
        RunDirectoryError
            If the directory cannot be written.
        """
        write_bytes(self.path, self._content())
        BEATING.add(self.path.name)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and remove the file."""
        self._stop.set()
        self._thread.join()
        BEATING.discard(self.path.name)
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        healthy = True
        while not self._stop.wait(self._seconds):
            self._beat += 1
            try:
                self._write()
                healthy = True
            except OSError as error:
                if healthy:
                    _LOG.warning("the heartbeat %s cannot be written (%s); trying again", self.path, error)
                healthy = False

    def _write(self) -> None:
        # In place and of constant length, unlike every other file: a disk that has filled up must not stop the
        # heart, or other processes would take over targets that are being trained. A reader that meets half a
        # write sees a change, which is all it looks for.
        try:
            with self.path.open("r+b") as stream:
                stream.write(self._content())
        except FileNotFoundError:
            self.path.write_bytes(self._content())

    def _content(self) -> bytes:
        text = f"{FIRST_LINE}\n{self._holder}heartbeat {self.path.name}\nbeat {self._beat:020d}\n"
        return text.encode()


def beating(directory: Path) -> dict[str, LockFile]:
    """Return the heartbeats of processes that seem to live, by file name.

    For people only, never for taking a claim over: for another host it compares its clock with the one here.
    """
    found = {path.name: read_lock(path) for path in sorted(directory.glob(".heartbeat-*"))}
    return {name: beat for name, beat in found.items() if beat is not None and _seems_alive(beat)}


def _seems_alive(beat: LockFile) -> bool:
    if beat.holder_here and os.name == "posix":
        return not beat.holder_gone
    return time.time() - beat.mtime_ns / 1e9 < _SILENT_SECONDS


def anybody_alive(directory: Path, *, besides: str | None = None) -> bool:
    """Return True if a process that beats in this directory, besides one, seems to live; see `beating`."""
    return bool(beating(directory).keys() - {besides})


def remove_dead_heartbeats(directory: Path) -> int:
    """Remove heartbeats of processes of this machine that have ended; return how many."""
    count = 0
    for path in directory.glob(".heartbeat-*"):
        beat = read_lock(path)
        if beat is not None and beat.holder_gone:
            with suppress(OSError):
                path.unlink(missing_ok=True)
                count += 1
    return count
