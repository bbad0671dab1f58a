"""Clearing up after processes that were killed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from spacetravlr.atomic import remove_left_overs
from spacetravlr.run._heartbeat import remove_dead_heartbeats
from spacetravlr.run.claims import read_claims
from spacetravlr.run.paths import RunPaths, Scan

FOLDERS = ("log", "scores", "stability", "niche", "CNN_weights")
"""Where files of single targets are written, besides the run directory itself."""


def remove_temporary_files(root: Path) -> None:
    """Remove the temporary files of killed processes of this machine."""
    for folder in (root, *(root / name for name in FOLDERS)):
        remove_left_overs(folder)


def remove_idle_claims(root: Path, found: Scan, *, complete: bool = False) -> None:
    """Remove claims that killed processes left on targets which are finished: nobody asks for those again.

    Parameters
    ----------
    root
        The run directory.
    found
        Its targets.
    complete
        Every target is finished, so no claim means anything any more, whoever made it.
    """
    paths = RunPaths(root)
    for lock in read_claims(root):
        if lock.gene in found.finished and (complete or lock.gone):
            with suppress(OSError):
                paths.lock(lock.gene).unlink(missing_ok=True)
    if complete:
        for path in root.glob(".takeover-*"):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def tidy(root: Path, found: Scan, *, complete: bool) -> None:
    """Remove everything that killed processes left and that nobody needs; see `remove_idle_claims`."""
    remove_temporary_files(root)
    remove_dead_heartbeats(root)
    remove_idle_claims(root, found, complete=complete)
