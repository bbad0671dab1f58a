"""What a training run tells the outside: typed events, and the one way to listen to them.

The plain log, the progress bar, the manifest and any dashboard read this stream, so they show the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for the person who runs this."""

    message: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A step of the set-up begins, and goes on until `StageFinished` or the next step is told."""

    stage: str
    detail: str = ""
    """What to know while it goes on: which step it is, why it may take long."""


@dataclass(frozen=True, slots=True)
class StageFinished:
    """One step of the set-up is done."""

    stage: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ConditionStarted:
    """The next part of a condition split begins: a run of its own, whose events follow."""

    label: str
    """Value of the condition column."""
    out: str
    """Run directory of this part."""
    number: int
    """Of this part, from 1."""
    n_parts: int
    n_cells: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Set-up is complete and genes are about to be trained."""

    out: str
    n_cells: int
    n_genes: int
    n_targets: int
    n_clusters: int
    n_done_before: int
    """Targets whose result or orphan marker was there already."""


@dataclass(frozen=True, slots=True)
class GeneClaimed:
    """A target has been taken by the process that reports it."""

    gene: str


@dataclass(frozen=True, slots=True)
class ClusterFitted:
    """One target is fitted in one cluster."""

    gene: str
    cluster: str
    n_cells: int
    r2_in: float
    r2_out: float
    """Held-out R2 over spatial blocks; NaN when it was not computed."""


@dataclass(frozen=True, slots=True)
class GeneWritten:
    """The coefficient file of a target is complete on disk."""

    gene: str
    n_modulators: int
    """Columns of the design of this target."""
    n_kept: int
    """Modulator columns in the file (not zero in every cluster)."""
    r2_in: float
    """Mean over clusters, unweighted."""
    r2_out: float
    seconds: float


@dataclass(frozen=True, slots=True)
class GeneOrphan:
    """A target gets no model, with the reason."""

    gene: str
    reason: str


@dataclass(frozen=True, slots=True)
class GeneSkipped:
    """A target is left alone: its result exists, or another process holds it."""

    gene: str
    reason: Literal["done", "locked", "elsewhere"]
    """`done`: there was a result. `locked`: another process holds it; what comes of it is told later, by this event
    with `elsewhere` (that process has finished it) or by `GeneClaimed` (it was taken over)."""


@dataclass(frozen=True, slots=True)
class GeneFailed:
    """A target could not be trained; no marker is left, so the next run tries it again."""

    gene: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has ended; the counts are those of this process."""

    status: Literal["complete", "partial", "stopped", "failed"]
    written: int
    orphan: int
    failed: int
    skipped: int
    seconds: float
    median_r2_in: float
    median_r2_out: float


Event = (
    Notice
    | StageStarted
    | StageFinished
    | ConditionStarted
    | RunStarted
    | GeneClaimed
    | ClusterFitted
    | GeneWritten
    | GeneOrphan
    | GeneSkipped
    | GeneFailed
    | RunFinished
)
"""Anything a listener may receive."""

Listener = Callable[[Event], None]
"""A function that is called with each event, on the thread that caused it."""


def silent(event: Event) -> None:
    """Ignore an event."""
