"""From what an assistant wants to show to a view of the page; everything named is looked up first."""

from __future__ import annotations

from typing import Any, get_args
from urllib.parse import quote, urlencode

from mcp.server.mcpserver.exceptions import ToolError

from spacetravlr.errors import listing, nearest
from spacetravlr.mcp._api import part
from spacetravlr.mcp._app_models import ColourSource, Controlled
from spacetravlr.mcp._clean import clean
from spacetravlr.mcp._desk import Desk
from spacetravlr.mcp._gene_tools import gene_columns, known_gene
from spacetravlr.mcp._perturb_tools import finished

_SOURCES = get_args(ColourSource)


async def control(
    desk: Desk,
    meta: dict[str, Any],
    *,
    source: str | None,
    gene: str | None,
    apply: bool,
    beta: tuple[str | None, str | None],
    received: tuple[str | None, str],
    change: tuple[str | None, str | None],
    obs_column: str | None,
    layout: str | None,
    focus: str | None,
    message: str | None,
) -> tuple[Controlled, str]:
    """Return a view, and what it shows in words.

    Raises
    ------
    ToolError
        If something named does not exist, or what a colour source needs is missing.
    """
    given = {
        "change": change[0],
        "received": received[0],
        "coefficient": beta[0],
        "expression": gene,
        "obs": obs_column,
    }
    colour = source or next((name for name, value in given.items() if value), None)
    if gene is not None:
        await known_gene(desk, gene)
        if not apply and colour == "expression":
            colour = None
    if focus is not None:
        await known_gene(desk, focus)
    embeddings = [str(one["name"]) for one in meta["embeddings"]]
    if layout is not None and layout not in embeddings:
        raise ToolError(f"there is no layout {layout!r}; there are: {listing(embeddings)}")
    told = None if message is None else clean(message)
    view = Controlled(colour=colour, layout=layout, focus_gene=focus, status_message=told, fragment="")  # type: ignore[arg-type]
    said = await _colour(
        desk, meta, view, gene=gene, beta=beta, received=received, change=change, obs_column=obs_column
    )
    said += [f"Layout: {layout}."] if layout else []
    said += [f"{focus} is the gene of the context of a cell."] if focus else []
    said += [f"The page tells the user: {told}"] if told else []
    if not said:
        raise ToolError(
            "nothing to show was named: give expression_gene, betadata_gene with betadata_column, received_ligand, "
            f"job, obs_column, layout, focus_gene_context, status_message, or color_source (one of {listing(_SOURCES)})"
        )
    view.fragment = _fragment(view)
    return view, " ".join(said)


async def _colour(
    desk: Desk,
    meta: dict[str, Any],
    view: Controlled,
    *,
    gene: str | None,
    beta: tuple[str | None, str | None],
    received: tuple[str | None, str],
    change: tuple[str | None, str | None],
    obs_column: str | None,
) -> list[str]:
    if view.colour == "expression":
        view.gene = _needed(gene, "expression_gene", "expression")
        return [f"Cells are coloured by the expression of {view.gene} (layer {meta['layer']})."]
    if view.colour in ("cell_type", "cluster", "obs"):
        view.column = _obs(meta, view.colour, obs_column)
        return [f"Cells are coloured by {view.column}."]
    if view.colour == "coefficient":
        view.gene = _needed(beta[0], "betadata_gene", "coefficient")
        view.column = await _modulator(desk, view.gene, beta[1])
        return [f"Cells are coloured by the coefficient of {view.column} for {view.gene}."]
    if view.colour == "received":
        view.gene, view.matrix = _needed(received[0], "received_ligand", "received"), received[1]
        await desk.api.content(f"/columns/received/{part(view.gene)}", matrix=view.matrix, dtype="u8")
        return [f"Cells are coloured by how much {view.gene} they receive."]
    if view.colour == "change":
        view.job = _needed(change[0], "job", "change")
        view.gene = await _readout(desk, view.job, change[1])
        return [f"Cells are coloured by the change of {view.gene} in perturbation {view.job} ({meta['layer']} units)."]
    return [f"The gene {gene} exists."] if gene else []


def _needed(value: str | None, name: str, source: str) -> str:
    if not value:
        raise ToolError(f"color_source {source!r} needs {name}")
    return value


def _obs(meta: dict[str, Any], colour: str, wanted: str | None) -> str:
    known = [str(one["name"]) for one in meta["obs"]]
    name = wanted if colour == "obs" else meta["cell_type_column" if colour == "cell_type" else "cluster_column"]
    if name not in known:
        what = f"there is no column {name!r}" if name else f"color_source {colour!r}: no such column is known"
        close = nearest(str(name), known) if name else None
        raise ToolError(f"{what}{f'; did you mean {close!r}?' if close else '.'} Columns: {listing(known)}")
    return str(name)


async def _modulator(desk: Desk, gene: str, wanted: str | None) -> str:
    columns = [one for one in (await gene_columns(desk, gene))["columns"] if one["name"] != "intercept"]
    names = [str(one["name"]) for one in sorted(columns, key=lambda one: -one["max_abs"])]
    if wanted is None:
        raise ToolError(f"betadata_column is missing; the strongest modulators of {gene}: {listing(names, 10)}")
    if wanted != "intercept" and wanted not in names:
        close = nearest(wanted, names)
        hint = f"; did you mean {close!r}?" if close else "."
        raise ToolError(f"the model of {gene} has no {wanted!r}{hint} The strongest: {listing(names, 10)}")
    return wanted


async def _readout(desk: Desk, job: str, wanted: str | None) -> str:
    await finished(desk, job)
    if wanted is not None:
        return await known_gene(desk, wanted)
    groups = (await desk.api.get(f"/jobs/{part(job)}/top", by="all", n=1))["groups"]
    if not groups or not groups[0]["genes"]:
        raise ToolError(f"nothing but the targets changes in perturbation {job!r}; name a readout_gene")
    return str(groups[0]["genes"][0]["gene"])


def _fragment(view: Controlled) -> str:
    spec = {
        "expression": ("expr", view.gene),
        "cell_type": ("obs", view.column),
        "cluster": ("obs", view.column),
        "obs": ("obs", view.column),
        "coefficient": ("beta", view.gene, view.column),
        "received": ("received", view.gene, view.matrix),
        "change": ("delta", view.job, view.gene),
    }
    query = {} if view.layout is None else {"layout": view.layout}
    if view.colour is not None:
        query["a"] = ":".join(quote(str(one), safe="") for one in spec[view.colour])
    return urlencode(query)
