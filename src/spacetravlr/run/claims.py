"""Claims: which process trains which target, across processes and hosts that share a directory."""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from spacetravlr.process import this_process
from spacetravlr.run._exclusive import Beats, give_back, stamp, take, turn
from spacetravlr.run._heartbeat import Heartbeat, remove_dead_heartbeats
from spacetravlr.run._lockfile import LockInfo, holder_text, lock_text, read_lock
from spacetravlr.run._staleness import StaleWatch
from spacetravlr.run.paths import RunPaths, scan

_SERIAL = itertools.count()
_LONGEST_BEAT = 10.0
_SILENCE = 15.0
"""Seconds without a heartbeat after which a turn is taken over: turns last milliseconds."""
_PATIENCE = 30.0


class Claims:
    """The targets this process holds in a run directory.

    A claim is the file `{gene}.lock`; of several processes that make it exactly one succeeds. While any is held, a
    thread keeps a heartbeat file changing. Use it as a context manager, or call `close`: both give everything back; so
    does a normal exit of the interpreter. A process that is killed leaves its claims, and others take them over.

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
        self._turns = StaleWatch(self.directory, _SILENCE, clock)
        usual = min(_LONGEST_BEAT, stale_lock_secs / 6) if stale_lock_secs > 0 else _LONGEST_BEAT
        self._beat_seconds = usual if beat_seconds is None else beat_seconds
        self._heartbeat: Heartbeat | None = None
        self._reset()

    def claim(self, genes: Iterable[str], *, together: bool = False, even_done: bool = False) -> tuple[str, ...]:
        """Take those targets that are neither done nor held.

        Costs about two file operations per target. Call it again later for the targets that were refused: their
        holder may have ended, and this is what finds out.

        Parameters
        ----------
        genes
            Targets wanted; repeats and targets held already are ignored.
        together
            Leave all of them to whoever holds the first that is not done: of several processes that come at the same
            time, one gets the whole block instead of each a part.
        even_done
            Take also what is done, to look at its files while nobody else touches them.

        Returns
        -------
        The targets taken, in the order given. Train them, write their results, then `release` them.

        Raises
        ------
        RunDirectoryError
            If the directory cannot be written; what this call had taken is given back.
        """
        is_done = _never if even_done else self._is_done
        with self._mine() as held:
            before = frozenset(held)
            try:
                self._take([gene for gene in dict.fromkeys(genes) if gene not in held], is_done, together=together)
                taken = [gene for gene in held if gene not in before]
                # another worker may have finished a target between the first look and the claim
                late = {gene for gene in taken if is_done(gene)}
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
                if content is not None:
                    give_back(self._paths.lock(gene), content)

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Do something short that one process at a time may do in this directory.

        After 30 s it goes on in any case: a host that has gone silent must not hold everybody up.

        Parameters
        ----------
        name
            Of what is done.

        Raises
        ------
        RunDirectoryError
            If the directory cannot be written.
        """
        with self._mine():
            content = self._content()
        with turn(self.directory / f".turn-{name}", content, self._turns, patience=_PATIENCE):
            yield

    @property
    def held(self) -> frozenset[str]:
        """Targets this object holds now."""
        with self._mine() as held:
            return frozenset(held)

    @property
    def heartbeat(self) -> str | None:
        """Name of the heartbeat file of this object; None while it does not beat."""
        with self._mine():
            return None if self._heartbeat is None else self._heartbeat.path.name

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

    def _take(self, genes: Iterable[str], is_done: Callable[[str], bool], *, together: bool) -> None:
        beats: Beats = {}
        taken = False
        with ExitStack() as stack:
            mine = None
            for gene in genes:
                if is_done(gene):
                    continue
                mine = mine or stack.enter_context(stamp(self.directory, self._content()))
                if take(self._paths.lock(gene), mine, self._watch, beats):
                    self._held[gene] = mine.content
                    taken = True
                elif together and not taken:
                    return

    def _content(self) -> bytes:
        return lock_text(self._holder, heartbeat=self._beating(), serial=next(_SERIAL))

    def _beating(self) -> str:
        """Return the name of the heartbeat file, after starting the heartbeat if it is not running."""
        if self._heartbeat is None:
            remove_dead_heartbeats(self.directory)
            heartbeat = Heartbeat(self.directory, self._process, self._holder, self._beat_seconds)
            heartbeat.start()
            self._heartbeat = heartbeat
            atexit.register(self.close)
        return self._heartbeat.path.name


def _never(gene: str) -> bool:  # noqa: ARG001 - asked in place of whether a target is done
    return False


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
