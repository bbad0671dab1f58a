"""The events of a run as lines of text: the one account that terminal, log file and redirected output share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spacetravlr.events import (
    ConditionStarted,
    Event,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    Notice,
    RunStarted,
    StageFinished,
)
from spacetravlr.pace import Pace
from spacetravlr.words import count, duration, one_line, score, speed

FEW_GENES = 200
"""Up to this many targets every gene gets a line."""
_SECONDS_BETWEEN = 1.0
_PARTS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and whether it is worth showing beside a progress bar."""

    text: str
    kind: Literal["message", "gene"] = "message"


class Narrator:
    """Turn events into lines.

    Runs of more than 200 genes get a line about every second or every hundredth of the genes; failures are always
    told.

    Parameters
    ----------
    pace
        Counts of the run; must have seen an event before it is told here.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._told: set[str] = set()
        self._last_line = float("-inf")
        self._last_done = 0

    def tell(self, event: Event) -> list[Line]:
        """Return the lines about an event, none for most."""
        match event:
            case Notice():
                # the configuration and the training both say what a setting implies
                fresh = event.message not in self._told
                self._told.add(event.message)
                word = "warning" if event.level == "warning" else "note"
                return [Line(one_line(f"{word}: {event.message}"))] if fresh else []
            case StageFinished():
                detail = f": {event.detail}" if event.detail else ""
                return [Line(one_line(f"[{event.seconds:.1f} s] {event.stage}{detail}"))]
            case ConditionStarted():
                which = f"condition {event.label or repr(event.label)} ({event.number} of {event.n_parts})"
                return [Line(one_line(f"{which}: {count(event.n_cells, 'cell')}, into {event.out}"))]
            case RunStarted():
                return [Line(_beginning(event))]
            case GeneWritten():
                return self._gene(event.gene, lambda: _result(event))
            case GeneOrphan():
                return self._gene(event.gene, lambda: f"orphan: {event.reason}{self._so_far()}")
            case GeneSkipped(reason="elsewhere"):
                return self._gene(event.gene, lambda: "trained by another process")
            case GeneFailed():
                return [Line(self._counted(event.gene, f"failed: {event.reason}"))]
            case _:
                return []

    def _gene(self, gene: str, describe: Callable[[], str]) -> list[Line]:
        pace = self._pace
        if pace.total > FEW_GENES and pace.done < pace.total:
            soon = pace.clock() - self._last_line < _SECONDS_BETWEEN
            if soon and pace.done - self._last_done < pace.total / _PARTS:
                return []
        self._last_line, self._last_done = pace.clock(), pace.done
        return [Line(self._counted(gene, f"{describe()} rate={speed(pace.rate)} eta={duration(pace.eta)}"), "gene")]

    def _so_far(self) -> str:
        return f" ({self._pace.orphan:,} so far)" if self._pace.total > FEW_GENES else ""

    def _counted(self, gene: str, text: str) -> str:
        return one_line(f"[{self._pace.done}/{self._pace.total}] {gene} {text}")


def _beginning(event: RunStarted) -> str:
    before = f", {event.n_done_before:,} of them done before" if event.n_done_before else ""
    return one_line(
        f"training {count(event.n_targets, 'gene')}{before}, on {count(event.n_cells, 'cell')} in "
        f"{count(event.n_clusters, 'cluster')}, into {event.out}"
    )


def _result(event: GeneWritten) -> str:
    return (
        f"R2={score(event.r2_in)} out={score(event.r2_out)} n_mod={event.n_modulators} kept={event.n_kept} "
        f"t={event.seconds:.2f}s"
    )
