"""Make the page of a run, or of every part of a condition split."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from spacetravlr import atomic
from spacetravlr.errors import RunDirectoryError
from spacetravlr.report.facts import Facts, Wanted, gather
from spacetravlr.report.page import render_run, render_split
from spacetravlr.run import condition_directories

__all__ = ["REPORT_FILE", "Wanted", "report_html", "write_report", "write_reports"]

REPORT_FILE = "spacetravlr_run_summary.html"
_NOTHING = Wanted()


def report_html(root: str | Path, wanted: Wanted = _NOTHING) -> str:
    """Return the page of a run; the run may be at work, stopped or damaged.

    Parameters
    ----------
    root
        The run directory.
    wanted
        What is to be taken from elsewhere.

    Raises
    ------
    RunDirectoryError
        If the directory is missing or cannot be read.
    InputError
        If the manifest that is named cannot be read.
    """
    return render_run(_gathered(root, wanted))


def write_report(root: str | Path, wanted: Wanted = _NOTHING) -> Path:
    """Write `spacetravlr_run_summary.html` into a run directory, and nothing else.

    Parameters
    ----------
    root
        The run directory.
    wanted
        What is to be taken from elsewhere.

    Returns
    -------
    The file. Half a second, and less than a millisecond for each target.

    Raises
    ------
    RunDirectoryError
        If the directory is missing, cannot be read, or cannot be written; an older page stays.
    InputError
        If the manifest that is named cannot be read.

    Examples
    --------
    >>> from spacetravlr.report import write_report
    >>> write_report("my_run")  # doctest: +SKIP
    """
    facts = _gathered(root, wanted)
    path = facts.path / REPORT_FILE
    atomic.write_text(path, render_run(facts))
    return path


def write_reports(root: str | Path, wanted: Wanted = _NOTHING) -> Path:
    """Write the page of a run, or of every part of a condition split and a page that leads to them.

    Parameters
    ----------
    root
        The run directory, or the parent of a split.
    wanted
        What is to be taken from elsewhere.

    Returns
    -------
    The file in `root`.

    Raises
    ------
    RunDirectoryError, InputError
        As `write_report`. A part that cannot be read is told on the page and in the log.
    """
    where = _directory(root)
    parts = condition_directories(where)
    if not parts:
        return write_report(where, wanted)
    gathered: dict[str, Facts | str] = {}
    for label, place in parts.items():
        try:
            facts = gather(place, wanted)
            atomic.write_text(place / REPORT_FILE, render_run(facts))
            gathered[label] = facts
        except RunDirectoryError as error:
            logging.getLogger("spacetravlr").warning("no report of %s: %s", place, error)
            gathered[label] = str(error)
    path = where / REPORT_FILE
    atomic.write_text(path, render_split(where, gathered, file=REPORT_FILE, written=time.time()))
    return path


def _gathered(root: str | Path, wanted: Wanted) -> Facts:
    return gather(_directory(root), wanted)


def _directory(root: str | Path) -> Path:
    path = Path(root).expanduser().absolute()
    if not path.is_dir():
        what = "is a file, not a run directory" if path.exists() else "does not exist"
        raise RunDirectoryError(f"{path} {what}")
    return path
