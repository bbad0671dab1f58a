"""Tools that simulate, and that look at what came of it."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult
from pydantic import Field

from spacetravlr.errors import listing
from spacetravlr.mcp._api import ApiError, part
from spacetravlr.mcp._desk import Desk, unit
from spacetravlr.mcp._gene_tools import known_gene
from spacetravlr.mcp._models import (
    Change,
    Compared,
    Comparison,
    Finite,
    Group,
    Name,
    Perturbation,
    Scope,
    Target,
    TopEffects,
    Transition,
    Whole,
)
from spacetravlr.mcp._progress import Progress
from spacetravlr.mcp._register import COMPUTES, READS, register
from spacetravlr.mcp._scope import viewer_scope
from spacetravlr.mcp._text import answer, count, joined, number, signed, table
from spacetravlr.mcp._transition import summarise, transition_text

_HEAD = ("gene", "mean change", "mean size of change", "mean before")
_MOST_ROWS = 2000
"""Lines of an answer: more would crowd everything else out of a conversation."""
Job = Annotated[str, Field(max_length=64, description="Id that perturb has returned.")]


class PerturbTools:
    """Tools that simulate, and that look at results."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def perturb(
        self,
        ctx: Context[Any],
        targets: Annotated[list[Target], Field(min_length=1, max_length=20)],
        scope: Scope,
        n_propagation: Annotated[
            Whole | None, Field(ge=1, le=32, description="Steps; by default those of the run (usually 4).")
        ] = None,
        n_genes: Annotated[Whole, Field(ge=1, le=200, description="How many genes to report.")] = 10,
    ) -> Annotated[CallToolResult, Perturbation]:
        """Set genes to a dose in the cells of a scope, follow the consequences through models and ligands, and report.

        The result is kept under its job id for top_effects, compare, transition_summary and the viewer. It is a
        simulation by the fitted models, not a measurement. It may take minutes, tells progress, and can be cancelled.
        """
        progress = Progress(ctx)
        meta = await self._desk.model(progress)
        for one in targets:
            await known_gene(self._desk, one.gene)
        where, called = await viewer_scope(self._desk, meta, scope)
        body = {"kind": "perturb", "targets": [one.model_dump() for one in targets], "scope": where}
        facts = await self._desk.job(
            progress, body | ({} if n_propagation is None else {"n_propagation": n_propagation})
        )
        found = await _perturbation(self._desk, meta, facts, targets=targets, called=called, n=n_genes)
        return answer(perturbation_text(found), found)

    async def top_effects(
        self,
        ctx: Context[Any],
        job: Job,
        *,
        by: Annotated[
            Name,
            Field(description="'all', 'cell_type', 'cluster', 'ring' (distance from the perturbed), or an obs column."),
        ] = "cell_type",
        n: Annotated[Whole, Field(ge=1, le=200, description="Genes of each group.")] = 10,
        group: Annotated[Name | None, Field(description="Only this group.")] = None,
        scope_only: Annotated[bool, Field(description="Only the cells that were perturbed.")] = False,
        include_targets: Annotated[bool, Field(description="Also the genes that were perturbed.")] = False,
    ) -> Annotated[CallToolResult, TopEffects]:
        """List the genes that change most in a finished perturbation, for each group of cells."""
        meta = await self._desk.meta(Progress(ctx))
        groups = await _top(self._desk, meta, job, by=by, n=n, scope_only=scope_only, include_targets=include_targets)
        if group is not None:
            known = [one.label for one in groups]
            groups = [one for one in groups if one.label == group]
            if not groups:
                raise ToolError(f"no group is called {group!r}; there are: {listing(known)}")
        rows = sum(len(one.genes) for one in groups)
        if rows > _MOST_ROWS:
            raise ToolError(
                f"{count(len(groups), 'group')} by {by!r} have {rows:,} lines together, more than fit into a "
                f"conversation: name a group, or a smaller n; there are: {listing([one.label for one in groups])}"
            )
        found = TopEffects(job=job, by=by, unit=unit(meta), groups=groups)
        blocks = [f"{one.label} ({count(one.n_cells, 'cell')})\n{_changes(one.genes)}" for one in groups]
        return answer(joined(f"Changes by {by}, in {found.unit}.", *blocks), found)

    async def compare(
        self,
        ctx: Context[Any],
        job_a: Job,
        job_b: Job,
        n: Annotated[Whole, Field(ge=1, le=500, description="How many genes to report.")] = 20,
    ) -> Annotated[CallToolResult, Comparison]:
        """Compare two finished perturbations gene by gene: mean changes over all cells, and how far they agree."""
        meta = await self._desk.meta(Progress(ctx))
        for job in (job_a, job_b):
            await finished(self._desk, job)
        own = await self._desk.api.get("/compare", job_a=job_a, job_b=job_b)
        rows = [Compared(**one) for one in own["rows"][:n]]
        found = Comparison(job_a=job_a, job_b=job_b, r=own["r"], n_genes=own["n_genes"], unit=unit(meta), genes=rows)
        cells = [(one.gene, signed(one.mean_a), signed(one.mean_b), number(one.correlation)) for one in rows]
        head = (
            f"Mean changes of {count(found.n_genes, 'gene')} correlate with r = {number(found.r)}. "
            f"Changes in {found.unit}; the last column is the correlation over cells."
        )
        return answer(joined(head, table(("gene", "mean change a", "mean change b", "r over cells"), cells)), found)

    async def transition_summary(
        self,
        ctx: Context[Any],
        job: Job,
        embedding: Annotated[
            Name | None, Field(description="By default umap, else the first that is no tissue.")
        ] = None,
        n_neighbors: Annotated[Whole, Field(ge=3, le=500)] = 150,
        temperature: Annotated[Finite, Field(ge=0.001, le=10)] = 0.05,
    ) -> Annotated[CallToolResult, Transition]:
        """Say in which direction a finished perturbation moves the cells of each type in an embedding such as umap.

        Takes seconds to minutes; reports progress; can be cancelled.
        """
        progress = Progress(ctx)
        meta = await self._desk.meta(progress)
        await finished(self._desk, job)
        chosen = _embedding(meta, embedding)
        settings = {"embedding": chosen, "n_neighbors": n_neighbors, "temperature": temperature}
        facts = await self._desk.job(progress, {"kind": "field", "job": job, **settings})
        found = await summarise(self._desk, meta, job, field_job=facts["id"], embedding=chosen)
        return answer(transition_text(found), found)


