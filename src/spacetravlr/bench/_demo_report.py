"""The demo's report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spacetravlr.bench import _demo_words as words
from spacetravlr.bench._demo_scores import KnockOut
from spacetravlr.bench._pictures import knock_out_picture, tissue_picture
from spacetravlr.report.page import fill_in

if TYPE_CHECKING:
    from anndata import AnnData


def report_html(
    numbers: Mapping[str, Any],
    adata: AnnData,
    knock_outs: Sequence[KnockOut],
    *,
    files: Sequence[tuple[str, str]],
    steps: Sequence[str],
) -> str:
    """Return the report.

    Parameters
    ----------
    numbers
        What `demo.json` holds.
    adata, knock_outs
        What is drawn.
    files, steps
        The files of the demo with their meaning, and commands to go on with.
    """
    return fill_in(
        "demo.html.j2",
        package="spacetravlr.bench",
        tissue=numbers["tissue"],
        training=numbers["training"],
        version=numbers["versions"]["spacetravlr-py"],
        edges=words.edge_table(numbers["edges"]),
        knock_outs=words.knock_out_table(numbers["knock_outs"]),
        weak=words.weak_points(numbers),
        files=files,
        next=steps,
        pictures={
            "tissue": tissue_picture(adata),
            "knock_outs": [
                {
                    "gene": one.gene,
                    "role": one.role,
                    "shown": one.shown,
                    "picture": knock_out_picture(adata, one),
                }
                for one in knock_outs
            ],
        },
    )
