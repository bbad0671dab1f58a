"""`spacetravlr --dry-run`: what a training will take, as one short table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from spacetravlr.cli._reporter import Reporter
from spacetravlr.events import Event, Notice
from spacetravlr.words import count, duration, size

if TYPE_CHECKING:
    from spacetravlr.cli._request import Request
    from spacetravlr.training import Estimate

_LABEL = 12
_WORTH_A_NAME = 0.05
"""Parts that take less than this share of the whole are summed up."""


def tell_estimate(request: Request) -> int:
    """Print what a training would take and return the exit code; nothing is written.

    Parameters
    ----------
    request
        The training.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with settings, sample or network.
    """
    reporter = Reporter(plain=True)
    for notice in request.notices:
        reporter(Notice(notice))
    if request.config.cluster.scheduler is not None:
        reporter(Notice("the time is that of threads on this machine, not of the cluster"))
    from spacetravlr.training import estimate_training

    def notices(event: Event) -> None:
        if isinstance(event, Notice):
            reporter(event)

    with reporter.hearing_logs():
        found = estimate_training(request.sample, config=request.config, listener=notices)
    for line in table(found):
        reporter.say(line)
    return 0


def table(found: Estimate) -> list[str]:
    """Return the estimate as lines for people."""
    low, median, high = found.modulators
    orphans = f", {found.n_without:,} of them without a modulator" if found.n_without else ""
    rows = {
        "targets": f"{found.n_targets:,}{orphans}; {count(found.n_cells, 'cell')} in "
        f"{count(found.n_clusters, 'cluster')}"
        + (f"; {found.n_parts} conditions, one after the other" if found.n_parts > 1 else ""),
        "modulators": f"{low:,} / {median:,} / {high:,} per target (min / median / max), {found.n_columns:,} distinct",
        "memory": f"{size(found.memory_bytes)}: {_parts(found.memory, size)}",
        "disk": f"at most {size(found.disk)}",
        "device": found.device,
        "time": f"{duration(found.seconds)} with {count(found.workers, 'worker')} on this machine when idle: "
        f"{_parts(found.times, duration)}",
    }
    return [f"{label:<{_LABEL}}{text}" for label, text in rows.items()]


def _parts(parts: Mapping[str, float], shown: Callable[[float], str]) -> str:
    total = sum(parts.values())
    large = {name: value for name, value in parts.items() if value >= _WORTH_A_NAME * total}
    rest = total - sum(large.values())
    ordered = sorted(large.items(), key=lambda part: -part[1])
    texts = [f"{name} {shown(value)}" for name, value in ordered]
    return ", ".join([*texts, f"other {shown(rest)}"] if rest > 0.0 else texts)
