"""One training command in a fresh process: how long it took, the CPU time it used, and what else was going on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spacetravlr.bench._commands import command_of
from spacetravlr.bench._host import host_facts
from spacetravlr.bench._process import Finished
from spacetravlr.bench._session import Session


@dataclass(frozen=True, slots=True)
class Timed:
    """A command that has ended.

    Attributes
    ----------
    done
        Wall time, memory, exit code.
    cpu_s
        CPU time of the command and of all that it started, seconds; None where the system does not tell.
    load_before
        Load average of the machine when it began; None where the system does not tell.
    """

    done: Finished
    cpu_s: float | None
    load_before: float | None


def time_training(session: Session, h5ad: Path, out: Path, flags: Sequence[str]) -> Timed:
    """Run the training command once.

    Parameters
    ----------
    session
        Decides on threads and the time limit.
    h5ad
        What is trained.
    out
        Run directory, a new one.
    flags
        Further arguments of the command.
    """
    load = host_facts()["load_average"]
    before = _children_cpu()
    where = ["--h5ad", str(h5ad), "--output-dir", str(out), "--parallel", str(session.threads)]
    done = session.program([*command_of(), "--plain", *where, *flags])
    after = _children_cpu()
    return Timed(done, None if before is None or after is None else after - before, load)


def shown_command(session: Session, flags: Sequence[str], *folders: Path) -> list[str]:
    """Return the command for the record, without the names of temporary directories."""
    shown = list(flags)
    for folder in (session.scratch, *folders):
        shown = [flag.replace(str(folder), "...") for flag in shown]
    return ["spacetravlr", "--plain", *shown]


def _children_cpu() -> float | None:
    """Return the CPU time of all processes that this one made and has waited for, and of theirs, seconds."""
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
