"""Tools that read about a gene: what regulates it, its coefficients, how well it is fitted."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import Field

from spacetravlr.errors import listing, nearest
from spacetravlr.mcp._api import ApiError, part
from spacetravlr.mcp._desk import Desk, categories
from spacetravlr.mcp._models import (
    Coefficient,
    Coefficients,
    GeneHit,
    Kind,
    Modulator,
    Modulators,
    Name,
    Score,
    Scores,
    Whole,
)
from spacetravlr.mcp._progress import Progress
from spacetravlr.mcp._register import READS, register
from spacetravlr.mcp._text import answer, count, joined, names, number, table

_ALL_GENES = 10_000


class GeneTools:
    """Tools that read about a gene."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def modulators_of_gene(
        self,
        ctx: Context[Any],
        gene: Name,
        kind: Annotated[Kind | None, Field(description="Only modulators of this kind.")] = None,
        limit: Annotated[Whole, Field(ge=1, le=500)] = 30,
    ) -> Annotated[CallToolResult, Modulators]:
        """List what the model of a gene depends on, the strongest first.

        Kinds: tf (transcription factor), ligand-receptor (a ligand received from neighbours, times the receptor,
        written `L$R`), ligand-tf (a received ligand times a transcription factor, `L#TF`).
        """
        await self._desk.meta(Progress(ctx))
        columns = await gene_columns(self._desk, gene)
        rows = [_modulator(one) for one in columns["columns"] if one["name"] != "intercept"]
        rows = sorted((one for one in rows if kind in (None, one.kind)), key=lambda one: -one.max_abs)
        found = Modulators(gene=gene, row_label=columns["row_label"], total=len(rows), modulators=rows[:limit])
        cells = [
            (one.name, one.kind, number(one.max_abs), number(one.mean), number(one.stability))
            for one in found.modulators
        ]
        head = (
            f"{gene} depends on {count(found.total, 'modulator')}{'' if kind is None else f' of kind {kind}'}; "
            f"coefficients by {found.row_label}, in expression units of {gene} per unit of the modulator. "
            "Stability: share of bootstraps with the same sign."
        )
        return answer(joined(head, table(("modulator", "kind", "largest", "mean", "stability"), cells)), found)

    async def coefficients(
        self,
        ctx: Context[Any],
        gene: Name,
        modulator: Annotated[Name | None, Field(description="Only this one, as modulators_of_gene names it.")] = None,
        row: Annotated[Name | None, Field(description="Only this cluster (or cell type, for rows by cell).")] = None,
        limit: Annotated[Whole, Field(ge=1, le=1000)] = 60,
    ) -> Annotated[CallToolResult, Coefficients]:
        """Return coefficients of a gene by cluster, the largest first; if they differ by cell, means by cell type."""
        meta = await self._desk.meta(Progress(ctx))
        columns = await gene_columns(self._desk, gene)
        known = [str(one["name"]) for one in columns["columns"]]
        if modulator is not None and modulator not in known:
            raise ToolError(_unknown(modulator, known, f"the model of {gene} has no modulator", "modulators_of_gene"))
        rows = await _coefficient_rows(self._desk, meta, columns)
        labels = list(dict.fromkeys(one.row for one in rows))
        if row is not None and row not in labels:
            raise ToolError(_unknown(row, labels, "there is no row", "describe_dataset"))
        rows = [one for one in rows if modulator in (None, one.modulator) and row in (None, one.row) and one.value]
        rows.sort(key=lambda one: -abs(one.value))
        found = Coefficients(
            gene=gene,
            row_label=columns["row_label"],
            unit=f"expression units of {gene} per unit of the modulator",
            total=len(rows),
            coefficients=rows[:limit],
        )
        head = f"Coefficients of {gene} ({found.unit}), {len(found.coefficients)} of {found.total} that are not zero."
        cells = [(one.modulator, one.kind, one.row, f"{one.value:+.4g}", number(one.stability)) for one in rows[:limit]]
        return answer(joined(head, table(("modulator", "kind", "cluster", "beta", "stability"), cells)), found)

    async def scores(
        self, ctx: Context[Any], genes: Annotated[list[Name], Field(min_length=1, max_length=50)]
    ) -> Annotated[CallToolResult, Scores]:
        """Return the held-out scores of genes in each cluster. Read them before you believe a coefficient.

        r2_out is R2 on cells that were held out; near 0 or below: the model knows nothing about this gene there.
        p_space is the chance of such a score if the places of cells did not matter.
        """
        await self._desk.meta(Progress(ctx))
        rows: list[Score] = []
        without: list[str] = []
        for gene in dict.fromkeys(genes):
            own = await gene_scores(self._desk, gene)
            rows += own
            if not own:
                without.append(gene)
        found = Scores(scores=rows, without=without)
        cells = [
            (one.gene, one.cluster, *(number(x) for x in (one.r2_in, one.r2_out, one.r2_tf_only, one.p_space)))
            for one in rows
        ]
        lacking = f"No score is known of: {names(without)}." if without else ""
        head = ("gene", "cluster", "R2 fitted", "R2 held out", "R2 TFs only", "p(space)")
        return answer(joined(table(head, cells) if cells else "", lacking), found)


