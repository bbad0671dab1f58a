"""Condition split: the cells of each value of an obs column are trained as a run of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, NothingWrittenError, RunDirectoryError, listing
from spacetravlr.events import ConditionStarted, Notice
from spacetravlr.regression import MIN_CELLS
from spacetravlr.run import (
    ConditionRuns,
    InputData,
    RunDirectory,
    RunPaths,
    condition_directories,
    condition_label,
    own_cells,
    scan,
)
from spacetravlr.run.paths import CONDITION_LABEL
from spacetravlr.run.split import INDEX, Group, directory_names, refuse_foreign, splitting, write_index, write_label
from spacetravlr.training.fresh import FreshStart
from spacetravlr.training.input_copy import INPUT_COPY
from spacetravlr.training.plan import hold_out
from spacetravlr.training.request import recorded
from spacetravlr.training.single import Hands, copy_sample, train_one

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.events import Listener
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.tissue import CellGroups, Tissue


def train_conditions(
    tissue: Tissue, settings: RunConfig, network: PriorNetwork, *, column: str, root: Path, hands: Hands
) -> ConditionRuns:
    """Train the cells of each condition, one after the other, each into `conditions/{name}` of a directory.

    A run of a condition has its own cells only: means, clusters, received ligands and the n in their factor 1/n are
    those of a file without the other cells, and so is every number that is written. The parent directory keeps the
    settings and the list of groups.

    Parameters
    ----------
    tissue, network
        The whole sample, and the network restricted to its genes.
    settings
        Resolved.
    column
        obs column to split by.
    root
        The parent directory.
    hands
        Executor, listener and stop request; after a stop no further condition is begun.

    Returns
    -------
    The runs that have begun.

    Raises
    ------
    SpaceTravLRError
        As `train`, and if the column does not exist or no group can be trained.
    """
    source = tissue.path or root / INPUT_COPY
    settings = recorded(settings, tissue, network, source, root)
    cells = tissue.conditions(column)
    groups = find_groups(tissue, cells, settings, root)
    _tell(column, groups, hands.told)
    places = {one.label: RunPaths(root).conditions / one.directory for one in groups if one.skipped is None}
    files = [root / INDEX, *(place / CONDITION_LABEL for place in places.values())]
    fresh = FreshStart(root, files=files, parts=list(places.values()))
    sample = InputData.describe(tissue.path, cells=tissue.cells, genes=tissue.genes)
    parent = RunDirectory.create(root, settings, sample=sample)
    try:
        with splitting(parent):
            # a process that began this split and failed may have taken the record back meanwhile
            RunDirectory.create(root, settings, sample=sample)
            for notice in parent.notices:
                hands.told(Notice(notice, "warning"))
            write_index(root, column, groups)
            for label, place in places.items():
                write_label(place, label)
            if tissue.path is None:
                copy_sample(tissue, settings, root)
            parts = _Parts(tissue, cells, places, source)
            nothing = _train_parts(parts, settings, network, hands)
    except BaseException:
        fresh.roll_back(parent)
        raise
    if len(nothing) == len(places):
        raise NothingWrittenError(f"no condition has a model; {next(iter(nothing.values()))}")
    return ConditionRuns.open(root)


def refuse_mixture(root: Path, column: str | None) -> None:
    """Refuse to train a whole sample where a condition belongs, or a split where a single run is.

    Parameters
    ----------
    root
        The directory to train into.
    column
        The obs column to split by, or None.

    Raises
    ------
    RunDirectoryError
        If so.
    """
    label = condition_label(root)
    if column is None and label is not None:
        raise RunDirectoryError(
            f"{root} is for the condition {label!r} of a split: name its column with [data].condition, or use another "
            "--output-dir"
        )
    if column is not None and label is None and root.is_dir() and scan(root).finished:
        raise RunDirectoryError(
            f"{root} holds the results of one run, and a split by obs[{column!r}] would be written beside them: use "
            f"another --output-dir; if it is one part of a split, write its value into {CONDITION_LABEL}"
        )


@dataclass(frozen=True)
class _Parts:
    """What is trained: cells by condition, and the directory of each condition."""

    tissue: Tissue
    cells: CellGroups
    places: Mapping[str, Path]
    source: Path
    """File that holds all cells."""


def _train_parts(parts: _Parts, settings: RunConfig, network: PriorNetwork, hands: Hands) -> dict[str, str]:
    """Train one condition after the other; return those that have no model, with the reason."""
    nothing: dict[str, str] = {}
    for number, (label, place) in enumerate(parts.places.items(), 1):
        # who asks for a stop before the beginning gets an empty run, as without a split
        if number > 1 and hands.stop.asked:
            break
        part = parts.tissue.subset(parts.cells.rows(label))
        hands.told(ConditionStarted(label, str(place), number, len(parts.places), part.n_cells))
        try:
            train_one(part, settings, network, root=place, hands=hands, source=parts.source)
        except NothingWrittenError as error:
            nothing[label] = str(error)
            hands.told(Notice(f"condition {label!r} has no model: {error}", "warning"))
        except InputError as error:
            raise InputError(f"condition {label!r}: {error}") from error
    return nothing


def trained_parts(tissue: Tissue, settings: RunConfig, told: Listener) -> list[Tissue]:
    """Return the samples that a training with these settings works on: one, or those of the conditions.

    Parameters
    ----------
    tissue
        The whole sample.
    settings
        Resolved; `[execution].output_dir` may be the directory of one condition.
    told
        Receives notices.

    Raises
    ------
    InputError
        As `train_conditions`.
    """
    column, root = settings.data.condition, Path(settings.execution.output_dir)
    if column is None or (settings.execution.output_dir and condition_label(root) is not None):
        return [own_cells(tissue, root, column)]
    cells = tissue.conditions(column)
    groups = find_groups(tissue, cells, settings)
    _tell(column, groups, told)
    return [tissue.subset(cells.rows(one.label)) for one in groups if one.skipped is None]


def find_groups(tissue: Tissue, cells: CellGroups, settings: RunConfig, root: Path | None = None) -> tuple[Group, ...]:
    """Return the groups of a split, with their directories and the reason why some are not trained.

    Parameters
    ----------
    tissue, cells
        The sample, and its cells by condition.
    settings
        Resolved.
    root
        The parent directory, if there is one; groups that are there keep their directories.

    Raises
    ------
    InputError
        If no group can be trained.
    RunDirectoryError
        If a directory belongs to a condition that the sample does not have.
    """
    there = {}
    if root is not None:
        there = {cells.find(label): path.name for label, path in condition_directories(root).items()}
    taken = {cells.labels[code]: name for code, name in there.items() if code is not None}
    names = directory_names(cells.labels, taken)
    for label in cells.labels:
        if root is not None and label not in taken:
            refuse_foreign(RunPaths(root).conditions / names[label], label)
    groups = []
    for code, label in enumerate(cells.labels):
        size = int(cells.sizes[code])
        why = None
        if _held_out(settings) and size < MIN_CELLS:
            why = f"held-out scores need {MIN_CELLS} cells"
        groups.append(Group(label=label, directory=names[label], n_cells=size, skipped=why))
    # the cheap reason first: a column with a value for each cell must not take for ever
    groups = [one if one.skipped else _checked(one, tissue, cells, settings) for one in groups]
    if all(one.skipped for one in groups):
        reasons = [f"{one.label!r} ({one.n_cells} cells): {one.skipped}" for one in groups]
        raise InputError(f"no group of obs[{cells.column!r}] can be trained: {listing(reasons, 3)}")
    return tuple(groups)


def _held_out(settings: RunConfig) -> bool:
    return settings.lasso.select == "cv" or settings.training.held_out


def _checked(group: Group, tissue: Tissue, cells: CellGroups, settings: RunConfig) -> Group:
    part = tissue.subset(cells.rows(group.label))
    if not np.isfinite(part.xy).all(axis=1).any():
        return replace(group, skipped="none of its cells has a position")
    try:
        hold_out(part, settings)
    except InputError as error:
        return replace(group, skipped=str(error))
    return group


def _tell(column: str, groups: Sequence[Group], told: Listener) -> None:
    shown = listing((f"{one.label} ({one.n_cells} cells)" for one in groups), 8)
    alone = "; all cells have the same value, so there is one run only" if len(groups) == 1 else ""
    told(Notice(f"split by obs[{column!r}]: {shown}{alone}", "warning" if alone else "info"))
    for one in groups:
        if one.skipped is not None:
            told(Notice(f"condition {one.label!r} ({one.n_cells} cells) is not trained: {one.skipped}", "warning"))
