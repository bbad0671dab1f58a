"""In which cells: what a tool is given becomes a scope of the viewer; nothing is ever widened."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from spacetravlr.errors import listing, nearest
from spacetravlr.mcp._api import ApiError, part
from spacetravlr.mcp._desk import Desk, categories
from spacetravlr.mcp._models import CellTypes, Clusters, Everywhere, Labels, Outline, Selection
from spacetravlr.mcp._text import names

AnyScope = Everywhere | CellTypes | Clusters | Labels | Outline | Selection
_ASK = "ask for {'type': 'all'} if all cells are meant"


async def viewer_scope(desk: Desk, meta: dict[str, Any], scope: AnyScope) -> tuple[dict[str, Any], str]:
    """Return a scope as the viewer takes it, and how to call it in a sentence.

    Raises
    ------
    ToolError
        If it names nothing, something that does not exist, or no cell; the message lists what exists.
    """
    if isinstance(scope, Everywhere):
        return {"type": "all"}, "all cells"
    if isinstance(scope, CellTypes):
        column = meta["cell_type_column"]
        if column is None:
            raise ToolError(f"the data have no column of cell types; {_columns(meta)}")
        _check(scope.names, categories(meta, column), "cell type")
        return {"type": "cell_type", "names": scope.names}, f"cells of type {names(scope.names)}"
    if isinstance(scope, Clusters):
        if meta["cluster_column"] is None:
            raise ToolError(f"the data have no column of clusters; {_columns(meta)}")
        wanted = [str(one) for one in scope.ids]
        _check(wanted, categories(meta, meta["cluster_column"]), "cluster")
        return {"type": "cluster", "ids": wanted}, f"cells of cluster {names(wanted)}"
    if isinstance(scope, Selection):
        return await _selection(desk, scope.id)
    return await _made(desk, meta, scope)


async def _selection(desk: Desk, identifier: str) -> tuple[dict[str, Any], str]:
    try:
        found = await desk.api.get(f"/selections/{part(identifier)}/summary")
    except ApiError as error:
        if error.status not in (400, 404, 422):
            raise
        raise ToolError(
            f"there is no selection {identifier!r}: select cells in the viewer and send the context to the chat, or "
            "name cell types, clusters or a region"
        ) from error
    if not found["n"]:
        raise ToolError(f"the selection {identifier!r} is empty; {_ASK}")
    return {"type": "selection", "id": identifier}, f"{found['n']:,} selected cells"


async def _made(desk: Desk, meta: dict[str, Any], scope: Labels | Outline) -> tuple[dict[str, Any], str]:
    if isinstance(scope, Labels):
        known = [one["name"] for one in meta["obs"] if one["kind"] == "categorical"]
        if scope.column not in known:
            raise ToolError(f"there is no categorical column {scope.column!r}; {_columns(meta)}")
        _check(scope.labels, categories(meta, scope.column), f"label of {scope.column}")
        body: dict[str, Any] = {"obs": scope.column, "categories": scope.labels}
        called = f"cells with {scope.column} {names(scope.labels)}"
    else:
        embeddings = [one["name"] for one in meta["embeddings"]]
        if scope.embedding not in embeddings:
            raise ToolError(f"there is no embedding {scope.embedding!r}; there are {listing(embeddings)}")
        body = {"polygon": scope.polygon, "embedding": scope.embedding}
        called = f"cells in a region of {scope.embedding}"
    made = await desk.api.post("/selections", body)
    if not made["n"]:
        raise ToolError(f"the scope holds no cell ({called}){_extent(meta, scope)}; {_ASK}")
    return {"type": "selection", "id": made["id"]}, f"{made['n']:,} {called}"


def _check(wanted: list[str], known: list[str], what: str) -> None:
    exist = f"there are: {listing(known, 60)}"
    if not wanted:
        raise ToolError(f"the scope names no {what}; {exist}; {_ASK}")
    for name in wanted:
        if name not in known:
            close = nearest(name, known)
            hint = f"; did you mean {close!r}?" if close else ""
            raise ToolError(f"there is no {what} {name!r}{hint} ({exist})")


def _columns(meta: dict[str, Any]) -> str:
    return f"categorical columns: {listing([one['name'] for one in meta['obs'] if one['kind'] == 'categorical'])}"


def _extent(meta: dict[str, Any], scope: Labels | Outline) -> str:
    if not isinstance(scope, Outline):
        return ""
    bounds = next(one["bounds"] for one in meta["embeddings"] if one["name"] == scope.embedding)
    x0, y0, x1, y1 = (f"{value:.4g}" for value in bounds)
    return f": {scope.embedding} goes from x {x0} to {x1} and from y {y0} to {y1}"
