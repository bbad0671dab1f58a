"""The directory of cached downloads, used by one process at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spacetravlr.errors import RunDirectoryError

log = logging.getLogger("spacetravlr")


def refused(path: Path, error: OSError) -> RunDirectoryError:
    """Return the error to raise when the file system refuses something in the cache."""
    return RunDirectoryError(
        f"cannot write {path} ({error.strerror or error}); free some space, or choose another directory with --cache"
    )


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Make a directory and keep other processes that ask for it waiting; on systems without locks only make it.

    The file that holds the lock is removed afterwards.

    Raises
    ------
    RunDirectoryError
        The directory cannot be made or written.
    """
    lock = directory / ".lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = _locked(lock)
    except OSError as error:
        raise refused(directory, error) from error
    try:
        yield
    finally:
        # removed before it is let go: who waits for it sees that it has gone, and makes another
        with suppress(OSError):
            lock.unlink(missing_ok=True)
        os.close(handle)


def _locked(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        _wait(handle, lock)
        try:
            if os.fstat(handle).st_ino == lock.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)


def _wait(handle: int, lock: Path) -> None:
    # not every system has locks, nor does every file system
    with suppress(ImportError, OSError):
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another process is fetching into %s; waiting for it", lock.parent)
            fcntl.flock(handle, fcntl.LOCK_EX)
