"""What the columns of a betadata table mean: row identity, intercept, modulators and their roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spacetravlr.errors import InputError

Join = Literal["cluster", "cell"]

CLUSTER_ID = "Cluster"
CELL_ID = "CellID"
INTERCEPT = "beta0"
PREFIX = "beta_"
_CELL_IDS = (CELL_ID, "obs_names", "cell_id")
_INTERCEPTS = (INTERCEPT, "beta_0")


@dataclass(frozen=True)
class Layout:
    """Where the parts of a betadata table are; positions count columns of the file."""

    row_id: int | None
    by: Join
    intercept: int | None
    modulators: tuple[str, ...]
    positions: tuple[int, ...]


def is_row_id(name: str) -> bool:
    """Say whether a column name is one that identifies rows (an empty header is a pandas index in a csv)."""
    return name in _CELL_IDS or name in (CLUSTER_ID, "index", "") or name.startswith("__index")


def read_layout(names: Sequence[str], *, index_names: Sequence[str] = (), index_is_cells: bool = False) -> Layout:
    """Tell identity, intercept and modulator columns apart by their names.

    Columns that carry the prefix ``beta_`` are the modulators when there is any; the intercept's own name does not
    count as one, so a table of ``beta_0`` and bare gene names keeps its modulators. Identity columns never are
    modulators.

    Parameters
    ----------
    names
        Column names in file order.
    index_names
        Columns that pandas declared as the index of the frame it wrote.
    index_is_cells
        Whether an index holds cell names (true of what the original package writes) or cluster labels.

    Returns
    -------
    The layout.

    Raises
    ------
    InputError
        For a name that occurs twice, and where neither intercept nor modulator is found.
    """
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InputError(f"column {twice!r} occurs twice")
    row_id = _row_id(names, index_names)
    by: Join = "cluster"
    if row_id is not None and (names[row_id] in _CELL_IDS or (index_is_cells and names[row_id] != CLUSTER_ID)):
        by = "cell"
    intercept = next((names.index(name) for name in _INTERCEPTS if name in names), None)
    positions = [place for place, name in enumerate(names) if name.startswith(PREFIX) and name not in _INTERCEPTS]
    if positions:
        modulators = tuple(names[place].removeprefix(PREFIX) for place in positions)
    else:
        no_data = {*_INTERCEPTS, *index_names, *(name for name in names if is_row_id(name))}
        positions = [place for place, name in enumerate(names) if name not in no_data]
        modulators = tuple(names[place] for place in positions)
    if intercept is None and not modulators:
        raise InputError("it has no coefficient column")
    return Layout(row_id, by, intercept, modulators, tuple(positions))


def _row_id(names: Sequence[str], index_names: Sequence[str]) -> int | None:
    for known in (*_CELL_IDS, CLUSTER_ID):
        if known in names:
            return names.index(known)
    for place, name in enumerate(names):
        if is_row_id(name):
            return place
    return next((names.index(name) for name in index_names if name in names), None)


@dataclass(frozen=True)
class Roles:
    """The modulators of one target by role; `*_columns` are positions in the table's modulators."""

    tfs: tuple[str, ...]
    tf_columns: tuple[int, ...]
    lr_pairs: tuple[str, ...]
    ligands: tuple[str, ...]
    receptors: tuple[str, ...]
    lr_columns: tuple[int, ...]
    tfl_pairs: tuple[str, ...]
    tfl_ligands: tuple[str, ...]
    tfl_regulators: tuple[str, ...]
    tfl_columns: tuple[int, ...]


def read_roles(modulators: Sequence[str]) -> Roles:
    """Sort modulator names into ``TF``, ``ligand$receptor`` and ``ligand#TF``.

    Parameters
    ----------
    modulators
        Names without the prefix ``beta_``; ``$`` is looked for before ``#``, and a name is split at the first one.

    Returns
    -------
    The roles, each in the order of the names.

    Raises
    ------
    InputError
        For a name in which a gene is empty.
    """
    plain: list[tuple[str, int]] = []
    lr: list[tuple[str, str, str, int]] = []
    tfl: list[tuple[str, str, str, int]] = []
    for column, name in enumerate(modulators):
        mark = "$" if "$" in name else "#" if "#" in name else ""
        first, second = name.split(mark, 1) if mark else (name, name)
        if not first or not second:
            raise InputError(f"coefficient column {PREFIX + name!r} names no gene on one side")
        if mark:
            (lr if mark == "$" else tfl).append((name, first, second, column))
        else:
            plain.append((name, column))
    return Roles(
        tfs=tuple(tf[0] for tf in plain),
        tf_columns=tuple(tf[1] for tf in plain),
        lr_pairs=tuple(pair[0] for pair in lr),
        ligands=tuple(pair[1] for pair in lr),
        receptors=tuple(pair[2] for pair in lr),
        lr_columns=tuple(pair[3] for pair in lr),
        tfl_pairs=tuple(pair[0] for pair in tfl),
        tfl_ligands=tuple(pair[1] for pair in tfl),
        tfl_regulators=tuple(pair[2] for pair in tfl),
        tfl_columns=tuple(pair[3] for pair in tfl),
    )
