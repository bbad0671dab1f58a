"""The sentences of the report."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spacetravlr import words
from spacetravlr.errors import listing

if TYPE_CHECKING:
    from spacetravlr.report.genes import Genes
    from spacetravlr.run import Manifest, RunProgress, Worker
    from spacetravlr.run.status import State

BADGES: Mapping[State, tuple[str, str]] = {
    "complete": ("Complete", "good"),
    "running": ("Partial: running", "busy"),
    "interrupted": ("Partial: interrupted", "bad"),
    "stopped": ("Partial: stopped", "warn"),
    "partial": ("Partial: some genes failed", "warn"),
    "failed": ("Failed", "bad"),
    "unknown": ("State unknown", "warn"),
}
"""Word and tone of each state."""
_STATES: Mapping[State, str] = {
    "complete": "Every target has coefficients, or is known to have no model.",
    "running": "This page shows the run as it was when the page was written; training goes on.",
    "interrupted": "The run did not end, and nobody is at work on it.",
    "stopped": "The run was stopped before its last target.",
    "partial": "The run has ended, and some targets could not be trained. The next run tries them again.",
    "failed": "The run has ended without one model.",
    "unknown": "No manifest tells which targets were planned, so whether all of them are here cannot be told.",
}
# a number that stands by itself: that of a setting or of R2 is a part of a name
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?(?![\w])")
CONTROLS = 99
"""Negative controls of each kind: the least that leave a p value of 0.01."""
_UNFINISHED = ("interrupted", "stopped", "partial")
FATES = {
    "model": "model",
    "orphan": "orphan",
    "failed": "failed",
    "at work": "in training",
    "left behind": "left behind",
    "waiting": "waiting",
}


def state_sentence(progress: RunProgress, genes: Genes) -> str:
    """Return what state the run is in, with how many targets are left."""
    sentence = _STATES[progress.status.state]
    remaining = progress.status.remaining
    if remaining and progress.status.state != "complete":
        sentence += f" {len(remaining):,} of {len(genes.names):,} targets have no result yet."
    return sentence


def worker_line(one: Worker) -> str:
    """Return who works, since when, and on what."""
    who = f"Process {one.pid} on {one.host}" if one.pid is not None and one.host else "Another program"
    since = "" if one.since is None else f" since {clock(one.since)}"
    what = f": {listing(one.genes, 6)}" if one.genes else ""
    if one.gone:
        return f"{who} has ended and left {len(one.genes):,} targets behind{what}"
    return f"{who}{since}{what or ', between two targets'}"


def clock(seconds: float) -> str:
    """Return a moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def moment(text: str) -> str:
    """Return a moment of a manifest as people read it; as it is where it cannot be read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return clock(found.timestamp()) if found.tzinfo is not None else text


def duration(seconds: float | None) -> str:
    """Return a duration in words."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    if seconds < 100.0:
        return f"{seconds:.1f} s"
    minutes, hours, days = seconds / 60.0, seconds / 3600.0, seconds / 86400.0
    if minutes < 100.0:
        return f"{minutes:.0f} min"
    return f"{hours:.1f} h" if hours < 72.0 else f"{days:.1f} days"


def score(value: float) -> str:
    """Return an R2 as on the terminal, set in type."""
    return "–" if math.isnan(value) else words.score(value).replace("-", "−")


def next_commands(path: str, toml: str, state: State, gene: str | None) -> tuple[tuple[str, str], ...]:
    """Return commands to go on with, each with what it does."""
    run, file = shlex.quote(path), shlex.quote(toml)
    found = []
    if state in _UNFINISHED:
        found.append(("train what is left", f"spacetravlr --join-output-dir {run}"))
    if state == "running":
        found.append(("watch it", f"spacetravlr status {run} --watch"))
        found.append(("help with it, from here or another machine", f"spacetravlr --join-output-dir {run}"))
    if gene is not None:
        named = shlex.quote(gene)
        knocked = f"spacetravlr-perturb --run-toml {file} --gene {named} --desired-expr 0 --out ko.feather"
        found.append(("knock a gene out", knocked))
        found.append(("all coefficients in one table", f"spacetravlr collect-interactions --run-toml {file}"))
    found.append(("write this page again", f"spacetravlr run-summary {run}"))
    return tuple(found)


def checked_knock_out(toml: str, gene: str | None) -> str:
    """Return the command that compares a knock-out with chance; empty without a gene."""
    if gene is None:
        return ""
    named = f"spacetravlr-perturb --run-toml {shlex.quote(toml)} --gene {shlex.quote(gene)} --out ko.feather"
    return f"{named} --top 10 --negative-control {CONTROLS}"


def edges_of(path: str, target: str) -> str:
    """Return the command that shows the firmest edges of a target."""
    return f"spacetravlr edges {shlex.quote(path)} --gene {shlex.quote(target)} --top 10"


def python_lines(path: str, gene: str | None, shown: str | None) -> tuple[str, ...]:
    """Return how to load the results."""
    lines = [
        "import spacetravlr as stl",
        "",
        f"run = stl.Run.open({path!r})",
        "run.scores()  # what the table below shows",
    ]
    if gene is not None:
        lines += [f"ko = run.perturb({{{gene!r}: 0.0}})", "ko.top(10)", "stl.pl.top_effects(ko, save='top.png')"]
    if shown is not None and gene is not None:
        lines.append(f"stl.pl.effect(ko, {shown!r}, save='effect.png')")
    return tuple(lines)


def methods_sentence(manifest: Manifest, genes: Genes) -> str:
    """Return a sentence for a methods section, of what is known."""
    version = manifest.versions.get("spacetravlr-py")
    clusters = f" and {len(manifest.clusters)} clusters" if manifest.clusters else ""
    cells = f" on {manifest.input.n_cells:,} cells{clusters}" if manifest.input.n_cells else ""
    facts = [f"seed {manifest.seed}"] if manifest.seed is not None else []
    facts += [f"network {manifest.network}"] if manifest.network else []
    facts += [f"sample SHA-256 {manifest.input.sha256}"] if manifest.input.sha256 else []
    return (
        f"Regulatory models of {genes.count('model'):,} genes were fitted{cells} with SpaceTravLR for Python"
        f"{f' {version}' if version else ''}{f' ({chr(59).join(facts)})' if facts else ''}."
    ).replace(";", "; ")


def reasons(genes: Genes, fate: str) -> Sequence[tuple[str, int, tuple[str, ...]]]:
    """Return the reasons of one fate, the commonest first: reason, number of targets, some of them."""
    groups: dict[str, list[str]] = {}
    for name, own, reason in zip(genes.names, genes.fates, genes.reasons, strict=True):
        if own == fate:
            groups.setdefault(_kind(reason), []).append(name)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(reason, len(names), tuple(names[:12])) for reason, names in ranked]


def _kind(reason: str) -> str:
    """Return a reason without its numbers, so that like ones are counted together."""
    return _NUMBER.sub("…", reason)
