"""Who is at work on a run, how fast it goes, and when it will be done, as far as its files tell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spacetravlr.run._heartbeat import beating
from spacetravlr.run._lockfile import LockInfo
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.paths import ORPHAN_SUFFIX, gene_of_result
from spacetravlr.run.status import RunStatus, read_status

WINDOW = 1800.0
"""Seconds back from the last result in which the speed is measured."""
STALLED = 900.0
"""Seconds without a result after which the speed says nothing about the time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process at work, or one that has left claims behind."""

    host: str | None
    """None, as `pid` and `since`, for claims of editions that do not tell."""
    pid: int | None
    since: float | None
    """Seconds since 1970 by the clock of its host: when it began."""
    genes: tuple[str, ...]
    """Targets it holds."""
    gone: bool
    """It has ended, and its targets wait to be taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """The status of a run, who works on it, and its speed."""

    status: RunStatus
    workers: tuple[Worker, ...]
    rate: float | None
    """Targets per second of all processes together; None if nobody is at work, or too little is known."""
    eta: float | None
    """Seconds until the last target; None if it is unknown."""
    last: float | None
    """Seconds since 1970: when the last result was written; None without one."""
    silent: float | None
    """Seconds since then; None if nobody is at work."""
    n_bytes: int
    """Size of all coefficient files."""

    @property
    def stalled(self) -> bool:
        """Processes are at work, and there has been no result for a quarter of an hour."""
        return self.silent is not None and self.silent >= STALLED


def read_progress(directory: RunDirectory, *, now: float | None = None) -> RunProgress:
    """Read the progress of a run: its status, its heartbeats, and size and date of its results.

    The speed is that of the results written since a process last began or ended, at most half an hour back from the
    last one. Where the manifest does not tell the former (other editions), it is measured between results.

    Parameters
    ----------
    directory
        The run.
    now
        Seconds since 1970, by default those of this host. Its clock is compared with that of the file system, which
        is good enough for people; no claim depends on it.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be read.
    """
    status = read_status(directory)
    manifest = directory.manifest
    times, n_bytes = dates_and_size(directory.path)
    running = status.state == "running"
    last = max(times, default=None)
    rate = measured_rate(times, seconds_of(manifest.pace_from) if manifest is not None else None) if running else None
    clock = time.time() if now is None else now
    silent = max(0.0, clock - last) if running and last is not None else None
    return RunProgress(
        status=status,
        workers=_workers(directory.path, status.locked),
        rate=rate,
        eta=_remaining_time(status, rate, silent),
        last=last,
        silent=silent,
        n_bytes=n_bytes,
    )


def measured_rate(times: Sequence[float], pace_from: float | None) -> float | None:
    """Return results per second from the dates of the results.

    Parameters
    ----------
    times
        Seconds since 1970, in any order.
    pace_from
        When a process last began or ended; None if unknown.

    Returns
    -------
    None where too little is known. Blocks end with many results at once, so a rate between results alone would be
    that of writing; it is measured so only where nothing else is known.
    """
    if not times:
        return None
    last = max(times)
    if pace_from is None:
        recent = sorted(one for one in times if one >= last - WINDOW)
        span = last - recent[0]
        return (len(recent) - 1) / span if span > 0.0 else None
    origin = max(pace_from, last - WINDOW)
    count = sum(one > origin for one in times)
    return count / (last - origin) if count else None


def _remaining_time(status: RunStatus, rate: float | None, silent: float | None) -> float | None:
    if status.remaining is None or rate is None or silent is None or silent >= STALLED:
        return None
    left = sum(gene not in status.failed for gene in status.remaining)
    return max(0.0, left / rate - silent)


def dates_and_size(root: Path) -> tuple[list[float], int]:
    """Return the dates of all results and markers, seconds since 1970, and the size of the results, bytes."""
    times, n_bytes = [], 0
    for path in root.iterdir():
        result = gene_of_result(path.name) is not None
        if result or (path.suffix == ORPHAN_SUFFIX and not path.name.startswith(".")):
            try:
                facts = path.stat()
            except OSError:
                continue
            times.append(facts.st_mtime)
            n_bytes += facts.st_size if result else 0
    return times, n_bytes


def _workers(root: Path, locked: Iterable[LockInfo]) -> tuple[Worker, ...]:
    held: dict[tuple[str | None, int | None, float | None, bool], list[str]] = {}
    for beat in beating(root).values():
        one = beat.info("")
        held[one.host, one.pid, one.since, False] = []
    for lock in locked:
        held.setdefault((lock.host, lock.pid, lock.since, lock.gone), []).append(lock.gene)
    order = sorted(held, key=lambda who: (who[3], who[0] or "~", who[1] or 0, who[2] or 0.0))
    return tuple(Worker(host=w[0], pid=w[1], since=w[2], gone=w[3], genes=tuple(held[w])) for w in order)


def seconds_of(moment: str) -> float | None:
    """Return the seconds since 1970 of a moment in ISO 8601; None if the text is none."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None
