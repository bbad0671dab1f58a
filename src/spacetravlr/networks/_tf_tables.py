"""TF -> target as rows of a table: CollecTRI, DoRothEA, GRNBoost adjacencies, or your own."""

from __future__ import annotations

import pandas as pd

from spacetravlr.networks._context import Context
from spacetravlr.networks._files import TableFile
from spacetravlr.networks._relations import at_underscores, relations

# a table that has a column tf may name its databases in a column source
TFS = ("tf", "regulator", "transcription_factor", "tf_name", "from", "source_genesymbol", "source")
TARGETS = ("target", "target_gene", "targetgene", "gene", "tg", "to", "target_genesymbol")
_WEIGHTS = ("weight", "importance", "score", "mor", "coef_abs", "coef_mean")
_LEVELS = ("confidence", "dorothea_level")


def read_tf_table(file: TableFile, context: Context) -> pd.DataFrame:
    """Read a table with a column of TFs and one of targets.

    A column `confidence` (DoRothEA's levels A to E) keeps only the levels of `Context.confidence`; a level like `A;D`
    counts as its best. A weight (or importance, or mode of regulation) serves `min_weight` only.
    """
    table = file.frame()
    context.ledger.rows = len(table)
    tf = context.pick(table.columns, TFS, "TFs")
    target = context.pick([name for name in table.columns if name != tf], TARGETS, "targets")
    table = with_confidence(table, context)
    weight = context.find(table.columns, _WEIGHTS)
    sources = table[tf].astype(object)
    # CollecTRI writes the complexes it does not split as OmniPath does
    is_complex = sources.astype(str).str.startswith("COMPLEX:")
    if is_complex.any():
        sources = sources.where(~is_complex, sources.map(at_underscores))
    return relations(sources, table[target], "grn", weight=None if weight is None else context.numbers(table[weight]))


def with_confidence(table: pd.DataFrame, context: Context) -> pd.DataFrame:
    """Keep the rows of the wanted levels, if the table has levels; a row without one stays."""
    column = context.find(table.columns, _LEVELS)
    if column is None:
        return table
    best = table[column].astype(object).map(lambda text: min(str(text).upper().split(";")) if text == text else "")  # noqa: PLR0124
    if not best.isin(["A", "B", "C", "D", "E", ""]).all():
        context.ledger.notes.append(f"column {column} holds no levels A to E, so nothing was left out by it")
        return table
    levels = "".join(context.confidence)
    context.ledger.notes.append(f"rows of confidence {levels} are used")
    return context.keep(table, best.isin([*context.confidence, ""]), f"confidence is none of {levels}")
