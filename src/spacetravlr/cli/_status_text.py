"""The progress of a run as lines for people, one line for a log, and JSON for scripts."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import listing
from spacetravlr.words import count, duration, one_line, size, speed

if TYPE_CHECKING:
    from spacetravlr.run import RunProgress, Worker

SCHEMA = 1
_BAR = 30
_FAILURES_SHOWN = 10
_LABEL = 10
_UNFINISHED = ("interrupted", "stopped", "partial")
_MOST_TELLING = ("running", "stopped", "interrupted", "partial", "failed", "unknown")
"""States of a part, those first that are also the state of all parts together."""
_STATES = {
    "running": "running",
    "interrupted": "interrupted: nobody is at work, and it is not finished",
    "complete": "complete",
    "partial": "ended with targets that could not be trained",
    "stopped": "stopped before the end",
    "failed": "ended without one model",
    "unknown": "not begun, or begun by a program that does not tell",
}


def lines(progress: RunProgress, path: str, *, wanted: bool = True) -> list[str]:
    """Return what a person wants to know about one run.

    Parameters
    ----------
    progress
        The run.
    path
        Where it is.
    wanted
        Also tell what to do next.
    """
    told = [_row("run", path), _row("state", _STATES[progress.status.state]), _row("progress", _progress(progress))]
    told += [_row(label, text) for label, text in _details(progress)]
    told += [_row("process" if not number else "", _worker(one)) for number, one in enumerate(progress.workers)]
    failed = list(progress.status.failed.items())
    reasons = [f"{gene}: {reason}" for gene, reason in failed[:_FAILURES_SHOWN]]
    if len(failed) > _FAILURES_SHOWN:
        reasons.append(f"and {len(failed) - _FAILURES_SHOWN} more, see run_manifest.json")
    told += [_row("failed" if not number else "", reason) for number, reason in enumerate(reasons)]
    return told + ([_row(*step) for step in _following(progress.status.state, path)] if wanted else [])


def table(
    parts: Mapping[str, RunProgress], path: str, *, state: str, skipped: Mapping[str, str], wanted: bool = True
) -> list[str]:
    """Return a line for each part of a condition split, and one for all of them.

    Parameters
    ----------
    parts
        The runs by condition.
    path
        The parent directory.
    state
        Of all of them together.
    skipped
        Conditions that are not trained, with the reason.
    wanted
        Also tell what to do next.
    """
    width = max(len("all"), *(len(_name_of(label)) for label in (*parts, *skipped)))
    told = [_row("run", f"{path}, split into {count(len(parts), 'condition')}")]
    for label, progress in parts.items():
        begun = progress.status.state != "unknown" or _finished(progress)
        word = progress.status.state if begun else "waiting"
        told.append(f"  {_name_of(label):<{width}}  {word:<11}  {summary(progress)}")
    told += [f"  {_name_of(label):<{width}}  {'skipped':<11}  {one_line(why)}" for label, why in skipped.items()]
    planned = [progress.status.planned for progress in parts.values()]
    finished = sum(_finished(progress) for progress in parts.values())
    known = sum(len(one) for one in planned if one is not None)
    of_all = f"{finished:,}/{known:,}" if None not in planned else f"{finished:,}"
    told.append(f"  {'all':<{width}}  {state:<11}  {of_all}")
    return told + ([_row(*step) for step in _following(state, path, split=True)] if wanted else [])


def _following(state: str, path: str, *, split: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what to do next; of the parts of a split, none is the one to perturb first."""
    if state in _UNFINISHED:
        yield "go on", f"spacetravlr --join-output-dir {shlex.quote(path)}"
    elif state == "complete":
        program = "spacetravlr run-summary" if split else "spacetravlr-perturb --run-toml"
        yield "next", f"{program} {shlex.quote(path)}"


def summary(progress: RunProgress) -> str:
    """Return counts, speed and time left on one line."""
    status = progress.status
    of_all = f"/{len(status.planned):,}" if status.planned is not None else ""
    parts = [f"{_finished(progress):,}{of_all}"]
    for number, word in _counts(progress):
        if number:
            parts.append(f"{number:,} {word}")
    if status.state == "running":
        parts += [count(n_processes(progress), "process", "processes")]
        parts += [f"rate {_speed(progress)}", f"eta {_eta(progress)}"]
    return ", ".join(parts)


def as_json(progress: RunProgress, path: str) -> dict[str, Any]:
    """Return the same for scripts; what is not known is null."""
    status = progress.status
    return {
        "schema": SCHEMA,
        "directory": path,
        "state": status.state,
        "planned": None if status.planned is None else len(status.planned),
        "done": len(status.done),
        "orphan": len(status.orphan),
        "running": _held(progress, gone=False),
        "left_behind": _held(progress, gone=True),
        "remaining": None if status.remaining is None else len(status.remaining),
        "failed": dict(status.failed),
        "processes": [
            {
                "host": one.host,
                "pid": one.pid,
                "since": None if one.since is None else _moment(one.since),
                "gone": one.gone,
                "genes": list(one.genes),
            }
            for one in progress.workers
        ],
        "genes_per_hour": None if progress.rate is None else round(progress.rate * 3600.0, 1),
        "eta_seconds": None if progress.eta is None else round(progress.eta, 1),
        "stalled": progress.stalled,
        "last_result": None if progress.last is None else _moment(progress.last),
        "bytes": progress.n_bytes,
    }