def add_perturb_tools(server: MCPServer[Any], desk: Desk) -> None:
    """Register the tools."""
    own = PerturbTools(desk)
    register(server, own.perturb, "Simulate a knock-out or over-expression", COMPUTES)
    register(server, own.top_effects, "Genes that change most", READS)
    register(server, own.compare, "Compare two perturbations", READS)
    register(server, own.transition_summary, "Which way cells go", COMPUTES)


async def _perturbation(
    desk: Desk, meta: dict[str, Any], facts: dict[str, Any], *, targets: list[Target], called: str, n: int
) -> Perturbation:
    job = str(facts["id"])
    own = await desk.api.get(f"/jobs/{part(job)}/result")
    inside = await _top(desk, meta, job, by="all", n=n, scope_only=True, include_targets=False)
    everywhere = await _top(desk, meta, job, by="all", n=n, scope_only=False, include_targets=False)
    return Perturbation(
        job=job,
        targets=targets,
        scope=called,
        n_cells_perturbed=own["n_cells_perturbed"],
        n_cells=meta["n_obs"],
        n_propagation=own["n_propagation"],
        steps=own["steps"],
        genes_changed=own["genes_changed"],
        inside=inside[0].genes if inside else [],
        everywhere=everywhere[0].genes if everywhere else [],
        unit=unit(meta),
        notes=own["notes"],
        seconds=facts["seconds"],
    )