def add_gene_tools(server: MCPServer[Any], desk: Desk) -> None:
    """Register the tools."""
    own = GeneTools(desk)
    register(server, own.modulators_of_gene, "What regulates a gene", READS)
    register(server, own.coefficients, "Coefficients of a gene", READS)
    register(server, own.scores, "How well genes are fitted", READS)


async def known_gene(desk: Desk, gene: str) -> str:
    """Return the name of a measured gene as it is.

    Raises
    ------
    ToolError
        If it is not measured, with the most similar name.
    """
    found = await desk.api.get("/genes", prefix=gene[:100], limit=_ALL_GENES)
    for one in found["genes"]:
        if one["name"] == gene:
            return gene
    raise ToolError(await _no_gene(desk, gene))


async def _no_gene(desk: Desk, gene: str) -> str:
    everything = await desk.api.get("/genes", limit=_ALL_GENES)
    return _unknown(gene, [one["name"] for one in everything["genes"]], "no gene is called", "list_genes")


def _unknown(name: str, known: list[str], what: str, where: str) -> str:
    close = nearest(name, known)
    hint = f"; did you mean {close!r}?" if close else f": there are {listing(known)}"
    return f"{what} {name[:100]!r}{hint} ({where} lists what exists)"


async def genes_by_name(desk: Desk, *, prefix: str, contains: str, only_with_model: bool) -> list[GeneHit]:
    """Return measured genes by name, in any letter case."""
    found: list[GeneHit] = []
    total = 1
    seen = 0
    while seen < total:
        page = await desk.api.get("/genes", prefix=prefix, contains=contains, limit=_ALL_GENES, offset=seen)
        total = page["total"]
        seen += max(len(page["genes"]), 1)
        found += [GeneHit(**one) for one in page["genes"] if one["has_model"] or not only_with_model]
    return found


async def gene_columns(desk: Desk, gene: str) -> dict[str, Any]:
    """Return the coefficients and scores of a gene as the viewer tells them.

    Raises
    ------
    ToolError
        If the gene is not measured, or has no model; the message names some that have one.
    """
    try:
        found: dict[str, Any] = await desk.api.get(f"/genes/{part(gene)}/columns")
    except ApiError as error:
        if error.status != 404 or error.code == "no_run":
            raise
        await known_gene(desk, gene)
        models = await genes_by_name(desk, prefix="", contains="", only_with_model=True)
        raise ToolError(
            f"{gene} is measured, but the run has no model of it; {count(len(models), 'gene')} have one, for example "
            f"{listing([one.name for one in models], 10)} (list_genes with only_with_model)"
        ) from error
    return found


def _modulator(column: dict[str, Any]) -> Modulator:
    rows = column.get("per_row")
    stability = [row["stability"] for row in rows or [] if row["stability"] is not None and row["value"]]
    return Modulator(
        name=column["name"],
        kind=column["kind"],
        max_abs=column["max_abs"],
        mean=sum(row["value"] for row in rows) / len(rows) if rows else None,
        stability=max(stability, default=None),
    )


async def _coefficient_rows(desk: Desk, meta: dict[str, Any], columns: dict[str, Any]) -> list[Coefficient]:
    if columns["row_label"] == "cluster":
        return [
            Coefficient(
                modulator=one["name"],
                kind=one["kind"],
                row=str(row["row"]),
                value=row["value"],
                stability=row["stability"],
            )
            for one in columns["columns"]
            for row in one["per_row"]
        ]
    found = []
    for label in categories(meta, meta["cell_type_column"]):
        body = {"genes": [columns["gene"]], "scope": {"type": "cell_type", "names": [label]}, "aggregate": "mean"}
        answered = await desk.api.post("/interactions", {**body, "limit": 1000})
        found += [
            Coefficient(
                modulator=one["modulator"], kind=one["kind"], row=label, value=one["beta"], stability=one["stability"]
            )
            for one in answered["rows"]
        ]
    return found


async def all_coefficients(desk: Desk, meta: dict[str, Any], gene: str) -> list[Coefficient]:
    """Return every coefficient of a gene.

    Raises
    ------
    ToolError
        If it has no model.
    """
    return await _coefficient_rows(desk, meta, await gene_columns(desk, gene))


async def gene_scores(desk: Desk, gene: str) -> list[Score]:
    """Return how well a gene is fitted in each cluster; empty where nothing tells.

    Raises
    ------
    ToolError
        If it has no model.
    """
    own = (await gene_columns(desk, gene))["scores"]
    return [Score(gene=gene, **{**one, "cluster": str(one["cluster"])}) for one in own]
