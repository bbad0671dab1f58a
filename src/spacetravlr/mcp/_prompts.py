"""Beginnings of conversations that a user can choose."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from spacetravlr.mcp._clean import clean


def add_prompts(server: MCPServer[Any]) -> None:
    """Register the prompts."""

    @server.prompt(title="Explain this knock-out")
    def explain_knock_out(
        gene: Annotated[str, Field(description="Gene to knock out.")],
        cell_type: Annotated[str, Field(description="In which cell type; empty for all cells.")] = "",
    ) -> str:
        """Simulate a knock-out and explain what follows, step by step, with how far it can be believed."""
        gene, where = clean(gene), clean(cell_type)
        scope = f'{{"type": "cell_type", "names": ["{where}"]}}' if where else '{"type": "all"}'
        place = f"in the cells of type `{where}`" if where else "in all cells"
        return (
            f"Explain what happens when the gene `{gene}` is knocked out {place}.\n"
            "1. describe_dataset, to see what is open.\n"
            f'2. perturb with targets [{{"gene": "{gene}", "dose": 0}}] and scope {scope}; if the tool says that '
            "something does not exist, ask me instead of choosing another scope.\n"
            "3. top_effects by cell_type and by ring: which cells change, and how far from the perturbed ones.\n"
            "4. For the genes that change most, modulators_of_gene and scores: through which transcription factor or "
            "ligand does the change come, and is the gene fitted well enough on held-out cells to believe it?\n"
            "5. spatial_viewer_control with the job id, to show me the change in the tissue.\n"
            "Give numbers with their units, say which changes are direct and which come through ligands of "
            "neighbours, and say plainly that this is a simulation by fitted models."
        )

    @server.prompt(title="Which ligands drive a gene here")
    def ligands_of_gene(
        gene: Annotated[str, Field(description="Gene whose regulation is asked for.")],
        cluster: Annotated[str, Field(description="Cluster or cell type; empty for all.")] = "",
    ) -> str:
        """Find the ligands from neighbouring cells on which a gene depends."""
        gene, where = clean(gene), clean(cluster)
        place = f" in `{where}`" if where else ""
        row = f' and row "{where}"' if where else ""
        return (
            f"Which ligands, received from neighbouring cells, drive the gene `{gene}`{place}?\n"
            f'1. modulators_of_gene with gene "{gene}", once with kind "ligand-receptor" and once with "ligand-tf".\n'
            f'2. coefficients with gene "{gene}"{row}: sign and size in each cluster.\n'
            f'3. scores of "{gene}": compare r2_out with r2_tf_only; if they are alike, or r2_out is near 0, or '
            "p_space is large, the ligands explain nothing and you should say so.\n"
            "4. spatial_viewer_control with received_ligand for the strongest one, so that I see where it arrives.\n"
            "Say which ones are stable over bootstraps (stability near 1) and which cannot be told apart."
        )
