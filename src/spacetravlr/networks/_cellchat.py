"""Ligand -> receptor as CellChat keeps it."""

from __future__ import annotations

import pandas as pd

from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._pairs import present
from spacetravlr.networks._relations import at_underscores, joined, relations


def read_cellchat(file: TableFile, context: Context) -> pd.DataFrame:
    """Read CellChat's table of interactions (`interaction_input`), or its short form in the README project.

    A complex is resolved by CellChat's own table of complexes if that is among the files; else by the columns
    `ligand.symbol` and `receptor.symbol` of its second version; else its name is split at `_`, which a note tells. The
    column `annotation` (or `signaling`) says how a ligand reaches its receptor.
    """
    table = file.frame()
    context.ledger.rows = len(table)
    ends = [_end(table, end, context) for end in ("ligand", "receptor")]
    signaling = context.find(table.columns, ("annotation", "signaling"))
    return relations(ends[0], ends[1], "lr", signaling=None if signaling is None else present(table[signaling]))


def _end(table: pd.DataFrame, end: str, context: Context) -> list[str | None]:
    name_column = context.pick(table.columns, (end,), f"{end}s")
    symbol_column = context.find(table.columns, (f"{end}.symbol", f"{end}_symbol"))
    symbols = table[symbol_column] if symbol_column else [None] * len(table)
    found: list[str | None] = []
    split = 0
    for name, symbol in zip(table[name_column], symbols, strict=True):
        if not isinstance(name, str):
            found.append(None)
        elif name in context.companions.complexes:
            found.append(context.companions.complexes[name])
        elif isinstance(symbol, str) and symbol.strip():
            found.append(joined(part for part in symbol.replace(",", " ").split() if part))
        else:
            split += "_" in name
            found.append(at_underscores(name))
    if split:
        context.ledger.notes.append(
            f"{split} {end} complexes were split at _ in their name; list complex_input_CellChatDB among the files "
            "for the subunits CellChat means"
        )
    return found