def perturbation_text(found: Perturbation) -> str:
    """Return a perturbation in words."""
    what = " and ".join(f"{one.gene} {dose_text(one.dose)}" for one in found.targets)
    head = (
        f"Simulated {what} in {found.scope}: {found.n_cells_perturbed:,} of {found.n_cells:,} cells perturbed, "
        f"{count(found.n_propagation, 'step')}, {found.seconds:.1f} s. Job {found.job}."
    )
    steps = f"Change in each step (norm): {', '.join(number(one) for one in found.steps)}." if found.steps else ""
    line = f"{count(found.genes_changed, 'gene')} changed, the targets among them; changes in {found.unit}. {steps}"
    partial = found.n_cells_perturbed < found.n_cells
    tables = [f"Largest mean changes in the perturbed cells\n{_changes(found.inside)}"]
    if partial:
        tables.append(f"Largest mean changes over all cells\n{_changes(found.everywhere)}")
    notes = "\n".join(f"Note: {one}" for one in found.notes)
    return joined(head, line, *tables, notes, "A simulation by the fitted models, not a measurement.")


def dose_text(dose: float | str) -> str:
    """Return a dose in words."""
    if dose in (0, "0"):
        return "knocked out (set to 0)"
    return f"set to {dose:g}" if isinstance(dose, float | int) else f"at dose {dose}"


def _changes(genes: list[Change]) -> str:
    if not genes:
        return "No other gene changes."
    rows = [(x.gene, signed(x.mean_delta), number(x.mean_abs_delta), number(x.baseline_mean)) for x in genes]
    return table(_HEAD, rows)


async def _top(
    desk: Desk, meta: dict[str, Any], job: str, *, by: str, n: int, scope_only: bool, include_targets: bool
) -> list[Group]:
    await finished(desk, job)
    columns = [one["name"] for one in meta["obs"] if one["kind"] == "categorical"]
    known = ["all", "ring", "cluster", *(["cell_type"] if meta["cell_type_column"] else []), *columns]
    if by not in known:
        raise ToolError(f"there are no groups by {by!r}; there are: {listing(dict.fromkeys(known))}")
    own = await desk.api.get(
        f"/jobs/{part(job)}/top", by=by, n=n, scope_only=scope_only, include_targets=include_targets
    )
    return [Group(**one) for one in own["groups"]]


async def finished(desk: Desk, job: str) -> None:
    """Refuse a job that is none, or has no result.

    Raises
    ------
    ToolError
        With the jobs that there are.
    """
    try:
        facts = await desk.api.get(f"/jobs/{part(job)}")
    except ApiError as error:
        done = [one["id"] for one in await desk.api.get("/jobs") if one["kind"] == "perturb" and one["state"] == "done"]
        there = f"finished ones: {listing(done)}" if done else "none is finished: call perturb first"
        raise ToolError(f"there is no perturbation {job!r}; {there}") from error
    if facts["kind"] != "perturb":
        raise ToolError(f"{job!r} is a {facts['kind']} job: give the id that perturb has returned")
    if facts["state"] != "done":
        raise ToolError(f"the perturbation {job!r} is {facts['state']}: it has no result; call perturb again")


def _embedding(meta: dict[str, Any], wanted: str | None) -> str:
    known = [str(one["name"]) for one in meta["embeddings"]]
    if wanted is not None:
        if wanted not in known:
            raise ToolError(f"there is no embedding {wanted!r}; there are: {listing(known)}")
        return wanted
    others = [name for name in known if name != "spatial"]
    if not others:
        raise ToolError(
            "the data have positions in the tissue only, and no embedding of expression such as umap: "
            "`spacetravlr prepare` makes one; or ask for embedding='spatial'"
        )
    return "umap" if "umap" in others else others[0]
