"""Tools that read: the data, the names of genes, the run."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from spacetravlr.mcp._clean import NOTE
from spacetravlr.mcp._desk import Desk
from spacetravlr.mcp._gene_tools import genes_by_name
from spacetravlr.mcp._models import (
    Column,
    Dataset,
    GeneList,
    JobLine,
    Name,
    RunFacts,
    RunStatus,
    Whole,
)
from spacetravlr.mcp._progress import Progress
from spacetravlr.mcp._register import READS, register
from spacetravlr.mcp._text import answer, count, joined, names, number, table

_MOST_LABELS = 100


class DataTools:
    """Tools that read."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def describe_dataset(
        self,
        ctx: Context[Any],
    ) -> Annotated[CallToolResult, Dataset]:
        """Say what is open: cells, genes, cell types with their sizes, clusters, units, the run. Call this first."""
        found = dataset(await self._desk.meta(Progress(ctx)))
        return answer(dataset_text(found), found)

    async def list_genes(
        self,
        ctx: Context[Any],
        *,
        prefix: Annotated[Name, Field(description="Beginning of the name, in any letter case.")] = "",
        contains: Annotated[Name, Field(description="Part of the name, in any letter case.")] = "",
        only_with_model: Annotated[bool, Field(description="Only genes that the run has coefficients of.")] = False,
        limit: Annotated[Whole, Field(ge=1, le=1000)] = 50,
        offset: Annotated[Whole, Field(ge=0)] = 0,
    ) -> Annotated[CallToolResult, GeneList]:
        """List measured genes by name. Use it to find the spelling of a gene before naming it elsewhere."""
        await self._desk.meta(Progress(ctx))
        found = await genes_by_name(self._desk, prefix=prefix, contains=contains, only_with_model=only_with_model)
        shown = GeneList(total=len(found), offset=offset, genes=found[offset : offset + limit])
        head = f"{count(len(found), 'gene')} found, {len(shown.genes)} shown from {offset}. * = has a model."
        return answer(joined(head, ", ".join(f"{g.name}{'*' if g.has_model else ''}" for g in shown.genes)), shown)

    async def run_status(
        self,
        ctx: Context[Any],
    ) -> Annotated[CallToolResult, RunStatus]:
        """Say how far training has come, whether perturbations can be simulated, and which jobs are at work."""
        meta = await self._desk.meta(Progress(ctx))
        found = await status(self._desk, meta)
        return answer(status_text(found), found)


def add_data_tools(server: MCPServer[Any], desk: Desk) -> None:
    """Register the tools."""
    own = DataTools(desk)
    register(server, own.describe_dataset, "Describe the open data", READS)
    register(server, own.list_genes, "Find genes", READS)
    register(server, own.run_status, "How far the run is", READS)


def dataset(meta: dict[str, Any]) -> Dataset:
    """Return the facts in the form of `describe_dataset`."""
    own = meta["unit"]
    run = meta["run"]
    columns = [
        Column(
            name=one["name"],
            kind=one["kind"],
            labels=one.get("categories", [])[:_MOST_LABELS],
            cells=one.get("counts", [])[:_MOST_LABELS],
            n_labels=len(one.get("categories", [])),
        )
        for one in meta["obs"]
    ]
    return Dataset(
        title=meta["title"],
        n_cells=meta["n_obs"],
        n_genes=meta["n_vars"],
        layer=meta["layer"],
        layers=meta["layers"],
        embeddings=[one["name"] for one in meta["embeddings"]],
        cell_type_column=meta["cell_type_column"],
        cluster_column=meta["cluster_column"],
        columns=columns,
        um_per_unit=own["um_per_unit"],
        radius=own["radius"],
        contact_distance=own["contact_distance"],
        network=meta["network"]["species"] if meta["network"]["loaded"] else None,
        run=None if run is None else RunFacts(**run),
        model=meta["perturb"]["state"],
        notices=meta["notices"],
    )


def dataset_text(found: Dataset) -> str:
    """Return the same in words."""
    length = "µm" if found.um_per_unit == 1.0 else "coordinate units"
    lines = [
        f"{found.title}: {count(found.n_cells, 'cell')} x {count(found.n_genes, 'gene')}, expression from layer "
        f"{found.layer}; positions in {length}; embeddings: {names(found.embeddings)}."
    ]
    if found.run is None:
        lines.append("No trained run is open: no coefficients, no perturbations.")
    else:
        partial = ", not finished" if found.run.partial else ""
        lines.append(
            f"Trained run {found.run.name}: {count(found.run.genes, 'gene')} with coefficients by {found.run.row_label}"
            f"{partial}; {found.run.n_propagation} steps by default; model to simulate with: {found.model}."
        )
    if found.radius is not None:
        contact = "" if found.contact_distance is None else f", contact-dependent ones {number(found.contact_distance)}"
        lines.append(f"Ligands reach {number(found.radius)} {length}{contact}.")
    lines += [f"Note: {one}" for one in found.notices]
    tables = [_column_text(one, found) for one in found.columns if one.kind == "categorical"]
    numeric = [one.name for one in found.columns if one.kind != "categorical"]
    return joined(" ".join(lines), *tables, f"Numeric columns: {names(numeric)}." if numeric else "", NOTE)


def _column_text(one: Column, found: Dataset) -> str:
    roles = {found.cell_type_column: "cell types", found.cluster_column: "clusters"}
    role = f" ({roles[one.name]})" if one.name in roles else ""
    sizes = [f"{label} ({cells:,} cells)" for label, cells in zip(one.labels, one.cells, strict=False)]
    return f"obs column {one.name}{role}, {count(one.n_labels, 'label')}: {names(sizes, 30)}"


async def status(desk: Desk, meta: dict[str, Any]) -> RunStatus:
    """Return how far the run is, and what is at work."""
    jobs = [JobLine(**{name: one[name] for name in JobLine.model_fields}) for one in await desk.api.get("/jobs")]
    model = meta["perturb"]["state"]
    if meta["run"] is None:
        return RunStatus(run=None, state="none", planned=None, done=0, without_model=0, n_failed=0, failed={},
                         at_work=0, remaining=None, model=model, jobs=jobs)  # fmt: skip
    own = await desk.api.get("/run")
    return RunStatus(
        run=own["name"],
        state=own["state"],
        planned=own["planned"],
        done=own["done"],
        without_model=own["orphan"],
        n_failed=own["failed"],
        failed=own["reasons"],
        at_work=own["at_work"],
        remaining=own["remaining"],
        model=model,
        jobs=jobs,
    )


def status_text(found: RunStatus) -> str:
    """Return the same in words."""
    if found.run is None:
        head = "No trained run is open."
    else:
        planned = "" if found.planned is None else f" of {found.planned:,} planned"
        left = "" if not found.remaining else f", {found.remaining:,} remain"
        head = (
            f"Run {found.run} is {found.state}: {count(found.done, 'gene')} with a model{planned}, "
            f"{found.without_model:,} without, {found.n_failed:,} failed, {found.at_work:,} at work{left}. "
            f"Model to simulate with: {found.model}."
        )
    failed = "\n".join(f"{gene}: {why}" for gene, why in found.failed.items())
    rows = [
        (one.id, one.kind, one.title, one.state, f"{100 * one.progress:.0f} %", f"{one.seconds:.1f} s")
        for one in found.jobs
    ]
    shown = table(("job", "kind", "title", "state", "progress", "time"), rows) if rows else "No jobs yet."
    return joined(head, failed, shown)
