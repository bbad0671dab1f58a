"""The files of a condition split: names of directories, labels, and the list of its groups."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spacetravlr import atomic
from spacetravlr.errors import RunDirectoryError, SettingsChangedError, listing
from spacetravlr.run._heartbeat import anybody_alive
from spacetravlr.run._tidy import tidy
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.paths import CONDITION_LABEL, CONDITIONS, condition_label

INDEX = "run_conditions.json"
SCHEMA = 1
_LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The cells of one condition, and where their run is."""

    label: str
    """Value of the condition column."""
    directory: str
    """Name below `conditions`."""
    n_cells: int
    skipped: str | None = None
    """Why it is not trained; None if it is."""


def directory_name(label: str) -> str:
    """Return the name of the directory of a condition.

    ASCII letters, digits, `-`, `_` and `.` are kept, anything else becomes `_`, runs of `_` become one; at most 64
    characters, without `_` and then `.` at the ends; `group` if nothing is left.

    Parameters
    ----------
    label
        Value of the condition column.
    """
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_.-]", "_", label.strip()))[:_LONGEST]
    return name.strip("_").strip(".") or "group"


def directory_names(labels: Iterable[str], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the directory of every condition; the second of two that would get the same one gets `_2`.

    Names that differ in case only count as the same, because some file systems hold them for the same.

    Parameters
    ----------
    labels
        Conditions; earlier ones get the plain name.
    taken
        Directories that exist already, by condition; they are kept.
    """
    found = dict(taken or {})
    used = {name.casefold() for name in found.values()}
    names: dict[str, str] = {}
    for label in labels:
        base = directory_name(label)
        name, number = base, 1
        while label not in found and name.casefold() in used:
            number += 1
            name = f"{base}_{number}"
        names[label] = found.get(label, name)
        used.add(names[label].casefold())
    return names


def write_label(directory: Path, label: str) -> None:
    """Write the condition of a run into its directory, which is made if it is not there; one that is there stays.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be written.
    """
    atomic.make_directory(directory)
    if condition_label(directory) is None:
        # quotes around a text are dropped when it is read, because the compiled edition writes them
        bare = label and not (len(label) > 1 and label[0] == label[-1] == '"')
        atomic.write_text(directory / CONDITION_LABEL, f"{label}\n" if bare else f'"{label}"\n', durable=True)


def refuse_foreign(directory: Path, label: str) -> None:
    """Refuse a directory that holds the run of another condition.

    Raises
    ------
    RunDirectoryError
        If so.
    """
    known = condition_label(directory)
    if known is not None and known != label:
        raise RunDirectoryError(
            f"{directory} holds the run of the condition {known!r}, which is not in the sample, and {label!r} would "
            "be written there: move it away"
        )


@contextmanager
def splitting(parent: RunDirectory) -> Iterator[None]:
    """Be seen at work on a split as a whole: between two conditions nobody is at work in either.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be written.
    """
    parent.claims.start()
    try:
        yield
    finally:
        parent.close()
        with suppress(OSError):
            tidy(parent.path, parent.scan(), complete=False)


def anybody_splitting(parent: Path) -> bool:
    """Return whether a process goes through the conditions of a split; it beats in the parent directory meanwhile."""
    return anybody_alive(parent)


def read_index(parent: Path) -> tuple[str, tuple[Group, ...]] | None:
    """Return the column and the groups of a condition split; None if the file is missing or cannot be used."""
    try:
        found = json.loads((parent / INDEX).read_text(encoding="utf-8"))
        return str(found["column"]), tuple(_group(entry) for entry in found["groups"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_index(parent: Path, column: str, groups: Sequence[Group]) -> None:
    """Write the groups of a condition split, or compare them with those that are there.

    Raises
    ------
    SettingsChangedError
        If the directory holds a split into other groups.
    RunDirectoryError
        If the file system refuses.
    """
    before = read_index(parent)
    if before is not None:
        _compare(parent, before[1], groups)
        return
    text = {"schema": SCHEMA, "column": column, "groups": [asdict(group) for group in groups]}
    atomic.write_text(parent / INDEX, json.dumps(text, indent=2, ensure_ascii=False) + "\n", durable=True)


def _compare(parent: Path, before: Sequence[Group], groups: Sequence[Group]) -> None:
    stored, wanted = ({group.label: group.n_cells for group in some} for some in (before, groups))
    changed = [
        f"{label!r}: {stored.get(label, 0):,} -> {wanted.get(label, 0):,} cells"
        for label in sorted({*stored, *wanted})
        if stored.get(label) != wanted.get(label)
    ]
    if changed:
        raise SettingsChangedError(
            f"{parent} holds a split into other groups ({listing(changed, 5)}); use another --output-dir, or remove "
            "that directory"
        )


def _group(entry: Any) -> Group:
    skipped = entry["skipped"]
    name = str(entry["directory"])
    if not name or name != Path(name).name:
        raise ValueError(f"{name!r} is no name of a directory below {CONDITIONS}")
    return Group(
        label=str(entry["label"]),
        directory=name,
        n_cells=int(entry["n_cells"]),
        skipped=None if skipped is None else str(skipped),
    )
