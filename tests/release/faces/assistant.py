"""Extra mcp: a client starts the server as a program of its own, and has it simulate a knock-out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.client.stdio import StdioServerParameters

from mcp import Client


async def data(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert answer.structured_content
    return answer.structured_content


async def main() -> None:
    program = StdioServerParameters(
        command=str(Path(sys.executable).parent / "spacetravlr-mcp"),
        args=["--run-toml", "trained"],
        env=dict(os.environ),
    )
    async with Client(program) as client:
        assert (await data(client, "describe_dataset"))["n_cells"] == 300
        gene = (await data(client, "list_genes", only_with_model=True, limit=1))["genes"][0]["name"]
        tf = (await data(client, "modulators_of_gene", gene=gene, kind="tf"))["modulators"][0]["name"]
        answer = await data(client, "perturb", targets=[{"gene": tf}], scope={"type": "all"})
        assert answer["genes_changed"] > 0
        assert answer["n_cells_perturbed"] == 300


anyio.run(main)
