"""Which cells a request means; an empty or unknown scope is an error and never becomes a larger one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from spacetravlr.errors import did_you_mean
from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._selections import Selections


class Everywhere(BaseModel):
    """All cells."""

    type: Literal["all"]


class Selected(BaseModel):
    """A selection."""

    type: Literal["selection"]
    id: Annotated[str, Field(max_length=64)]


class OfTypes(BaseModel):
    """Cells of some types."""

    type: Literal["cell_type"]
    names: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=1000)]


class OfClusters(BaseModel):
    """Cells of some clusters, by their ids (whole numbers) or labels."""

    type: Literal["cluster"]
    ids: Annotated[list[int | Annotated[str, Field(max_length=200)]], Field(max_length=1000)]


Scope = Annotated[Everywhere | Selected | OfTypes | OfClusters, Field(discriminator="type")]


def scope_rows(
    scope: Everywhere | Selected | OfTypes | OfClusters, data: Dataset, selections: Selections, session: str
) -> NDArray[np.int64] | None:
    """Return the cells that a scope means, at least one; None for all.

    Raises
    ------
    ProblemError
        400 if it names nothing, something unknown, or no cell; 404 for an unknown selection.
    """
    if isinstance(scope, Everywhere):
        return None
    if isinstance(scope, Selected):
        rows = selections.get(session, scope.id, str(data.file.path)).rows()
    elif isinstance(scope, OfTypes):
        rows = type_rows(data, scope.names)
    else:
        rows = cluster_rows(data, scope.ids)
    if not len(rows):
        raise ProblemError(400, "the scope holds no cell", code="empty_scope")
    return rows


def type_rows(data: Dataset, names: list[str]) -> NDArray[np.int64]:
    """Return the cells of some types.

    Raises
    ------
    ProblemError
        400 if there are no types, none is named, or one is unknown.
    """
    if data.cell_types is None:
        raise ProblemError(400, "the sample has no cell types", code="empty_scope")
    if not names:
        raise ProblemError(400, "the scope names no cell type", code="empty_scope")
    known = set(data.cell_types.categories)
    for name in names:
        if name not in known:
            raise ProblemError(400, f"there is no cell type {name!r}{did_you_mean(name, known)}", code="unknown_label")
    return data.cell_types.rows(set(names))


def cluster_rows(data: Dataset, ids: list[Any]) -> NDArray[np.int64]:
    """Return the cells of some clusters.

    Raises
    ------
    ProblemError
        400 if none is named, or one is unknown.
    """
    if not ids:
        raise ProblemError(400, "the scope names no cluster", code="empty_scope")
    codes, names = data.clusters
    by_name = {name: one for one, name in names.items()}
    wanted = []
    for one in ids:
        found = one if isinstance(one, int) and one in names else by_name.get(str(one))
        if found is None:
            raise ProblemError(400, f"there is no cluster {one!r}", code="unknown_label")
        wanted.append(found)
    return np.flatnonzero(np.isin(codes, wanted))