def parts_as_json(
    parts: Mapping[str, RunProgress], path: str, paths: Mapping[str, str], *, state: str, skipped: Mapping[str, str]
) -> dict[str, Any]:
    """Return the same for a condition split, with one entry for each part; see `table`."""
    told = {label: as_json(progress, paths[label]) for label, progress in parts.items()}
    return {"schema": SCHEMA, "directory": path, "state": state, "conditions": told, "skipped": dict(skipped)}


def n_processes(progress: RunProgress) -> int:
    """Return how many processes are at work."""
    return sum(not one.gone for one in progress.workers)


def key(progress: RunProgress) -> tuple[object, ...]:
    """Return what makes it worth telling again."""
    numbers = tuple(number for number, _ in _counts(progress))
    return progress.status.state, _finished(progress), n_processes(progress), numbers


def overall_state(parts: Mapping[str, RunProgress], *, alive: bool = False) -> str:
    """Return the state of all parts together.

    Parameters
    ----------
    parts
        The runs by condition.
    alive
        A process goes through the conditions, though it may be at work on none just now.

    Returns
    -------
    `running` if one part is, `complete` if all are; else what there is to do: `stopped` or `interrupted` if a part is,
    or if some have begun and others have not, before `partial` and `failed`.
    """
    states = {progress.status.state for progress in parts.values()}
    if alive:
        return "running"
    if "unknown" in states and len(states) > 1:
        states = states - {"unknown"} | {"interrupted"}
    return next((state for state in _MOST_TELLING if state in states), "complete")


def _name_of(label: str) -> str:
    return one_line(label) or repr(label)


def _row(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{one_line(text)}"


def _finished(progress: RunProgress) -> int:
    return len(progress.status.done) + len(progress.status.orphan)


def _held(progress: RunProgress, *, gone: bool) -> int:
    return sum(len(one.genes) for one in progress.workers if one.gone == gone)


def _counts(progress: RunProgress) -> Iterator[tuple[int, str]]:
    yield len(progress.status.orphan), "orphan"
    yield len(progress.status.failed), "failed"
    yield _held(progress, gone=False), "running"
    yield _held(progress, gone=True), "left by a process that has ended"


def _progress(progress: RunProgress) -> str:
    status = progress.status
    finished = _finished(progress)
    counts = [f"{len(status.done):,} done", *(f"{number:,} {word}" for number, word in _counts(progress) if number)]
    if not status.planned:
        return f"{', '.join(counts)} (how many there will be is not recorded)"
    share = min(1.0, finished / len(status.planned))
    bar = "#" * int(share * _BAR)
    # a planned target is finished, failed, held by somebody, or waits
    waiting = len(status.remaining or ()) - len(
        {*status.failed, *(gene for one in progress.workers for gene in one.genes)} & {*(status.remaining or ())}
    )
    if waiting:
        counts.append(f"{waiting:,} not begun")
    return f"[{bar:-<{_BAR}}] {finished:,}/{len(status.planned):,} ({share:.0%}): {', '.join(counts)}"


def _details(progress: RunProgress) -> Iterator[tuple[str, str]]:
    if progress.status.state == "running":
        yield "rate", f"{_speed(progress)}, eta {_eta(progress)}"
        if progress.silent is not None and progress.stalled:
            yield "", f"no result for {duration(progress.silent)}: look at {listing(_hosts(progress))}"
    if progress.last is not None:
        files = count(len(progress.status.done), "coefficient file")
        yield "results", f"{files}, {size(progress.n_bytes)}, the last at {_local(progress.last)}"


def _hosts(progress: RunProgress) -> list[str]:
    return list(dict.fromkeys(_name(one) for one in progress.workers if not one.gone))


def _name(one: Worker) -> str:
    if one.host is None and one.pid is None:
        return "a process that does not tell who it is"
    return f"{one.host or 'an unknown host'} pid {'unknown' if one.pid is None else one.pid}"


def _worker(one: Worker) -> str:
    since = "" if one.since is None else f", since {_local(one.since)}"
    held = count(len(one.genes), "gene")
    if one.gone:
        return f"{_name(one)}, has ended and left {held} for others to take over"
    return f"{_name(one)}{since}: {f'{held} at work' if one.genes else 'setting up or waiting'}"


def _speed(progress: RunProgress) -> str:
    return "unknown yet" if progress.rate is None else speed(progress.rate)


def _eta(progress: RunProgress) -> str:
    return "unknown" if progress.eta is None else duration(progress.eta)


def _local(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
