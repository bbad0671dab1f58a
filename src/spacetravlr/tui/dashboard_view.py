"""What a dashboard shows at one moment: plain values, taken from `Dashboard`, for whoever draws them."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from typing import Literal

_STAGE = re.compile(r"\[\d+\.\d s\] ")
_GENE = re.compile(r"\[\d+/\d+\] \S+ (?P<what>.*)")

Fate = Literal["waiting", "at work", "written", "orphan", "failed", "done before", "elsewhere", "by others"]
"""What has become of a target. `elsewhere`: another process holds it; `by others`: it has finished it."""
Level = Literal["info", "stage", "gene", "warning", "failure"]
Phase = Literal[
    "setting up", "training", "waiting", "finishing", "running", "interrupted", "complete", "partial", "stopped",
    "failed", "unknown",
]  # fmt: skip
"""`waiting`: everything left is in the hands of others; `finishing`: an end was asked for."""
ENDED = ("complete", "partial", "stopped", "failed")
RankBy = Literal["out", "in"]
N_BINS = 20
"""Bins of the distribution of R2, from 0 to 1; what is below or above is in the first and the last."""


@dataclass(slots=True)
class GeneRecord:
    """What is known about a target."""

    fate: Fate = "waiting"
    reason: str = ""
    r2_in: float = math.nan
    r2_out: float = math.nan
    n_modulators: int = 0
    n_kept: int = 0
    seconds: float = math.nan
    clusters: array[float] = field(default_factory=lambda: array("d"))
    """R2 in and out of sample in turn, by the cluster numbers of the dashboard; NaN where it is not known."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the set-up."""

    name: str
    seconds: float
    detail: str = ""
    done: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """Targets that a worker of this process fits together."""

    genes: tuple[str, ...]
    """Those that have not ended."""
    n: int
    """How many there were."""
    seconds: float
    """Since it was begun."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another process that works on the run, or has left claims behind."""

    host: str
    pid: int | None
    n_genes: int
    """Targets it holds."""
    first: str
    """One of them."""
    seconds: float
    """Since it began; NaN if unknown."""
    gone: bool


@dataclass(frozen=True, slots=True)
class Outside:
    """What the files of a run tell about all processes together."""

    state: Phase
    others: tuple[Other, ...]
    rate: float
    """Targets per second of all processes; NaN if unknown."""
    eta: float
    held: frozenset[str]
    """Targets that other processes hold."""
    n_bytes: int
    """Size of all coefficient files."""
    last: float
    """Seconds since the last result; NaN without one."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log."""

    clock: str
    """Local time, `14:03:59`; empty if unknown."""
    text: str
    level: Level


@dataclass(frozen=True, slots=True)
class Part:
    """A condition of a split."""

    label: str
    number: int
    n_parts: int
    n_cells: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Targets by what has become of them."""

    total: int = 0
    done: int = 0
    """Those that need nothing more from this process."""
    written: int = 0
    orphan: int = 0
    failed: int = 0
    before: int = 0
    """Done before this process came to them."""
    by_others: int = 0
    elsewhere: int = 0
    """In the hands of others."""
    at_work: int = 0

    @property
    def waiting(self) -> int:
        """Targets that nobody known has begun."""
        return max(0, self.total - self.done - self.elsewhere - self.at_work)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A target among the best or the worst."""

    gene: str
    r2_in: float
    r2_out: float
    n_kept: int


@dataclass(frozen=True, slots=True)
class CellType:
    """A cluster and how many cells it has."""

    code: int
    """Its colour."""
    label: str
    n_cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything the panels draw."""

    title: str
    phase: Phase
    elapsed: float
    part: Part | None
    facts: tuple[tuple[str, str], ...]
    stages: tuple[Stage, ...]
    blocks: tuple[Block, ...]
    counts: Counts
    rate: float
    eta: float
    outside: Outside | None
    best: tuple[Ranked, ...]
    worst: tuple[Ranked, ...]
    rank_by: RankBy
    median_r2_in: float
    median_r2_out: float
    n_scored: int
    histogram: tuple[int, ...]
    """Number of targets by R2, in `N_BINS` bins."""
    cell_types: tuple[CellType, ...]
    n_cells: int
    n_genes: int
    log: tuple[LogLine, ...]
    """The last lines."""
    n_lines: int
    """Lines that there ever were."""
    latest: str
    """The target that was written last."""
    last_failure: str
    out: str


def level_of(text: str) -> Level:
    """Return how a line of the log is shown, by what it says."""
    if text.startswith("warning: "):
        return "warning"
    if _STAGE.match(text):
        return "stage"
    found = _GENE.match(text)
    if found is None:
        return "info"
    return "failure" if found["what"].startswith("failed: ") else "gene"
