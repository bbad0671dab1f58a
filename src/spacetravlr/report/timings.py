"""What took how long, as the log of the run and the dates of its results tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.run import RunPaths
from spacetravlr.run.progress import dates_and_size, seconds_of

_STAGE = re.compile(r"^(?P<when>\S+) \[(?P<seconds>\d+(?:\.\d+)?) s\] (?P<stage>[^:]+?)(?:: (?P<detail>.*))?$")
_LARGEST_LOG = 4_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the set-up."""

    name: str
    seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Steps of the last set-up, and when results were written."""

    stages: tuple[Stage, ...]
    """Empty without a log of the run."""
    results: tuple[float, ...]
    """Seconds since 1970, ascending: when each target was finished."""
    began: float | None
    """Seconds since 1970: when the run began; None if it is not recorded."""


def read_timings(root: Path, started: str) -> Timings:
    """Return what a run directory tells about times.

    Parameters
    ----------
    root
        The run directory.
    started
        ISO 8601, from the manifest; may be empty.
    """
    times, _ = dates_and_size(root)
    return Timings(_stages(RunPaths(root).run_log), tuple(sorted(times)), seconds_of(started))


def _stages(log: Path) -> tuple[Stage, ...]:
    try:
        with log.open("rb") as stream:
            text = stream.read(_LARGEST_LOG).decode("utf-8", errors="replace")
    except OSError:
        return ()
    stages: dict[str, Stage] = {}
    for line in text.splitlines():
        found = _STAGE.match(line)
        if found is not None:
            # a run that is continued sets up again: the last time counts, in the place of the first
            stages[found["stage"]] = Stage(found["stage"], float(found["seconds"]), found["detail"] or "")
    return tuple(stages.values())
