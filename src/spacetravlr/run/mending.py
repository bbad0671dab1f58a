"""What is damaged in a run is told to whoever opens it, and trained again by whoever continues it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.atomic import refusal
from spacetravlr.errors import InputError
from spacetravlr.run.damage import (
    Damage,
    again,
    damage_of_manifest,
    damage_of_target,
    damage_told,
    damaged_targets,
)
from spacetravlr.run.paths import Scan
from spacetravlr.run.settings import is_own

if TYPE_CHECKING:
    from spacetravlr.run.directory import RunDirectory
    from spacetravlr.run.manifest import Manifest

_TOLD: dict[str, float] = {}
_IN_A_ROW = 10.0
"""Seconds within which the same line is not told again."""


def damage_in(directory: RunDirectory) -> tuple[Damage, ...]:
    """Return the files of a run that are not whole as their ends tell, those of the run itself first.

    Parameters
    ----------
    directory
        The run.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be read.
    """
    files = directory.files
    why = damage_of_manifest(files.manifest)
    first = () if why is None else (Damage("", files.manifest, files.manifest.name, why),)
    return (*first, *damaged_targets(files, directory.scan(), own=is_own(files), decode=False))


def damage_line(directory: RunDirectory) -> str | None:
    """Return one line about what is damaged in a run, with what to do; None if nothing is."""
    found = damage_in(directory)
    if not found:
        return None
    return f"{damage_told(found)}: {again(directory.path)} makes {_it(found)} again"


def warn_of_damage(directory: RunDirectory) -> None:
    """Log what is damaged in a run, if anything is; once where a run is opened several times in a row."""
    line, now = damage_line(directory), time.monotonic()
    if line is not None and now - _TOLD.get(line, -math.inf) > _IN_A_ROW:
        _TOLD[line] = now
        logging.getLogger("spacetravlr").warning(line)


def whole_manifest(directory: RunDirectory) -> Manifest | None:
    """Return the manifest of a run; None if it has none.

    Raises
    ------
    InputError
        If it is damaged: what it tells of signals must not be left out silently.
    """
    why = damage_of_manifest(directory.files.manifest)
    if why is not None:
        raise InputError(
            f"{directory.files.manifest} is {why}, and it holds the radii of contact-dependent ligands: "
            f"{again(directory.path)} writes it again"
        )
    return directory.manifest


def free_damaged(directory: RunDirectory, targets: Collection[str]) -> str | None:
    """Make targets whose files are not whole count as not trained.

    Each is claimed meanwhile and looked at again, so what another process has just written is never taken away.

    Parameters
    ----------
    directory
        The run.
    targets
        Those that will be trained if they are not done; others are left alone.

    Returns
    -------
    What was damaged, in a line; None if nothing was.

    Raises
    ------
    RunDirectoryError
        If the file system refuses.
    """
    files, own, there = directory.files, is_own(directory.files), directory.scan()
    wanted = Scan(there.done.intersection(targets), there.orphan.intersection(targets))
    genes = dict.fromkeys(one.gene for one in damaged_targets(files, wanted, own=own))
    if not genes:
        return None
    removed: list[Damage] = []
    taken = directory.claims.claim(genes, even_done=True)
    try:
        for gene in taken:
            found = damage_of_target(files, gene, own=own)
            if found:
                # first what says that it is done: if this process is killed here, the target is still trained again
                for path in (files.betadata(gene), files.orphan(gene), *(one.path for one in found)):
                    _remove(path)
                removed += found
    finally:
        directory.release(taken)
    if not removed:
        return None
    whose = "its gene is" if len({one.gene for one in removed}) == 1 else "their genes are"
    return f"{damage_told(removed)}: {whose} trained again"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise refusal(path, error, "cannot remove") from error


def _it(found: Collection[Damage]) -> str:
    return "it" if len(found) == 1 else "them"
