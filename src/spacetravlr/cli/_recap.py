"""The last words of a run: five lines or fewer."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from spacetravlr.errors import listing
from spacetravlr.pace import Pace
from spacetravlr.words import count, duration, one_line, score

if TYPE_CHECKING:
    from spacetravlr.events import RunFinished
    from spacetravlr.run import ConditionRuns, Run

_WORDS = {"complete": "complete", "partial": "ended", "stopped": "stopped", "failed": "failed"}
_REASONS_SHOWN = 3
REPORT = "spacetravlr_run_summary.html"
"""The page that every training leaves in the run directory."""
_PARTS_SHOWN = 20


def recap(finished: RunFinished, pace: Pace, out: str, run: Run | None, *, part: bool = False) -> list[str]:
    """Return what a person wants to know when a run has ended.

    Parameters
    ----------
    finished
        The last event.
    pace
        The counts.
    out
        The run directory.
    run
        The run, to suggest a perturbation; None if there is nothing to perturb.
    part
        It is a part of a condition split, so that what to do next is told when all of them have ended.
    """
    lines = [f"{_WORDS[finished.status]} after {duration(finished.seconds)}: {counts_text(finished, pace)}"]
    if pace.failures:
        reasons = [f"{gene} ({one_line(reason)})" for gene, reason in pace.failures.items()]
        lines.append(f"failed, tried again by the next run: {listing(reasons, _REASONS_SHOWN)}")
    if math.isfinite(finished.median_r2_in):
        lines.append(f"median R2: {score(finished.median_r2_in)} in sample, {score(finished.median_r2_out)} held out")
    lines.append(f"results in {out} (GENE_betadata.feather; log/run.log has this account; {REPORT} shows it)")
    following = None if part else _following(finished, out, run)
    if following:
        lines.append(following)
    return [one_line(line) for line in lines]


def recap_split(runs: ConditionRuns) -> list[str]:
    """Return what a person wants to know when a condition split has ended.

    Parameters
    ----------
    runs
        The runs of all conditions that have begun.
    """
    from spacetravlr.report import worth_perturbing

    states = runs.status()
    parts = [
        f"{label or repr(label)} {_WORDS.get(one.state, one.state)} ({count(len(one.done), 'gene')})"
        for label, one in states.items()
    ]
    parts += [f"{label or repr(label)} skipped" for label in runs.skipped]
    parts += [f"{label or repr(label)} not begun" for label in runs.waiting]
    lines = [f"split by {runs.column}: {listing(parts, _PARTS_SHOWN)}"]
    lines.append(
        f"results in {runs.path / 'conditions'}, a run for each condition; {REPORT} in {runs.path} leads to them"
    )
    unfinished = runs.waiting or any(one.state in ("stopped", "interrupted") for one in states.values())
    largest = max(runs, key=lambda label: len(states[label].done))
    gene = worth_perturbing(runs[largest])
    if unfinished:
        lines.append(f"to go on: spacetravlr --join-output-dir {shlex.quote(str(runs.path))}")
    elif gene is not None:
        lines.append(perturb_line(runs[largest], gene))
    return [one_line(line) for line in lines]


def counts_text(finished: RunFinished, pace: Pace) -> str:
    """Return what has become of the targets, in words."""
    nothing_to_do = pace.total == pace.there_before and not pace.trained
    parts = ["nothing left to do" if nothing_to_do else f"{count(finished.written, 'gene')} written"]
    if finished.orphan:
        parts.append(f"{finished.orphan:,} orphan")
    if finished.failed:
        parts.append(f"{finished.failed:,} failed")
    if pace.there_before:
        parts.append(f"{pace.there_before:,} skipped (done already)")
    if pace.by_others:
        parts.append(f"{pace.by_others:,} trained by other processes")
    if pace.elsewhere:
        parts.append(f"{len(pace.elsewhere):,} skipped (other processes)")
    left = pace.total - pace.done - len(pace.elsewhere)
    if left > 0:
        parts.append(f"{left:,} not begun")
    return ", ".join(parts)


def _following(finished: RunFinished, out: str, run: Run | None) -> str | None:
    if finished.status == "stopped":
        return f"to go on: spacetravlr --join-output-dir {shlex.quote(out)}"
    if run is None:
        return None
    from spacetravlr.report import worth_perturbing

    gene = worth_perturbing(run)
    return None if gene is None else perturb_line(run, gene)


def perturb_line(run: Run, gene: str) -> str:
    """Return the line that tells how to knock a gene out in a run."""
    toml = shlex.quote(str(run.directory.files.toml))
    return f"next: spacetravlr-perturb --run-toml {toml} --gene {shlex.quote(gene)} --desired-expr 0 --out ko.feather"
