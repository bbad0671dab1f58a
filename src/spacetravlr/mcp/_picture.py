"""The tissue as a picture, for programs that cannot show the viewer."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
from mcp.server.mcpserver.exceptions import ToolError
from numpy.typing import NDArray

from spacetravlr.mcp._api import Api, part
from spacetravlr.mcp._app_models import Controlled
from spacetravlr.mcp._blocks import blocks
from spacetravlr.mcp._desk import categories

if TYPE_CHECKING:
    from spacetravlr.mcp._transition import Floats

_LOG = logging.getLogger("spacetravlr")
_SIZE, _DPI = (7.0, 5.0), 90
_SIGNED = ("coefficient", "change")
_MOST_CELLS = 500_000
_MISSING = {1: 255, 2: 65_535}


async def picture(api: Api, meta: dict[str, Any], view: Controlled | None = None) -> bytes | None:
    """Return a view as PNG; None where there is none to be drawn, for which nothing else should fail.

    Cost: two columns of the viewer, and a second of drawing; above half a million cells it is left to the viewer.
    """
    if meta["n_obs"] > _MOST_CELLS or not meta["embeddings"]:
        return None
    layout = (view and view.layout) or meta["embeddings"][0]["name"]
    try:
        xy = (await _values(api, f"obsm/{part(layout)}", dtype="f32")).astype(np.float64)[:, :2]
        if view is None or view.colour is None or view.colour in ("cell_type", "cluster", "obs"):
            name = (view and view.column) or meta["cell_type_column"] or meta["cluster_column"]
            labels = categories(meta, name)
            if labels:
                raw = (await _values(api, f"obs/{part(name)}"))[:, 0]
                codes = np.where(raw == _MISSING.get(raw.dtype.itemsize, -1), -1, raw.astype(np.int64))
                return await anyio.to_thread.run_sync(_kinds, xy, codes, labels, name)
            path, query, title = f"obs/{part(name)}", {"dtype": "f32"}, str(name)
        else:
            path, query, title = _quantity(meta, view)
        values = (await _values(api, path, **query)).astype(np.float64)[:, 0]
        signed = view is not None and view.colour in _SIGNED
        return await anyio.to_thread.run_sync(_amounts, xy, values, signed, title)
    except (ToolError, ValueError):
        _LOG.warning("no picture could be drawn", exc_info=True)
        return None


def _quantity(meta: dict[str, Any], view: Controlled) -> tuple[str, dict[str, Any], str]:
    gene, kind = part(view.gene or ""), {"expression": "expr", "coefficient": "beta", "change": "delta"}
    if view.colour == "received":
        return f"received/{gene}", {"matrix": view.matrix, "dtype": "f32"}, f"{view.gene} received"
    titles = {
        "expression": f"{view.gene}, expression ({meta['layer']})",
        "coefficient": f"{view.column} for {view.gene}, coefficient",
        "change": f"{view.gene}, change of expression ({meta['layer']})",
    }
    source = str(view.colour)
    query = {"dtype": "f32", "column": view.column if source == "coefficient" else None, "job": view.job}
    return f"{kind[source]}/{gene}", query, titles[source]


async def _values(api: Api, path: str, **query: Any) -> NDArray[Any]:
    return blocks((await api.content(f"/columns/{path}", **query)).body)[0]


def _kinds(xy: Floats, codes: NDArray[np.int64], labels: list[str], title: str) -> bytes:
    from spacetravlr.pl.canvas import new_figure
    from spacetravlr.pl.points import category_points

    figure = new_figure(*_SIZE)
    ax = figure.subplots()
    category_points(ax, xy, codes, [plain(one) for one in labels])
    ax.set_title(plain(title), fontsize=10)
    return _png(figure)


def _amounts(xy: Floats, values: Floats, signed: bool, title: str) -> bytes:  # noqa: FBT001 - passed by position to a thread
    from spacetravlr.pl.canvas import new_figure
    from spacetravlr.pl.points import level_points, signed_points

    figure = new_figure(*_SIZE)
    ax = figure.subplots()
    points = (signed_points if signed else level_points)(ax, xy, values)
    ax.set_title(plain(title), fontsize=10)
    figure.colorbar(points, ax=ax, shrink=0.75)
    return _png(figure)


def plain(text: str) -> str:
    """Return a name in which dollar signs are no formulas."""
    return text.replace("$", r"\$")


def _png(figure: Any) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=_DPI)
    return made.getvalue()
