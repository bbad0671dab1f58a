"""Decide that the holder of a claim has ended, without comparing the clocks of two hosts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from spacetravlr.run._lockfile import LockFile

Fingerprint = tuple[bytes, int, bytes | None]


class StaleWatch:
    """Remember when a claim was first seen as it is now.

    A claim is stale when its holder is known to have ended, or when neither it nor the heartbeat it refers to has
    changed for `stale_lock_secs` of the observer's own monotonic clock. So an observer must look at least twice.

    Parameters
    ----------
    directory
        The run directory.
    stale_lock_secs
        Seconds without a change after which a claim is stale; 0 = only a holder known to have ended is.
    clock
        Seconds that never go back.
    """

    def __init__(self, directory: Path, stale_lock_secs: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._seconds = stale_lock_secs
        self._clock = clock
        self._seen: dict[str, tuple[Fingerprint, float]] = {}

    def is_stale(self, name: str, lock: LockFile, beats: dict[str, bytes | None]) -> bool:
        """Return True if the claim may be taken over.

        Parameters
        ----------
        name
            File name of the claim.
        lock
            Its content now.
        beats
            Heartbeats read already in this round; filled here, so each is read once however many claims refer to it.
        """
        if lock.holder_gone:
            return True
        if self._seconds <= 0:
            return False
        fingerprint = (lock.content, lock.mtime_ns, self._beat(lock.heartbeat, beats))
        now = self._clock()
        known = self._seen.get(name)
        if known is None or known[0] != fingerprint:
            self._seen[name] = (fingerprint, now)
            return False
        return now - known[1] >= self._seconds

    def forget(self, name: str) -> None:
        """Drop what was seen of a claim that is gone or ours."""
        self._seen.pop(name, None)

    def _beat(self, name: str | None, beats: dict[str, bytes | None]) -> bytes | None:
        if name is None:
            return None
        if name not in beats:
            try:
                beats[name] = (self._directory / name).read_bytes()
            except OSError:
                beats[name] = None
        return beats[name]
