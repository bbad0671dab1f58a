"""All edge types in one table: a network file that is there already."""

from __future__ import annotations

import pandas as pd

from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._pairs import present
from spacetravlr.networks._relations import relations
from spacetravlr.prior import EDGE_TYPES


def read_network_table(file: TableFile, context: Context) -> pd.DataFrame:
    """Read source, target, edge_type, weight, and signaling if there is such a column."""
    names: list[str] = [
        name for name in ("source", "target", "edge_type", "weight", "signaling") if name in file.columns
    ]
    table = file.frame(names)
    context.ledger.rows = len(table)
    table = context.keep(table, table["edge_type"].isin(EDGE_TYPES), "the edge type is unknown")
    return relations(
        table["source"],
        table["target"],
        table["edge_type"].astype(object),
        weight=context.numbers(table["weight"].astype(object)) if "weight" in names else None,
        signaling=present(table["signaling"]) if "signaling" in names else None,
    )
