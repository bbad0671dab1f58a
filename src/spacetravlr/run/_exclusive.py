"""Files that mean a right: of several processes, on any number of hosts, exactly one holds each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from spacetravlr.atomic import create_exclusively, refusal, temporary_name, write_bytes
from spacetravlr.run._lockfile import LockFile, read_lock
from spacetravlr.run._staleness import StaleWatch

Beats = dict[str, bytes | None]
_FIRST_WAIT, _LONGEST_WAIT = 0.005, 0.25


class Stamp:
    """Content that is put under one name after the other, each time only if the name is free.

    The content is written once and linked to each name: one file operation for a name, which appears together with
    its content. So a process that is killed never leaves a right that does not say whose it is.

    Parameters
    ----------
    source
        A file that holds the content, in the same directory as the names.
    content
        What it holds; unlike that of any other stamp.
    """

    def __init__(self, source: Path, content: bytes) -> None:
        self.content = content
        self._source = source

    def put(self, path: Path) -> bool:
        """Return False if the name is taken; it is left alone then.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        try:
            path.hardlink_to(self._source)
        except FileExistsError:
            # over a network the answer to a link that succeeded may get lost, and the request be repeated
            found = read_lock(path)
            return found is not None and found.content == self.content
        except OSError:
            # no links on this file system, or no more of them
            return create_exclusively(path, self.content)
        return True


@contextmanager
def stamp(directory: Path, content: bytes) -> Iterator[Stamp]:
    """Prepare content for names in a directory.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    source = temporary_name(directory)
    try:
        try:
            source.write_bytes(content)
        except OSError as error:
            raise refusal(source, error) from error
        yield Stamp(source, content)
    finally:
        with suppress(OSError):
            source.unlink(missing_ok=True)


def take(path: Path, mine: Stamp, watch: StaleWatch, beats: Beats) -> bool:
    """Take a right if nobody has it, or who has it has ended.

    Parameters
    ----------
    path
        The file that means the right.
    mine
        What it says if this process holds it.
    watch
        Decides who has ended.
    beats
        As for `StaleWatch.is_stale`.
    """
    if not mine.put(path):
        holder = read_lock(path)
        if holder is None:
            # given back this very moment
            if not mine.put(path):
                return False
        elif not (watch.is_stale(path.name, holder, beats) and _take_over(path, holder, mine, watch, beats)):
            return False
    watch.forget(path.name)
    return True


def give_back(path: Path, content: bytes) -> None:
    """Give a right back, unless somebody else has taken it over."""
    holder = read_lock(path)
    if holder is not None and holder.content == content:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _take_over(path: Path, holder: LockFile, mine: Stamp, watch: StaleWatch, beats: Beats) -> bool:
    """Replace a stale file; of several processes that found it stale exactly one succeeds.

    Renaming the stale file away would not do: a slow process could rename the fresh one of the winner. So the right
    to replace this very file is itself a right that is taken first, in the same way (its holder may have ended in the
    middle of this), and the file is looked at again before it goes.
    """
    identity = sha256(path.name.encode() + b"\0" + holder.content + b"\0" + str(holder.mtime_ns).encode())
    right = path.with_name(f".takeover-{identity.hexdigest()[:24]}")
    if not take(right, mine, watch, beats):
        return False
    try:
        now = read_lock(path)
        if now is None or (now.content, now.mtime_ns) != (holder.content, holder.mtime_ns):
            return False
        write_bytes(path, mine.content)
        return True
    finally:
        give_back(right, mine.content)


@contextmanager
def turn(path: Path, content: bytes, watch: StaleWatch, *, patience: float) -> Iterator[bool]:
    """Wait for a right, and hold it for a moment.

    Parameters
    ----------
    path
        The file that means the right.
    content
        What it says meanwhile; unlike that of any other.
    watch
        Decides who has ended.
    patience
        Seconds after which it goes on without the right, so that a silent host cannot hold everybody up.

    Yields
    ------
    Whether it has the right.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    end, wait = time.monotonic() + patience, _FIRST_WAIT
    with stamp(path.parent, content) as mine:
        while not (held := take(path, mine, watch, {})) and time.monotonic() < end:
            time.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_WAIT)
        try:
            yield held
        finally:
            if held:
                give_back(path, content)
