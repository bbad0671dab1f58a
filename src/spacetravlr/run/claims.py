"""Claims: which process trains which target, across processes and hosts that share a directory."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from spacetravlr.atomic import create_exclusively, write_bytes
from spacetravlr.process import this_process
from spacetravlr.run._heartbeat import Heartbeat, remove_dead_heartbeats
from spacetravlr.run._lockfile import LockFile, LockInfo, holder_text, lock_text, read_lock
from spacetravlr.run._staleness import StaleWatch
from spacetravlr.run.paths import RunPaths, scan

_SERIAL = itertools.count()
_LONGEST_BEAT = 10.0


class Claims:
    """The targets this process holds in a run directory.

    A claim is the file `{gene}.lock`, made by exclusive creation. While any is held, a thread keeps a heartbeat file
    changing. Use it as a context manager, or call `close`: both give everything back; so does a normal exit of the
    interpreter. A process that is killed leaves its claims, and others take them over.

    Parameters
    ----------
    directory
        The run directory; it must exist.
    is_done
        Tells whether a target needs no training any more; asked before and again after a claim.
    stale_lock_secs
        Seconds without a heartbeat after which others' claims are taken over; 0 = only those of processes of this
        machine that have ended (these are taken over at once in any case).
    beat_seconds
        Time between two heartbeats; a sixth of `stale_lock_secs`, at most 10 s, by default.
    clock
        Seconds that never go back, for measuring the silence of others.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        is_done: Callable[[str], bool],
        stale_lock_secs: float = 120.0,
        beat_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.directory = Path(directory)
        self._paths = RunPaths(self.directory)
        self._is_done = is_done
        self._watch = StaleWatch(self.directory, stale_lock_secs, clock)
        usual = min(_LONGEST_BEAT, stale_lock_secs / 6) if stale_lock_secs > 0 else _LONGEST_BEAT
        self._beat_seconds = usual if beat_seconds is None else beat_seconds
        self._heartbeat: Heartbeat | None = None
        self._reset()

    def claim(self, genes: Iterable[str]) -> tuple[str, ...]:
        """Take those targets that are neither done nor held.

        Costs about three file operations per target. Call it again later for the targets that were refused: their
        holder may have ended, and this is what finds out.

        Parameters
        ----------
        genes
            Targets wanted; repeats and targets held already are ignored.

        Returns
        -------
        The targets taken, in the order given. Train them, write their results, then `release` them.

        Raises
        ------
        RunDirectoryError
            If the directory cannot be written; what this call had taken is given back.
        """
        beats: dict[str, bytes | None] = {}
        with self._mine() as held:
            before = frozenset(held)
            try:
                for gene in genes:
                    if gene not in held and not self._is_done(gene):
                        self._take(gene, beats)
                taken = [gene for gene in held if gene not in before]
                # another worker may have finished a target between the first look and the claim
                late = {gene for gene in taken if self._is_done(gene)}
            except BaseException:
                self.release(set(held) - before)
                raise
            self.release(late)
        return tuple(gene for gene in taken if gene not in late)

    def start(self) -> None:
        """Start the heartbeat before the first claim, so that others see this process at work.

        Raises
        ------
        RunDirectoryError
            If the directory cannot be written.
        """
        with self._mine():
            self._beating()

    def release(self, genes: Iterable[str] | None = None) -> None:
        """Give targets back; a claim that somebody else has taken over meanwhile is left alone.

        Parameters
        ----------
        genes
            Targets to give back; all by default. Targets not held are ignored.
        """
        with self._mine() as held:
            for gene in list(held if genes is None else genes):
                content = held.pop(gene, None)
                path = self._paths.lock(gene)
                lock = read_lock(path)
                if content is not None and lock is not None and lock.content == content:
                    with suppress(OSError):
                        path.unlink(missing_ok=True)

    @property
    def held(self) -> frozenset[str]:
        """Targets this object holds now."""
        with self._mine() as held:
            return frozenset(held)

    def locked(self) -> tuple[LockInfo, ...]:
        """Return all claims in the directory, whoever holds them, sorted by target."""
        return read_claims(self.directory)

    def close(self) -> None:
        """Give everything back and stop the heartbeat; calling it again does nothing."""
        with self._mine():
            self.release()
            if self._heartbeat is not None:
                self._heartbeat.stop()
                self._heartbeat = None
                atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._held: dict[str, bytes] = {}
        self._heartbeat = None
        self._process = this_process()
        self._holder = holder_text(self._process, started_unix=time.time())

    @contextmanager
    def _mine(self) -> Iterator[dict[str, bytes]]:
        # after a fork the claims stay with the parent: a child must neither give them back nor believe it holds them
        if os.getpid() != self._pid:
            self._reset()
        with self._lock:
            yield self._held

    def _take(self, gene: str, beats: dict[str, bytes | None]) -> None:
        path = self._paths.lock(gene)
        content = lock_text(self._holder, heartbeat=self._beating(), serial=next(_SERIAL))
        if not create_exclusively(path, content):
            lock = read_lock(path)
            if lock is None:
                # its holder gave it back this very moment
                if not create_exclusively(path, content):
                    return
            elif not (self._watch.is_stale(path.name, lock, beats) and self._take_over(path, lock, content, beats)):
                return
        self._watch.forget(path.name)
        self._held[gene] = content

    def _take_over(self, path: Path, lock: LockFile, content: bytes, beats: dict[str, bytes | None]) -> bool:
        """Replace a stale claim; of several processes that found it stale exactly one succeeds.

        Renaming the stale claim away would not do: a slow process could rename the fresh claim of the winner. So the
        right to replace this very claim is itself claimed first, and the claim is looked at again before it goes.
        """
        identity = sha256(path.name.encode() + b"\0" + lock.content + b"\0" + str(lock.mtime_ns).encode())
        right = self.directory / f".takeover-{identity.hexdigest()[:24]}"
        if not create_exclusively(right, content):
            rival = read_lock(right)
            # the rival ended in the middle of this: clear the way for the next round
            if rival is not None and self._watch.is_stale(right.name, rival, beats):
                with suppress(OSError):
                    right.unlink(missing_ok=True)
                self._watch.forget(right.name)
            return False
        try:
            now = read_lock(path)
            if now is None or (now.content, now.mtime_ns) != (lock.content, lock.mtime_ns):
                return False
            write_bytes(path, content)
            return True
        finally:
            with suppress(OSError):
                right.unlink(missing_ok=True)

    def _beating(self) -> str:
        """Return the name of the heartbeat file, after starting the heartbeat if it is not running."""
        if self._heartbeat is None:
            remove_dead_heartbeats(self.directory)
            heartbeat = Heartbeat(self.directory, self._process, self._holder, self._beat_seconds)
            heartbeat.start()
            self._heartbeat = heartbeat
            atexit.register(self.close)
        return self._heartbeat.path.name


def read_claims(directory: Path) -> tuple[LockInfo, ...]:
    """Return all claims in a run directory, sorted by target; reading them changes nothing.

    Parameters
    ----------
    directory
        The run directory.

    Returns
    -------
    One entry per `{gene}.lock`; claims that vanish meanwhile are left out.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be read.
    """
    paths = RunPaths(directory)
    read = ((gene, read_lock(paths.lock(gene))) for gene in sorted(scan(directory).locked))
    return tuple(lock.info(gene) for gene, lock in read if lock is not None)
