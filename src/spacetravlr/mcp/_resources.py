"""What an assistant can read: a summary of the run, and tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from pydantic import BaseModel

from spacetravlr.mcp._api import part
from spacetravlr.mcp._data_tools import dataset, dataset_text, status, status_text
from spacetravlr.mcp._desk import Desk
from spacetravlr.mcp._gene_tools import all_coefficients, gene_scores
from spacetravlr.mcp._models import Coefficient, Score
from spacetravlr.mcp._perturb_tools import finished
from spacetravlr.mcp._progress import Progress
from spacetravlr.mcp._text import joined
from spacetravlr.mcp.guide import guide

CSV, FEATHER, MARKDOWN = "text/csv", "application/vnd.apache.arrow.file", "text/markdown"
LONGEST_TABLE = 64 << 20


def add_resources(server: MCPServer[Any], desk: Desk) -> None:
    """Register the resources."""

    @server.resource("spacetravlr://run/summary", title="The open data and run", mime_type=MARKDOWN)
    async def run_summary() -> str:
        """Cells, genes, cell types, units, and how far the run is."""
        try:
            meta = await desk.meta(Progress())
            return joined(dataset_text(dataset(meta)), status_text(await status(desk, meta)))
        except ToolError as error:
            raise ResourceError(str(error)) from error

    @server.resource("spacetravlr://guide", title="How to work with these tools", mime_type=MARKDOWN)
    def written_guide() -> str:
        """Return the guide that `spacetravlr skill` prints."""
        return guide()

    @server.resource("spacetravlr://genes/{gene}/coefficients.csv", title="Coefficients of a gene", mime_type=CSV)
    async def coefficients_csv(gene: str) -> str:
        """Every coefficient of a gene: modulator, kind, row (cluster), value, stability."""
        return as_csv(Coefficient, await _coefficients(desk, gene))

    @server.resource("spacetravlr://genes/{gene}/coefficients.feather", title="The same", mime_type=FEATHER)
    async def coefficients_feather(gene: str) -> bytes:
        """Every coefficient of a gene, as Feather (Arrow)."""
        return as_feather(Coefficient, await _coefficients(desk, gene))

    @server.resource("spacetravlr://genes/{gene}/scores.csv", title="Scores of a gene", mime_type=CSV)
    async def scores_csv(gene: str) -> str:
        """How well a gene is fitted in each cluster."""
        try:
            await desk.meta(Progress())
            return as_csv(Score, await gene_scores(desk, gene))
        except ToolError as error:
            raise ResourceError(str(error)) from error

    @server.resource("spacetravlr://jobs/{job}/changes.csv", title="Changes of a perturbation", mime_type=CSV)
    async def changes_csv(job: str) -> str:
        """Mean change and effect size of every gene in every cell type."""
        return (await _export(desk, job, "csv")).decode("utf-8")

    @server.resource("spacetravlr://jobs/{job}/expression.feather", title="Simulated expression", mime_type=FEATHER)
    async def expression_feather(job: str) -> bytes:
        """Expression of every cell after a perturbation."""
        return await _export(desk, job, "feather")


async def _coefficients(desk: Desk, gene: str) -> list[Coefficient]:
    try:
        return await all_coefficients(desk, await desk.meta(Progress()), gene)
    except ToolError as error:
        raise ResourceError(str(error)) from error


async def _export(desk: Desk, job: str, form: str) -> bytes:
    try:
        await desk.ready(Progress())
        await finished(desk, job)
        found = await desk.api.content(f"/jobs/{part(job)}/export", form=form)
    except ToolError as error:
        raise ResourceError(str(error)) from error
    if len(found.body) > LONGEST_TABLE:
        raise ResourceError(
            f"the table has {len(found.body) >> 20} MB, more than fits into a conversation; save it from the viewer"
        )
    return found.body


def as_csv(kind: type[BaseModel], rows: Sequence[BaseModel]) -> str:
    """Return rows as CSV, with a head; what is not known stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(kind.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.model_dump() for one in rows)
    return text.getvalue()


def as_feather(kind: type[BaseModel], rows: Sequence[BaseModel]) -> bytes:
    """Return rows as an Arrow file."""
    import pandas as pd

    made = io.BytesIO()
    pd.DataFrame([one.model_dump() for one in rows], columns=list(kind.model_fields)).to_feather(made)
    return made.getvalue()
